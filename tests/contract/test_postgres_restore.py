"""What a PostgreSQL restore refuses, keeps, makes and leaves behind."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backupctl.cancel import Cancellation
from backupctl.errors import CancelledError, EngineError, IntegrityError, UsageError
from backupctl.process import Session
from backupctl.stream import Reader
from tests.contract.engine_members import Kept, MemoryReader, keep
from tests.contract.postgres_cases import engine_for, fill_with_everything, new_name, quoted, tell, told_to_children
from tests.parts.missing import or_skip
from tests.parts.postgres import PostgresServer

STYLES = ["plain", "custom"]


@pytest.fixture(params=[15, 18])
def server(request: pytest.FixtureRequest, postgres_server: Callable[[int], PostgresServer]) -> PostgresServer:
    return postgres_server(request.param)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


@pytest.fixture
def role(server: PostgresServer) -> Iterator[str]:
    name = new_name("role o'")
    server.sql(f"CREATE ROLE {quoted(name)} LOGIN PASSWORD 'pw' CREATEDB")
    yield name
    for owner in server.sql(f"SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = {literal(name)}").split():
        server.sql(f"DROP DATABASE {quoted(owner)} WITH (FORCE)")
    for database in databases(server):
        server.sql(f"DROP OWNED BY {quoted(name)}", database)
    server.sql(f"DROP ROLE {quoted(name)}")


@pytest.fixture
def small(server: PostgresServer) -> str:
    """A database with a table that has no key, a large object and a few thousand rows."""
    name = new_name()
    server.create_database(name)
    server.sql(
        """CREATE TABLE t AS SELECT n, md5(n::text) AS m FROM generate_series(1, 20000) n;
        SELECT lo_from_bytea(77, 'large')""",
        name,
    )
    return name


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def databases(server: PostgresServer) -> list[str]:
    names = server.sql("SELECT datname FROM pg_database WHERE datallowconn").splitlines()
    return [name for name in names if name != "template1"]


def leftovers(server: PostgresServer) -> list[str]:
    return [name for name in databases(server) if name.startswith("backupctl_")]


def flipped(dump: bytes) -> bytes:
    at = len(dump) - len(dump) // 4
    return dump[:at] + bytes([dump[at] ^ 1]) + dump[at + 1 :]


def cut(dump: bytes) -> bytes:
    return dump[: len(dump) * 2 // 3]


@pytest.mark.parametrize("style", STYLES)
def test_an_empty_database_comes_back_empty(server: PostgresServer, session: Session, style: str) -> None:
    source, target = new_name(), new_name()
    server.create_database(source)
    engine = engine_for(server, session, source, format=style)
    engine.restore(keep(engine).request(target))
    assert tell(server, target) == tell(server, source)


@pytest.mark.parametrize(("version", "style"), [(15, "plain"), (18, "custom")])
def test_a_table_larger_than_any_buffer_comes_back(
    postgres_server: Callable[[int], PostgresServer], session: Session, version: int, style: str
) -> None:
    server = postgres_server(version)
    source, target = new_name(), new_name()
    server.create_database(source)
    server.sql(
        """CREATE TABLE large AS SELECT n,
        repeat(md5(n::text), 30) || E'\\n\\t\\\\.\\n' AS m, decode(md5(n::text), 'hex')
        FROM generate_series(1, 40000) n; INSERT INTO large VALUES (0, repeat('wide 😀;', 1500000), NULL)""",
        source,
    )
    engine = engine_for(server, session, source, format=style)
    kept = keep(engine)
    assert kept.manifest.dump.size > 40 << 20
    engine.restore(kept.request(target, owner=style == "custom"))  # plain: through the filter of statements
    assert tell(server, target).rows == tell(server, source).rows
    for name in (source, target):
        server.sql(f"DROP DATABASE {name}")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_comes_back(server: PostgresServer, session: Session, encoding: str) -> None:
    source, target = new_name(), new_name()
    server.sql(f"CREATE DATABASE {source} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    server.sql("SET client_encoding = 'UTF8'; CREATE TABLE t AS SELECT 'größe'::text AS \"é\"", source)
    engine = engine_for(server, session, source)
    engine.restore(keep(engine).request(target))
    assert server.sql("SELECT md5(t::text) FROM t", target) == server.sql("SELECT md5(t::text) FROM t", source)
    assert tell(server, target).itself == tell(server, source).itself


def test_a_builtin_locale_comes_back(postgres_server: Callable[[int], PostgresServer], session: Session) -> None:
    server = postgres_server(18)
    source, target = new_name(), new_name()
    server.sql(
        f"CREATE DATABASE {source} TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"
    )
    engine = engine_for(server, session, source)
    engine.restore(keep(engine).request(target))
    assert tell(server, target).itself == tell(server, source).itself


@pytest.mark.parametrize("style", STYLES)
def test_a_dump_of_a_newer_client_goes_back_into_its_older_server(
    postgres_server: Callable[[int], PostgresServer], session: Session, style: str
) -> None:
    server, newer = postgres_server(15), postgres_server(18)
    source, target = new_name(), new_name()
    fill_with_everything(server, source)
    engine = engine_for(server, session, source, format=style, bin_dir=newer.bin_dir)
    kept = keep(engine)
    assert kept.manifest.client.startswith("pg_dump 18.")
    engine.restore(kept.request(target))
    assert tell(server, target) == tell(server, source)


@pytest.mark.parametrize("style", STYLES)
def test_a_newer_server_takes_an_older_backup(
    postgres_server: Callable[[int], PostgresServer], session: Session, style: str
) -> None:
    server, newer = postgres_server(15), postgres_server(18)
    source, target = new_name(), new_name()
    fill_with_everything(server, source)
    fill_with_everything(newer, new_name())  # its roles
    kept = keep(engine_for(server, session, source, format=style))
    engine_for(newer, session, "ignored").restore(kept.request(target))
    assert tell(newer, target).rows == tell(server, source).rows


def test_an_older_server_is_warned_of_before_it_starts(
    postgres_server: Callable[[int], PostgresServer], session: Session
) -> None:
    server, newer = postgres_server(15), postgres_server(18)
    source, target, said = new_name(), new_name(), list[str]()
    newer.create_database(source)
    newer.sql("CREATE TABLE t AS SELECT 1 AS x", source)
    kept = keep(engine_for(newer, session, source))
    engine_for(server, session, "ignored").restore(kept.request(target, say=said.append))
    assert said[0].startswith("the backup is of PostgreSQL 18 and the server is 15.")
    assert server.sql("SELECT x FROM t", target) == "1"


@pytest.mark.parametrize("style", STYLES)
def test_a_second_restore_is_refused_and_duplicates_nothing(
    server: PostgresServer, session: Session, small: str, style: str
) -> None:
    engine, target = engine_for(server, session, small, format=style), new_name()
    kept = keep(engine)
    engine.restore(kept.request(target))
    with pytest.raises(UsageError, match="is not empty: 1 tables") as caught:
        engine.restore(kept.request(target))
    assert "--clean" in str(caught.value.hint)
    assert server.sql("SELECT count(*) FROM t", target) == "20000"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("change", [flipped, cut])
def test_an_altered_dump_leaves_nothing(
    server: PostgresServer, session: Session, small: str, style: str, change: Callable[[bytes], bytes]
) -> None:
    engine, target = engine_for(server, session, small, format=style), new_name()
    with pytest.raises((IntegrityError, EngineError)):
        engine.restore(keep(engine).altered(change).request(target))
    assert target not in databases(server)
    assert not leftovers(server)


@pytest.mark.parametrize("style", STYLES)
def test_an_altered_dump_leaves_the_database_that_it_was_to_replace(
    server: PostgresServer, session: Session, small: str, style: str
) -> None:
    engine, target = engine_for(server, session, small, format=style), new_name()
    server.create_database(target)
    server.sql("CREATE TABLE precious AS SELECT 1 AS x", target)
    with pytest.raises((IntegrityError, EngineError)):
        engine.restore(keep(engine).altered(flipped).request(target, clean=True, confirm=lambda _: True))
    assert server.sql("SELECT x FROM precious", target) == "1"
    assert not leftovers(server)


@pytest.mark.parametrize("style", STYLES)
def test_an_altered_dump_leaves_an_empty_database_empty_and_says_so(
    server: PostgresServer, session: Session, small: str, style: str
) -> None:
    engine, target = engine_for(server, session, small, format=style), new_name()
    server.create_database(target)
    before = tell(server, target)
    with pytest.raises((IntegrityError, EngineError), match="is unfinished"):
        engine.restore(keep(engine).altered(flipped).request(target))
    assert tell(server, target) == before


@pytest.mark.parametrize("style", STYLES)
def test_an_empty_database_that_is_there_is_filled(
    server: PostgresServer, session: Session, small: str, style: str
) -> None:
    engine, target = engine_for(server, session, small, format=style), new_name()
    server.create_database(target)
    server.sql(f"ALTER DATABASE {target} SET work_mem = '9MB'")
    engine.restore(keep(engine).request(target))
    assert tell(server, target).rows == tell(server, small).rows
    assert tell(server, target).large_objects == tell(server, small).large_objects
    assert "work_mem=9MB" in tell(server, target).itself


def test_clean_swaps_a_database_that_others_are_connected_to(
    server: PostgresServer, session: Session, small: str
) -> None:
    engine, target, asked = engine_for(server, session, small), new_name(), list[str]()
    server.create_database(target)
    server.sql("CREATE TABLE old AS SELECT 1 AS x", target)
    other = Session(session.scratch / "other")
    other.scratch.mkdir()
    sleeper = engine_for(server, other, target, extra_args=["--lock-wait-timeout=1h"])
    # More than the pipe and the sockets between hold, so that the server is still sending when the names are swapped.
    server.sql("CREATE TABLE padding AS SELECT repeat(md5(n::text), 100) FROM generate_series(1, 15000) n", target)
    reading = sleeper.preflight().parts[0].open()
    reading.read(10)  # pg_dump is connected, and waits for us to read on

    def agree(sentence: str) -> bool:
        asked.append(sentence)
        return True

    engine.restore(keep(engine).request(target, clean=True, confirm=agree))
    with pytest.raises(EngineError, match="ended the connection"), contextlib.closing(reading):
        read_all(reading)
    assert f'"{target}"' in asked[0]
    assert tell(server, target).rows == tell(server, small).rows
    assert not leftovers(server)


def test_a_cancelled_restore_leaves_nothing(server: PostgresServer, tmp_path: Path, small: str) -> None:
    cancel, target = Cancellation(), new_name()
    kept = keep(engine_for(server, Session(tmp_path), small))
    request = replace(kept.request(target), open=lambda role: Watching(kept.open(role), cancel.request))
    with pytest.raises(CancelledError):
        engine_for(server, Session(tmp_path, cancel), small).restore(request)
    assert target not in databases(server)
    assert not leftovers(server)


class Watching:
    """A dump that calls `seen` each time that somebody reads of it."""

    def __init__(self, source: Reader, seen: Callable[[], object]) -> None:
        self._source = source
        self._seen = seen

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(1 << 16)
        self._seen()
        return chunk

    def close(self) -> None:
        self._source.close()


def read_all(reader: Reader) -> None:
    while reader.read(1 << 20):
        pass


def keep_with_role(server: PostgresServer, session: Session, small: str, role: str, **options: Any) -> Kept:
    server.sql(
        f"ALTER TABLE t OWNER TO {quoted(role)}; CREATE TABLE u (x int); GRANT SELECT ON u TO {quoted(role)}", small
    )
    return keep(engine_for(server, session, small, **options))


@pytest.fixture(scope="module")
def strangers() -> Iterator[Callable[[int], PostgresServer]]:
    """Servers that know no role but their superuser."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def start(version: int) -> PostgresServer:
            server = or_skip(lambda: PostgresServer(version))
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def elsewhere(strangers: Callable[[int], PostgresServer], server: PostgresServer) -> PostgresServer:
    """A server of the same version, without the roles of the first."""
    return strangers(server.version)


