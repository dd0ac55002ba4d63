"""The fixtures that every test may ask for, and the list of missing parts at the end of a run."""

import contextlib
import functools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.parts.http_faults import HttpFaults
from tests.parts.mariadb import MariadbServer
from tests.parts.missing import MAY_BE_MISSING, SKIP_PREFIX, or_skip
from tests.parts.mssql import MssqlServer
from tests.parts.mssql.store import HttpsStore
from tests.parts.mysql import MysqlServer
from tests.parts.postgres import POSTGRES_VERSIONS, PostgresServer
from tests.parts.proxy import TcpProxy
from tests.parts.s3 import RcloneServer, S3Server, WeedServer
from tests.parts.sqlcmd.wrapper import install

Part = TypeVar(
    "Part",
    PostgresServer,
    MariadbServer,
    MysqlServer,
    MssqlServer,
    TcpProxy,
    HttpFaults,
    WeedServer,
    RcloneServer,
    HttpsStore,
)


def pytest_configure() -> None:
    # Without it, SIGTERM ends pytest with the servers left running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let those begin first that mostly wait, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow_first") is None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[int], PostgresServer]]:
    """The session's server of a version, started when first asked for; leave it as it was."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(_starter(stack, PostgresServer))


@pytest.fixture(scope="session", params=POSTGRES_VERSIONS)
def postgres(request: pytest.FixtureRequest, postgres_server: Callable[[int], PostgresServer]) -> PostgresServer:
    """The session's server of each version in turn."""
    return postgres_server(request.param)


@pytest.fixture
def new_postgres_server() -> Iterator[Callable[[int], PostgresServer]]:
    """Starts servers of the test's own, to be killed and stopped at will."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, PostgresServer)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """The session's MariaDB; leave it as it was."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, MariadbServer)()


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[MysqlServer]:
    """The session's MySQL; leave it as it was."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, MysqlServer)()


@pytest.fixture(scope="session")
def mssql_server() -> Iterator[MssqlServer]:
    """The session's SQL Server; `reset` it before use."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, MssqlServer)()


@pytest.fixture(scope="session")
def sqlcmd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has sqlcmd."""
    return or_skip(lambda: install(tmp_path_factory.mktemp("sqlcmd"))).parent


@pytest.fixture(scope="session")
def https_store() -> Iterator[HttpsStore]:
    """The session's store over HTTPS, which a SQL Server can write to."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, HttpsStore)()


@pytest.fixture
def new_mariadb_server() -> Iterator[Callable[..., MariadbServer]]:
    """Starts servers of the test's own, with settings of its own, to be killed and stopped at will."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, MariadbServer)


@pytest.fixture(scope="session")
def weed_server() -> Iterator[WeedServer]:
    with contextlib.ExitStack() as stack:
        yield _starter(stack, WeedServer)()


@pytest.fixture(scope="session")
def rclone_server() -> Iterator[RcloneServer]:
    with contextlib.ExitStack() as stack:
        yield _starter(stack, RcloneServer)()


@pytest.fixture(scope="session", params=["weed_server", "rclone_server"])
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """Each of the session's S3 servers in turn; the bucket is shared, so use a prefix of your own."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def new_weed_server() -> Iterator[Callable[[], WeedServer]]:
    with contextlib.ExitStack() as stack:
        yield _starter(stack, WeedServer)


@pytest.fixture
def new_rclone_server() -> Iterator[Callable[[], RcloneServer]]:
    with contextlib.ExitStack() as stack:
        yield _starter(stack, RcloneServer)


@pytest.fixture
def tcp_proxy() -> Iterator[Callable[[str, int], TcpProxy]]:
    """Starts proxies in front of a host and port, which can break the connection."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, TcpProxy)


@pytest.fixture
def http_faults() -> Iterator[Callable[[str], HttpFaults]]:
    """Starts proxies in front of an endpoint's URL, which can answer with errors of their own."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, HttpFaults)


def _starter(stack: contextlib.ExitStack, kind: Callable[..., Part]) -> Callable[..., Part]:
    def start(*args: object) -> Part:
        part = or_skip(lambda: kind(*args))
        stack.callback(part.close)
        return part

    return start


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and os.environ.get("CI") and exitstatus == pytest.ExitCode.OK and _needed(_missing(reporter)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = _missing(terminalreporter)
    if missing:
        terminalreporter.section("tests skipped for want of a part", red=True)
    for reason, count in sorted(missing.items()):
        terminalreporter.line(f"{count} skipped: {reason}")


def _needed(missing: dict[str, int]) -> bool:
    return any(name.partition(":")[0] not in MAY_BE_MISSING for name in missing)


def _missing(reporter: pytest.TerminalReporter) -> dict[str, int]:
    """How many tests were skipped for each part that could not be had."""
    counts: dict[str, int] = {}
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        if reason.startswith(SKIP_PREFIX):
            name = reason.removeprefix(SKIP_PREFIX)
            counts[name] = counts.get(name, 0) + 1
    return counts
