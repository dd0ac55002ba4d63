"""Which of the MySQL and MariaDB clients on this machine are used for which server."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from backupctl.engines.mysql.options import PRODUCTS, Flavour
from backupctl.engines.programs import programs, usual_folders, version_told_by
from backupctl.errors import ToolMissingError
from backupctl.process import Session

Kind = Literal["sql", "dump"]
Version = tuple[int, int, int]

# Each of MariaDB's clients also goes by MySQL's name, where it is older than 11 or the distribution says so.
_TOOLS: dict[Kind, dict[Flavour, str]] = {
    "sql": {"mariadb": "mariadb", "mysql": "mysql"},
    "dump": {"mariadb": "mariadb-dump", "mysql": "mysqldump"},
}
_PACKAGES: dict[Flavour, str] = {"mariadb": "mariadb-client", "mysql": "mysql-client"}
_PLACES = (
    "/usr/bin",
    "/usr/local/mysql*/bin",
    "/usr/local/mariadb*/bin",
    "/opt/mysql*/bin",
    "/opt/mariadb*/bin",
    "/opt/homebrew/opt/mysql*/bin",
    "/opt/homebrew/opt/mariadb*/bin",
    "/usr/local/opt/mysql*/bin",
    "/usr/local/opt/mariadb*/bin",
)
_MARIADB = re.compile(r"(\d+)\.(\d+)\.(\d+)-MariaDB")
_MYSQL = re.compile(r"(?:Distrib|Ver) (\d+)\.(\d+)\.(\d+)")
# The release of each series from which the first line of a dump enables a sandbox, and `mariadb` knows that.
_SANDBOX_SINCE = {(10, 5): 25, (10, 6): 18, (10, 11): 8, (11, 0): 6, (11, 1): 5, (11, 2): 4, (11, 4): 2}


@dataclass(frozen=True)
class Client:
    """One client program, known by what it says of itself: `mysqldump` may be either vendor's."""

    kind: Kind
    program: Path
    flavour: Flavour
    version: Version

    def __str__(self) -> str:
        return f"{_TOOLS[self.kind][self.flavour]} {'.'.join(map(str, self.version))}"

    @property
    def knows_sandbox(self) -> bool:
        """Whether it understands the line that a newer mariadb-dump begins with."""
        series, patch = self.version[:2], self.version[2]
        return self.flavour == "mariadb" and (
            series > max(_SANDBOX_SINCE) or patch >= _SANDBOX_SINCE.get(series, patch + 1)
        )


@dataclass(frozen=True)
class Clients:
    """The clients of this machine; those in `bin_dir` are used before all others."""

    session: Session
    bin_dir: Path | None
    _found: dict[Kind, tuple[Client, ...]] = field(default_factory=dict)

    def of(self, kind: Kind) -> tuple[Client, ...]:
        """Every client of a kind, the lowest version first; bin_dir's alone where it has any."""
        if kind not in self._found:
            found = list(self._probe(kind, [self.bin_dir] if self.bin_dir else []))
            found = found or list(self._probe(kind, usual_folders(_PLACES)))
            self._found[kind] = tuple(sorted(found, key=lambda client: client.version))
        return self._found[kind]

    def any(self, kind: Kind, flavour: Flavour) -> Client:
        """A client to ask a first question with. Raises ToolMissingError."""
        return self.best(kind, flavour, (0, 0, 0))

    def best(self, kind: Kind, flavour: Flavour, server: Version) -> Client:
        """The server's own vendor's, the lowest that is not older than it. Raises ToolMissingError."""
        found = self.of(kind)
        if not found:
            tool, package = _TOOLS[kind][flavour], _PACKAGES[flavour]
            raise ToolMissingError(
                f"{tool} is not installed",
                hint=f"install the package {package}, or set bin_dir to the folder that has {tool}",
            )
        own = [client for client in found if client.flavour == flavour] or list(found)
        return next((client for client in own if client.version[:2] >= server[:2]), own[-1])

    def _probe(self, kind: Kind, folders: Iterable[Path]) -> Iterator[Client]:
        for program in programs(_TOOLS[kind].values(), folders):
            known = identified(version_told_by(program, self.session))
            if known:
                yield Client(kind, program, *known)


def identified(answer: str) -> tuple[Flavour, Version] | None:
    """Whose client it is that answers `--version` so, and of which version."""
    for flavour, pattern in (("mariadb", _MARIADB), ("mysql", _MYSQL)):
        match = pattern.search(answer)
        if match:
            return "mariadb" if flavour == "mariadb" else "mysql", (int(match[1]), int(match[2]), int(match[3]))
    return None


def doubts(client: Client, flavour: Flavour, version: Version) -> list[str]:
    """What to warn of when this client dumps a server of that flavour and version."""
    product = PRODUCTS[flavour]
    if client.flavour != flavour:
        return [f"{product} is dumped by {client}, since no {_TOOLS[client.kind][flavour]} was found: install it"]
    if client.version[:2] < version[:2]:
        return [f"{client} is older than the server's {product} {'.'.join(map(str, version))}: what is new may be lost"]
    return []
