"""Finds the programs of a tool on this machine, and asks each what it is."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from backupctl.errors import CancelledError, EngineError
from backupctl.process import Session


def usual_folders(places: Iterable[str]) -> Iterator[Path]:
    """What the patterns of absolute paths match, then the folders of PATH."""
    for place in places:
        yield from sorted(Path("/").glob(place.removeprefix("/")))
    yield from (Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)


def programs(names: Iterable[str], folders: Iterable[Path]) -> Iterator[Path]:
    """The executables of these names, each once, also where several links lead to one."""
    wanted = tuple(names)
    seen: set[Path] = set()
    for program in (folder / name for folder in folders for name in wanted):
        real = program.resolve()
        # In this order: in a folder of PATH that this user may not enter, is_file raises (Python 3.11).
        if real not in seen and os.access(program, os.X_OK) and program.is_file():
            seen.add(real)
            yield program


def version_told_by(program: Path, session: Session) -> str:
    """What `--version` answers; nothing where the installation is broken."""
    try:
        return session.run([str(program), "--version"])
    except CancelledError:
        raise
    except EngineError:
        return ""
