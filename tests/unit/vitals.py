"""A runner that does as the test says, for what asks it how it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from backupctl.standing import Standing

NOW = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)


@dataclass
class Vitals:
    """A runner that does as the test says."""

    jobs: Sequence[Standing] = ()
    seconds_since_beat: float = 0.0
    waiting: int = 0
    running: int = 0

    def standings(self) -> Sequence[Standing]:
        return self.jobs


def standing(job: str, *, stale: bool = False, failing: bool = False, note: str | None = None) -> Standing:
    return Standing(job, True, NOW, timedelta(0), None, NOW + timedelta(hours=1), stale, failing, note)
