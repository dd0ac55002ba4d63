"""What the dump clients are started with, and what proves that they came to their end."""

import re
from dataclasses import dataclass

from backupctl.engines.messages import Explained
from backupctl.engines.mysql.clients import Client
from backupctl.engines.mysql.connection import Connection
from backupctl.engines.mysql.explain import MESSAGES
from backupctl.engines.mysql.privileges import Rights
from backupctl.engines.mysql.server import Server
from backupctl.engines.mysql.sql import MAX_PACKET
from backupctl.errors import IntegrityError
from backupctl.stream import Reader, TailCheck

_COMMON = (
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--hex-blob",
    "--comments",  # the trailer is one
    "--skip-add-locks",  # under LOCK TABLES, a column whose default is a sequence takes no row (MariaDB 10.11)
    MAX_PACKET,
)
# The last line of the dump, and not the same words in a row: those have no line break before them.
_TRAILER = re.compile(rb"\n-- Dump completed[^\n]*\n?\Z")


@dataclass(frozen=True)
class Dumping:
    """The dump of one database."""

    connection: Connection
    server: Server
    rights: Rights

    def open_dump(self, client: Client) -> Reader:
        """The database as SQL."""
        connection = self.connection
        argv = [str(client.program), *connection.arguments(client), *_COMMON, *self._own_flags(client)]
        # Without --databases there is no CREATE DATABASE and no USE, so that it restores under any name.
        # Without the right, the client would stop; whoever allowed an incomplete dump was told.
        argv.append("--events" if self.rights.on_database("EVENT") else "--skip-events")
        argv += [*connection.options.extra_args, "--", connection.options.name]
        reader = connection.session.reader(argv, env=connection.environment)
        return checked_dump(Explained(reader, MESSAGES, connection.server))

    def _own_flags(self, client: Client) -> list[str]:
        """What only one vendor's client knows."""
        if client.flavour == "mariadb":
            return []
        # GTIDs make of a dump something that only its own server, emptied, or a new replica takes back.
        flags = ["--set-gtid-purged=OFF"]
        if client.version >= (8, 0, 0) and (self.server.flavour == "mariadb" or self.server.number < (8, 0, 0)):
            flags.append("--column-statistics=0")
        if not self.rights.on_server("PROCESS"):
            flags.append("--no-tablespaces")  # those of NDB alone; asking for them needs PROCESS (8.0.21)
        return flags


def checked_dump(source: Reader) -> Reader:
    """A dump that raises IntegrityError at its end unless the client wrote its last line."""
    return TailCheck(source, _want_trailer)


def _want_trailer(tail: bytes) -> None:
    if not _TRAILER.search(tail):
        raise IntegrityError(
            "the dump is cut off: it does not end in the dump client's last line",
            hint="take a new backup; where it happens again, look into the server's log",
        )
