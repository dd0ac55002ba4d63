"""How the clients are told where a server is, without a secret in an argv or an environment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from backupctl.cancel import Cancellation
from backupctl.engines.mysql.clients import Client
from backupctl.engines.mysql.options import FamilyOptions
from backupctl.errors import EngineError
from backupctl.process import Session

DEFAULT_PORT = 3306
_VERIFIED = frozenset({"verify-ca", "verify-full"})
_SSL_MODES = {
    "off": "DISABLED",
    "prefer": "PREFERRED",
    "require": "REQUIRED",
    "verify-ca": "VERIFY_CA",
    "verify-full": "VERIFY_IDENTITY",
}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b"}


@dataclass(frozen=True)
class Connection:
    """One server, reached as one user."""

    options: FamilyOptions
    session: Session

    @property
    def server(self) -> str:
        """Where the server is, for people."""
        options = self.options
        if options.host:
            return f"{options.host}:{options.port or DEFAULT_PORT}"
        return str(options.socket) if options.socket else "local socket"

    @property
    def over_network(self) -> bool:
        return self.options.host is not None

    def arguments(self, client: Client) -> list[str]:
        """What every call of a client begins with: the option file must be the first of all arguments."""
        return [f"--defaults-file={self._option_file}", "--default-character-set=utf8mb4", *self._tls(client)]

    @property
    def environment(self) -> Mapping[str, str]:
        # ~/.mylogin.cnf is read even with --defaults-file, after it, and would replace what is said there.
        return {"MYSQL_TEST_LOGIN_FILE": str(self.session.scratch / "no-login-paths")}

    def not_cancelled(self) -> Self:
        """The same server for work that must be done after a cancelled run: clearing up."""
        return replace(self, session=replace(self.session, cancel=Cancellation()))

    def _tls(self, client: Client) -> list[str]:
        if not self.over_network:
            return ["--ssl-mode=PREFERRED"] if client.flavour == "mysql" else ["--skip-ssl-verify-server-cert"]
        tls, ca_file = self.options.tls, self.options.ca_file
        authority = [f"--ssl-ca={ca_file}"] if ca_file and tls in _VERIFIED else []
        if client.flavour == "mysql":
            # Without TLS, caching_sha2_password sends the password encrypted with the server's key.
            key = ["--get-server-public-key"] if tls in ("off", "prefer") and client.version >= (8, 0, 3) else []
            return [f"--ssl-mode={_SSL_MODES[tls]}", *authority, *key]
        if tls == "off":
            return ["--skip-ssl"]
        # MariaDB's clients verify by themselves from 11.4 on, and know no verification without the host's name.
        verify = "--ssl-verify-server-cert" if tls in _VERIFIED else "--skip-ssl-verify-server-cert"
        return ["--ssl", *authority, verify]

    @cached_property
    def _option_file(self) -> Path:
        # Not --defaults-extra-file: the machine's own option files could leave tables or comments out of a dump.
        options = self.options
        values = {
            "host": options.host,
            "port": str(options.port) if options.port else None,
            "protocol": "tcp" if options.host else "socket",
            "socket": str(options.socket) if options.socket and not options.host else None,
            "user": options.user,
            "password": options.password.get_secret_value() if options.password else None,
        }
        lines = [f"{name}={quoted(value)}\n" for name, value in values.items() if value]
        return self.session.private_file("server.cnf", "[client]\n" + "".join(lines))


def quoted(value: str) -> str:
    """A value of an option file. Raises EngineError for one that such a file cannot hold."""
    if "\0" in value:
        raise EngineError("user, password and host must not have a NUL character in them")
    return '"' + "".join(_ESCAPES.get(letter, letter) for letter in value) + '"'
