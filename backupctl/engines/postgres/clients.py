"""Which of the PostgreSQL clients on this machine are used for which server."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backupctl.engines.programs import programs, usual_folders, version_told_by
from backupctl.errors import ToolMissingError
from backupctl.process import Session

_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian
    "/usr/pgsql-*/bin",  # PostgreSQL's own RPMs
    "/usr/local/pgsql*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/opt/libpq/bin",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
# The minor release from which a plain dump is wrapped in \restrict, and psql knows the word (CVE-2025-8714).
_RESTRICT_SINCE = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}

Version = tuple[int, int]


@dataclass(frozen=True)
class Client:
    """One client program."""

    tool: str
    program: Path
    version: Version

    def __str__(self) -> str:
        return f"{self.tool} {self.version[0]}.{self.version[1]}"

    @property
    def major(self) -> int:
        return self.version[0]


def knows_restrict(version: Version) -> bool:
    """Whether a pg_dump of this version writes `\\restrict`, and a psql of it reads that."""
    major, minor = version
    return major > max(_RESTRICT_SINCE) or minor >= _RESTRICT_SINCE.get(major, minor + 1)


def parse_version(text: str) -> Version | None:
    """The version in `pg_dump 16.15`, as a manifest's `client` has it."""
    match = re.search(r"(\d+)(?:\.(\d+))?$", text)
    return (int(match[1]), int(match[2] or 0)) if match else None


@dataclass(frozen=True)
class Clients:
    """The clients of this machine; `bin_dir` is searched first."""

    session: Session
    bin_dir: Path | None
    _found: dict[tuple[str, Path | None], tuple[Client, ...]] = field(default_factory=dict)

    def of(self, tool: str) -> tuple[Client, ...]:
        """Every version of a tool: bin_dir's, then the lowest major release first, its newest minor before others."""
        own = self._own(tool)
        return (*own, *(client for client in self._others(tool) if client not in own))

    def any(self, tool: str) -> Client:
        """A client to ask questions with: bin_dir's, else the newest. Raises ToolMissingError."""
        found = self._own(tool)[:1] or self._others(tool)[-1:]
        if not found:
            raise self._missing(tool)
        return found[0]

    def not_older(self, tool: str, major: int, *, than: str) -> Client:
        """The lowest client that is not older than `major`, bin_dir's before all. Raises ToolMissingError."""
        # One group after the other: every look at a version is a process.
        for group in (self._own, self._others):
            for client in group(tool):
                if client.major >= major:
                    return client
        found = self.of(tool)
        if not found:
            raise self._missing(tool, major)
        there = ", ".join(f"{client} in {client.program.parent}" for client in found)
        raise ToolMissingError(
            f"no {tool} on this machine is new enough for {than}: there is {there}",
            hint=f"install the package postgresql-client-{major}, or set bin_dir to a folder with {tool} {major}",
        )

    def _own(self, tool: str) -> tuple[Client, ...]:
        return self._probed(tool, self.bin_dir, [self.bin_dir]) if self.bin_dir else ()

    def _others(self, tool: str) -> tuple[Client, ...]:
        return self._probed(tool, None, usual_folders(_PLACES))

    def _probed(self, tool: str, group: Path | None, folders: Iterable[Path]) -> tuple[Client, ...]:
        if (tool, group) not in self._found:
            found = self._probe(tool, folders)
            ordered = sorted(found, key=lambda client: (client.version[0], -client.version[1]))
            self._found[tool, group] = tuple(ordered)
        return self._found[tool, group]

    def _missing(self, tool: str, major: int | None = None) -> ToolMissingError:
        package = f"postgresql-client-{major}" if major else "postgresql-client"
        return ToolMissingError(
            f"{tool} is not installed", hint=f"install the package {package}, or set bin_dir to the folder that has it"
        )

    def _probe(self, tool: str, folders: Iterable[Path]) -> Iterator[Client]:
        for program in programs([tool], folders):
            # Debian's /usr/bin/pg_dump is a script that picks a version by its own rules.
            if program.resolve().name == "pg_wrapper":
                continue
            match = _VERSION.search(version_told_by(program, self.session))
            if match:
                yield Client(tool, program, (int(match[1]), int(match[2] or 0)))
