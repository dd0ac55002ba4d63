"""The databases that are timed: each filled with the same kind of rows, and dumped by its own tool."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from tests.parts.mariadb import MariadbServer
from tests.parts.postgres import PostgresServer

_NAME = "bench"


class Subject(ABC):
    """One server with one database."""

    rows: ClassVar[int]
    """How many rows make a dump of over a GB."""

    title: str
    password: str

    @abstractmethod
    def fill(self, rows: int) -> None: ...

    @abstractmethod
    def entry(self) -> str:
        """The job's `database`; its password is ${DB_PASSWORD}."""

    @abstractmethod
    def dump(self, folder: Path) -> list[str]:
        """The hand-written command that dumps it to stdout."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """What that command wants in its environment."""

    @abstractmethod
    def close(self) -> None: ...


class Postgres(Subject):
    rows = 7_500_000
    title = "PostgreSQL 17"

    def __init__(self) -> None:
        self._server = PostgresServer(17)
        self.password = self._server.password

    def fill(self, rows: int) -> None:
        self._server.create_database(_NAME)
        self._server.sql(
            "CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, placed timestamptz NOT NULL,"
            " status text NOT NULL, total numeric(10, 2) NOT NULL, reference text NOT NULL, note text);"
            "INSERT INTO orders SELECT n, (n::bigint * 7919) % 100000,"
            " timestamptz '2020-01-01' + n * interval '17 seconds',"
            " (ARRAY['new', 'paid', 'sent', 'returned'])[1 + n % 4], (n::bigint * 31 % 100000) / 100.0, md5(n::text),"
            " repeat(substr(md5((n % 5000)::text), 1, 8) || ' ', 8)"
            f" FROM generate_series(1, {rows}) n; ANALYZE",
            _NAME,
        )

    def entry(self) -> str:
        server = self._server
        return (
            f"{{type: postgres, host: {server.host}, port: {server.port}, user: {server.user},"
            f" password: '${{DB_PASSWORD}}', name: {_NAME}, bin_dir: '{server.bin_dir}'}}"
        )

    def dump(self, folder: Path) -> list[str]:
        server = self._server
        program = str(server.bin_dir / "pg_dump")
        return [program, "-h", server.host, "-p", str(server.port), "-U", server.user, _NAME]

    def environment(self) -> dict[str, str]:
        return {"PGPASSWORD": self.password}

    def close(self) -> None:
        self._server.close()


class Mariadb(Subject):
    rows = 6_250_000
    title = "MariaDB"

    def __init__(self) -> None:
        self._server = MariadbServer()
        self.password = self._server.password

    def fill(self, rows: int) -> None:
        self._server.create_database(_NAME)
        self._server.sql(
            "CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, placed datetime NOT NULL,"
            " status varchar(10) NOT NULL, total decimal(10, 2) NOT NULL, reference varchar(32) NOT NULL, note text)"
            " ENGINE=InnoDB; SET unique_checks=0, foreign_key_checks=0;"
            "INSERT INTO orders SELECT seq, seq * 7919 % 100000, '2020-01-01' + INTERVAL seq * 17 SECOND,"
            " ELT(1 + seq % 4, 'new', 'paid', 'sent', 'returned'), (seq * 31 % 100000) / 100, md5(seq),"
            f" REPEAT(CONCAT(SUBSTR(md5(seq % 5000), 1, 8), ' '), 8) FROM seq_1_to_{rows}; ANALYZE TABLE orders",
            _NAME,
        )

    def entry(self) -> str:
        server = self._server
        return (
            f"{{type: mariadb, host: {server.host}, port: {server.port}, user: {server.user},"
            f" password: '${{DB_PASSWORD}}', name: {_NAME}, bin_dir: '{server.bin_dir}'}}"
        )

    def dump(self, folder: Path) -> list[str]:
        server = self._server
        options = folder / "client.cnf"
        quoted = self.password.replace("\\", "\\\\").replace('"', '\\"')
        options.write_text(f'[client]\npassword="{quoted}"\n', encoding="utf-8")
        # The same flags as ours: what a dump of everything takes.
        flags = ["--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob"]
        return [
            str(server.bin_dir / "mariadb-dump"),
            f"--defaults-file={options}",
            *("-h", server.host, "-P", str(server.port), "-u", server.user),
            *(*flags, "--default-character-set=utf8mb4", _NAME),
        ]

    def environment(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        self._server.close()


SUBJECTS: dict[str, type[Subject]] = {"postgres": Postgres, "mariadb": Mariadb}