@pytest.mark.parametrize("style", STYLES)
def test_roles_that_are_missing_are_named_before_anything_is_touched_and_can_be_made(
    server: PostgresServer, elsewhere: PostgresServer, session: Session, small: str, role: str, style: str
) -> None:
    kept = keep_with_role(server, session, small, role, format=style, globals=True)
    target, before = new_name(), databases(elsewhere)
    engine = engine_for(elsewhere, session, "ignored")
    with pytest.raises(EngineError) as caught:
        engine.restore(kept.request(target))
    assert role in caught.value.message
    assert "--create-roles" in str(caught.value.hint)
    assert databases(elsewhere) == before
    engine.restore(kept.request(target, create_roles=True))
    assert tell(elsewhere, target) == tell(server, small)
    query = f"SELECT rolcanlogin, rolcreatedb, rolpassword FROM pg_authid WHERE rolname = {literal(role)}"
    assert elsewhere.sql(query) == server.sql(query)


def test_without_globals_a_missing_role_is_made_without_a_login_and_said(
    server: PostgresServer, elsewhere: PostgresServer, session: Session, small: str, role: str
) -> None:
    kept, said = keep_with_role(server, session, small, role), list[str]()
    engine = engine_for(elsewhere, session, "ignored")
    engine.restore(kept.request(new_name(), create_roles=True, say=said.append))
    assert f"made the roles {role}, without a login or a password: the backup has no globals" in said
    assert elsewhere.sql(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = {literal(role)}") == "f"


@pytest.mark.parametrize("style", STYLES)
def test_no_owner_needs_no_roles(
    server: PostgresServer, elsewhere: PostgresServer, session: Session, small: str, role: str, style: str
) -> None:
    kept = keep_with_role(server, session, small, role, format=style)
    target = new_name()
    engine_for(elsewhere, session, "ignored").restore(kept.request(target, owner=False))
    assert tell(elsewhere, target).rows == tell(server, small).rows
    assert (
        elsewhere.sql("SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname IN ('t', 'u')", target)
        == "postgres"
    )


@pytest.mark.parametrize("style", STYLES)
def test_a_role_that_a_policy_names_is_needed_also_without_owners(
    server: PostgresServer, elsewhere: PostgresServer, session: Session, small: str, role: str, style: str
) -> None:
    server.sql(f"CREATE POLICY p ON t TO {quoted(role)} USING (true)", small)
    kept, target = keep(engine_for(server, session, small, format=style)), new_name()
    engine = engine_for(elsewhere, session, "ignored")
    with pytest.raises(EngineError, match="does not have roles"):
        engine.restore(kept.request(target, owner=False))
    engine.restore(kept.request(target, owner=False, create_roles=True))
    assert tell(elsewhere, target).rows == tell(server, small).rows


@pytest.mark.parametrize("style", STYLES)
def test_one_who_is_no_superuser_restores_without_owners(
    server: PostgresServer, session: Session, small: str, role: str, style: str
) -> None:
    server.sql("CREATE EXTENSION hstore; GRANT ALL ON t TO PUBLIC; CREATE FUNCTION f() RETURNS int RETURN 1", small)
    kept, target = keep(engine_for(server, session, small, format=style)), new_name()
    engine = engine_for(server, session, "ignored", user=role, password=SecretStr("pw"))
    with pytest.raises(EngineError, match="may not make these roles owners: postgres") as caught:
        engine.restore(kept.request(target))
    assert "--no-owner" in str(caught.value.hint)
    engine.restore(kept.request(target, owner=False))
    assert tell(server, target).rows == tell(server, small).rows
    assert server.sql("SELECT relowner::regrole FROM pg_class WHERE relname = 't'", target).strip('"') == role


def test_who_may_not_make_a_database_is_told_what_to_try(
    server: PostgresServer, session: Session, small: str, role: str
) -> None:
    server.sql(f"ALTER ROLE {quoted(role)} NOCREATEDB")
    kept, target = keep(engine_for(server, session, small)), new_name()
    engine = engine_for(server, session, "ignored", user=role, password=SecretStr("pw"))
    with pytest.raises(EngineError, match="may not create a database") as caught:
        engine.restore(kept.request(target, owner=False))
    assert "CREATEDB" in str(caught.value.hint)


def test_an_extension_that_the_server_lacks_is_named_before_anything_is_touched(
    server: PostgresServer, session: Session, small: str
) -> None:
    kept, target = keep(engine_for(server, session, small)), new_name()
    extension = {"name": "nosuch_gis", "version": "1", "schema": "public"}
    details = {**kept.manifest.details, "extensions": [extension]}
    request = replace(kept.request(target), manifest=kept.manifest.model_copy(update={"details": details}))
    with pytest.raises(EngineError, match=r"does not have the extensions .*: nosuch_gis"):
        engine_for(server, session, small).restore(request)
    assert target not in databases(server)


@pytest.mark.parametrize("style", STYLES)
def test_a_tablespace_that_the_server_lacks_is_done_without_and_said(
    server: PostgresServer, elsewhere: PostgresServer, session: Session, small: str, style: str
) -> None:
    server.sql("SET allow_in_place_tablespaces = on; CREATE TABLESPACE \"fast disk\" LOCATION ''")
    try:
        server.sql('CREATE TABLE f (x int) TABLESPACE "fast disk"; INSERT INTO f VALUES (1)', small)
        kept, said, target = keep(engine_for(server, session, small, format=style)), list[str](), new_name()
        engine_for(elsewhere, session, "ignored").restore(kept.request(target, say=said.append))
        assert tell(elsewhere, target).rows == tell(server, small).rows
        assert any("fast disk" in sentence for sentence in said)
    finally:
        server.sql("DROP TABLE f", small)
        server.sql('DROP TABLESPACE "fast disk"')


def test_a_restore_gathers_statistics(server: PostgresServer, session: Session, small: str) -> None:
    engine, target = engine_for(server, session, small), new_name()
    engine.restore(keep(engine).request(target))
    assert server.sql("SELECT reltuples FROM pg_class WHERE relname = 't'", target) == "20000"


def test_a_dump_that_cannot_be_restored_fails_and_leaves_nothing(
    postgres_server: Callable[[int], PostgresServer], session: Session
) -> None:
    server = postgres_server(15)  # from 17 on, CREATE INDEX refuses such a function in the first place
    source, target = new_name(), new_name()
    server.create_database(source)
    server.sql(
        """CREATE FUNCTION helper(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT lower($1)';
        CREATE FUNCTION outer_one(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN helper($1); END';
        CREATE TABLE t (x text); INSERT INTO t VALUES ('A'); CREATE INDEX ON t (outer_one(x))""",
        source,
    )
    engine = engine_for(server, session, source)
    with pytest.raises(EngineError, match="helper"):
        engine.restore(keep(engine).request(target))
    assert target not in databases(server)
    assert not leftovers(server)


def test_a_name_that_postgresql_would_cut_is_refused(server: PostgresServer, session: Session, small: str) -> None:
    engine = engine_for(server, session, small)
    with pytest.raises(UsageError, match="longer than"):
        engine.restore(keep(engine).request("ü" * 32))


@pytest.mark.parametrize("style", STYLES)
def test_no_secret_is_in_an_argv_or_an_environment_of_a_restore(
    server: PostgresServer, session: Session, small: str, style: str
) -> None:
    engine, seen = engine_for(server, session, small, format=style), list[bytes]()
    kept = keep(engine)

    def look() -> None:
        seen.append(told_to_children())

    engine.restore(replace(kept.request(new_name()), open=lambda role: Watching(kept.open(role), look)))
    assert any(b"application_name" in told for told in seen)
    assert not any(server.password.encode() in told or b"PGPASSWORD" in told for told in seen)


def test_a_server_that_dies_during_the_restore_is_an_error_and_the_leftover_is_named(
    new_postgres_server: Callable[[int], PostgresServer], session: Session
) -> None:
    server, said = new_postgres_server(18), list[str]()
    server.sql("CREATE TABLE t AS SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 50000) n")
    engine = engine_for(server, session, "postgres")
    kept = keep(engine)
    request = kept.request("copy", say=said.append)
    with pytest.raises(EngineError) as caught:
        engine.restore(replace(request, open=lambda role: Watching(kept.open(role), server.kill)))
    assert "ended the connection" in caught.value.message
    assert any('the unfinished database "backupctl_restore_' in sentence for sentence in said)


@pytest.mark.parametrize("style", STYLES)
def test_the_check_reads_a_dump_to_its_end(server: PostgresServer, session: Session, small: str, style: str) -> None:
    engine = engine_for(server, session, small, format=style)
    kept = keep(engine)
    engine.check_dump(kept.manifest, kept.open(), say=lambda _: None)
    damaged = cut(kept.open().read(1 << 30))
    with pytest.raises(IntegrityError):
        engine.check_dump(kept.manifest, MemoryReader(damaged), say=lambda _: None)


def test_where_no_client_reads_the_archive_only_the_sums_are_checked_and_that_is_said(
    server: PostgresServer, session: Session, small: str
) -> None:
    engine, said = engine_for(server, session, small, format="custom"), list[str]()
    kept = keep(engine)
    future = kept.manifest.model_copy(update={"client": "pg_dump 99.1"})
    engine.check_dump(future, kept.open(), say=said.append)
    assert said[0].startswith("only the sums were checked")
