"""Where a server listens: what HOST:PORT means."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self

from backupctl.errors import UsageError

LOOPBACK = "127.0.0.1"

_FORM = re.compile(r"(?:(?P<host>[A-Za-z0-9._-]*|\[(?P<six>[^\]]+)\]):)?(?P<port>[0-9]{1,5})")
_ANY = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 -- named by the user alone, and never bound to by default
_PORTS = range(1, 65536)


@dataclass(frozen=True)
class Address:
    """A host and a TCP port. The host stands as typed, an IPv6 one without its brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`8080` and `:8080` mean this machine alone. Raises UsageError."""
        found = _FORM.fullmatch(text)
        if found is None or int(found["port"]) not in _PORTS or not _is_six(found["six"]):
            raise UsageError(
                f"{text!r} is not an address to listen on",
                hint=f"write it as 8080 ({LOOPBACK} alone), 0.0.0.0:8080 (every address), or [::1]:8080",
            )
        return cls(found["six"] or found["host"] or LOOPBACK, int(found["port"]))

    @property
    def to_ask(self) -> "Address":
        """Where something that listens here is reached from this machine."""
        return Address(_ANY.get(self.host, self.host), self.port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_six(text: str | None) -> bool:
    try:
        return text is None or bool(IPv6Address(text))
    except ValueError:
        return False
