"""PostgreSQL databases that hurt, and how the server itself tells what is in one."""

import contextlib
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from backupctl.engines.postgres import PostgresEngine, PostgresOptions
from backupctl.process import Session
from tests.parts.postgres import PostgresServer

HARD_NAMES = ["plain", 'a "quoted" name', "it's=host=nowhere", "naïve größe 数据", "postgres://x/y", "50%\\n "]

HARD_ROLES = ["app owner", 'app "reader"', "größe"]

_HARD_SCHEMA = (Path(__file__).parent / "postgres_hard.sql").read_text()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def new_name(beginning: str = "db") -> str:
    return f"{beginning}_{uuid.uuid4().hex[:12]}"


def make_hard_roles(server: PostgresServer) -> None:
    there = server.sql("SELECT rolname FROM pg_roles").splitlines()
    for role in HARD_ROLES:
        if role not in there:
            server.sql(f"CREATE ROLE {quoted(role)} NOLOGIN")


def fill_with_everything(server: PostgresServer, name: str) -> None:
    """A schema that hurts, and settings, grants and a comment of the database itself."""
    make_hard_roles(server)
    server.create_database(name)
    server.sql(_HARD_SCHEMA, name)
    database = quoted(name)
    server.sql(
        f"""ALTER DATABASE {database} SET search_path TO "$user", public, "Ünïcode schema", '';
        ALTER DATABASE {database} SET work_mem TO '7MB';
        ALTER DATABASE {database} SET "my.setting" TO 'it''s = "so"; \\ yes';
        ALTER ROLE "app owner" IN DATABASE {database} SET statement_timeout TO '1h';
        ALTER DATABASE {database} OWNER TO "app owner";
        REVOKE CONNECT ON DATABASE {database} FROM PUBLIC;
        GRANT CONNECT, TEMPORARY ON DATABASE {database} TO "größe" WITH GRANT OPTION;
        ALTER DATABASE {database} CONNECTION LIMIT 17;
        COMMENT ON DATABASE {database} IS 'it''s the database; ü'"""
    )


def children() -> list[Path]:
    """The folders in /proc of the processes that this one started.

    Not by /proc/self/task/*/children: it leaves some out while others end.
    """
    found: list[Path] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            found += [process] if int(parent) == os.getpid() else []
    return found


def told_to_children() -> bytes:
    """The arguments and environments of the processes that this one started."""
    told = b""
    for child in children():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            told += (child / "cmdline").read_bytes() + (child / "environ").read_bytes()
    return told


def engine_for(server: PostgresServer, session: Session, name: str, **options: Any) -> PostgresEngine:
    given: dict[str, Any] = {
        "type": "postgres",
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": SecretStr(server.password),
        "name": name,
        "bin_dir": server.bin_dir,
    }
    return PostgresEngine.build(PostgresOptions(**(given | options)), session)


@dataclass(frozen=True)
class Told:
    """Everything in a database, as the database itself tells it."""

    schema: str
    rows: list[str]
    sequences: list[str]
    large_objects: str
    itself: str


_TABLES = r"""SELECT format('SELECT concat(%L, count(*), md5(string_agg(md5(t::text), '','' ORDER BY t::text)))
  FROM ONLY %s t', c.oid::regclass || ': ', c.oid::regclass)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm') AND relispopulated AND nspname !~ '^pg_' AND nspname <> 'information_schema'
ORDER BY c.oid::regclass::text COLLATE "C" """

_SEQUENCES = r"""SELECT format('SELECT %L || last_value || is_called FROM %s', oid::regclass || ': ', oid::regclass)
FROM pg_class WHERE relkind = 'S' ORDER BY oid::regclass::text COLLATE "C" """

_LARGE_OBJECTS = """SELECT string_agg(concat(oid, md5(lo_get(oid)), lomowner::regrole, lomacl), ',' ORDER BY oid)
FROM pg_largeobject_metadata"""

_ITSELF = """SELECT concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype,
  to_jsonb(d) ->> 'datlocprovider', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
  pg_get_userbyid(datdba), datconnlimit, shobj_description(d.oid, 'pg_database'),
  (SELECT string_agg(acl::text, ' ' ORDER BY acl::text) FROM unnest(datacl) acl),
  (SELECT string_agg(concat(setrole::regrole, ' ', setting), ' ' ORDER BY setrole, setting)
   FROM pg_db_role_setting s, unnest(setconfig) setting WHERE s.setdatabase = d.oid))
FROM pg_database d WHERE datname = current_database()"""


def tell(server: PostgresServer, name: str) -> Told:
    def each(query: str) -> list[str]:
        statements = server.sql("SET search_path = pg_catalog; " + query, name)
        return server.sql(statements.replace("\nSELECT", ";\nSELECT"), name).splitlines() if statements else []

    return Told(
        schema=schema_of(server, name),
        rows=each(_TABLES),
        sequences=each(_SEQUENCES),
        large_objects=server.sql(_LARGE_OBJECTS, name),
        itself=server.sql(_ITSELF, name),
    )


def schema_of(server: PostgresServer, name: str, *arguments: str) -> str:
    """What `pg_dump --schema-only` writes, without the word that is new in every dump."""
    argv = [str(server.bin_dir / "pg_dump"), "--schema-only", "-h", str(server.socket_dir), "-p", str(server.port)]
    env = {"PGPASSWORD": server.password, "PGDATABASE": name, "LC_ALL": "C.UTF-8"}
    done = subprocess.run([*argv, "-U", server.user, *arguments], env=env, capture_output=True, check=True)
    lines = done.stdout.decode(errors="backslashreplace").splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))
