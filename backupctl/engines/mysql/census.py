"""Counts the routines, triggers and events of a dump while it streams by."""

from collections.abc import Callable
from dataclasses import dataclass

from backupctl.stream import Reader

# How both vendors' clients begin the line that makes one. A line break in a value is written as \n,
# so no row can hold these.
_MARKERS = {
    "routines": b"\nCREATE DEFINER=",
    "triggers": b"\n/*!50003 CREATE*/ ",
    "events": b"\n/*!50106 CREATE*/ ",
}
_OVERLAP = max(map(len, _MARKERS.values())) - 1


@dataclass(frozen=True)
class Expected:
    """How many there are, as the catalogue says."""

    routines: int
    triggers: int
    events: int

    def missing_from(self, counted: dict[str, int]) -> list[str]:
        """In words, what was not counted; a body may hold a marker, so there may be more."""
        there = {"routines": self.routines, "triggers": self.triggers, "events": self.events}
        return [f"{n - counted[what]} of {n} {what}" for what, n in there.items() if counted[what] < n]


class Census:
    """Passes a dump through, and at its end hands the counts to `check`, which may raise."""

    def __init__(self, source: Reader, check: Callable[[dict[str, int]], None]) -> None:
        self._source = source
        self._check = check
        self._counted = dict.fromkeys(_MARKERS, 0)
        self._seam = b"\n"
        self._ended = False

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._count(chunk)
        if len(chunk) < size and not self._ended:
            self._ended = True
            self._check(dict(self._counted))
        return chunk

    def close(self) -> None:
        self._source.close()

    def _count(self, chunk: bytes) -> None:
        for what, marker in _MARKERS.items():
            self._counted[what] += chunk.count(marker)
            # One that the border between two chunks cuts: longer than either side of it.
            edge = self._seam[-len(marker) + 1 :] + chunk[: len(marker) - 1]
            self._counted[what] += edge.count(marker)
        self._seam = (self._seam + chunk[-_OVERLAP:])[-_OVERLAP:]
