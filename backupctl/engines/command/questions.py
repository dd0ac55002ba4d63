"""Asks a job's programs what a dump can do without: where there is no answer, a warning is left."""

import re
from dataclasses import dataclass, field

from backupctl.engines.command.program import Program
from backupctl.errors import EngineError

_LONGEST_VERSION = 200
_BYTES = re.compile(r"\s*([0-9]{1,18})(\s|$)", re.ASCII)


@dataclass
class Questions:
    """What was asked so far. A program that is None is one that the job does not name."""

    warnings: list[str] = field(default_factory=list)

    def version(self, program: Program | None) -> str:
        """The first line that it prints. Raises CancelledError."""
        line = _first_line(self._answer(program) or "")
        return "".join(character for character in line if character.isprintable())[:_LONGEST_VERSION]

    def size(self, program: Program | None) -> int | None:
        """The bytes that it prints; only the first word counts, so that `du -sb FOLDER` will do. Raises CancelledError.

        It is a hint for the size of an upload's parts, and no backup fails for it.
        """
        answer = self._answer(program)
        match = _BYTES.match(answer or "")
        if program and answer is not None and not match:
            self.warnings.append(
                f"database.{program.key} printed {_first_line(answer)!r} where a number of bytes is expected"
            )
        return int(match[1]) if match else None

    def presence(self, program: Program | None) -> None:
        """Look whether it is there, without running it."""
        if program is None:
            return
        try:
            program.check()
        except EngineError as error:
            self.warnings.append(f"a restore on this machine would fail: {error.message} (database.{program.key})")

    def _answer(self, program: Program | None) -> str | None:
        if program is None:
            return None
        try:
            return program.answer()
        except EngineError as error:
            self.warnings.append(f"database.{program.key} gave no answer: {error.message}")
            return None


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
