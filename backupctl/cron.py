"""When a cron expression fires in a zone, clock changes included, and what it says in words."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from backupctl import zones
from backupctl.zones import Change

_FIELDS = 5
_SECOND = timedelta(seconds=1)
# Any Monday will do: only whether the expression can be read, and ever comes true, is asked.
_SOME_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 -- a wall-clock time without a zone is meant


class CronError(ValueError):
    """the cron expression is not valid"""


@lru_cache(maxsize=1024)
def check(expression: str) -> None:
    """Raise CronError unless the expression has five fields that are valid and come true some day."""
    count = len(expression.split())
    if count != _FIELDS:
        raise CronError(f"a cron expression has five fields (minute hour day month weekday), this one has {count}")
    try:
        next(CronSim(expression, _SOME_DAY))
    except CronSimError as error:
        raise CronError(f"the cron expression has a {str(error).lower()} field") from error
    except StopIteration:
        raise CronError("the cron expression never comes true") from None


def follows_real_time(expression: str) -> bool:
    """Whether it is a wildcard of Debian's cron(8): one whose minute or hour begins with a star.

    Where the clock is changed, such a one goes by what the clock shows: it does not fire at a time that is skipped,
    and fires again at one that comes again. Any other fires once for each time of day: of the times that are skipped
    once, at the end of the gap, and of one that comes twice the first time. Unlike cron(8), where a change of more
    than three hours is no such case, a missing day (Pacific/Apia, 2011-12-30) is a gap, too: no run is lost.
    """
    minute, hour, *_ = expression.split()
    return minute.startswith("*") or hour.startswith("*")


# cronsim 2.8 is asked for wall-clock times alone, and the zone is seen to here. By itself it forgets in the repeated
# hour which of the two it is in, and then answers a time that is past; finds wildcards at times that are skipped when
# it comes from another day; and steps over half an hour, or to 02:00 that is skipped, at Lord Howe's half-hour changes.


def after(expression: str, zone: str, moment: datetime) -> datetime | None:
    """The first time after `moment` (aware) that the expression fires in the zone, as a time in the zone.

    None when it does not come true within 50 years.
    """
    return _in_zone(_after(expression, zone, moment.astimezone(UTC).replace(microsecond=0)), zone)


def latest(expression: str, zone: str, moment: datetime) -> datetime | None:
    """The last time not after `moment` (aware) that the expression fired in the zone, as a time in the zone.

    None when it did not come true for 50 years.
    """
    return _in_zone(_latest(expression, zone, moment.astimezone(UTC).replace(microsecond=0)), zone)


def _in_zone(moment: datetime | None, zone: str) -> datetime | None:
    return moment and moment.astimezone(ZoneInfo(zone))


@lru_cache(maxsize=4096)  # of many jobs, most share a schedule
def _after(expression: str, zone: str, moment: datetime) -> datetime | None:
    if follows_real_time(expression):
        return _wildcard_after(expression, zone, moment)
    instants = (zones.first_instant(zone, wall) for wall in walls_after(expression, zones.wall(zone, moment)))
    return next((instant for instant in instants if instant > moment), None)


@lru_cache(maxsize=4096)
def _latest(expression: str, zone: str, moment: datetime) -> datetime | None:
    if follows_real_time(expression):
        return _wildcard_latest(expression, zone, moment)
    instants = (zones.first_instant(zone, wall) for wall in walls_back(expression, zones.last_shown(zone, moment)))
    return next((instant for instant in instants if instant <= moment), None)


def _wildcard_after(expression: str, zone: str, moment: datetime) -> datetime | None:
    """The first match in the stretch of time until the next clock change, or in the one behind it, and so on."""
    offset = zones.offset(zone, moment)
    start, since = moment, moment
    while wall := next(walls_after(expression, _shown(start, offset)), None):
        instant = _instant(wall, offset)
        change = next(zones.changes(zone, since, instant), None)
        if change is None:
            return instant
        offset, start, since = change.after, change.at - _SECOND, change.at
    return None


def _wildcard_latest(expression: str, zone: str, moment: datetime) -> datetime | None:
    offset, until = zones.offset(zone, moment), moment
    while wall := next(walls_back(expression, _shown(until, offset)), None):
        instant = _instant(wall, offset)
        change = max(zones.changes(zone, instant, until), key=lambda change: change.at, default=None)
        if change is None:
            return instant
        offset, until = change.before, change.at - _SECOND
    return None


def _shown(moment: datetime, offset: timedelta) -> datetime:
    return moment.replace(tzinfo=None) + offset


def _instant(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=UTC)


def walls_after(expression: str, wall: datetime) -> Iterator[datetime]:
    """The wall-clock times after this one that the expression names, whether or not a zone's clock shows them."""
    return CronSim(expression, wall)


def walls_back(expression: str, wall: datetime) -> Iterator[datetime]:
    """The wall-clock times not after this one that the expression names, from the last one backwards."""
    return CronSim(expression, wall + _SECOND, reverse=True)


def walls_of(expression: str, change: Change) -> list[datetime]:
    """The wall-clock times that the expression names among those that the change skips or repeats."""
    return list(takewhile(lambda wall: wall < change.wall_until, walls_after(expression, change.wall_from - _SECOND)))


@lru_cache(maxsize=1024)
def describe(expression: str) -> str:
    """The expression in English words."""
    # Imported late: only a table for people needs it.
    from cron_descriptor import Options, get_description  # type: ignore[import-untyped]  # cron-descriptor 2.2 has none

    return str(get_description(expression, Options(locale_code="en_US", use_24hour_time_format=True)))
