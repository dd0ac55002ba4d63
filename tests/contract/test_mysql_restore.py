"""What a MySQL or MariaDB restore refuses, keeps, makes and leaves behind."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from backupctl.cancel import Cancellation
from backupctl.errors import CancelledError, EngineError, IntegrityError, UsageError
from backupctl.process import Session
from backupctl.stream import Reader
from tests.contract.engine_members import MemoryReader, keep
from tests.contract.mysql_cases import engine_for, fill_with_everything, new_name, tell
from tests.parts.mariadb import MariadbServer, literal, quoted


@pytest.fixture(params=["mariadb_server", "mysql_server"])
def server(request: pytest.FixtureRequest) -> MariadbServer:
    made: MariadbServer = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def other(server: MariadbServer, mariadb_server: MariadbServer, mysql_server: MariadbServer) -> MariadbServer:
    """The server of the other vendor."""
    return mysql_server if server.flavour == "mariadb" else mariadb_server


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


@pytest.fixture
def small(server: MariadbServer) -> str:
    """A database with a table that has no key and some thousand rows, a view, and a routine."""
    name = new_name()
    server.create_database(name)
    server.sql(
        "CREATE TABLE t (n int, m text); INSERT INTO t VALUES (1, repeat('é', 300));"
        + "INSERT INTO t SELECT n + 1, m FROM t;" * 10
        + "CREATE VIEW v AS SELECT count(*) AS n FROM t; CREATE PROCEDURE p() SELECT 1",
        name,
    )
    return name


@pytest.fixture
def stranger(server: MariadbServer) -> Iterator[tuple[str, str]]:
    """An account that is on this server alone."""
    name = new_name("defi`ner'")
    account = f"{literal(name)}@'10.0.0.%'"
    server.sql(f"CREATE USER {account} IDENTIFIED BY 'pw'")
    yield name, account
    server.sql(f"DROP USER IF EXISTS {account}")


def databases(server: MariadbServer) -> list[str]:
    return server.sql("SHOW DATABASES").splitlines()


def leftovers(server: MariadbServer) -> list[str]:
    return [name for name in databases(server) if name.startswith("backupctl_")]


def definers(server: MariadbServer, name: str) -> set[str]:
    schema = literal(name)
    return set(
        server.sql(
            f"SELECT definer FROM information_schema.routines WHERE routine_schema = {schema}"
            f" UNION SELECT definer FROM information_schema.views WHERE table_schema = {schema}"
            f" UNION SELECT definer FROM information_schema.triggers WHERE trigger_schema = {schema}"
            f" UNION SELECT definer FROM information_schema.events WHERE event_schema = {schema}"
        ).splitlines()
    )


def flipped(dump: bytes) -> bytes:
    at = len(dump) - len(dump) // 4
    return dump[:at] + bytes([dump[at] ^ 1]) + dump[at + 1 :]


def cut(dump: bytes) -> bytes:
    return dump[: dump.index(b"\n", len(dump) * 2 // 3)]


def cut_between_statements(dump: bytes) -> bytes:
    return dump[: dump.rindex(b"\n\n--\n", 0, len(dump) - 2000)]


def test_an_empty_database_comes_back_empty(server: MariadbServer, session: Session) -> None:
    source, target = new_name(), new_name()
    server.sql(f"CREATE DATABASE {source} CHARACTER SET latin2 COLLATE latin2_croatian_ci")
    engine = engine_for(server, session, source)
    engine.restore(keep(engine).request(target))
    assert tell(server, target) == tell(server, source)


def test_rows_larger_than_any_buffer_come_back(server: MariadbServer, session: Session) -> None:
    source, target = new_name(), new_name()
    server.create_database(source)
    server.sql(
        "CREATE TABLE large (n int, m longtext, b longblob) CHARSET utf8mb4;"
        "INSERT INTO large VALUES (1, repeat('wide 😀;\\n', 2000000), NULL), (2, '', repeat(x'00FF0A27', 1000000))",
        source,
    )
    engine = engine_for(server, session, source)
    kept = keep(engine)
    assert kept.manifest.dump.size > 30 << 20
    engine.restore(kept.request(target))
    checksum = "SELECT n, length(m), sha2(m, 256), sha2(b, 256) FROM large ORDER BY n"
    assert server.sql(checksum, target) == server.sql(checksum, source)
    for name in (source, target):
        server.sql(f"DROP DATABASE {name}")


def test_a_second_restore_is_refused_and_duplicates_nothing(
    server: MariadbServer, session: Session, small: str
) -> None:
    engine, target = engine_for(server, session, small), new_name()
    kept = keep(engine)
    engine.restore(kept.request(target))
    with pytest.raises(UsageError, match="is not empty: 2 tables and views") as caught:
        engine.restore(kept.request(target))
    assert "--clean" in str(caught.value.hint)
    assert server.sql("SELECT count(*) FROM t", target) == "1024"


def test_a_database_with_a_routine_alone_is_not_empty(server: MariadbServer, session: Session, small: str) -> None:
    engine, target = engine_for(server, session, small), new_name()
    server.create_database(target)
    server.sql("CREATE PROCEDURE precious() SELECT 1", target)
    with pytest.raises(UsageError, match="is not empty: 1 routines and events"):
        engine.restore(keep(engine).request(target))


@pytest.mark.parametrize("change", [flipped, cut, cut_between_statements])
def test_an_altered_dump_leaves_nothing(
    server: MariadbServer, session: Session, small: str, change: Callable[[bytes], bytes]
) -> None:
    engine, target = engine_for(server, session, small), new_name()
    with pytest.raises((IntegrityError, EngineError)):
        engine.restore(keep(engine).altered(change).request(target))
    assert target not in databases(server)


def test_an_altered_dump_leaves_the_database_that_it_was_to_replace(
    server: MariadbServer, session: Session, small: str
) -> None:
    engine, target = engine_for(server, session, small), new_name()
    server.create_database(target)
    server.sql("CREATE TABLE precious AS SELECT 1 AS x", target)
    with pytest.raises((IntegrityError, EngineError)):
        engine.restore(keep(engine).altered(flipped).request(target, clean=True, confirm=lambda _: True))
    assert server.sql("SELECT x FROM precious", target) == "1"
    assert not leftovers(server)


def test_an_altered_dump_leaves_an_empty_database_empty_and_says_so(
    server: MariadbServer, session: Session, small: str
) -> None:
    engine, target = engine_for(server, session, small), new_name()
    server.sql(f"CREATE DATABASE {target} CHARACTER SET latin2 COLLATE latin2_croatian_ci")
    before = tell(server, target)
    with pytest.raises((IntegrityError, EngineError), match="was made empty again"):
        engine.restore(keep(engine).altered(flipped).request(target))
    assert tell(server, target) == before


def test_an_empty_database_that_is_there_is_filled(server: MariadbServer, session: Session, small: str) -> None:
    engine, target = engine_for(server, session, small), new_name()
    server.create_database(target)
    engine.restore(keep(engine).request(target))
    assert tell(server, target).rows == tell(server, small).rows


def test_what_is_replaced_goes_only_after_the_backup_was_seen_to_restore(
    server: MariadbServer, session: Session, small: str
) -> None:
    engine, target, said = engine_for(server, session, small), new_name(), list[str]()
    server.create_database(target)
    server.sql("CREATE TABLE old AS SELECT 1 AS x; CREATE PROCEDURE old_one() SELECT 1", target)
    engine.restore(keep(engine).request(target, clean=True, confirm=lambda _: True, say=said.append))
    assert tell(server, target) == tell(server, small)
    assert said[0] == f'restoring beside "{target}" first, to see that the backup restores'
    assert not leftovers(server)


def test_where_replacing_fails_after_all_the_whole_backup_stays_beside(
    server: MariadbServer, session: Session, small: str
) -> None:
    engine, target = engine_for(server, session, small), new_name()
    server.create_database(target)
    server.sql("CREATE TABLE old AS SELECT 1 AS x", target)
    kept = keep(engine)
    opened: list[str] = []

    def open_once(role: str) -> Reader:
        opened.append(role)
        return kept.open(role) if len(opened) == 1 else kept.altered(flipped).open(role)

    request = replace(kept.request(target, clean=True, confirm=lambda _: True), open=open_once)
    with pytest.raises((IntegrityError, EngineError), match="the whole backup is in the database") as caught:
        engine.restore(request)
    [beside] = leftovers(server)
    assert beside in caught.value.message
    assert tell(server, beside).rows == tell(server, small).rows
    server.sql(f"DROP DATABASE {beside}")


def test_a_cancelled_restore_leaves_nothing(server: MariadbServer, tmp_path: Path, small: str) -> None:
    cancel, target = Cancellation(), new_name()
    kept = keep(engine_for(server, Session(tmp_path), small))

    class Cancelling:
        def __init__(self, source: Reader) -> None:
            self._source = source

        def read(self, size: int, /) -> bytes:
            chunk = self._source.read(1 << 16)
            cancel.request()
            return chunk

        def close(self) -> None:
            self._source.close()

    request = replace(kept.request(target), open=lambda role: Cancelling(kept.open(role)))
    with pytest.raises(CancelledError):
        engine_for(server, Session(tmp_path, cancel), small).restore(request)
    assert target not in databases(server)


@pytest.mark.parametrize("name", ["x" * 65, "mysql", "Information_Schema", "trailing "])
def test_a_name_that_cannot_be_is_refused(server: MariadbServer, session: Session, small: str, name: str) -> None:
    engine = engine_for(server, session, small)
    with pytest.raises(UsageError):
        engine.restore(keep(engine).request(name))


def define(server: MariadbServer, name: str, account: str) -> None:
    server.sql(
        f"CREATE DEFINER={account} FUNCTION `by stranger`() RETURNS int RETURN 1;"
        f"CREATE DEFINER={account} VIEW w AS SELECT 1 AS one;"
        f"CREATE DEFINER={account} TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1;"
        f"CREATE DEFINER={account} EVENT ev ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t",
        name,
    )


def test_accounts_that_are_missing_are_named_before_anything_is_touched_and_can_be_made(
    server: MariadbServer, session: Session, small: str, stranger: tuple[str, str]
) -> None:
    name, account = stranger
    define(server, small, account)
    kept = keep(engine_for(server, session, small))
    server.sql(f"DROP USER {account}")
    target, before, said = new_name(), databases(server), list[str]()
    engine = engine_for(server, session, "ignored")
    with pytest.raises(EngineError) as caught:
        engine.restore(kept.request(target))
    assert f"{name}@10.0.0.%" in caught.value.message
    assert "--create-roles" in str(caught.value.hint)
    assert databases(server) == before
    engine.restore(kept.request(target, create_roles=True, say=said.append))
    assert f"made the accounts {name}@10.0.0.%, locked: the backup has no globals" in said
    assert f"{name}@10.0.0.%" in definers(server, target)
    assert "ACCOUNT LOCK" in server.sql(f"SHOW CREATE USER {account}")


def test_accounts_come_from_the_globals_with_their_passwords_and_grants(
    server: MariadbServer, session: Session, small: str, stranger: tuple[str, str]
) -> None:
    _, account = stranger
    server.sql(f"GRANT SELECT, EXECUTE ON {small}.* TO {account}")
    define(server, small, account)
    # The hash itself, since MySQL may answer with bytes that are no text.
    hashed = f"SET SESSION print_identified_with_as_hex = ON; SHOW CREATE USER {account}"
    shown = hashed if server.flavour == "mysql" else f"SHOW CREATE USER {account}"
    kept = keep(engine_for(server, session, small, globals=True))
    before = server.sql(shown), server.sql(f"SHOW GRANTS FOR {account}")
    server.sql(f"DROP USER {account}")
    engine_for(server, session, "ignored").restore(kept.request(new_name(), create_roles=True))
    assert (server.sql(shown), server.sql(f"SHOW GRANTS FOR {account}")) == before


def test_no_owner_makes_the_restoring_user_the_definer_of_all(
    server: MariadbServer, session: Session, stranger: tuple[str, str]
) -> None:
    _, account = stranger
    source, target = new_name(), new_name()
    fill_with_everything(server, source)
    server.sql("CREATE TABLE t (n int)", source)
    define(server, source, account)
    kept = keep(engine_for(server, session, source))
    server.sql(f"DROP USER {account}")
    engine_for(server, session, "ignored").restore(kept.request(target, owner=False))
    assert definers(server, target) == {"root@127.0.0.1"}
    assert tell(server, target).rows == tell(server, source).rows
    body = "SELECT routine_definition FROM information_schema.routines WHERE routine_name LIKE 'pro%'"
    bodies = [server.sql(f"{body} AND routine_schema = {literal(name)}") for name in (source, target)]
    assert bodies[0] == bodies[1]


def test_definers_that_were_missing_before_are_no_obstacle(server: MariadbServer, session: Session, small: str) -> None:
    define(server, small, "ghost@nowhere")
    engine, target = engine_for(server, session, small), new_name()
    engine.restore(keep(engine).request(target))
    assert "ghost@nowhere" in definers(server, target)


def test_one_who_is_no_administrator_restores_without_owners(
    server: MariadbServer, session: Session, small: str
) -> None:
    target, user = new_name(), new_name("user")
    server.sql(
        f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'pw'; GRANT ALL ON {target}.* TO {user}@'127.0.0.1';"
        f"GRANT SELECT ON mysql.* TO {user}@'127.0.0.1'"
    )
    try:
        kept = keep(engine_for(server, session, small))
        engine = engine_for(server, session, "ignored", user=user, password=SecretStr("pw"))
        with pytest.raises(EngineError, match="has not the right") as caught:
            engine.restore(kept.request(target))
        assert "--no-owner" in str(caught.value.hint)
        assert target not in databases(server)
        engine.restore(kept.request(target, owner=False))
        assert definers(server, target) == {f"{user}@127.0.0.1"}
        with pytest.raises(EngineError):
            engine.restore(kept.request(new_name(), owner=False))
    finally:
        server.sql(f"DROP USER {user}@'127.0.0.1'")


def test_a_backup_of_the_other_flavour_is_refused_unless_asked_for(
    server: MariadbServer, other: MariadbServer, session: Session
) -> None:
    source, target, said = new_name(), new_name(), list[str]()
    server.sql(f"CREATE DATABASE {source} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    server.sql(
        "CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, m varchar(20), b varbinary(9), d datetime(3));"
        "INSERT INTO t (m, b, d) VALUES ('é😀', x'00FF', '2024-02-29 12:00:00.123'), (NULL, NULL, NULL);"
        "CREATE VIEW v AS SELECT id FROM t; CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 7",
        source,
    )
    kept = keep(engine_for(server, session, source))
    engine = engine_for(other, session, "ignored")
    with pytest.raises(UsageError) as caught:
        engine.restore(kept.request(target, owner=False))
    assert "--other-flavour" in str(caught.value.hint)
    assert target not in databases(other)
    engine.restore(kept.request(target, owner=False, other_flavour=True, say=said.append))
    assert tell(other, target, rows_only=True).rows == tell(server, source, rows_only=True).rows
    assert other.sql("SELECT f()", target) == "7"
    assert "as was asked for" in said[0]


def test_the_line_that_older_clients_do_not_know_is_left_out_for_them(
    mysql_server: MariadbServer, mariadb_server: MariadbServer, session: Session
) -> None:
    source, target = new_name(), new_name()
    mysql_server.create_database(source)
    mysql_server.sql("CREATE TABLE t AS SELECT 1 AS x", source)
    kept = keep(engine_for(mysql_server, session, source, bin_dir=mariadb_server.bin_dir))
    assert kept.open().read(40).startswith(b"/*M!999999\\- enable the sandbox mode */")
    engine_for(mysql_server, session, "ignored").restore(kept.request(target))
    assert mysql_server.sql("SELECT x FROM t", target) == "1"


def test_a_default_that_is_a_sequence_takes_the_restored_one(mariadb_server: MariadbServer, session: Session) -> None:
    source, target = new_name(), new_name()
    mariadb_server.create_database(source)
    mariadb_server.sql(
        f"CREATE SEQUENCE s; CREATE TABLE t (id int DEFAULT nextval(s), c text COMMENT 'nextval(`{source}`.`s`)')",
        source,
    )
    engine = engine_for(mariadb_server, session, source)
    engine.restore(keep(engine).request(target))
    created = mariadb_server.sql("SHOW CREATE TABLE t", target)
    assert f"nextval(`{target}`.`s`)" in created
    assert f"COMMENT 'nextval(`{source}`.`s`)'" in created


def test_commands_of_the_client_in_a_dump_are_not_carried_out(
    server: MariadbServer, session: Session, small: str, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    engine, target = engine_for(server, session, small), new_name()
    kept = keep(engine)
    evil = f"\\! touch {witness}\nsystem touch {witness}\n".encode() + kept.open().read(1 << 30)
    request = replace(kept.request(target), open=lambda role: MemoryReader(evil))
    with pytest.raises(EngineError):
        engine.restore(request)
    assert not witness.exists()


def test_the_check_reads_a_dump_to_its_end(server: MariadbServer, session: Session, small: str) -> None:
    engine = engine_for(server, session, small)
    kept = keep(engine)
    engine.check_dump(kept.manifest, kept.open(), say=lambda _: None)
    for change in (cut, cut_between_statements):
        with pytest.raises(IntegrityError):
            engine.check_dump(kept.manifest, MemoryReader(change(kept.open().read(1 << 30))), say=lambda _: None)


def test_a_stored_dump_goes_back_with_the_client_alone(server: MariadbServer, session: Session, small: str) -> None:
    target = new_name()
    dump = keep(engine_for(server, session, small)).open().read(1 << 30)
    server.create_database(target)
    server.sql(dump.decode(), target)
    assert tell(server, target) == tell(server, small)
    assert quoted(target) not in dump.decode()
