"""The filled databases, one of each kind a session, and small disks."""

import contextlib
import functools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.command import Workplace
from tests.faults.databases import Database, Server, Started, fill
from tests.parts.mariadb import MariadbServer
from tests.parts.missing import or_skip
from tests.parts.mysql import MysqlServer
from tests.parts.postgres import PostgresServer


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest, postgres_server: Callable[[int], PostgresServer]) -> Started:
    """The session's database of an engine, filled when first asked for."""

    def start(engine: str) -> Database:
        match engine:
            case "postgres":
                made = Database("postgres", postgres_server(16), "pg_dump")
            case "mariadb":
                made = Database("mariadb", request.getfixturevalue("mariadb_server"), "mariadb-dump")
            case "mysql":
                made = Database("mysql", request.getfixturevalue("mysql_server"), "mysqldump")
            case _:
                return Database("sqlite")
        assert made.server
        fill(made.server)
        return made

    return functools.cache(start)


@pytest.fixture
def own_database() -> Iterator[Started]:
    """Starts and fills a server of the test's own, to be killed at will."""
    with contextlib.ExitStack() as stack:

        def start(engine: str) -> Database:
            kinds: dict[str, tuple[Callable[[], Server], str]] = {
                "postgres": (lambda: PostgresServer(18), "pg_dump"),
                "mariadb": (MariadbServer, "mariadb-dump"),
                "mysql": (MysqlServer, "mysqldump"),
            }
            kind, tool = kinds[engine]
            server = or_skip(kind)
            stack.callback(server.close)
            fill(server)
            return Database(engine, server, tool)

        yield start


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a disk of so many KiB; only root may."""
    mounted: list[Path] = []

    def mount(kib: int) -> Path:
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small disk")
        folder = tmp_path / "small"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)], check=True)
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)
