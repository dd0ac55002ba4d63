"""Asks a PostgreSQL server and tells it what to do, through psql."""

import json
from dataclasses import dataclass
from typing import Any, Self

from backupctl.engines.postgres.connection import Connection
from backupctl.engines.postgres.explain import explaining
from backupctl.errors import EngineError
from backupctl.process import PROBE_TIMEOUT_S

# -X: no psqlrc; -w: never prompt. Without ON_ERROR_STOP psql ends with 0 after an error.
QUIET = ("-X", "-q", "-w", "-v", "ON_ERROR_STOP=1")
# Without a name, libpq takes the user's: the database of its own.
_MAINTENANCE = ("postgres", "template1", "")
# Names are schema-qualified by nobody's setting but ours, and a backslash in a literal is a backslash.
_PRELUDE = (
    "SET standard_conforming_strings = on; SET search_path = pg_catalog; SET default_transaction_read_only = off; "
    "SET statement_timeout = 0;\n"
)


@dataclass(frozen=True)
class Psql:
    """psql of one version, connected to one database."""

    program: str
    connection: Connection
    database: str

    def ask(self, query: str) -> Any:
        """The JSON document that a query of one row and one column answers with. Raises EngineError."""
        return json.loads(self.execute(query + ";"))

    def execute(self, statements: str, *, timeout: float | None = PROBE_TIMEOUT_S) -> str:
        """Run statements, each in a transaction of its own; the first error ends it. Raises EngineError."""
        conninfo = self.connection.conninfo(self.database, client_encoding="UTF8")
        with explaining(self.connection.server):
            return self.connection.session.run(
                [self.program, *QUIET, "-A", "-t", "-d", conninfo, "-f", "-"],
                text=_PRELUDE + statements,
                timeout=timeout,
            )

    def at(self, database: str) -> Self:
        return type(self)(self.program, self.connection, database)

    def not_cancelled(self) -> Self:
        return type(self)(self.program, self.connection.not_cancelled(), self.database)


def outside(program: str, connection: Connection, *, but: str | None = None) -> Psql:
    """psql for questions about the server itself, in a database that every server has, `but` for one.

    Raises EngineError, that of the first where none of them lets us in.
    """
    refused: list[EngineError] = []
    for database in _MAINTENANCE:
        psql = Psql(program, connection, database)
        try:
            if database != but:
                psql.execute("SELECT;")
                return psql
        except EngineError as error:
            if database and f'"{database}"' not in error.message:
                raise
            refused.append(error)
    raise refused[0]


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def json_literal(value: Any) -> str:
    return literal(json.dumps(value, ensure_ascii=False)) + "::json"
