"""Several databases of a real server in one run: which there are, their names, and what stops none but itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.engines import ENGINES
from backupctl.engines.base import Restore, ServerEngine
from backupctl.errors import EngineError
from backupctl.events import Event, Run, Warned
from backupctl.model import Outcome
from backupctl.process import Session
from backupctl.redact import Redactor
from backupctl.repository import Repository
from backupctl.runner import Request, Runner
from backupctl.state import StateFolder
from backupctl.storages.local import LocalOptions
from backupctl.wiring import repository_of, storage_of
from tests.contract.mysql_cases import new_name
from tests.parts.mariadb import MariadbServer, literal
from tests.parts.mariadb import quoted as backquoted
from tests.parts.postgres import PostgresServer

Server = PostgresServer | MariadbServer
HARD = ["", "_1", " a b/c", "-50% [x]*?", "_ÄÖ", "_" + "ü" * 20 + "1", "_" + "ü" * 20 + "2"]
"""What names go on with; the last two are longer than a key, and differ only where that is cut."""


class Several:
    """Databases of a server whose names begin alike, and a job that backs them up."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.flavour = "postgres" if isinstance(server, PostgresServer) else server.flavour
        self.prefix = new_name("v")
        self.made: list[str] = []
        self.events: list[Event] = []

    def make(self, *endings: str) -> list[str]:
        names = [self.prefix + ending for ending in endings]
        for name in names:
            self.server.create_database(name)
            self.made.append(name)
            self.server.sql(f"CREATE TABLE t (n int, m text); INSERT INTO t VALUES (7, {literal(name)})", name)
        return names

    def close(self) -> None:
        for name in self.made:
            self.server.sql(f"DROP DATABASE IF EXISTS {self.quoted(name)}")

    def quoted(self, name: str) -> str:
        return backquoted(name) if isinstance(self.server, MariadbServer) else f'"{name}"'

    def job(self, *names: str, parallel: int = 1, **options: Any) -> Job:
        given = {
            "type": self.flavour,
            "host": self.server.host,
            "port": self.server.port,
            "user": self.server.user,
            "password": SecretStr(self.server.password),
            "bin_dir": self.server.bin_dir,
            "names": names or (f"{self.prefix}*",),
            "parallel": parallel,
        }
        kind = ENGINES[self.flavour].Options
        storage = LocalOptions(type="local", path=self.folder / "backups")
        return Job("all", kind(**(given | options)), storage, "disk", "0 3 * * *", "UTC")

    def engine(self, session: Session, **options: Any) -> ServerEngine:
        engine = ENGINES[self.flavour].build(self.job(**options).database, session)
        assert isinstance(engine, ServerEngine)
        return engine

    def run(self, job: Job) -> Run:
        self.events.clear()
        redact = Redactor([self.server.password, "pw's"])
        return Runner(StateFolder(self.folder / "state"), redact, self.events.append).run(Request(job), Cancellation())

    def repository(self) -> Repository:
        job = self.job()
        return repository_of(job, storage_of(job))

    def rows(self, name: str) -> str:
        return self.server.sql("SELECT n, m FROM t", name)

    @contextmanager
    def reader_of(self, *names: str) -> Iterator[dict[str, Any]]:
        """The options of a user who may read these databases alone, though it sees that there are others."""
        user = new_name("reader")
        if isinstance(self.server, MariadbServer):
            account = f"{literal(user)}@'127.0.0.1'"
            everywhere = "SELECT ON mysql.proc" if self.flavour == "mariadb" else "SHOW_ROUTINE ON *.*"
            self.server.sql(f"CREATE USER {account} IDENTIFIED BY 'pw''s'; GRANT {everywhere} TO {account}")
            for name in names:
                self.server.sql(f"GRANT ALL ON {backquoted(name)}.* TO {account}")
            drop = f"DROP USER {account}"
        else:
            self.server.sql(f"CREATE ROLE {user} LOGIN PASSWORD 'pw''s'")
            for name in names:
                self.server.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}", name)
            drop = f"DROP ROLE {user}"
        try:
            yield {"user": user, "password": SecretStr("pw's")}
        finally:
            if isinstance(self.server, PostgresServer):
                for name in names:
                    self.server.sql(f"DROP OWNED BY {user}", name)
            self.server.sql(drop)


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def several(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Several]:
    made: Server = (
        request.getfixturevalue("postgres_server")(17)
        if request.param == "postgres"
        else request.getfixturevalue(f"{request.param}_server")
    )
    several = Several(made, tmp_path)
    yield several
    several.close()


@pytest.fixture
def postgres(postgres_server: Callable[[int], PostgresServer], tmp_path: Path) -> Iterator[Several]:
    several = Several(postgres_server(17), tmp_path)
    yield several
    several.close()


@pytest.fixture
def session(tmp_path: Path) -> Session:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Session(scratch)


