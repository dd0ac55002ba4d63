"""The databases that the faults strike, each with its entry in a jobs.yaml and its dump tool."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.command import Workplace
from tests.parts.mariadb import MariadbServer
from tests.parts.mysql import MysqlServer
from tests.parts.postgres import PostgresServer

NAME = "faults"
ROWS = 60_000
Server = PostgresServer | MariadbServer | MysqlServer


@dataclass(frozen=True)
class Database:
    """One filled database behind a server; SQLite's has none."""

    engine: str
    server: Server | None = None
    tool: str = ""

    def entry(self, place: Workplace, *, port: int | None = None, bin_dir: Path | None = None) -> str:
        """The job's `database`; the password becomes a variable."""
        if self.server is None:
            _fill_file(place.folder / "shop.db")
            return "{type: sqlite, path: ./shop.db}"
        place.secrets["DB_PASSWORD"] = self.server.password
        return (
            f"{{type: {self.engine}, host: {self.server.host}, port: {port or self.server.port},"
            f" user: {self.server.user}, password: '${{DB_PASSWORD}}', name: {NAME},"
            f" bin_dir: '{bin_dir or self.server.bin_dir}'}}"
        )

    def wrapped(self, place: Workplace, script: str) -> Path:
        """A bin_dir like the server's, but for the dump tool, which is this script; $REAL is the real one."""
        assert self.server is not None
        folder = place.folder / "bin"
        folder.mkdir()
        for program in self.server.bin_dir.iterdir():
            if program.name.startswith(("pg_", "psql", "mysql", "mariadb")):
                (folder / program.name).symlink_to(program)
        real = shutil.which(self.tool, path=str(self.server.bin_dir))
        wrapper = folder / self.tool
        wrapper.unlink()
        asks = f'case "$*" in *--version*|*--help*) exec {real} "$@";; esac'
        wrapper.write_text(f"#!/bin/sh\nREAL={real}\n{asks}\n{script}\n")
        wrapper.chmod(0o755)
        return folder


def _fill_file(path: Path) -> None:
    if not path.exists():
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, pad BLOB)")
            db.executemany("INSERT INTO a VALUES (?, randomblob(64))", ((n,) for n in range(ROWS)))


def fill(server: Server) -> None:
    """Some MB that do not compress well, in two tables."""
    server.create_database(NAME)
    if isinstance(server, PostgresServer):
        server.sql(
            "CREATE TABLE a (id int PRIMARY KEY, pad text); CREATE TABLE z (id int PRIMARY KEY, pad text);"
            f"INSERT INTO a SELECT n, md5(n::text) || md5((n * 7)::text) FROM generate_series(1, {ROWS}) n;"
            "INSERT INTO z SELECT * FROM a WHERE id < 1000",
            NAME,
        )
        return
    numbers = "WITH RECURSIVE d AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM d WHERE n < 250)"
    server.sql(
        "CREATE TABLE a (id int PRIMARY KEY, pad text) ENGINE=InnoDB;"
        "CREATE TABLE z (id int PRIMARY KEY, pad text) ENGINE=InnoDB;"
        f"INSERT INTO a {numbers} SELECT x.n * 250 + y.n, SHA2(x.n * 250 + y.n, 256)"
        " FROM d x, d y;"
        "INSERT INTO z SELECT * FROM a WHERE id < 1000",
        NAME,
    )


Started = Callable[[str], Database]
