"""The members of the engine family, each with what the contract suite needs to know of its database."""

import random
import sqlite3
from abc import ABC, abstractmethod
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backupctl.engines.base import Engine, Preflight, Restore
from backupctl.engines.command import CommandEngine
from backupctl.engines.sqlite import SqliteEngine, SqliteOptions
from backupctl.errors import BackupctlError, EngineError, UsageError
from backupctl.model import DUMP_ROLE, Artifact, Manifest
from backupctl.process import Session
from backupctl.stream import CHUNK, Expected, Reader, Tap, Verified
from tests.contract import mssql_cases, mysql_cases
from tests.contract.postgres_cases import engine_for, new_name, tell
from tests.contract.tar_commands import tar_of
from tests.parts.mariadb import MariadbServer, quoted
from tests.parts.mssql import MssqlServer
from tests.parts.postgres import PostgresServer


class Member(ABC):
    """A real database of one kind, filled, and a place to restore it to."""

    refusal: type[BackupctlError] = UsageError
    """What a restore raises that would replace what is there."""

    @abstractmethod
    def engine(self, session: Session) -> Engine:
        """The engine, pointed at the filled database."""

    @abstractmethod
    def missing(self, session: Session) -> Engine:
        """The engine, pointed at a database that does not exist."""

    @abstractmethod
    def new_target(self) -> str:
        """A database name that is not there yet."""

    @abstractmethod
    def exists(self, target: str) -> bool: ...

    @abstractmethod
    def content(self, target: str | None = None) -> Any:
        """All of a database's rows as the database itself tells them; None is the filled one."""

    @abstractmethod
    def put_something_in(self, target: str) -> None:
        """Make the target and put a table of its own in it."""

    @abstractmethod
    def close(self) -> None:
        """Take away what was made."""


class SqliteMember(Member):
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "shop.sqlite"
        self._targets = 0
        with closing(sqlite3.connect(self._path)) as db, db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
            db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer REFERENCES customers, note, raw BLOB)")
            db.executemany("INSERT INTO customers VALUES (?, ?)", [(n, f"käufer {n} 🛒") for n in range(500)])
            db.executemany(
                "INSERT INTO orders VALUES (?, ?, ?, ?)",
                [(n, n % 500, None if n % 3 else "", bytes(range(256)) * 8) for n in range(3000)],
            )

    def engine(self, session: Session) -> Engine:
        return SqliteEngine.build(SqliteOptions(path=self._path), session)

    def missing(self, session: Session) -> Engine:
        return SqliteEngine.build(SqliteOptions(path=self._folder / "nosuch.sqlite"), session)

    def new_target(self) -> str:
        self._targets += 1
        return str(self._folder / f"restored {self._targets}.sqlite")

    def exists(self, target: str) -> bool:
        return Path(target).exists()

    def content(self, target: str | None = None) -> Any:
        with closing(sqlite3.connect(target or self._path)) as db:
            return list(db.iterdump())

    def put_something_in(self, target: str) -> None:
        with closing(sqlite3.connect(target)) as db, db:
            db.execute("CREATE TABLE precious (x)")
            db.execute("INSERT INTO precious VALUES (1)")

    def close(self) -> None:
        """The files go with the test's folder."""


class CommandMember(Member):
    """A folder, through tar."""

    refusal = EngineError  # only the program of the job can see what is there, and it has no more than an exit code

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._targets = 0
        shop = folder / "shop"
        (shop / "orders").mkdir(parents=True)
        for number in range(60):
            (shop / "orders" / f"käufer {number} 🛒").write_bytes(random.Random(number).randbytes(5000))
        (shop / "latest").symlink_to("orders")

    def engine(self, session: Session) -> Engine:
        return CommandEngine.build(tar_of(self._folder / "shop"), session)

    def missing(self, session: Session) -> Engine:
        return CommandEngine.build(tar_of(self._folder / "nosuch"), session)

    def new_target(self) -> str:
        self._targets += 1
        return str(self._folder / f"restored {self._targets}")

    def exists(self, target: str) -> bool:
        return Path(target).exists()

    def content(self, target: str | None = None) -> Any:
        folder = Path(target) if target else self._folder / "shop"
        return {
            (str(path.relative_to(folder)), path.lstat().st_mode, path.is_file() and path.read_bytes())
            for path in folder.rglob("*")
        }

    def put_something_in(self, target: str) -> None:
        Path(target).mkdir()
        (Path(target) / "precious").write_text("1")

    def close(self) -> None:
        """The files go with the test's folder."""


