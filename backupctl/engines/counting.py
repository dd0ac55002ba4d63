"""Counts what is in each table of a dump while it streams by, and never stands in the dump's way."""

from collections.abc import Callable, Mapping
from typing import Protocol

from backupctl.engines.base import Findings
from backupctl.model import Unit
from backupctl.stream import Reader

MOST_TABLES = 100_000
# The manifest holds every name, at worst as six letters of JSON a byte, and is read back up to 16 MiB.
MOST_NAME_BYTES = 2 << 20
# What is made of a piece while it is looked at fits into memory that is used again. Of a whole MiB it does not: glibc
# asks the kernel for new pages each time, which was measured to cost four times as much as the counting.
_PIECE = 64 << 10

NOT_COUNTED = Findings(
    warnings=(f"the tables were not counted: there are more than {MOST_TABLES}, or their names are too long",)
)


class UncountableError(Exception):
    """The dump is not of the shape that its counter knows."""


class TooManyTablesError(Exception):
    """There are more tables than a manifest is made for."""


class Tally:
    """A number for each table, in bounded memory."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self._room = MOST_NAME_BYTES

    def add(self, table: str, number: int) -> None:
        """Raises TooManyTablesError for a table beyond what there is room for."""
        if table in self.numbers:
            self.numbers[table] += number
            return
        self._room -= len(table.encode())
        if len(self.numbers) >= MOST_TABLES or self._room < 0:
            raise TooManyTablesError
        self.numbers[table] = number


class Counter(Protocol):
    """Is shown a dump in chunks of any size. What it does not understand, it raises at: then nothing is counted."""

    @property
    def unit(self) -> Unit: ...

    def feed(self, chunk: bytes, /) -> None: ...

    def end(self) -> Mapping[str, int]:
        """Called once, after the last chunk."""


class Counting:
    """The counting of one dump: hangs a counter into its stream, and knows afterwards what it found."""

    def __init__(self, counter: Callable[[], Counter] | None) -> None:
        self._counter = counter
        self._found = Findings()

    def of(self, dump: Reader) -> Reader:
        """The same dump, counted as it is read; without a counter the dump itself."""
        return _Counted(dump, self._counter(), self._keep) if self._counter else dump

    def findings(self) -> Findings:
        return self._found

    def _keep(self, found: Findings) -> None:
        self._found = found


class _Counted:
    """Passes bytes through, each chunk after its counter has seen it."""

    def __init__(self, source: Reader, counter: Counter, keep: Callable[[Findings], None]) -> None:
        self._source = source
        self._counter: Counter | None = counter
        self._keep = keep

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        if self._counter:
            self._show(self._counter, chunk, ended=len(chunk) < size)
        return chunk

    def close(self) -> None:
        self._source.close()

    def _show(self, counter: Counter, chunk: bytes, *, ended: bool) -> None:
        try:
            for at in range(0, len(chunk), _PIECE):
                counter.feed(chunk[at : at + _PIECE])
            if not ended:
                return
            self._keep(Findings(tables=counter.end(), unit=counter.unit))
        except TooManyTablesError:
            self._keep(NOT_COUNTED)
        except Exception:
            # A backup is worth more than the numbers about it: whatever goes wrong here, the dump goes on uncounted.
            self._keep(Findings())
        self._counter = None
