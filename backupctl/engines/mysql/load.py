"""Feeds a stored dump into a database that is ready for it."""

from dataclasses import dataclass

from backupctl.engines.mysql.clients import Client
from backupctl.engines.mysql.connection import Connection
from backupctl.engines.mysql.explain import MESSAGES
from backupctl.engines.mysql.options import Flavour
from backupctl.engines.mysql.sql import QUIET
from backupctl.engines.mysql.statements import (
    Edit,
    Edited,
    ViewChecks,
    renamed,
    translated,
    without_definer,
    without_sandbox,
)
from backupctl.stream import Reader


@dataclass(frozen=True)
class Loading:
    """How one dump goes into one database."""

    connection: Connection
    client: Client
    source: str
    """The database that was dumped."""
    owner: bool
    translate_to: Flavour | None
    """The server's flavour, where it is not the dump's."""

    def load(self, dump: Reader, database: str) -> None:
        """Raises EngineError, and what reading the dump raises."""
        connection = self.connection
        argv = [str(self.client.program), *connection.arguments(self.client), *QUIET, f"--database={database}"]
        checks = ViewChecks()
        edited = Edited(dump, [*self._edits(database), checks], ending=checks.ending)
        with MESSAGES.explaining(connection.server):
            connection.session.feed(argv, edited, env=connection.environment)

    def _edits(self, database: str) -> list[Edit]:
        edits: list[Edit] = []
        if not self.client.knows_sandbox:
            edits.append(without_sandbox)
        if not self.owner:
            edits.append(without_definer)
        if self.translate_to:
            edits.append(translated(self.translate_to))
        if database != self.source:
            edits.append(renamed(self.source, database))
        return edits
