"""What a PostgreSQL dump finds out first, and what becomes of it when something goes wrong."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backupctl.engines.base import Preflight
from backupctl.engines.postgres import PostgresEngine
from backupctl.engines.postgres.clients import Clients
from backupctl.errors import EngineError, IntegrityError, ToolMissingError
from backupctl.process import Session
from backupctl.redact import Redactor
from backupctl.stream import Reader
from tests.contract.engine_members import keep
from tests.contract.postgres_cases import children, engine_for, new_name, quoted, told_to_children
from tests.parts.postgres import PostgresServer

Servers = Callable[[int], PostgresServer]


@pytest.fixture(params=[15, 18])
def server(request: pytest.FixtureRequest, postgres_server: Servers) -> PostgresServer:
    return postgres_server(request.param)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Session(scratch)


@pytest.fixture
def filled(server: PostgresServer) -> str:
    name = new_name()
    server.create_database(name)
    fill(server, name)
    return name


def fill(server: PostgresServer, name: str, rows: int = 50000) -> None:
    server.sql(f"CREATE TABLE t AS SELECT n, repeat(md5(n::text), 10) AS m FROM generate_series(1, {rows}) n", name)


@contextmanager
def login(server: PostgresServer, database: str) -> Iterator[dict[str, Any]]:
    """The options of a role that may log in and nothing else, which is gone afterwards."""
    name = new_name("re\"ader's ")
    server.sql(f"CREATE ROLE {quoted(name)} LOGIN PASSWORD 'pw'")
    try:
        yield {"user": name, "password": SecretStr("pw")}
    finally:
        server.sql(f"DROP OWNED BY {quoted(name)}", database)
        server.sql(f"DROP ROLE {quoted(name)}")


def read_all(reader: Reader) -> bytes:
    return b"".join(iter(lambda: reader.read(1 << 20), b""))


def dump(preflight: Preflight, part: int = 0) -> bytes:
    with closing(preflight.parts[part].open()) as reader:
        return read_all(reader)


def tool(folder: Path, name: str, script: str) -> Path:
    """A folder with one executable of our own in it."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    return folder


def wrapper(server: PostgresServer, folder: Path, rest: str) -> Path:
    """A pg_dump that tells the real one's version, and does something else with its output."""
    real = server.bin_dir / "pg_dump"
    return tool(folder, "pg_dump", f'[ "$1" = --version ] && exec {real} --version\n{real} "$@" | {rest}\n')


def test_preflight_says_server_client_and_size(server: PostgresServer, session: Session, filled: str) -> None:
    preflight = engine_for(server, session, filled).preflight()
    size = len(dump(preflight))
    assert preflight.server_version.startswith(f"{server.version}.")
    assert preflight.client.startswith(f"pg_dump {server.version}.")
    assert preflight.parts[0].size_estimate is not None
    assert size / 3 < preflight.parts[0].size_estimate < size * 3
    assert preflight.warnings == ()


