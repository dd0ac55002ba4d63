"""What the end-to-end tests write into a jobs.yaml, and the databases that it points at."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.e2e.command import Workplace
from tests.parts.postgres import PostgresServer
from tests.parts.s3 import S3Server

ROWS = 40_000


def make_shop(path: Path) -> None:
    """A small SQLite shop."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer REFERENCES customers, note)")
        db.executemany("INSERT INTO customers VALUES (?, ?)", [(n, f"käufer {n} 🛒") for n in range(1000)])
        db.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(n, n % 1000, "x" * (n % 50)) for n in range(5000)])


def sqlite_rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def fill(server: PostgresServer, database: str, *, rows: int = ROWS) -> None:
    """A PostgreSQL database whose dump is some MB that do not compress well."""
    server.create_database(database)
    server.sql(
        "CREATE TABLE t (id int PRIMARY KEY, pad text);"
        f"INSERT INTO t SELECT n, md5(n::text) || md5((n * 7)::text) || md5((n * 13)::text) || 'ü'"
        f" FROM generate_series(1, {rows}) n",
        database,
    )


def drop(server: PostgresServer, *databases: str) -> None:
    for name in databases:
        server.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def content(server: PostgresServer, database: str) -> str:
    return server.sql("SELECT count(*), md5(string_agg(id || pad, ',' ORDER BY id)) FROM t", database)


def sqlite_job(place: Workplace, *, storage: str = "{type: local, path: ./backups}") -> None:
    """One job, `shop`, over ./shop.db."""
    make_shop(place.folder / "shop.db")
    place.write(
        "version: 1\n"
        f"storages:\n  there: {storage}\n"
        "jobs:\n"
        "  - {name: shop, database: {type: sqlite, path: ./shop.db}, storage: there}\n"
    )


def s3_storage(
    place: Workplace, server: S3Server, *, endpoint_url: str | None = None, bucket: str | None = None, type_: str = "s3"
) -> str:
    """A storage entry under a prefix of its own; its keys become variables."""
    place.secrets["S3_SECRET"] = server.secret_access_key
    prefix = f"{place.folder.name}/"
    return (
        f"{{type: {type_}, endpoint_url: '{endpoint_url or server.endpoint_url}', bucket: {bucket or server.bucket},"
        f" prefix: '{prefix}', access_key_id: {server.access_key_id}, secret_access_key: '${{S3_SECRET}}'}}"
    )


def postgres_database(
    place: Workplace, server: PostgresServer, name: str, *, port: int | None = None, more: str = ""
) -> str:
    """A job's database entry; its password becomes a variable."""
    place.secrets["PG_PASSWORD"] = server.password
    return (
        f"{{type: postgres, host: {server.host}, port: {port or server.port}, user: {server.user},"
        f" password: '${{PG_PASSWORD}}', name: '{name}', bin_dir: '{server.bin_dir}'{more}}}"
    )


def one_job(place: Workplace, database: str, storage: str, *, compression: str = "zstd") -> None:
    """One job, `shop`."""
    place.write(
        f"version: 1\nstorages:\n  there: {storage}\njobs:\n  - name: shop\n    database: {database}\n"
        f"    storage: there\n    compression: {compression}\n"
    )
