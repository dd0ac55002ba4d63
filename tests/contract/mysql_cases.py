"""MySQL and MariaDB databases that hurt, and how the server itself tells what is in one."""

import json
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from backupctl.engines.mariadb import MariadbEngine
from backupctl.engines.mysql import MysqlEngine
from backupctl.process import Session
from tests.parts.mariadb import MariadbServer, literal, quoted

HARD_NAMES = ["plain", 'a "quoted" na`me', "it's; -- name", "naïve größe 数据", "-dash=x", "50%\\n_x", "--help"]

_HERE = Path(__file__).parent
_ENGINES: dict[str, type[MysqlEngine]] = {"mysql": MysqlEngine, "mariadb": MariadbEngine}


def new_name(beginning: str = "db") -> str:
    return f"{beginning}_{uuid.uuid4().hex[:12]}"


def fill_with_everything(server: MariadbServer, name: str) -> None:
    """A schema that hurts, in a database whose character set is none of the usual."""
    server.sql(f"CREATE DATABASE {quoted(name)} CHARACTER SET latin1 COLLATE latin1_german2_ci")
    for script in ("mysql_hard.sql", f"mysql_{server.flavour}_hard.sql"):
        server.sql((_HERE / script).read_text(), name)
    # Made under another collation: the dump alters its database around them.
    server.sql(f"ALTER DATABASE {quoted(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")


def engine_for(server: MariadbServer, session: Session, name: str, **options: Any) -> MysqlEngine:
    given: dict[str, Any] = {
        "type": server.flavour,
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": SecretStr(server.password),
        "name": name,
        "bin_dir": server.bin_dir,
    }
    kind = _ENGINES[server.flavour]
    return kind.build(kind.Options(**(given | options)), session)


@dataclass(frozen=True)
class Told:
    """Everything in a database, as the database itself tells it."""

    itself: str
    objects: dict[str, str]
    rows: dict[str, str]


_KINDS = {
    "BASE TABLE": "TABLE",
    "SYSTEM VERSIONED": "TABLE",
    "VIEW": "VIEW",
    "SEQUENCE": "SEQUENCE",
}
# When a trigger was made. And MySQL tells a column's character set only where the statement that made it did.
_VOLATILE = re.compile(r"\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d$|CHARACTER SET \w+ (?=COLLATE)")


def tell(server: MariadbServer, name: str, *, rows_only: bool = False) -> Told:
    schema = literal(name)

    def asked(query: str) -> list[Any]:
        return [json.loads(line) for line in server.sql(query, name).splitlines()]

    tables = asked(
        f"SELECT JSON_ARRAY(table_name, table_type) FROM information_schema.tables WHERE table_schema = {schema}"
    )
    objects = [] if rows_only else [(_KINDS[kind], table) for table, kind in tables]
    if not rows_only:
        for catalogue, kind in (("routine", "routine_type"), ("trigger", "'TRIGGER'"), ("event", "'EVENT'")):
            objects += asked(
                f"SELECT JSON_ARRAY({kind}, {catalogue}_name) FROM information_schema.{catalogue}s"
                f" WHERE {catalogue}_schema = {schema}"
            )
    data = sorted(table for table, kind in tables if kind != "VIEW")
    return Told(
        itself=server.sql(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
            f" WHERE schema_name = {schema}"
        ),
        objects={f"{kind} {one}": _shown(server, name, kind, one) for kind, one in sorted(map(tuple, objects))},
        rows={table: _rows(server, name, table) for table in data},
    )


def _shown(server: MariadbServer, name: str, kind: str, one: str) -> str:
    text = server.sql(f"SHOW CREATE {kind} {quoted(one)}", name)
    # MariaDB tells columns of some views with the name of the database.
    return _VOLATILE.sub("", text).replace(f"{quoted(name)}.", "")


def _rows(server: MariadbServer, name: str, table: str) -> str:
    """Every row with every byte, in an order that the rows themselves give."""
    columns = server.sql(f"SHOW COLUMNS FROM {quoted(table)}", name)
    wanted = ", ".join(f"HEX({quoted(line.partition(chr(9))[0])})" for line in columns.splitlines())
    text = server.sql(f"SELECT {wanted} FROM {quoted(table)}", name)
    return "\n".join(sorted(text.splitlines()))
