"""When a cron expression fires in a zone, and what it says in words."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_FIELDS = 5
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


def fires(expression: str, zone: str, now: datetime) -> Iterator[datetime]:
    """Every time after `now` (aware) that the expression comes true in the zone, as times in the zone.

    At a clock change Debian's cron(8) is followed: a time of day that is skipped fires right after
    the gap, one that comes twice fires once; what runs every few minutes or hours goes by real time.
    """
    check(expression)
    place: tzinfo = ZoneInfo(zone)
    return iter(CronSim(expression, now.astimezone(place)))


def next_fires(expression: str, zone: str, now: datetime, count: int) -> list[datetime]:
    """The first `count` times after `now`."""
    return list(islice(fires(expression, zone, now), count))


@lru_cache(maxsize=1024)
def describe(expression: str) -> str:
    """The expression in English words."""
    # Imported late: only a table for people needs it.
    from cron_descriptor import Options, get_description  # type: ignore[import-untyped]  # cron-descriptor 2.2 has none

    return str(get_description(expression, Options(locale_code="en_US", use_24hour_time_format=True)))
