"""When a zone's clock is changed, and which instant a wall-clock time is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Change:
    """A zone's clock is set forward (it skips the times in between) or back (it repeats them)."""

    at: datetime
    """The first instant after it, in UTC."""
    before: timedelta
    """The offset from UTC that ends, and `after`, the one that begins."""
    after: timedelta

    @property
    def skips(self) -> bool:
        return self.after > self.before

    @property
    def wall_from(self) -> datetime:
        """The first wall-clock time that is skipped, or comes again."""
        return self.at.replace(tzinfo=None) + min(self.before, self.after)

    @property
    def wall_until(self) -> datetime:
        """The first wall-clock time after those."""
        return self.at.replace(tzinfo=None) + max(self.before, self.after)


def changes(zone: str, since: datetime, until: datetime) -> Iterator[Change]:
    """The changes after `since` and not after `until` (both in UTC), in their order."""
    for year in range(since.year, until.year + 1):
        yield from (change for change in _changes_of(zone, year) if since < change.at <= until)


@lru_cache(maxsize=4096)
def _changes_of(zone: str, year: int) -> tuple[Change, ...]:
    # zoneinfo does not tell its transitions: the days are looked at, and the second is found by halving.
    found = []
    day = datetime(year, 1, 1, tzinfo=UTC)
    before = offset(zone, day)
    while day.year == year:
        after = offset(zone, day + _DAY)
        if after != before:
            found.append(Change(_first_with_another(zone, before, day, day + _DAY), before, after))
        day, before = day + _DAY, after
    return tuple(found)


def _first_with_another(zone: str, before: timedelta, low: datetime, high: datetime) -> datetime:
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
    return high


def offset(zone: str, moment: datetime) -> timedelta:
    """How far the zone's clock is ahead of UTC at the moment."""
    found = moment.astimezone(ZoneInfo(zone)).utcoffset()
    assert found is not None
    return found


def wall(zone: str, moment: datetime) -> datetime:
    """What the zone's clock shows at the moment, without the zone."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def first_instant(zone: str, shown: datetime) -> datetime:
    """When, in UTC, the zone's clock first shows this; for a time that it skips, the end of the gap."""
    place = ZoneInfo(zone)
    local = shown.replace(tzinfo=place, fold=0)
    instant = local.astimezone(UTC)
    if wall(zone, instant) == shown:
        return instant
    # PEP 495: of a time that is skipped, fold=0 means the offset before the change, and fold=1 the one after it.
    gap = next(changes(zone, local.replace(fold=1).astimezone(UTC), instant))
    return gap.at


def last_shown(zone: str, moment: datetime) -> datetime:
    """A wall-clock time after all that the zone's clock has shown up to the moment, or the latest of them."""
    local = moment.astimezone(ZoneInfo(zone))
    ahead, now = local.replace(fold=0).utcoffset(), local.utcoffset()
    assert ahead is not None
    assert now is not None
    return local.replace(tzinfo=None, fold=0) + (ahead - now)
