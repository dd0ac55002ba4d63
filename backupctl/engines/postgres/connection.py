"""How libpq is told where a database is, without a secret in an argv or an environment."""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from backupctl.cancel import Cancellation
from backupctl.engines.postgres.options import PostgresOptions
from backupctl.errors import EngineError
from backupctl.process import Session

DEFAULT_PORT = 5432
CONNECT_TIMEOUT_S = 15
_SSLMODES = {"off": "disable"}
_SOCKET_FILE = re.compile(r"\.s\.PGSQL\.(\d+)")


@dataclass(frozen=True)
class Connection:
    """One server, reached as one user."""

    options: PostgresOptions
    session: Session

    @property
    def server(self) -> str:
        """Where the server is, for people."""
        host, port = self._address
        return f"{host or 'local socket'}:{port or DEFAULT_PORT}"

    def conninfo(self, database: str, **more: str) -> str:
        """A connection string. Every value is quoted: a name with `=` in it would be taken for a string of its own."""
        host, port = self._address
        words = {
            "dbname": database,
            "host": host,
            "port": str(port) if port else None,
            "user": self.options.user,
            "passfile": str(self._passfile) if self._passfile else None,
            "sslmode": _SSLMODES.get(self.options.tls, self.options.tls),
            "sslrootcert": str(self.options.ca_file) if self.options.ca_file else None,
            "application_name": "backupctl",
            "connect_timeout": str(CONNECT_TIMEOUT_S),
        }
        return " ".join(f"{word}={_quoted(value)}" for word, value in (words | more).items() if value)

    def not_cancelled(self) -> Self:
        """The same server for work that must be done after a cancelled run: clearing up."""
        return replace(self, session=replace(self.session, cancel=Cancellation()))

    @property
    def _address(self) -> tuple[str | None, int | None]:
        if self.options.host or not self.options.socket:
            return self.options.host, self.options.port
        socket_file = _SOCKET_FILE.fullmatch(self.options.socket.name)
        if socket_file:
            return str(self.options.socket.parent), int(socket_file[1])
        return str(self.options.socket), self.options.port

    @cached_property
    def _passfile(self) -> Path | None:
        password = self.options.password.get_secret_value() if self.options.password else ""
        if not password:
            return None
        if "\n" in password or password.endswith("\r"):
            raise EngineError(
                "the password has a line break in it, which PostgreSQL's clients cannot be given",
                hint="remove it: a secret file may end in an empty line, and one of Windows in \\r",
            )
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        return self.session.private_file("server.pgpass", f"*:*:*:*:{escaped}\n")


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
