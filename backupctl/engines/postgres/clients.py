"""Which of the PostgreSQL clients on this machine are used for which server."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backupctl.errors import CancelledError, EngineError, ToolMissingError
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
    _found: dict[str, tuple[Client, ...]] = field(default_factory=dict)

    def of(self, tool: str) -> tuple[Client, ...]:
        """Every version of a tool: bin_dir's, then the lowest major release first, its newest minor before others."""
        if tool not in self._found:
            own = list(self._probe(tool, [self.bin_dir] if self.bin_dir else []))
            others = self._probe(tool, _folders())
            ordered = sorted(others, key=lambda client: (client.version[0], -client.version[1]))
            self._found[tool] = (*own, *(client for client in ordered if client not in own))
        return self._found[tool]

    def any(self, tool: str) -> Client:
        """A client to ask questions with: bin_dir's, else the newest. Raises ToolMissingError."""
        found = self.of(tool)
        if not found:
            raise self._missing(tool)
        return found[0] if self._is_own(found[0]) else found[-1]

    def not_older(self, tool: str, major: int, *, than: str) -> Client:
        """The lowest client that is not older than `major`, bin_dir's before all. Raises ToolMissingError."""
        found = self.of(tool)
        if not found:
            raise self._missing(tool, major)
        for client in found:
            if client.major >= major:
                return client
        there = ", ".join(f"{client} in {client.program.parent}" for client in found)
        raise ToolMissingError(
            f"no {tool} on this machine is new enough for {than}: there is {there}",
            hint=f"install the package postgresql-client-{major}, or set bin_dir to a folder with {tool} {major}",
        )

    def _is_own(self, client: Client) -> bool:
        return self.bin_dir is not None and client.program.parent == self.bin_dir

    def _missing(self, tool: str, major: int | None = None) -> ToolMissingError:
        package = f"postgresql-client-{major}" if major else "postgresql-client"
        return ToolMissingError(
            f"{tool} is not installed", hint=f"install the package {package}, or set bin_dir to the folder that has it"
        )

    def _probe(self, tool: str, folders: Iterable[Path]) -> Iterator[Client]:
        for program in _programs(tool, folders):
            try:
                answer = self.session.run([str(program), "--version"])
            except CancelledError:
                raise
            except EngineError:
                continue  # a broken installation is no client
            match = _VERSION.search(answer)
            if match:
                yield Client(tool, program, (int(match[1]), int(match[2] or 0)))


def _folders() -> Iterator[Path]:
    for place in _PLACES:
        yield from sorted(Path("/").glob(place.removeprefix("/")))
    yield from (Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)


def _programs(tool: str, folders: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in folders:
        program = folder / tool
        real = program.resolve()
        # Debian's /usr/bin/pg_dump is a script that picks a version by its own rules.
        if real not in seen and real.name != "pg_wrapper" and os.access(program, os.X_OK):
            seen.add(real)
            yield program
