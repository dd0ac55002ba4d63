"""What is wrong with the file, where, and what to write instead."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from backupctl.errors import ConfigError


@dataclass(frozen=True)
class Problem:
    """One mistake. `line` and `column` count from 1; `path` is in the user's words: `jobs[shop].database.port`."""

    file: Path
    line: int
    column: int
    path: str
    message: str
    hint: str | None = None
    source: str = ""
    """The line of the file, with every secret masked."""
    span: tuple[int, int] = (0, 0)
    """Which part of `source` it is about: first column and the one after the last, from 0."""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def as_json(self) -> dict[str, Any]:
        """The fields that `validate --json` promises."""
        shown = ("file", "line", "column", "path", "message", "hint")
        return {name: str(value) if name == "file" else value for name, value in asdict(self).items() if name in shown}


class InvalidFile(ConfigError):  # noqa: N818 -- it is named for what it says
    """the jobs file is not valid"""

    def __init__(self, file: Path, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        count = len(self.problems)
        super().__init__(f"{file} has {count} problem{'' if count == 1 else 's'}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that this one may have been meant to be."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None