def test_the_lowest_client_that_is_not_older_than_the_server_is_chosen(
    session: Session, postgres_server: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [str(postgres_server(version).bin_dir) for version in (18, 15, 17, 16)]
    monkeypatch.setenv("PATH", os.pathsep.join([*folders, os.environ["PATH"]]))
    clients = Clients(session, None)
    assert [clients.not_older("pg_dump", major, than="it").major for major in (15, 16, 17, 18)] == [15, 16, 17, 18]
    assert clients.any("psql").major >= 18
    preferred = Clients(session, postgres_server(17).bin_dir)
    assert [preferred.not_older("pg_dump", major, than="it").major for major in (15, 16, 17, 18)] == [17, 17, 17, 18]


def test_a_client_older_than_the_server_is_refused_with_what_there_is(
    postgres_server: Servers, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, older = postgres_server(18), postgres_server(15)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    engine = engine_for(server, session, "postgres", bin_dir=older.bin_dir)
    if any(client.major >= 18 for client in Clients(session, None).of("pg_dump")):
        pytest.skip("this machine has a client of PostgreSQL 18 installed")
    with pytest.raises(ToolMissingError) as caught:
        engine.preflight()
    assert "new enough for the server's PostgreSQL 18." in caught.value.message
    assert f"pg_dump 15.{older.sql('SHOW server_version').split('.')[1]} in {older.bin_dir}" in caught.value.message
    assert "postgresql-client-18" in str(caught.value.hint)


def test_a_missing_client_is_named(session: Session) -> None:
    with pytest.raises(ToolMissingError, match="pg_nosuch is not installed") as caught:
        Clients(session, None).any("pg_nosuch")
    assert "postgresql-client" in str(caught.value.hint)


def test_a_broken_client_is_passed_over(server: PostgresServer, session: Session, tmp_path: Path) -> None:
    folder = tool(tmp_path / "bin", "pg_dump", "echo segfault >&2; exit 1")
    found = Clients(session, folder).of("pg_dump")
    assert all(client.program.parent != folder for client in found)


@pytest.mark.parametrize("style", ["plain", "custom"])
def test_a_tool_that_dies_half_way_is_an_error_and_no_end(
    server: PostgresServer, session: Session, filled: str, tmp_path: Path, style: str
) -> None:
    folder = wrapper(server, tmp_path / "bin", "head -c 2000000; kill -9 $$")
    reader = engine_for(server, session, filled, bin_dir=folder, format=style).preflight().parts[0].open()
    with closing(reader), pytest.raises(EngineError, match="pg_dump was killed by SIGKILL"):
        read_all(reader)


def test_a_dump_without_its_last_line_is_an_error_although_the_tool_says_it_is_well(
    server: PostgresServer, session: Session, filled: str, tmp_path: Path
) -> None:
    folder = wrapper(server, tmp_path / "bin", "head -c 2000000")
    reader = engine_for(server, session, filled, bin_dir=folder).preflight().parts[0].open()
    with closing(reader), pytest.raises(IntegrityError, match="cut off"):
        read_all(reader)


@pytest.mark.parametrize("style", ["plain", "custom"])
def test_a_server_that_is_killed_during_the_dump_is_a_transient_error(
    new_postgres_server: Servers, session: Session, style: str
) -> None:
    server = new_postgres_server(18)
    fill(server, "postgres", 200_000)
    reader = engine_for(server, session, "postgres", format=style).preflight().parts[0].open()
    with closing(reader):
        assert len(reader.read(100_000)) == 100_000
        server.kill()
        with pytest.raises(EngineError, match="ended the connection") as caught:
            read_all(reader)
    assert caught.value.transient
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        engine_for(server, session, "postgres").preflight()
    assert caught.value.transient


@pytest.mark.parametrize("password", ["wrong", "", None])
def test_a_wrong_password_is_said_and_not_shown(server: PostgresServer, session: Session, password: str | None) -> None:
    secret = SecretStr(password) if password is not None else None
    with pytest.raises(EngineError, match="password") as caught:
        engine_for(server, session, "postgres", password=secret).preflight()
    assert caught.value.hint
    assert "wrong" not in caught.value.message


def test_a_database_that_is_not_there_is_said(server: PostgresServer, session: Session) -> None:
    with pytest.raises(EngineError, match='there is no database "no=such \'one"'):
        engine_for(server, session, "no=such 'one").preflight()


def test_tls_that_the_server_does_not_offer_is_said(server: PostgresServer, session: Session) -> None:
    with pytest.raises(EngineError, match="does not offer TLS"):
        engine_for(server, session, "postgres", tls="require").preflight()
    assert engine_for(server, session, "postgres", tls="off").preflight().server_version


def test_a_local_socket_is_reached_by_its_folder(server: PostgresServer, session: Session) -> None:
    engine = engine_for(server, session, "postgres", host=None, socket=server.socket_dir)
    assert engine.preflight().server_version
    assert engine.target == f"{server.socket_dir}:{server.port}/postgres"


def test_a_table_that_somebody_locks_is_not_waited_for_for_ever(
    server: PostgresServer, session: Session, filled: str
) -> None:
    unlocked = threading.Event()

    def hold() -> None:
        server.sql("BEGIN; LOCK t; SELECT pg_sleep(4)", filled)
        unlocked.set()

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    while server.sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted") == "0":
        assert holder.is_alive()
    preflight = engine_for(server, session, filled, extra_args=["--lock-wait-timeout=200ms"]).preflight()
    with pytest.raises(EngineError, match=r"exclusive lock on public\.t") as caught:
        dump(preflight)
    assert caught.value.transient
    assert not unlocked.is_set()
    holder.join()


def refused(engine: PostgresEngine) -> EngineError:
    with pytest.raises(EngineError) as caught:
        engine.preflight()
    return caught.value


def mend(server: PostgresServer, database: str, error: EngineError) -> None:
    """Run what the hint says, as it stands there."""
    _, _, statements = str(error.hint).partition("run: ")
    assert statements
    server.sql(statements, database)


def test_what_a_user_may_not_read_is_named_with_the_grant_that_mends_it(
    server: PostgresServer, session: Session
) -> None:
    name = new_name()
    server.create_database(name)
    server.sql('CREATE SCHEMA "my schema"; CREATE TABLE "my schema"."o\'t" (x serial); CREATE VIEW v AS SELECT 1', name)
    with login(server, name) as who:
        engine = engine_for(server, session, name, **who)
        error = refused(engine)
        assert '"my schema"."o\'t"' in error.message
        assert 'my schema"."o\'t_x_seq' in error.message
        mend(server, name, error)
        assert b"CREATE TABLE" in dump(engine.preflight())


def test_one_grant_is_enough_for_many_tables(server: PostgresServer, session: Session) -> None:
    name = new_name()
    server.create_database(name)
    server.sql("; ".join(f"CREATE TABLE t{n} (x int)" for n in range(9)), name)
    with login(server, name) as who:
        engine = engine_for(server, session, name, **who)
        error = refused(engine)
        assert "and 4 more" in error.message
        assert "GRANT pg_read_all_data TO" in str(error.hint)
        mend(server, name, error)
        assert dump(engine.preflight())


@pytest.mark.parametrize("count", [2, 40])
def test_large_objects_need_a_grant_of_their_own(server: PostgresServer, session: Session, count: int) -> None:
    name = new_name()
    server.create_database(name)
    server.sql(f"SELECT lo_from_bytea(0, 'x') FROM generate_series(1, {count})", name)
    with login(server, name) as who:
        server.sql(f"GRANT pg_read_all_data TO {quoted(who['user'])}")
        engine = engine_for(server, session, name, **who)
        error = refused(engine)
        assert "large objects" in error.message
        mend(server, name, error)
        assert dump(engine.preflight())


def test_row_level_security_is_found_before_the_dump(server: PostgresServer, session: Session) -> None:
    name = new_name()
    server.create_database(name)
    server.sql("CREATE TABLE guarded (x int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY", name)
    with login(server, name) as who:
        server.sql(f"GRANT pg_read_all_data TO {quoted(who['user'])}")
        engine = engine_for(server, session, name, **who)
        error = refused(engine)
        assert "public.guarded, which row-level security guards" in error.message
        assert "BYPASSRLS" in str(error.hint)
        mend(server, name, error)
        assert dump(engine.preflight())


def test_what_is_left_out_on_purpose_need_not_be_readable_and_is_a_warning(
    server: PostgresServer, session: Session
) -> None:
    name = new_name()
    server.create_database(name)
    server.sql(
        "CREATE TABLE secret (x int); CREATE TABLE public_one (x int); GRANT SELECT ON public_one TO PUBLIC", name
    )
    with login(server, name) as who:
        preflight = engine_for(server, session, name, extra_args=["--exclude-table=secret"], **who).preflight()
        assert "--exclude-table=secret" in preflight.warnings[0]
        text = dump(preflight)
    assert b"public_one" in text
    assert b"secret" not in text


def test_the_rows_of_foreign_tables_are_a_warning(server: PostgresServer, session: Session) -> None:
    name = new_name()
    server.create_database(name)
    server.sql(
        "CREATE EXTENSION file_fdw; CREATE SERVER f FOREIGN DATA WRAPPER file_fdw; "
        "CREATE FOREIGN TABLE away (x text) SERVER f OPTIONS (filename '/etc/hostname')",
        name,
    )
    [warning] = engine_for(server, session, name).preflight().warnings
    assert warning == "the rows of foreign tables are not in the dump: public.away"


def test_globals_are_a_part_of_their_own_with_passwords(server: PostgresServer, session: Session, filled: str) -> None:
    with login(server, filled) as who:
        preflight = engine_for(server, session, filled, globals=True).preflight()
        assert [(part.role, part.suffix) for part in preflight.parts] == [("dump", ".sql"), ("globals", ".globals.sql")]
        text = dump(preflight, 1).decode()
    assert f"CREATE ROLE {quoted(who['user'])};" in text
    assert "SCRAM-SHA-256" in text


def test_globals_without_the_right_to_passwords_are_taken_without_and_that_is_said(
    server: PostgresServer, session: Session, filled: str
) -> None:
    with login(server, filled) as who:
        server.sql(f"GRANT SELECT ON t TO {quoted(who['user'])}", filled)
        preflight = engine_for(server, session, filled, globals=True, **who).preflight()
        text = dump(preflight, 1).decode()
    assert "without the passwords of roles" in preflight.warnings[0]
    assert f"CREATE ROLE {quoted(who['user'])};" in text
    assert "SCRAM-SHA-256" not in text


def test_no_secret_is_in_an_argv_or_an_environment(server: PostgresServer, tmp_path: Path, filled: str) -> None:
    session = Session(tmp_path, redact=Redactor([server.password]))
    engine = engine_for(server, session, filled)
    with closing(engine.preflight().parts[0].open()) as reader:
        reader.read(10)
        told = told_to_children()
    assert b"pg_dump" in told
    assert server.password.encode() not in told
    assert b"PGPASSWORD" not in told


def test_a_dump_that_is_closed_early_leaves_no_process(server: PostgresServer, session: Session, filled: str) -> None:
    before = len(children())
    reader = engine_for(server, session, filled).preflight().parts[0].open()
    reader.read(10)
    assert len(children()) == before + 1
    reader.close()
    assert len(children()) == before


def test_facts_that_the_dump_does_not_carry_are_in_the_manifest(
    server: PostgresServer, session: Session, filled: str
) -> None:
    server.sql(f"ALTER DATABASE {filled} SET work_mem = '7MB'; COMMENT ON DATABASE {filled} IS 'it''s'")
    details = keep(engine_for(server, session, filled)).manifest.details
    assert details["encoding"] == "UTF8"
    assert details["comment"] == "it's"
    assert details["settings"] == [{"role": None, "setting": "work_mem=7MB"}]
    assert details["roles"] == ["postgres"]
