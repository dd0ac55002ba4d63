"""A real SQL Server that somebody runs for the tests, named by the environment."""

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.parts.missing import REAL_MSSQL, PartMissingError
from tests.parts.mssql.state import Rows
from tests.parts.sqlcmd.odbc import Connection, DriverError, Told, driver_file
from tests.parts.sqlcmd.odbc import Rows as Result

URL_VARIABLE = "BACKUPCTL_TEST_MSSQL"
"""mssql://USER:PASSWORD@HOST:PORT"""
SERVER_DIR_VARIABLE = "BACKUPCTL_TEST_MSSQL_SERVER_DIR"
LOCAL_DIR_VARIABLE = "BACKUPCTL_TEST_MSSQL_LOCAL_DIR"
DEFAULT_PORT = 1433


@dataclass(frozen=True)
class RealMssqlServer:
    """The server, and the folder that it and the tests both see; a Place."""

    host: str
    port: int
    user: str
    password: str
    server_dir: str
    local_dir: Path

    def make_customers(self, name: str, rows: Rows) -> None:
        self.drop(name)
        self._run(f"CREATE DATABASE {_quoted(name)}")
        self._run("CREATE TABLE dbo.customers (id int NOT NULL PRIMARY KEY, name nvarchar(200) NULL)", name)
        for row in rows:
            self._run(f"INSERT INTO dbo.customers VALUES ({', '.join(_literal(value) for value in row)})", name)

    def rows(self, name: str) -> dict[str, Rows]:
        found = self._run("SET NOCOUNT ON; SELECT id, name FROM dbo.customers ORDER BY id", name)
        return {"customers": [(int(number or 0), text) for number, text in found]}

    def has(self, name: str) -> bool:
        return bool(self._run(f"SET NOCOUNT ON; SELECT name FROM sys.databases WHERE name = {_literal(name)}"))

    def drop(self, name: str) -> None:
        if self.has(name):
            self._run(f"ALTER DATABASE {_quoted(name)} SET SINGLE_USER WITH ROLLBACK IMMEDIATE")
            self._run(f"DROP DATABASE {_quoted(name)}")

    def _run(self, batch: str, database: str = "master") -> list[tuple[str | None, ...]]:
        """The rows of a batch. Raises DriverError."""
        library = driver_file()
        if library is None:
            raise PartMissingError("Microsoft's ODBC driver", "the package mssql-python-odbc or libltdl7 is missing")
        attributes = {
            "Server": f"tcp:{self.host},{self.port}",
            "UID": self.user,
            "PWD": self.password,
            "Database": database,
            "Encrypt": "Mandatory",
            "TrustServerCertificate": "Yes",
        }
        with closing(Connection(library, attributes, login_timeout=30, query_timeout=0)) as connection:
            answers = list(connection.run(batch))
        failed = [one for one in answers if isinstance(one, Told) and (one.severity is None or one.severity > 10)]
        if failed:
            raise DriverError(failed)
        return [row for one in answers if isinstance(one, Result) for row in one.rows]


def real_server(environment: Mapping[str, str] = os.environ) -> RealMssqlServer:
    """The server that the environment names. Raises PartMissingError where it names none."""
    names = (URL_VARIABLE, SERVER_DIR_VARIABLE, LOCAL_DIR_VARIABLE)
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise PartMissingError(REAL_MSSQL, f"not set: {', '.join(missing)}")
    url = urlsplit(environment[URL_VARIABLE])
    return RealMssqlServer(
        host=url.hostname or "localhost",
        port=url.port or DEFAULT_PORT,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        server_dir=environment[SERVER_DIR_VARIABLE],
        local_dir=Path(environment[LOCAL_DIR_VARIABLE]),
    )


def _quoted(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "N'" + str(value).replace("'", "''") + "'"
