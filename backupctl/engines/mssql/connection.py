"""How sqlcmd is told where a server is and how to talk to it, without a secret in an argv."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from backupctl.cancel import Cancellation
from backupctl.engines.mssql.clients import Client
from backupctl.engines.mssql.options import MssqlOptions
from backupctl.process import Session

DEFAULT_PORT = 1433
LOGIN_TIMEOUT_S = 30
_VERIFIED = frozenset({"verify-ca", "verify-full"})
SEPARATOR = "\x1f"
"""Between the columns of an answer: a control character, which no name or path that we ask for may have."""

# -b: without it an error ends with exit code 0. -r1: messages, progress among them, go to stderr. -x: $(NAME) is text.
# -I: quoted identifiers, which the ODBC family does not turn on by itself. -W: no padding; it excludes -y 0, so that
# long types are cut at 256 characters: no question asks for one. -w: no line is wrapped before its largest width.
_WAYS = ("-b", "-r1", "-x", "-I", "-W", "-w", "65535", "-s", SEPARATOR)


@dataclass(frozen=True)
class Connection:
    """One server, reached as one login."""

    options: MssqlOptions
    session: Session

    @property
    def server(self) -> str:
        """Where the server is, for people."""
        host = self.options.host or "localhost"
        return host if self._is_instance else f"{host}:{self._port}"

    def arguments(self, client: Client) -> list[str]:
        """What every call begins with. `master` is there for every login, whatever its own database."""
        host = self.options.host or "localhost"
        place = f"tcp:{host}" if self._is_instance else f"tcp:{host},{self._port}"
        who = ["-U", self.options.user] if self.options.user else ["-E"]
        return ["-S", place, *who, "-d", "master", "-l", str(LOGIN_TIMEOUT_S), *self._tls(client), *_WAYS]

    @property
    def environment(self) -> Mapping[str, str]:
        options = self.options
        variables: dict[str, str] = {}
        if options.password:
            variables["SQLCMDPASSWORD"] = options.password.get_secret_value()
        if options.ca_file and options.tls in _VERIFIED:
            # Neither family has an option for it; OpenSSL, which the ODBC driver uses, and Go both take this variable.
            variables["SSL_CERT_FILE"] = str(options.ca_file)
        return variables

    def not_cancelled(self) -> Self:
        """The same server for work that must be done after a cancelled run: clearing up."""
        return replace(self, session=replace(self.session, cancel=Cancellation()))

    @property
    def _port(self) -> int:
        return self.options.port or DEFAULT_PORT

    @property
    def _is_instance(self) -> bool:
        """HOST\\INSTANCE, whose port the server's browser service tells."""
        return "\\" in (self.options.host or "") and self.options.port is None

    def _tls(self, client: Client) -> list[str]:
        """Every SQL Server has a certificate, if only one that it made for itself; so prefer is as good as require."""
        tls = self.options.tls
        if tls == "off":
            return ["-No"] if client.has_encryption_modes else []
        encrypt = "-Nm" if client.has_encryption_modes else "-N"
        return [encrypt] if tls in _VERIFIED else [encrypt, "-C"]
