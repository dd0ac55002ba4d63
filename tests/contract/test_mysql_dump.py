"""What a MySQL or MariaDB dump finds out first, and what becomes of it when something goes wrong."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backupctl.engines.base import Preflight
from backupctl.engines.mysql import MysqlEngine
from backupctl.engines.mysql.clients import Clients
from backupctl.errors import BackupctlError, EngineError, IntegrityError, ToolMissingError, UsageError
from backupctl.process import Session
from backupctl.redact import Redactor
from backupctl.stream import Reader
from tests.contract.mysql_cases import engine_for, fill_with_everything, new_name
from tests.contract.postgres_cases import children
from tests.parts.mariadb import MariadbServer, literal, quoted

DUMP_TOOLS = {"mariadb": "mariadb-dump", "mysql": "mysqldump"}


@pytest.fixture(params=["mariadb_server", "mysql_server"])
def server(request: pytest.FixtureRequest) -> MariadbServer:
    made: MariadbServer = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def session(tmp_path: Path) -> Session:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Session(scratch)


@pytest.fixture
def filled(server: MariadbServer) -> Iterator[str]:
    name = new_name()
    server.create_database(name)
    fill(server, name)
    yield name
    server.sql(f"DROP DATABASE {name}")


@pytest.fixture
def programmed(server: MariadbServer, filled: str) -> str:
    """A database with two routines, a trigger and an event."""
    server.sql(
        "CREATE FUNCTION f() RETURNS int RETURN 1; CREATE PROCEDURE p() SELECT 1;"
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1;"
        "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t",
        filled,
    )
    return filled


def fill(server: MariadbServer, name: str) -> None:
    """Some megabytes in `t`, which is dumped before `z`."""
    server.sql(
        "CREATE TABLE t (n int PRIMARY KEY AUTO_INCREMENT, m text);"
        "INSERT INTO t (m) VALUES (repeat('x', 1000));"
        + "INSERT INTO t (m) SELECT m FROM t;" * 13
        + "CREATE TABLE z AS SELECT 1 AS x; ANALYZE TABLE t",
        name,
    )


@contextmanager
def login(server: MariadbServer, *grants: str) -> Iterator[dict[str, Any]]:
    """The options of an account that may log in and what was granted, which is gone afterwards."""
    name = new_name("re`ad'er ")
    account = f"{literal(name)}@'127.0.0.1'"
    server.sql(f"CREATE USER {account} IDENTIFIED BY 'pw'")
    for grant in grants:
        server.sql(f"GRANT {grant} TO {account}")
    try:
        yield {"user": name, "password": SecretStr("pw")}
    finally:
        server.sql(f"DROP USER {account}")


def read_all(reader: Reader) -> bytes:
    return b"".join(iter(lambda: reader.read(1 << 20), b""))


def dump(preflight: Preflight, part: int = 0) -> bytes:
    with closing(preflight.parts[part].open()) as reader:
        return read_all(reader)


def wrapper(server: MariadbServer, folder: Path, rest: str) -> Path:
    """A folder with the real clients, of which the dump client does something else with its output."""
    folder.mkdir()
    tool = DUMP_TOOLS[server.flavour]
    for name in (tool, server.flavour):
        real = server.bin_dir / name
        script = f'[ "$1" = --version ] && exec {real} --version\n{real} "$@" | {rest}\n'
        (folder / name).write_text("#!/bin/sh\n" + (script if name == tool else f'exec {real} "$@"\n'))
        (folder / name).chmod(0o755)
    return folder


def refused(engine: MysqlEngine) -> BackupctlError:
    with pytest.raises(BackupctlError) as caught:
        engine.preflight()
    return caught.value


def test_preflight_says_server_client_and_size(server: MariadbServer, session: Session, filled: str) -> None:
    preflight = engine_for(server, session, filled).preflight()
    size = len(dump(preflight))
    assert server.sql("SELECT VERSION()").startswith(preflight.server_version)
    assert preflight.client.startswith(f"{DUMP_TOOLS[server.flavour]} ")
    assert preflight.parts[0].size_estimate is not None
    assert size / 3 < preflight.parts[0].size_estimate < size * 3
    assert preflight.warnings == ()


def test_a_client_is_known_by_what_it_says_not_by_its_name(
    server: MariadbServer, session: Session, tmp_path: Path, filled: str
) -> None:
    folder = wrapper(server, tmp_path / "bin", "cat")
    other = {"mariadb": "mysqldump", "mysql": "mariadb-dump"}[server.flavour]
    (folder / DUMP_TOOLS[server.flavour]).rename(folder / other)
    preflight = engine_for(server, session, filled, bin_dir=folder).preflight()
    assert preflight.client.startswith(f"{DUMP_TOOLS[server.flavour]} ")
    assert preflight.warnings == ()


def test_a_missing_client_is_named(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backupctl.engines.mysql.clients._PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="mysqldump is not installed") as caught:
        Clients(session, None).any("dump", "mysql")
    assert "mysql-client" in str(caught.value.hint)


def test_a_server_of_the_other_flavour_is_refused_with_the_type_to_set(
    server: MariadbServer, session: Session, filled: str
) -> None:
    engine = engine_for(server, session, filled)
    stranger = engine_for(server, session, filled)
    other = "mysql" if server.flavour == "mariadb" else "mariadb"
    object.__setattr__(stranger._connection.options, "type", other)
    error = refused(stranger)
    assert isinstance(error, UsageError)
    assert error.hint == f"set type: {server.flavour}"
    assert engine.preflight().parts


def test_a_tool_that_dies_half_way_is_an_error_and_no_end(
    server: MariadbServer, session: Session, filled: str, tmp_path: Path
) -> None:
    folder = wrapper(server, tmp_path / "bin", "head -c 2000000; kill -9 $$")
    reader = engine_for(server, session, filled, bin_dir=folder).preflight().parts[0].open()
    with closing(reader), pytest.raises(EngineError, match="was killed by SIGKILL"):
        read_all(reader)


@pytest.mark.parametrize("rest", ["head -c 2000000", "sed '$d'", "sed 's/^-- Dump completed/ -- Dump completed/'"])
def test_a_dump_without_its_last_line_is_an_error_although_the_tool_says_it_is_well(
    server: MariadbServer, session: Session, filled: str, tmp_path: Path, rest: str
) -> None:
    folder = wrapper(server, tmp_path / "bin", rest)
    reader = engine_for(server, session, filled, bin_dir=folder).preflight().parts[0].open()
    with closing(reader), pytest.raises(IntegrityError, match="cut off"):
        read_all(reader)


def test_a_server_that_is_killed_during_the_dump_is_a_transient_error(
    new_mariadb_server: Callable[[], MariadbServer], session: Session
) -> None:
    server = new_mariadb_server()
    server.create_database("shop")
    fill(server, "shop")
    engine = engine_for(server, session, "shop")
    with closing(engine.preflight().parts[0].open()) as reader:
        assert len(reader.read(100_000)) == 100_000
        server.kill()
        with pytest.raises(EngineError, match="ended the connection") as caught:
            read_all(reader)
    assert caught.value.transient
    error = refused(engine)
    assert "cannot be reached" in error.message
    assert error.transient


def test_a_connection_that_is_killed_during_the_dump_is_a_transient_error(
    server: MariadbServer, session: Session, filled: str
) -> None:
    with closing(engine_for(server, session, filled).preflight().parts[0].open()) as reader:
        reader.read(100_000)
        found = server.sql(
            f"SELECT id FROM information_schema.processlist WHERE db = '{filled}' AND host <> 'localhost'"
        )
        server.sql("".join(f"KILL {line};" for line in found.splitlines()))
        with pytest.raises(EngineError, match="ended the connection") as caught:
            read_all(reader)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE z FORCE, ALGORITHM=COPY", "altered while it was dumped"),
        ("TRUNCATE z", "altered while it was dumped"),
        ("DROP TABLE z", "the table .*z.* is not there"),
    ],
)
def test_a_table_that_is_changed_during_the_dump_is_a_transient_error(
    server: MariadbServer, session: Session, filled: str, change: str, said: str
) -> None:
    with closing(engine_for(server, session, filled).preflight().parts[0].open()) as reader:
        reader.read(1000)
        server.sql(change, filled)
        with pytest.raises(EngineError, match=said) as caught:
            read_all(reader)
    assert caught.value.transient
    assert "run the job again" in str(caught.value.hint)


def test_a_dump_shows_one_moment_and_blocks_no_writer(server: MariadbServer, session: Session, filled: str) -> None:
    with closing(engine_for(server, session, filled).preflight().parts[0].open()) as reader:
        begun = reader.read(1000)
        server.sql("INSERT INTO z VALUES (47110815); UPDATE t SET m = 'changed' WHERE n = 5", filled)
        text = begun + read_all(reader)
    assert b"47110815" not in text
    assert b"changed" not in text


@pytest.mark.parametrize("password", ["wrong", "", None])
def test_a_wrong_password_is_said_and_not_shown(server: MariadbServer, session: Session, password: str | None) -> None:
    secret = SecretStr(password) if password is not None else None
    error = refused(engine_for(server, session, "shop", password=secret))
    assert "password" in error.message
    assert '"root"' in error.message
    assert error.hint
    assert "wrong" not in error.message


def test_a_host_that_is_none_is_said(server: MariadbServer, session: Session) -> None:
    assert "has no address" in refused(engine_for(server, session, "shop", host="nosuch.invalid")).message
    assert "cannot be reached" in refused(engine_for(server, session, "shop", port=1)).message


def test_a_local_socket_is_reached_by_its_file(server: MariadbServer, session: Session, filled: str) -> None:
    engine = engine_for(server, session, filled, host=None, socket=server.socket, tls="require")
    assert b"CREATE TABLE `t`" in dump(engine.preflight())
    assert engine.target == f"{server.socket}/{filled}"


def test_the_users_own_option_files_change_nothing(
    server: MariadbServer, session: Session, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".my.cnf").write_text(
        f"[client]\npassword=other\nhost=nosuch.invalid\n[mysqldump]\nskip-comments\nignore-table={filled}.z\nno-data\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    text = dump(engine_for(server, session, filled).preflight())
    assert b"INSERT INTO `z`" in text


def test_no_secret_is_in_an_argv_or_an_environment(server: MariadbServer, tmp_path: Path, filled: str) -> None:
    session = Session(tmp_path, redact=Redactor([server.password]))
    servers = children()
    with closing(engine_for(server, session, filled).preflight().parts[0].open()) as reader:
        reader.read(10)
        seen = [seen_of(child) for child in children() if child not in servers]
    assert any(b"dump" in argv for argv, _ in seen)
    for argv, environment in seen:
        assert server.password.encode() not in argv + environment
        assert b"MYSQL_PWD" not in environment
        assert b"--defaults-file=" in argv
    assert [path.stat().st_mode & 0o777 for path in tmp_path.glob("*.cnf")] == [0o600]


def seen_of(process: Path) -> tuple[bytes, bytes]:
    return (process / "cmdline").read_bytes(), (process / "environ").read_bytes()


def granted(filled: str) -> str:
    return f"SELECT, SHOW VIEW ON {quoted(filled)}.*"


def test_what_a_user_cannot_see_fails_the_run_and_the_grants_mend_it(
    server: MariadbServer, session: Session, programmed: str
) -> None:
    with login(server, granted(programmed)) as who:
        engine = engine_for(server, session, programmed, **who)
        error = refused(engine)
        for things in ("triggers", "events", "routines"):
            assert f"does not see all {things}" in error.message
        _, _, statements = str(error.hint).partition("run: ")
        server.sql(statements.partition(" Or set")[0])
        text = dump(engine.preflight())
    for thing in (b"FUNCTION `f`", b"PROCEDURE `p`", b"TRIGGER", b"EVENT `ev`"):
        assert thing in text


def test_what_is_left_out_on_purpose_does_not_hide_what_is_left_out_for_want_of_a_right(
    server: MariadbServer, session: Session, programmed: str
) -> None:
    ignoring = [f"--ignore-table={programmed}.t"]
    with login(server, granted(programmed)) as who:
        error = refused(engine_for(server, session, programmed, extra_args=ignoring, **who))
    assert "does not see all routines" in error.message
    text = dump(engine_for(server, session, programmed, extra_args=ignoring).preflight())
    assert b"EVENT `ev`" in text
    assert b"TRIGGER" not in text


def test_incomplete_dumps_are_a_warning_where_that_is_allowed(
    server: MariadbServer, session: Session, programmed: str
) -> None:
    with login(server, granted(programmed)) as who:
        preflight = engine_for(server, session, programmed, allow_incomplete=True, **who).preflight()
        dump(preflight)
    assert len([warning for warning in preflight.warnings if "may be incomplete" in warning]) == 3


@pytest.mark.parametrize(
    ("left_out", "lacks"),
    [
        ("CREATE.* FUNCTION", "1 of 2 routines"),
        ("50003 CREATE", "1 of 1 triggers"),
        ("50106 CREATE", "1 of 1 events"),
    ],
)
def test_what_the_catalogue_shows_and_the_dump_lacks_is_found(
    server: MariadbServer, session: Session, programmed: str, tmp_path: Path, left_out: str, lacks: str
) -> None:
    folder = wrapper(server, tmp_path / "bin", f"sed '/{left_out}/d'")
    reader = engine_for(server, session, programmed, bin_dir=folder).preflight().parts[0].open()
    with closing(reader), pytest.raises(EngineError, match=f"the dump lacks {lacks}"):
        read_all(reader)
    [part] = engine_for(server, session, programmed, bin_dir=folder, allow_incomplete=True).preflight().parts
    with closing(part.open()) as reader:
        read_all(reader)
    assert part.findings().warnings == (f"the dump lacks {lacks}",)


def test_a_user_with_rights_on_single_tables_does_not_see_the_others(
    server: MariadbServer, session: Session, filled: str
) -> None:
    with login(server, f"SELECT ON {quoted(filled)}.t") as who:
        error = refused(engine_for(server, session, filled, **who))
    assert "does not see all tables" in error.message
    assert f"GRANT SELECT ON `{filled}`.* TO " in str(error.hint)


def test_rights_that_come_from_a_role_count(server: MariadbServer, session: Session, programmed: str) -> None:
    role = new_name("role")
    host = "" if server.flavour == "mariadb" else "@'%'"
    everything = "ALL" if server.flavour == "mysql" else "SELECT, SHOW VIEW, TRIGGER, EVENT"
    server.sql(f"CREATE ROLE {role}; GRANT {everything} ON *.* TO {role}")
    try:
        with login(server) as who:
            account = f"{literal(who['user'])}@'127.0.0.1'"
            server.sql(
                f"GRANT {role} TO {account}; SET DEFAULT ROLE {role}{host} {'FOR' if not host else 'TO'} {account}"
            )
            assert b"FUNCTION `f`" in dump(engine_for(server, session, programmed, **who).preflight())
    finally:
        server.sql(f"DROP ROLE {role}")


def test_views_need_a_right_of_their_own(server: MariadbServer, session: Session, filled: str) -> None:
    server.sql("CREATE VIEW v AS SELECT 1", filled)
    with login(server, f"SELECT, TRIGGER, EVENT ON {quoted(filled)}.*") as who:
        error = refused(engine_for(server, session, filled, allow_incomplete=True, **who))
    assert "may not see the definitions of views" in error.message
    assert f"GRANT SHOW VIEW ON `{filled}`.* TO " in str(error.hint)


def test_an_invalid_view_is_named_before_the_dump(server: MariadbServer, session: Session, filled: str) -> None:
    server.sql("CREATE TABLE gone (x int); CREATE VIEW `a view` AS SELECT * FROM gone; DROP TABLE gone", filled)
    error = refused(engine_for(server, session, filled))
    assert "`a view`" in error.message
    preflight = engine_for(server, session, filled, extra_args=[f"--ignore-table={filled}.a view"]).preflight()
    assert "--ignore-table" in preflight.warnings[-1]
    assert b"INSERT INTO `z`" in dump(preflight)


def test_tables_without_transactions_and_missing_definers_are_warnings(
    server: MariadbServer, session: Session, filled: str
) -> None:
    server.sql(
        "CREATE TABLE my (x int) ENGINE=MyISAM; CREATE DEFINER=ghost@nowhere PROCEDURE p() SELECT 1;"
        "CREATE DEFINER=ghost@nowhere VIEW v AS SELECT * FROM my",
        filled,
    )
    preflight = engine_for(server, session, filled).preflight()
    assert preflight.warnings == (
        "tables without transactions are not consistent with the rest: my (MyISAM)",
        "accounts that routines, views, triggers or events are defined by are not there: ghost@nowhere",
    )
    assert preflight.details["missing_definers"] == [["ghost", "nowhere"]]
    assert ["root", "localhost"] not in preflight.details["missing_definers"]
    assert dump(preflight)


def test_the_history_of_system_versioned_tables_is_a_warning(mariadb_server: MariadbServer, session: Session) -> None:
    name = new_name()
    mariadb_server.create_database(name)
    mariadb_server.sql("CREATE TABLE v (x int) WITH SYSTEM VERSIONING", name)
    [warning] = engine_for(mariadb_server, session, name).preflight().warnings
    assert warning.startswith("the history of system-versioned tables is not in the dump: v")
    assert engine_for(mariadb_server, session, name, extra_args=["--dump-history"]).preflight().warnings == ()


def test_facts_that_the_dump_does_not_carry_are_in_the_manifest(
    server: MariadbServer, session: Session, filled: str
) -> None:
    server.sql(f"ALTER DATABASE {filled} CHARACTER SET latin1 COLLATE latin1_german1_ci", filled)
    details = engine_for(server, session, filled).preflight().details
    assert (details["flavour"], details["charset"]) == (server.flavour, "latin1")
    assert details["collation"] == "latin1_german1_ci"
    assert "NO_ENGINE_SUBSTITUTION" in details["sql_mode"]
    assert details["lower_case_table_names"] == 0


def test_a_dump_names_no_gtid_and_no_other_database(server: MariadbServer, session: Session, filled: str) -> None:
    text = dump(engine_for(server, session, filled).preflight())
    assert b"GTID" not in text
    assert b"CREATE DATABASE" not in text
    assert b"USE `" not in text
    assert b"LOCK TABLES `" not in text


def test_globals_are_accounts_and_grants_with_their_hashes(
    server: MariadbServer, session: Session, filled: str
) -> None:
    with login(server, f"SELECT ON {quoted(filled)}.t") as who:
        preflight = engine_for(server, session, filled, globals=True).preflight()
        assert [(part.role, part.suffix) for part in preflight.parts] == [("dump", ".sql"), ("globals", ".globals.sql")]
        text = dump(preflight, 1).decode()
    name = quoted(who["user"])
    assert f"CREATE USER IF NOT EXISTS {name}@`127.0.0.1` IDENTIFIED " in text
    assert f"GRANT SELECT ON `{filled}`.`t` TO {name}@`127.0.0.1`;" in text
    assert "mysql.sys" not in text
    assert "mariadb.sys" not in text
    assert text.endswith("-- End of accounts, roles and grants\n")
    server.sql(text)  # nothing in it fails where all are there already


def test_globals_without_the_right_to_see_accounts_are_refused(
    server: MariadbServer, session: Session, filled: str
) -> None:
    with login(server, "SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE ON " + quoted(filled) + ".*") as who:
        error = refused(engine_for(server, session, filled, globals=True, allow_incomplete=True, **who))
    assert "may not see the server's accounts" in error.message
    assert "GRANT SELECT ON mysql.*" in str(error.hint)


def test_mysql_is_reached_by_tls_as_far_as_it_is_asked_for(mysql_server: MariadbServer, session: Session) -> None:
    name = new_name()
    mysql_server.create_database(name)
    certificate = mysql_server.folder / "data" / "ca.pem"
    for options in (
        {"tls": "off"},
        {"tls": "prefer"},
        {"tls": "require"},
        {"tls": "verify-ca", "ca_file": certificate},
    ):
        assert dump(engine_for(mysql_server, session, name, **options).preflight())
    for options in ({"tls": "verify-ca"}, {"tls": "verify-full", "ca_file": certificate}):
        error = refused(engine_for(mysql_server, session, name, **options))
        assert "the TLS connection to" in error.message
        assert "ca_file" in str(error.hint)


@pytest.mark.parametrize("tls", ["require", "verify-ca", "verify-full"])
def test_tls_that_mariadb_does_not_offer_is_said(mariadb_server: MariadbServer, session: Session, tls: str) -> None:
    name = new_name()
    mariadb_server.create_database(name)
    assert "does not offer TLS" in refused(engine_for(mariadb_server, session, name, tls=tls)).message
    for weaker in ("off", "prefer"):
        assert dump(engine_for(mariadb_server, session, name, tls=weaker).preflight())


@pytest.fixture
def strangers_bin_dir(server: MariadbServer, mysql_server: MariadbServer, mariadb_server: MariadbServer) -> Path:
    """The clients of the other vendor."""
    return mysql_server.bin_dir if server.flavour == "mariadb" else mariadb_server.bin_dir


def test_the_other_vendors_client_is_used_with_a_warning(
    server: MariadbServer, session: Session, programmed: str, strangers_bin_dir: Path
) -> None:
    preflight = engine_for(server, session, programmed, bin_dir=strangers_bin_dir).preflight()
    assert "is dumped by" in preflight.warnings[0]
    text = dump(preflight)
    assert b"FUNCTION `f`" in text
    assert b"GTID" not in text


def test_what_the_other_vendors_client_would_get_wrong_is_refused(
    server: MariadbServer, session: Session, strangers_bin_dir: Path
) -> None:
    name = new_name()
    fill_with_everything(server, name)
    error = refused(engine_for(server, session, name, bin_dir=strangers_bin_dir))
    assert ("sequences" if server.flavour == "mariadb" else "generated columns") in error.message
    assert "install" in str(error.hint)


def test_mariadb_is_reached_by_tls_as_far_as_it_is_asked_for(
    mysql_server: MariadbServer, new_mariadb_server: Callable[..., MariadbServer], session: Session
) -> None:
    folder = mysql_server.folder / "data"  # where MySQL makes certificates of its own
    keys = [f"--ssl-{kind}={folder / name}.pem" for kind, name in (("cert", "server-cert"), ("key", "server-key"))]
    server = new_mariadb_server(f"--ssl-ca={folder / 'ca.pem'}", *keys, "--require-secure-transport=ON")
    server.create_database("shop")
    for tls in ("prefer", "require"):
        assert dump(engine_for(server, session, "shop", tls=tls).preflight())
    assert refused(engine_for(server, session, "shop", tls="off")).hint
    for options in ({"tls": "verify-ca"}, {"tls": "verify-full", "ca_file": folder / "ca.pem"}):
        assert "the TLS connection to" in refused(engine_for(server, session, "shop", **options)).message
