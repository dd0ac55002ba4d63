"""A clock that a command takes for the system's, and that the test sets while the command goes on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import libfaketime  # type: ignore[import-untyped]  # libfaketime 3.0 has no types

_LIBRARY = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"


class FakeClock:
    """Runs as fast as the real one, at another time. Times are aware."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self._file = folder / "clock"
        self.set(now)

    def set(self, now: datetime) -> None:
        """From now on it is this time."""
        self._ahead = now - datetime.now(UTC)
        # Replaced as a whole: the command looks at it whenever it asks for the time.
        new = self._file.with_suffix(".new")
        new.write_text(f"{self._ahead.total_seconds():+.3f}s\n")
        new.replace(self._file)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def jump(self, **by: float) -> None:
        """Set it forward, or with negative numbers back."""
        self.set(self.now + timedelta(**by))

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to go by it. Its monotonic clock stays the real one, as it does when a clock is set."""
        return {
            "LD_PRELOAD": str(_LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
