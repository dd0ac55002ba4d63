"""Which sqlcmd of this machine is used, and which of the two families it is of."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from backupctl.engines.programs import programs, usual_folders
from backupctl.errors import CancelledError, EngineError, ToolMissingError
from backupctl.process import ProcessError, Session

Family = Literal["odbc", "go"]

# mssql-tools18 and mssql-tools are not put into PATH by their packages.
_PLACES = ("/opt/mssql-tools*/bin", "/opt/homebrew/bin", "/usr/local/bin")
_ODBC = "SQL Server Command Line Tool"
_ODBC_VERSION = re.compile(r"^Version (\d+(?:\.\d+)+)", re.MULTILINE)
_GO = re.compile(r"--trust-server-certificate|aka\.ms/SqlcmdLegal|sqlcmd: Install/Create")
_GO_VERSION = re.compile(r"^Version:? v?(\d+(?:\.\d+)+)", re.MULTILINE)
_ENCRYPTION_MODES = re.compile(r"-N\s*\[s\|m\|o\]")


@dataclass(frozen=True)
class Client:
    """One sqlcmd, known by what it says of itself."""

    program: Path
    family: Family
    version: str
    has_encryption_modes: bool
    """Whether -N takes how much is to be encrypted; the ODBC family before 18 knows the bare option alone."""

    def __str__(self) -> str:
        return f"sqlcmd {self.version} ({'ODBC' if self.family == 'odbc' else 'Go'})"


@dataclass(frozen=True)
class Clients:
    """The clients of this machine; those in `bin_dir` are used before all others."""

    session: Session
    bin_dir: Path | None
    _found: list[Client] = field(default_factory=list)

    def best(self) -> Client:
        """The newest of the ODBC family, else of the other. Raises ToolMissingError."""
        if not self._found:
            found = list(self._probe([self.bin_dir] if self.bin_dir else []))
            self._found.extend(found or self._probe(usual_folders(_PLACES)))
        if not self._found:
            raise ToolMissingError(
                "sqlcmd is not installed",
                hint="install Microsoft's mssql-tools18 (or go-sqlcmd), or set bin_dir to the folder that has sqlcmd",
            )
        return max(self._found, key=lambda client: (client.family == "odbc", _number(client.version)))

    def _probe(self, folders: Iterable[Path]) -> Iterator[Client]:
        for program in programs(("sqlcmd",), folders):
            answer = self._told(program, "-?")
            if _ODBC not in answer:  # which knows no --version
                answer += self._told(program, "--version")
            client = identified(program, answer)
            if client:
                yield client

    def _told(self, program: Path, option: str) -> str:
        try:
            return self.session.run([str(program), option])
        except CancelledError:
            raise
        except ProcessError as error:
            return error.stderr
        except EngineError:
            return ""


def identified(program: Path, answer: str) -> Client | None:
    """The client that says so of itself when it is asked for -? (and, of the Go family, for --version)."""
    if _ODBC in answer:
        version = _ODBC_VERSION.search(answer)
        return Client(program, "odbc", version[1] if version else "", bool(_ENCRYPTION_MODES.search(answer)))
    version = _GO_VERSION.search(answer)
    if _GO.search(answer) or version:
        return Client(program, "go", version[1] if version else "", has_encryption_modes=True)
    return None


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if version else ()
