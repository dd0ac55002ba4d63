"""Asks a SQL Server and tells it what to do, through sqlcmd."""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

from backupctl.engines.mssql.clients import Client
from backupctl.engines.mssql.connection import SEPARATOR, Connection
from backupctl.engines.mssql.explain import MESSAGES
from backupctl.engines.mssql.statements import PRELUDE
from backupctl.errors import EngineError
from backupctl.process import PROBE_TIMEOUT_S

Row = dict[str, str | None]

_RULE = re.compile(rf"-+(?:{SEPARATOR}-+)*")
_SAID_EVERY_S = 5.0
_PERCENT = re.compile(r"(\d{1,3}) percent processed")


@dataclass(frozen=True)
class Sql:
    """sqlcmd, connected to one server."""

    client: Client
    connection: Connection

    def rows(self, query: str, *, timeout: float | None = PROBE_TIMEOUT_S) -> list[Row]:
        """The rows of a query, by the names of its columns. Raises EngineError."""
        return next(iter(self.answers(query, timeout=timeout).values()), [])

    def answers(self, queries: str, *, timeout: float | None = PROBE_TIMEOUT_S) -> dict[str, list[Row]]:
        """The rows of several queries at the cost of one connection, by the name of each one's first column."""
        return dict(_answers(self._run(queries, timeout=timeout)))

    def execute(self, batch: str, *, timeout: float | None = PROBE_TIMEOUT_S) -> None:
        """Run statements; the first error ends it. Raises EngineError."""
        self._run(batch, timeout=timeout)

    def work(self, batch: str, what: str) -> None:
        """Run a long statement; what it is, and now and then how far (`WHAT: 35 %`), is said. Raises EngineError."""
        self.connection.session.say(what)
        self._run(batch, timeout=None, heard=self._teller(what))

    def not_cancelled(self) -> Self:
        return replace(self, connection=self.connection.not_cancelled())

    def _teller(self, what: str) -> Callable[[str], None]:
        say, said_at = self.connection.session.say, time.monotonic()

        def hear(line: str) -> None:
            nonlocal said_at
            percent = _PERCENT.search(line)
            if percent and time.monotonic() - said_at >= _SAID_EVERY_S:
                said_at = time.monotonic()
                say(f"{what}: {percent[1]} %")

        return hear

    def _run(self, batch: str, *, timeout: float | None, heard: Callable[[str], None] | None = None) -> str:
        connection = self.connection
        session = connection.session
        # A file, since a batch may hold keys of a store, and sqlcmd's -Q shows in argv.
        script = session.private_file(f"batch-{secrets.token_hex(8)}.sql", f"{PRELUDE}{batch}GO\n")
        if "," in str(script):
            raise EngineError(
                f"sqlcmd takes {script} for several files, for the comma in it",
                hint="set state_dir to a folder without a comma in its path",
            )
        argv = [str(self.client.program), *connection.arguments(self.client), "-i", str(script)]
        try:
            with MESSAGES.explaining(connection.server):
                return session.run(argv, env=connection.environment, timeout=timeout, heard=heard)
        finally:
            script.unlink(missing_ok=True)


def number(value: str | None) -> int:
    """A whole number of an answer; 0 where there is none."""
    return int(value) if value else 0


def name(value: str | None) -> str:
    """A name of an answer, where there is always one: of one that is called NULL sqlcmd shows the same as of none."""
    return "NULL" if value is None else value


def _answers(output: str) -> Iterator[tuple[str, list[Row]]]:
    """Each result: its header, a rule of dashes, its rows, an empty line.

    Not splitlines: a name may hold what Unicode calls the end of a line.
    """
    lines = [line.removesuffix("\r") for line in output.split("\n")]
    for place, line in enumerate(lines[:-1]):
        if place and _RULE.fullmatch(line) and lines[place - 1].count(SEPARATOR) == line.count(SEPARATOR):
            names = lines[place - 1].split(SEPARATOR)
            yield names[0], list(_rows(names, lines[place + 1 :]))


def _rows(names: list[str], lines: list[str]) -> Iterator[Row]:
    for line in lines:
        if not line:
            return
        values = line.split(SEPARATOR)
        if len(values) != len(names):
            raise EngineError(
                f"sqlcmd gave a row of {len(values)} columns where {len(names)} were asked for",
                hint="a name of the database or of one of its files may have a line break in it: rename it",
            )
        yield {name: None if value == "NULL" else value for name, value in zip(names, values, strict=True)}
