"""What pg_dump and pg_dumpall are started with, and what proves that they came to their end."""

from dataclasses import dataclass

from backupctl.engines.messages import Explained
from backupctl.engines.postgres.clients import Client
from backupctl.engines.postgres.connection import Connection
from backupctl.engines.postgres.explain import MESSAGES
from backupctl.errors import IntegrityError
from backupctl.stream import Reader, TailCheck

# How long pg_dump waits for a table that somebody holds exclusively; its own default is for ever.
LOCK_WAIT = "10min"
_DUMP_TRAILER = b"-- PostgreSQL database dump complete"
_GLOBALS_TRAILER = b"-- PostgreSQL database cluster dump complete"


@dataclass(frozen=True)
class Dumping:
    """The dumps of one database."""

    connection: Connection

    def open_dump(self, pg_dump: Client) -> Reader:
        """The database, in the format of the options."""
        options = self.connection.options
        arguments = [f"--format={options.format}", f"--lock-wait-timeout={LOCK_WAIT}", "--no-password"]
        if options.format == "custom":
            arguments.append("--compress=0")  # the artifact is compressed as every other one is
        reader = self._start(pg_dump, [*arguments, *options.extra_args, "-d", self._conninfo])
        return checked_dump(reader) if options.format == "plain" else reader

    def open_globals(self, pg_dumpall: Client, *, passwords: bool) -> Reader:
        """The roles and tablespaces of the server; without `passwords` no right beyond a login is needed."""
        arguments = ["--globals-only", f"--lock-wait-timeout={LOCK_WAIT}", "--no-password"]
        if not passwords:
            arguments.append("--no-role-passwords")
        reader = self._start(pg_dumpall, [*arguments, "-d", self._conninfo, "-l", self._conninfo])
        return TailCheck(reader, lambda tail: _want(tail, _GLOBALS_TRAILER, "pg_dumpall"))

    @property
    def _conninfo(self) -> str:
        return self.connection.conninfo(self.connection.options.name)

    def _start(self, client: Client, arguments: list[str]) -> Reader:
        reader = self.connection.session.reader([str(client.program), *arguments])
        return Explained(reader, MESSAGES, self.connection.server)


def checked_dump(source: Reader) -> Reader:
    """A plain dump that raises IntegrityError at its end unless pg_dump wrote its last line."""
    return TailCheck(source, lambda tail: _want(tail, _DUMP_TRAILER, "pg_dump"))


def _want(tail: bytes, trailer: bytes, tool: str) -> None:
    # Since 15.14, 16.10 and 17.6 an \unrestrict line follows the trailer.
    if trailer not in tail:
        raise IntegrityError(
            f"the dump is cut off: it does not end in {tool}'s last line",
            hint="take a new backup; where it happens again, look into the server's log",
        )
