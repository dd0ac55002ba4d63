"""The longest time between two fire times of a cron expression that follow each other."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise, takewhile

from backupctl import cron, zones

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_YEAR = 366 * _DAY
_NONE = timedelta(0)
_SOME_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 -- a wall-clock time without a zone is meant


@lru_cache(maxsize=16_384)
def longest_gap(expression: str, zone: str, day: date) -> timedelta:
    """The longest gap from the one that `day` (in UTC) begins in to the one that it will have ended in after a year.

    In real time; it may be too long by the size of the clock changes in it (an hour, nearly always).
    """
    begin = datetime.combine(day, time(), UTC)
    first = cron.latest(expression, zone, begin) or cron.after(expression, zone, begin)
    last = cron.latest(expression, zone, begin + _YEAR) or first
    if first is None or last is None:
        return _NONE
    minute, hour, *days = expression.split()
    times = _times_of_day(f"{minute} {hour} * * *")
    over_night = _longest_day_gap(f"0 0 {' '.join(days)}", first.date(), last.date()) - (times.last - times.first)
    return max(times.longest_gap, over_night, _longest_over_a_change(expression, zone, first, last))


class _Times:
    """The times of day of an expression: the first, the last, and the longest gap between two."""

    def __init__(self, times: list[datetime]) -> None:
        self.first, self.last = times[0], times[-1]
        self.longest_gap = max((later - earlier for earlier, later in pairwise(times)), default=_NONE)


@lru_cache(maxsize=2048)
def _times_of_day(expression: str) -> _Times:
    walls = cron.walls_after(expression, _SOME_DAY - _SECOND)
    return _Times(list(takewhile(lambda wall: wall < _SOME_DAY + _DAY, walls)))


@lru_cache(maxsize=2048)
def _longest_day_gap(expression: str, first: date, last: date) -> timedelta:
    """Between days that the expression names, from the day `first` to the one that follows `last`."""
    longest, earlier = _NONE, datetime.combine(first, time())
    for later in cron.walls_after(expression, earlier):
        longest = max(longest, later - earlier)
        if later.date() > last:
            break
        earlier = later
    return longest


def _longest_over_a_change(expression: str, zone: str, first: datetime, last: datetime) -> timedelta:
    """What the days do not show: an hour more where the clock is set back, and wildcards that are skipped."""
    end = cron.after(expression, zone, last) or last
    changes = zones.changes(zone, first.astimezone(UTC), end.astimezone(UTC))
    # Nothing but wildcards is left out where the clock is set forward: other gaps become shorter there.
    longer = (change.at for change in changes if not change.skips or cron.follows_real_time(expression))
    return max((_over(expression, zone, at) for at in longer), default=_NONE)


def _over(expression: str, zone: str, change: datetime) -> timedelta:
    before = cron.latest(expression, zone, change - _SECOND)
    following = before and cron.after(expression, zone, before)
    if before is None or following is None:
        return _NONE
    # Subtracted in UTC: Python subtracts two times of one zone as their clocks show them.
    return following.astimezone(UTC) - before.astimezone(UTC)