class PostgresMember(Member):
    """A PostgreSQL, in one of its two formats."""

    def __init__(self, server: PostgresServer, form: str) -> None:
        self._server = server
        self._format = form
        self._name = new_name("shop")
        self._targets: list[str] = []
        server.create_database(self._name)
        server.sql(
            "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);"
            "CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, note text, raw bytea);"
            "INSERT INTO customers SELECT n, format('käufer %s 🛒', n) FROM generate_series(1, 500) n;"
            "INSERT INTO orders SELECT n, 1 + n % 500, CASE WHEN n % 3 = 0 THEN '' END,"
            " decode(md5(n::text) || repeat(md5((n * 7)::text), 60), 'hex') FROM generate_series(1, 3000) n",
            self._name,
        )

    def engine(self, session: Session) -> Engine:
        return engine_for(self._server, session, self._name, format=self._format)

    def missing(self, session: Session) -> Engine:
        return engine_for(self._server, session, "nosuch", format=self._format)

    def new_target(self) -> str:
        self._targets.append(new_name("restored"))
        return self._targets[-1]

    def exists(self, target: str) -> bool:
        # Also one under another name, which a restore would swap in at its end.
        return self._server.sql("SELECT count(*) FROM pg_database WHERE datname LIKE '%" + target + "%'") != "0"

    def content(self, target: str | None = None) -> Any:
        return tell(self._server, target or self._name)

    def put_something_in(self, target: str) -> None:
        self._server.create_database(target)
        self._server.sql("CREATE TABLE precious AS SELECT 1 AS x", target)

    def close(self) -> None:
        for name in (self._name, *self._targets):
            self._server.sql(f'DROP DATABASE IF EXISTS "{name}"')


class MysqlMember(Member):
    """A MySQL or a MariaDB."""

    def __init__(self, server: MariadbServer) -> None:
        self._server = server
        self._name = new_name("shop")
        self._targets: list[str] = []
        server.create_database(self._name)
        # Recursion ends at 1000 rows in either product, and the setting for it has another name in each.
        numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500) SELECT"
        server.sql(
            "CREATE TABLE customers (id int PRIMARY KEY, name varchar(50) NOT NULL) CHARSET utf8mb4;"
            "CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers (id), note text, raw longblob);"
            f"INSERT INTO customers {numbers} n, concat('käufer ', n, ' 🛒') FROM n;"
            f"INSERT INTO orders {numbers} n * 6 + i, n, if(n % 3, NULL, ''),"
            " unhex(concat(sha2(n, 256), repeat(sha2(n * 7 + i, 256), 30)))"
            " FROM n, (SELECT 1 AS i UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6) i;"
            "ANALYZE TABLE customers, orders",  # the server does it by itself, some seconds later
            self._name,
        )

    def engine(self, session: Session) -> Engine:
        return mysql_cases.engine_for(self._server, session, self._name)

    def missing(self, session: Session) -> Engine:
        return mysql_cases.engine_for(self._server, session, "nosuch")

    def new_target(self) -> str:
        self._targets.append(new_name("restored"))
        return self._targets[-1]

    def exists(self, target: str) -> bool:
        return bool(self._server.sql(f"SHOW DATABASES LIKE '%{target}%'"))

    def content(self, target: str | None = None) -> Any:
        return mysql_cases.tell(self._server, target or self._name)

    def put_something_in(self, target: str) -> None:
        self._server.create_database(target)
        self._server.sql("CREATE TABLE precious AS SELECT 1 AS x", target)

    def close(self) -> None:
        for name in (self._name, *self._targets):
            self._server.sql(f"DROP DATABASE IF EXISTS {quoted(name)}")


