"""When a job is due: its cron in its zone, its jitter, and what a clock change does to both."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from backupctl import cron, zones
from backupctl.gaps import longest_gap

_SECOND = timedelta(seconds=1)
_LONGEST_CATCH_UP = timedelta(days=1)
_FEW = 3


@dataclass(frozen=True)
class Timetable:
    """The due times of a job: strictly increasing, no two at one instant.

    Times that are given are aware, those that come out are in the job's zone. Python compares and subtracts two times
    of one zone as their clocks show them, which is wrong around a clock change: go by UTC.
    """

    expression: str
    zone: str
    delay: timedelta = timedelta(0)
    """Whole seconds that every run starts later than the expression says."""

    @classmethod
    def of(cls, job_name: str, expression: str, zone: str, jitter_s: int) -> "Timetable":
        """A job's timetable, its delay up to the jitter: the same each day, on each machine and after each restart."""
        # Not hash(): Python salts that of a text anew in each process.
        number = int.from_bytes(hashlib.sha256(job_name.encode()).digest()[:8])
        return cls(expression, zone, timedelta(seconds=number * (jitter_s + 1) >> 64))

    def after(self, moment: datetime) -> datetime | None:
        """The first due time after `moment`; None when the expression does not come true within 50 years."""
        return self._delayed(cron.after(self.expression, self.zone, self._without_delay(moment)))

    def latest(self, moment: datetime) -> datetime | None:
        """The last due time not after `moment`; None when the expression did not come true for 50 years."""
        return self._delayed(cron.latest(self.expression, self.zone, self._without_delay(moment)))

    def upcoming(self, moment: datetime) -> Iterator[datetime]:
        """Every due time after `moment`."""
        due = self.after(moment)
        while due:
            yield due
            due = self.after(due)

    def longest_gap(self, now: datetime) -> timedelta:
        """The longest time between two due times that follow each other within a year from this day on.

        It may be too long by the size of a clock change.
        """
        return longest_gap(self.expression, self.zone, self._without_delay(now).date())

    def default_max_age(self, now: datetime) -> timedelta:
        """How old a job's newest backup may be where the file does not say."""
        return 2 * self.longest_gap(now)

    def default_catch_up(self, due: datetime) -> timedelta:
        """How late the run that was due then may still be made up for where the file does not say."""
        following = self.after(due)
        if following is None:
            return _LONGEST_CATCH_UP
        return min((following.astimezone(UTC) - due.astimezone(UTC)) / 2, _LONGEST_CATCH_UP)

    def clock_change(self, due: datetime) -> str | None:
        """What a clock change did to a due time, for people; None when it did nothing."""
        fires_at = self._without_delay(due)
        said = [self._skipped(fires_at), self._repeated(fires_at)]
        text = "; ".join(filter(None, said))
        return f"{text} (a wildcard follows real time)" if text and self.follows_real_time else text or None

    def _skipped(self, fires_at: datetime) -> str:
        """What is said of the times that a change skips: to the run that stands in for them, or the one after them."""
        since = fires_at - _SECOND
        if self.follows_real_time:
            since = cron.latest(self.expression, self.zone, since) or since
        walls = [
            wall
            for change in zones.changes(self.zone, since.astimezone(UTC), fires_at)
            if change.skips
            for wall in cron.walls_of(self.expression, change)
        ]
        if not walls:
            return ""
        now = zones.wall(self.zone, fires_at)
        times = _listed(walls, now)
        if self.follows_real_time:
            return f"the clock change before it skips {times}"
        also = "also in place of" if next(cron.walls_back(self.expression, now)) == now else "moved from"
        return f"{also} {times}, which the clock change skips"

    def _repeated(self, fires_at: datetime) -> str:
        local = fires_at.astimezone(ZoneInfo(self.zone))
        if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
            return ""
        return f"{local:%H:%M} comes twice that day; this is the {'second' if local.fold else 'first'}"

    @property
    def follows_real_time(self) -> bool:
        """Its minute or hour begins with `*`: clock changes and a clock that is set mean nothing to it."""
        return cron.follows_real_time(self.expression)

    def _without_delay(self, moment: datetime) -> datetime:
        return moment.astimezone(UTC) - self.delay

    def _delayed(self, moment: datetime | None) -> datetime | None:
        return moment and (moment.astimezone(UTC) + self.delay).astimezone(ZoneInfo(self.zone))


def _listed(walls: list[datetime], now: datetime) -> str:
    """The times in words, with their date where it is another than that of `now`."""
    texts = [f"{wall:%H:%M}" if wall.date() == now.date() else f"{wall:%Y-%m-%d %H:%M}" for wall in walls]
    if len(texts) > _FEW:
        return f"{texts[0]} and {len(texts) - 1} later times"
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
