"""Asks a MySQL or MariaDB server and tells it what to do, through the vendor's command-line client."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from backupctl.engines.mysql.clients import Client
from backupctl.engines.mysql.connection import Connection
from backupctl.engines.mysql.explain import MESSAGES
from backupctl.process import PROBE_TIMEOUT_S

CONNECT_TIMEOUT_S = 15
MAX_PACKET = "--max-allowed-packet=1G"
"""The most there is; by default a client refuses rows over 16 or 24 MiB."""

# --binary-mode: no command of the client's own (source, system) is taken from what it reads.
# --comments: else a client may take the comments out of the bodies of routines (mariadb 10.11).
QUIET = ("--batch", "--binary-mode", "--comments", "--skip-auto-rehash", "--local-infile=0", MAX_PACKET)
_ANSWERS = ("--raw", "--skip-column-names", f"--connect-timeout={CONNECT_TIMEOUT_S}")
# Our literals are escaped for a server without NO_BACKSLASH_ESCAPES and ANSI_QUOTES.
_PRELUDE = "SET SESSION sql_mode = '';\n"

Row = list[Any]


@dataclass(frozen=True)
class Sql:
    """The client, connected to one server, and to one database of it if there is a name."""

    client: Client
    connection: Connection
    database: str | None = None

    def rows(self, query: str) -> list[Row]:
        """The rows of a query whose only column is a JSON array. Raises EngineError."""
        return [json.loads(line) for line in _lines(self.execute(query))]

    def row(self, query: str) -> Row:
        return self.rows(query)[0]

    def groups(self, queries: Mapping[str, str]) -> dict[str, list[Row]]:
        """The answers of several such queries, at the cost of one connection. Raises EngineError."""
        marked = [f"SELECT '{name}';\n{query}" for name, query in queries.items()]
        groups: dict[str, list[Row]] = {}
        for line in _lines(self.execute(";\n".join(marked))):
            if line.startswith("["):
                next(reversed(groups.values())).append(json.loads(line))
            else:
                groups[line] = []
        return groups

    def execute(self, statements: str, *, timeout: float | None = PROBE_TIMEOUT_S) -> str:
        """Run statements; the first error ends it. Raises EngineError."""
        connection = self.connection
        argv = [str(self.client.program), *connection.arguments(self.client), *QUIET, *_ANSWERS]
        if self.database is not None:
            argv.append(f"--database={self.database}")
        with MESSAGES.explaining(connection.server):
            return connection.session.run(
                argv, env=connection.environment, text=f"{_PRELUDE}{statements};\n", timeout=timeout
            )

    def at(self, database: str | None) -> Self:
        return replace(self, database=database)

    def not_cancelled(self) -> Self:
        return replace(self, connection=self.connection.not_cancelled())


def _lines(output: str) -> list[str]:
    # Not splitlines: JSON leaves line breaks of Unicode as they are.
    return output.split("\n")[:-1]


def identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def account(user: str, host: str | None) -> str:
    """An account as a statement names it; a role of MariaDB has no host."""
    return literal(user) + (f"@{literal(host)}" if host is not None else "")
