"""Turns what a database's own clients say when they fail into a fact and what to try."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backupctl.errors import EngineError
from backupctl.process import ProcessError, ProcessReader

_LINES_SHOWN = 4


@dataclass(frozen=True)
class Known:
    """An error that is recognized; groups of the pattern, `server` and `line` may be named in its sentences."""

    pattern: str
    message: str
    hint: str | None = None
    transient: bool = False


@dataclass(frozen=True)
class Messages:
    """The errors that one kind of client is known for; `important` marks the lines that are shown of others."""

    known: tuple[Known, ...]
    important: tuple[str, ...]

    @contextmanager
    def explaining(self, server: str) -> Iterator[None]:
        """Within the block, a failed client raises an EngineError that says what to try."""
        try:
            yield
        except ProcessError as error:
            raise self.explained(error, server=server) from error

    def explained(self, error: ProcessError, *, server: str) -> EngineError:
        """The error of a client, recognized where it is a known one."""
        killed_in_silence = error.returncode < 0 and not error.stderr
        for known in () if killed_in_silence else self.known:
            match = re.search(known.pattern, error.stderr)
            if match:
                words = {"server": server, "line": _line_of(error.stderr, match.start()), **match.groupdict("")}
                words["what"] = next(iter(words.get("what", "").splitlines()), "")
                hint = known.hint.format(**words) if known.hint else None
                return EngineError(known.message.format(**words), hint=hint, transient=known.transient)
        return EngineError(shortened(error, self.important))


class Explained:
    """A client's output; where the client fails, the error says what to try."""

    def __init__(self, source: ProcessReader, messages: Messages, server: str) -> None:
        self._source = source
        self._messages = messages
        self._server = server

    def read(self, size: int, /) -> bytes:
        with self._messages.explaining(self._server):
            return self._source.read(size)

    def close(self) -> None:
        self._source.close()


def shortened(error: ProcessError, important: Iterable[str] = ()) -> str:
    """What a program said last; of its lines only those with an important word, where there are such."""
    words = tuple(important)
    lines = error.stderr.splitlines()
    chosen = [line for line in lines if any(word in line for word in words)] or lines
    shown = "; ".join(line.strip() for line in chosen[-_LINES_SHOWN:])
    return str(error).partition(":")[0] + (f": {shown}" if shown else "")


def named(names: Iterable[str], *, at_most: int = 5) -> str:
    """A few of the names, and how many there are beside."""
    listed = list(names)
    more = len(listed) - at_most
    return ", ".join(listed[:at_most]) + (f" and {more} more" if more > 0 else "")


def _line_of(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[text.rfind("\n", 0, position) + 1 : end if end >= 0 else None].strip()