def test_the_server_tells_all_databases_but_its_own_and_those_of_restores(several: Several, session: Session) -> None:
    names = several.make(*HARD)
    half, old = "backupctl_restore_0123abcd", "backupctl_old_0123abcd"
    for name in (half, old):
        several.server.create_database(name)
        several.made.append(name)
    found = several.engine(session).databases()
    assert [name for name in found if name.startswith(several.prefix)] == sorted(names)
    assert list(found) == sorted(found)
    own = {"template0", "template1", "mysql", "sys", "information_schema", "performance_schema", half, old}
    assert own.isdisjoint(found)
    assert several.engine(session).unseen() is None


def test_databases_of_any_name_are_backed_up_two_at_a_time_and_restored_each_by_itself(
    several: Several, session: Session
) -> None:
    names = several.make(*HARD)
    run = several.run(several.job(parallel=2))
    assert (run.outcome, run.error) == (Outcome.SUCCEEDED, None)
    assert [manifest.database for manifest in run.manifests] == sorted(names)
    listing = several.repository().listing()
    assert sorted(manifest.database for manifest in listing.good) == sorted(names)
    assert (listing.unnamed, dict(listing.unreadable)) == ((), {})
    stored = several.repository().stored()
    for manifest in run.manifests:
        assert several.repository().recent(stored, 9, manifest.database) == (manifest,)
    target = several.prefix + " restored"
    several.made.append(target)
    manifest = next(one for one in run.manifests if one.database == names[2])
    request = Restore(manifest, lambda role: several.repository().open_dump(manifest, role), into=target)
    several.engine(session).restore(request)
    assert several.rows(target) == several.rows(names[2])


def test_one_that_the_user_may_not_read_stops_no_other(several: Several) -> None:
    readable, closed = several.make("_a", "_b")
    with several.reader_of(readable) as user:
        run = several.run(several.job(readable, closed, **user))
    assert [manifest.database for manifest in run.manifests] == [readable]
    assert (run.outcome, list(run.failures)) == (Outcome.PARTIAL, [closed])
    assert run.hint


@pytest.mark.parametrize("several", ["mariadb", "mysql"], indirect=True)  # PostgreSQL shows all to everybody
def test_a_user_who_is_not_shown_all_databases_is_warned_of(several: Several) -> None:
    readable, _ = several.make("_a", "_b")
    with several.reader_of(readable) as user:
        assert several.run(several.job(**user)).outcome is Outcome.SUCCEEDED
        (warned,) = (event.text for event in several.events if isinstance(event, Warned))
        assert f"GRANT SHOW DATABASES ON *.* TO '{user['user']}'@'127.0.0.1'" in warned
        several.server.sql(f"GRANT SHOW DATABASES ON *.* TO {literal(user['user'])}@'127.0.0.1'")
        run = several.run(several.job(**user))
        assert (run.outcome, len(run.failures)) == (Outcome.PARTIAL, 1)


def test_a_user_who_is_shown_nothing_has_no_success(several: Several) -> None:
    several.make("_a")
    with several.reader_of() as user:
        run = several.run(several.job(f"{several.prefix}*", exclude=(f"{several.prefix}_a",), **user))
    assert run.outcome is Outcome.FAILED
    assert "databases is one of" in str(run.error)


def test_the_databases_are_told_to_whoever_may_use_none_but_its_own(postgres: Several, session: Session) -> None:
    server = postgres.server
    with postgres.reader_of() as user:
        engine = postgres.engine(session, **user)
        server.sql("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        try:
            (name,) = postgres.make("_a")
            assert name in engine.databases()
            server.sql("REVOKE CONNECT ON DATABASE template1 FROM PUBLIC")
            with pytest.raises(EngineError, match='permission for database "postgres"'):
                engine.databases()
            server.create_database(user["user"])
            postgres.made.append(user["user"])
            assert name in engine.databases()
        finally:
            server.sql("GRANT CONNECT ON DATABASE postgres TO PUBLIC; GRANT CONNECT ON DATABASE template1 TO PUBLIC")


def test_a_database_whose_drop_was_interrupted_or_that_lets_nobody_in_is_none(
    postgres: Several, session: Session
) -> None:
    dropped, shut, template, there = postgres.make("_a", "_b", "_c", "_d")
    server = postgres.server
    server.sql(f"UPDATE pg_database SET datconnlimit = -2 WHERE datname = {literal(dropped)}")
    server.sql(f"ALTER DATABASE {shut} ALLOW_CONNECTIONS false; ALTER DATABASE {template} IS_TEMPLATE true")
    try:
        found = postgres.engine(session).databases()
        assert [name for name in found if name.startswith(postgres.prefix)] == [there]
    finally:
        server.sql(f"ALTER DATABASE {template} IS_TEMPLATE false")


def test_a_folder_of_the_file_system_in_mariadbs_data_is_no_database(
    mariadb_server: MariadbServer, tmp_path: Path, session: Session
) -> None:
    several = Several(mariadb_server, tmp_path)
    folders = [mariadb_server.data / name for name in ("lost+found", ".snapshot")]
    for folder in folders:
        folder.mkdir()
    try:
        assert "lost+found" in mariadb_server.sql("SHOW DATABASES")
        assert not [name for name in several.engine(session).databases() if name.startswith("#")]
    finally:
        for folder in folders:
            folder.rmdir()
