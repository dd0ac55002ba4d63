"""What is counted in a dump is what the database itself tells of its tables."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backupctl.engines.base import Engine, Findings
from backupctl.engines.postgres import PostgresOptions
from backupctl.engines.sqlite import SqliteEngine, SqliteOptions
from backupctl.model import DUMP_ROLE
from backupctl.process import Session
from tests.contract import mysql_cases, postgres_cases
from tests.contract.engine_members import read_all
from tests.parts.mariadb import MariadbServer, literal, quoted
from tests.parts.postgres import PostgresServer

_POSTGRES_TABLES = """SELECT json_build_array(nspname, relname, format('%I.%I', nspname, relname))
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'"""
_MYSQL_TABLES = """SELECT JSON_ARRAY(table_name) FROM information_schema.tables
WHERE table_schema = {name} AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def found_in(engine: Engine) -> Findings:
    part = next(part for part in engine.preflight().parts if part.role == DUMP_ROLE)
    with closing(part.open()) as reader:
        read_all(reader)
    return part.findings()


def shown(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(letter in '."\n' for letter in name) else name


def postgres_rows(server: PostgresServer, database: str) -> dict[str, int]:
    tables = [json.loads(line) for line in server.sql(_POSTGRES_TABLES, database).splitlines()]
    counts = server.sql("; ".join(f"SELECT count(*) FROM ONLY {table}" for *_, table in tables), database)
    return {
        f"{shown(schema)}.{shown(table)}": int(rows)
        for (schema, table, _), rows in zip(tables, counts.splitlines(), strict=True)
    }


def mysql_rows(server: MariadbServer, database: str) -> dict[str, int]:
    answer = server.sql(_MYSQL_TABLES.format(name=literal(database)))
    tables = [json.loads(line)[0] for line in answer.splitlines()]
    counts = server.sql("; ".join(f"SELECT COUNT(*) FROM {quoted(table)}" for table in tables), database)
    return {table: int(rows) for table, rows in zip(tables, counts.splitlines(), strict=True)}


def test_the_rows_of_every_postgres_table_are_counted(postgres: PostgresServer, session: Session) -> None:
    name = postgres_cases.new_name()
    postgres_cases.fill_with_everything(postgres, name)
    postgres.sql('CREATE TABLE "dot.and\nCOPY public.x (y) FROM stdin;\n" AS SELECT 1 AS "y) FROM stdin;"', name)
    found = found_in(postgres_cases.engine_for(postgres, session, name))
    assert found.tables == postgres_rows(postgres, name)
    assert found.unit == "rows"


@pytest.mark.parametrize("options", [{"count_rows": "off"}, {"format": "custom"}, {"extra_args": ("--inserts",)}])
def test_some_postgres_dumps_are_not_counted(
    postgres_server: Callable[[int], PostgresServer], session: Session, options: dict[str, object]
) -> None:
    server = postgres_server(17)
    name = postgres_cases.new_name()
    server.create_database(name)
    server.sql("CREATE TABLE t AS SELECT 1 AS x", name)
    assert found_in(postgres_cases.engine_for(server, session, name, **options)) == Findings()


@pytest.fixture(params=["mariadb_server", "mysql_server"])
def server(request: pytest.FixtureRequest) -> MariadbServer:
    made: MariadbServer = request.getfixturevalue(request.param)
    return made


def test_the_tables_of_mysql_are_counted_in_bytes_or_in_rows(server: MariadbServer, session: Session) -> None:
    name = mysql_cases.new_name()
    mysql_cases.fill_with_everything(server, name)
    rows = mysql_rows(server, name)
    exact = found_in(mysql_cases.engine_for(server, session, name, count_rows="exact"))
    assert (exact.tables, exact.unit) == (rows, "rows")
    measured = found_in(mysql_cases.engine_for(server, session, name))
    assert measured.unit == "bytes"
    assert measured.tables is not None
    assert {table: number > 0 for table, number in measured.tables.items()} == {t: n > 0 for t, n in rows.items()}
    assert found_in(mysql_cases.engine_for(server, session, name, count_rows="off")) == Findings()


@pytest.mark.parametrize("argument", ["--skip-extended-insert", "--complete-insert", "--skip-disable-keys"])
def test_other_ways_to_write_inserts_are_counted_too(server: MariadbServer, session: Session, argument: str) -> None:
    name = mysql_cases.new_name()
    server.create_database(name)
    server.sql(
        "CREATE TABLE t (`a` int, `b ('` text); CREATE TABLE u LIKE t;"
        "INSERT INTO t VALUES (1, '),('), (2, NULL), (3, 'it\\'s\\n\\\\'); INSERT INTO u SELECT * FROM t",
        name,
    )
    exact = found_in(mysql_cases.engine_for(server, session, name, count_rows="exact", extra_args=(argument,)))
    assert exact.tables == {"t": 3, "u": 3}


def test_arguments_for_the_dump_tool_leave_a_mark_that_does_not_tell_them() -> None:
    options = PostgresOptions(type="postgres", name="x", extra_args=("--exclude-table=secret",))
    assert list(options.marks) == ["extra_args_sha256"]
    assert "secret" not in str(options.marks)
    assert not PostgresOptions(type="postgres", name="x").marks


def test_sqlite_is_not_counted_where_that_is_off(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE t AS SELECT 1 AS x")
    assert found_in(SqliteEngine.build(SqliteOptions(path=path), session)) == Findings(tables={"t": 1}, unit="rows")
    assert found_in(SqliteEngine.build(SqliteOptions(path=path, count_rows="off"), session)) == Findings()
