"""Starts the programs that a job names, and says of a failing one which key of the file it is."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backupctl.engines.messages import shortened
from backupctl.errors import EngineError, ToolMissingError
from backupctl.process import ProcessError, ProcessReader, Session
from backupctl.stream import Reader


@dataclass(frozen=True)
class Program:
    """One of the job's programs; `key` is where the jobs file has it, below `database`."""

    key: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    session: Session
    advice: str = ""
    """What else to try when it fails."""

    @property
    def name(self) -> str:
        return Path(self.argv[0]).name

    def check(self) -> None:
        """Raises ToolMissingError unless it is there, where the child process will look for it."""
        if not shutil.which(self.argv[0], path=self.env.get("PATH")):
            raise self._explained(ToolMissingError(f"the program {self.argv[0]} is not installed"))

    def output(self) -> Reader:
        """What it writes to stdout, which ends only if it succeeded. Raises EngineError, also while it is read."""
        with self.explaining():
            return _Output(self, self.session.reader(self.argv, env=self.env))

    def answer(self) -> str:
        """What it says when it is run for a moment, without any secret. Raises EngineError."""
        with self.explaining():
            return self.session.redact(self.session.run(self.argv, env=self.env))

    def feed(self, dump: Reader, facts: Mapping[str, str]) -> None:
        """Run it with all of the dump on stdin. Raises EngineError, and what reading the dump raises."""
        with self.explaining():
            self.session.feed(self.argv, dump, env={**self.env, **facts})

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Within the block, an error of the program says where the file names it, and what to try."""
        try:
            yield
        except EngineError as error:
            raise self._explained(error) from error

    def _explained(self, error: EngineError) -> EngineError:
        if isinstance(error, ToolMissingError):
            hint = f"install it, or correct database.{self.key}; its path may be written out there"
            return ToolMissingError(error.message, hint=hint)
        if isinstance(error, ProcessError):
            # sysexits.h: the one code by which any program can say that it may be tried again.
            transient = error.returncode == os.EX_TEMPFAIL
            return EngineError(shortened(error), hint=self._by_hand(), transient=transient)
        return EngineError(error.message, hint=error.hint or self._by_hand(), transient=error.transient)

    def _by_hand(self) -> str:
        return f"it is database.{self.key} of the job: run it by hand, as the user that backupctl runs as{self.advice}"


class _Output:
    def __init__(self, program: Program, source: ProcessReader) -> None:
        self._program = program
        self._source = source

    def read(self, size: int, /) -> bytes:
        with self._program.explaining():
            return self._source.read(size)

    def close(self) -> None:
        self._source.close()