class MssqlMember(Member):
    """A SQL Server, by way of the folder that both see."""

    def __init__(self, server: MssqlServer, sqlcmd: Path) -> None:
        server.reset()
        self._server = server
        self._sqlcmd = sqlcmd
        self._targets = 0
        server.make_database("shop", [(number, f"käufer {number} 🛒") for number in range(500)], filler=4_000_000)

    def engine(self, session: Session) -> Engine:
        return mssql_cases.engine_for(self._server, self._sqlcmd, session)

    def missing(self, session: Session) -> Engine:
        return mssql_cases.engine_for(self._server, self._sqlcmd, session, name="nosuch")

    def new_target(self) -> str:
        self._targets += 1
        return f"restored {self._targets}"

    def exists(self, target: str) -> bool:
        return self._server.has(target)

    def content(self, target: str | None = None) -> Any:
        return self._server.rows(target or "shop")

    def put_something_in(self, target: str) -> None:
        self._server.make_database(target, [(1, "precious")])

    def close(self) -> None:
        assert list(self._server.local_dir.iterdir()) == []


class Kept:
    """A dump that was read to its end and is held in memory, as a storage would hold it."""

    def __init__(self, engine: Engine, preflight: Preflight, dumps: dict[str, bytes], taps: dict[str, Tap]) -> None:
        now = datetime.now(UTC)
        self._dumps = dumps
        self.manifest = Manifest(
            id="20260101T000000Z-abcdef",
            job="shop",
            engine="any",
            database=engine.database,
            server_version=preflight.server_version,
            client=preflight.client,
            host="here",
            started_at=now,
            finished_at=now,
            timezone="UTC",
            format=engine.format,
            compression="none",
            artifacts=tuple(
                Artifact(
                    role=role, key=role, size=tap.size, sha256=tap.sha256, dump_size=tap.size, dump_sha256=tap.sha256
                )
                for role, tap in taps.items()
            ),
            details=preflight.details,
            tool="tests",
        )

    def open(self, role: str = DUMP_ROLE) -> Reader:
        artifact = self.manifest.artifact(role)
        assert artifact is not None
        return Verified(MemoryReader(self._dumps[role]), Expected(role, artifact.dump_size, artifact.dump_sha256))

    def altered(self, change: Any) -> "Kept":
        """The same backup with other bytes in its dump than its manifest says."""
        other = object.__new__(Kept)
        other.manifest = self.manifest
        other._dumps = self._dumps | {DUMP_ROLE: change(self._dumps[DUMP_ROLE])}
        return other

    def request(self, into: str, **options: Any) -> Restore:
        return Restore(manifest=self.manifest, open=self.open, into=into, **options)


class MemoryReader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int, /) -> bytes:
        chunk = self._data[self._at : self._at + size]
        self._at += len(chunk)
        return chunk

    def close(self) -> None:
        self._at = len(self._data)


def read_all(reader: Reader) -> bytes:
    chunks = []
    while chunk := reader.read(CHUNK):
        chunks.append(chunk)
    return b"".join(chunks)


def keep(engine: Engine) -> Kept:
    """Dump a database into memory."""
    preflight = engine.preflight()
    dumps: dict[str, bytes] = {}
    taps: dict[str, Tap] = {}
    for part in preflight.parts:
        with closing(part.open()) as reader:
            tap = taps[part.role] = Tap(reader)
            dumps[part.role] = read_all(tap)
    return Kept(engine, preflight, dumps, taps)
