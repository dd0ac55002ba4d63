"""The lines that wait to be sent: bounded, the oldest dropped when there are too many, and counted."""

from collections import deque
from dataclasses import dataclass, field


@dataclass
class Backlog:
    """For one thread at a time. `most` is how many lines and bytes are kept; `dropped` how many were not."""

    most: int
    most_bytes: int
    dropped: int = 0
    size: int = 0
    _lines: deque[bytes] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: bytes) -> None:
        self._lines.append(line)
        self.size += len(line)
        self._shed()

    def take(self, most: int, most_bytes: int) -> list[bytes]:
        """The oldest lines, up to so many and so many bytes; one at least, if there is any."""
        taken: list[bytes] = []
        size = 0
        while self._lines and len(taken) < most and (not taken or size + len(self._lines[0]) <= most_bytes):
            taken.append(self._lines.popleft())
            size += len(taken[-1])
        self.size -= size
        return taken

    def give_back(self, lines: list[bytes]) -> None:
        """Put back what was taken, to be the first again."""
        self._lines.extendleft(reversed(lines))
        self.size += sum(map(len, lines))
        self._shed()

    def _shed(self) -> None:
        while len(self._lines) > self.most or self.size > self.most_bytes:
            self.size -= len(self._lines.popleft())
            self.dropped += 1
