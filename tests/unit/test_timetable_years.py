"""Whole years of a simulated clock, in the zones that hurt, against what was worked out by hand."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from zoneinfo import ZoneInfo

import pytest

from backupctl.timetable import Timetable

YEARS = {
    "America/New_York": 2026,
    "Europe/Berlin": 2026,
    "America/Sao_Paulo": 2018,
    "Australia/Lord_Howe": 2026,
    "Pacific/Apia": 2011,
    "Asia/Kathmandu": 2026,
    "UTC": 2026,
}
# Every hour of a year takes half a second: those whose hours are odd, and one whose are not.
HOURLY_ZONES = ("America/New_York", "Australia/Lord_Howe", "Pacific/Apia")

NIGHTLY, MIDNIGHT, HALF_PAST_ONE, WEEKDAYS, MONTHLY = (
    "30 2 * * *",
    "0 0 * * *",
    "30 1 * * *",
    "0 3 * * 1-5",
    "0 3 1 * *",
)
HOURLY, HALF_HOURLY, QUARTERLY = "0 * * * *", "*/30 * * * *", "*/15 * * * *"


@lru_cache
def due_times(expression: str, zone: str) -> list[datetime]:
    """A year's due times in UTC, each found from the one before, as the daemon does after a run of some seconds."""
    timetable, place, year = Timetable(expression, zone), ZoneInfo(zone), YEARS[zone]
    now = datetime(year, 1, 1, tzinfo=place).astimezone(UTC) - timedelta(seconds=1)
    end = datetime(year + 1, 1, 1, tzinfo=place).astimezone(UTC)
    found: list[datetime] = []
    while due := timetable.after(now):
        instant = due.astimezone(UTC)
        if instant >= end:
            break
        found.append(instant)
        now = instant + timedelta(seconds=len(found) % 50, microseconds=len(found))
    return found


def test_a_nightly_job_runs_once_a_day_also_where_its_time_is_skipped_or_comes_twice() -> None:
    for expression in (NIGHTLY, HALF_PAST_ONE):
        assert {zone: len(due_times(expression, zone)) for zone in YEARS} == dict.fromkeys(YEARS, 365)


def test_a_job_at_midnight_runs_once_a_day_that_there_is() -> None:
    counts = {zone: len(due_times(MIDNIGHT, zone)) for zone in YEARS}
    # The run of Apia's missing day would be right after it, at the next midnight, which has its own.
    assert counts == dict.fromkeys(YEARS, 365) | {"Pacific/Apia": 364}


def test_weekday_and_monthly_jobs_run_on_each_of_their_days() -> None:
    # 2026 ends on a Thursday and 2018 on a Monday, after 52 whole weeks; 2011 on a Saturday.
    counts = {zone: len(due_times(WEEKDAYS, zone)) for zone in YEARS}
    assert counts == dict.fromkeys(YEARS, 261) | {"Pacific/Apia": 260}
    assert {zone: len(due_times(MONTHLY, zone)) for zone in YEARS} == dict.fromkeys(YEARS, 12)


def test_an_hourly_job_runs_in_every_hour_that_there_is() -> None:
    # A day less in Apia. On Lord Howe Island 02:00 is skipped, and what comes twice is 01:30 to 02:00.
    counts = {zone: len(due_times(HOURLY, zone)) for zone in HOURLY_ZONES}
    assert counts == {"America/New_York": 8760, "Pacific/Apia": 8736, "Australia/Lord_Howe": 8759}


@pytest.mark.parametrize("zone", YEARS)
def test_no_two_runs_are_at_one_instant_or_out_of_order(zone: str) -> None:
    for expression in expressions(zone, NIGHTLY, MIDNIGHT, HALF_PAST_ONE, WEEKDAYS, MONTHLY):
        times = due_times(expression, zone)
        assert times == sorted(set(times))


@pytest.mark.parametrize("zone", YEARS)
def test_a_restart_at_any_moment_changes_nothing(zone: str) -> None:
    random = Random(zone)
    for expression in expressions(zone, NIGHTLY, MIDNIGHT, HALF_PAST_ONE):
        timetable, times = Timetable(expression, zone), due_times(expression, zone)
        for moment in moments(random, times, zone):
            following = bisect_right(times, moment)
            if 0 < following < len(times):
                assert at(timetable.after(moment)) == times[following]
                assert at(timetable.latest(moment)) == times[following - 1]


def expressions(zone: str, *seldom: str) -> tuple[str, ...]:
    return (*seldom, HOURLY) if zone in HOURLY_ZONES else seldom


def at(due: datetime | None) -> datetime:
    assert due is not None
    return due.astimezone(UTC)


def moments(random: Random, times: list[datetime], zone: str) -> Iterator[datetime]:
    """Some of the whole year, and as many of the three hours around each change."""
    for _ in range(40):
        yield times[0] + timedelta(seconds=random.uniform(0, (times[-1] - times[0]).total_seconds()))
    for change_zone, since, *_ in CHANGES:
        if change_zone == zone:
            for _ in range(20):
                yield datetime.fromisoformat(f"{since}+00:00") + timedelta(hours=random.uniform(0, 4))


# Zone, two hours before the change in UTC, and what runs from then on; what runs all day, from an hour before it on.
CHANGES = [
    (
        "America/New_York",
        "2026-03-08 05:00",
        {
            NIGHTLY: "08 03:00-0400, 09 02:30-0400",
            MIDNIGHT: "09 00:00-0400, 10 00:00-0400",
            HALF_PAST_ONE: "08 01:30-0500, 09 01:30-0400",
            HOURLY: "08 01:00-0500, 08 03:00-0400, 08 04:00-0400",
            HALF_HOURLY: "08 01:00-0500, 08 01:30-0500, 08 03:00-0400, 08 03:30-0400, 08 04:00-0400",
            QUARTERLY: "08 01:00-0500, 08 01:15-0500, 08 01:30-0500, 08 01:45-0500, 08 03:00-0400, 08 03:15-0400",
        },
    ),
    (
        "America/New_York",
        "2026-11-01 04:00",
        {
            NIGHTLY: "01 02:30-0500, 02 02:30-0500",
            MIDNIGHT: "02 00:00-0500, 03 00:00-0500",
            HALF_PAST_ONE: "01 01:30-0400, 02 01:30-0500",
            HOURLY: "01 01:00-0400, 01 01:00-0500, 01 02:00-0500",
            HALF_HOURLY: "01 01:00-0400, 01 01:30-0400, 01 01:00-0500, 01 01:30-0500, 01 02:00-0500",
            QUARTERLY: "01 01:00-0400, 01 01:15-0400, 01 01:30-0400, 01 01:45-0400, 01 01:00-0500, 01 01:15-0500",
        },
    ),
    (
        "Europe/Berlin",
        "2026-03-28 23:00",
        {
            NIGHTLY: "29 03:00+0200, 30 02:30+0200",
            MIDNIGHT: "30 00:00+0200, 31 00:00+0200",
            HALF_PAST_ONE: "29 01:30+0100, 30 01:30+0200",
            HOURLY: "29 01:00+0100, 29 03:00+0200, 29 04:00+0200",
            HALF_HOURLY: "29 01:00+0100, 29 01:30+0100, 29 03:00+0200, 29 03:30+0200, 29 04:00+0200",
            QUARTERLY: "29 01:00+0100, 29 01:15+0100, 29 01:30+0100, 29 01:45+0100, 29 03:00+0200, 29 03:15+0200",
        },
    ),
    (
        "Europe/Berlin",
        "2026-10-24 23:00",
        {
            NIGHTLY: "25 02:30+0200, 26 02:30+0100",
            MIDNIGHT: "26 00:00+0100, 27 00:00+0100",
            HALF_PAST_ONE: "25 01:30+0200, 26 01:30+0100",
            HOURLY: "25 02:00+0200, 25 02:00+0100, 25 03:00+0100",
            HALF_HOURLY: "25 02:00+0200, 25 02:30+0200, 25 02:00+0100, 25 02:30+0100, 25 03:00+0100",
            QUARTERLY: "25 02:00+0200, 25 02:15+0200, 25 02:30+0200, 25 02:45+0200, 25 02:00+0100, 25 02:15+0100",
        },
    ),
    (
        "America/Sao_Paulo",
        "2018-02-18 00:00",
        {
            NIGHTLY: "18 02:30-0300, 19 02:30-0300",
            MIDNIGHT: "18 00:00-0300, 19 00:00-0300",
            "30 23 * * *": "17 23:30-0200, 18 23:30-0300",
            HOURLY: "17 23:00-0200, 17 23:00-0300, 18 00:00-0300",
            HALF_HOURLY: "17 23:00-0200, 17 23:30-0200, 17 23:00-0300, 17 23:30-0300, 18 00:00-0300",
            QUARTERLY: "17 23:00-0200, 17 23:15-0200, 17 23:30-0200, 17 23:45-0200, 17 23:00-0300, 17 23:15-0300",
        },
    ),
    (
        "America/Sao_Paulo",
        "2018-11-04 01:00",
        {
            NIGHTLY: "04 02:30-0200, 05 02:30-0200",
            MIDNIGHT: "04 01:00-0200, 05 00:00-0200",
            HALF_PAST_ONE: "04 01:30-0200, 05 01:30-0200",
            HOURLY: "03 23:00-0300, 04 01:00-0200, 04 02:00-0200",
            HALF_HOURLY: "03 23:00-0300, 03 23:30-0300, 04 01:00-0200, 04 01:30-0200, 04 02:00-0200",
            QUARTERLY: "03 23:00-0300, 03 23:15-0300, 03 23:30-0300, 03 23:45-0300, 04 01:00-0200, 04 01:15-0200",
        },
    ),
    (
        "Australia/Lord_Howe",
        "2026-04-04 13:00",
        {
            NIGHTLY: "05 02:30+1030, 06 02:30+1030",
            MIDNIGHT: "06 00:00+1030, 07 00:00+1030",
            HALF_PAST_ONE: "05 01:30+1100, 06 01:30+1030",
            HOURLY: "05 01:00+1100, 05 02:00+1030, 05 03:00+1030",
            HALF_HOURLY: "05 01:00+1100, 05 01:30+1100, 05 01:30+1030, 05 02:00+1030, 05 02:30+1030",
            QUARTERLY: "05 01:00+1100, 05 01:15+1100, 05 01:30+1100, 05 01:45+1100, 05 01:30+1030, 05 01:45+1030",
        },
    ),
    (
        "Australia/Lord_Howe",
        "2026-10-03 13:30",
        {
            NIGHTLY: "04 02:30+1100, 05 02:30+1100",
            MIDNIGHT: "05 00:00+1100, 06 00:00+1100",
            "15 2 * * *": "04 02:30+1100, 05 02:15+1100",
            HALF_PAST_ONE: "04 01:30+1030, 05 01:30+1100",
            HOURLY: "04 01:00+1030, 04 03:00+1100, 04 04:00+1100",
            HALF_HOURLY: "04 01:00+1030, 04 01:30+1030, 04 02:30+1100, 04 03:00+1100, 04 03:30+1100",
            QUARTERLY: "04 01:00+1030, 04 01:15+1030, 04 01:30+1030, 04 01:45+1030, 04 02:30+1100, 04 02:45+1100",
        },
    ),
    (
        "Pacific/Apia",
        "2011-12-30 08:00",
        {
            NIGHTLY: "31 00:00+1400, 31 02:30+1400",
            MIDNIGHT: "31 00:00+1400, 01 00:00+1400",
            WEEKDAYS: "31 00:00+1400, 02 03:00+1400",
            HOURLY: "29 23:00-1000, 31 00:00+1400, 31 01:00+1400",
            HALF_HOURLY: "29 23:00-1000, 29 23:30-1000, 31 00:00+1400, 31 00:30+1400, 31 01:00+1400",
            QUARTERLY: "29 23:00-1000, 29 23:15-1000, 29 23:30-1000, 29 23:45-1000, 31 00:00+1400, 31 00:15+1400",
        },
    ),
]


@pytest.mark.parametrize(("zone", "since", "expected"), CHANGES, ids=[f"{zone} {since}" for zone, since, _ in CHANGES])
def test_the_runs_around_each_change_are_those_worked_out_by_hand(
    zone: str, since: str, expected: dict[str, str]
) -> None:
    for expression, listed in expected.items():
        now = datetime.fromisoformat(f"{since}+00:00")
        if expression.startswith(("*", "0 * ")):
            now += timedelta(minutes=59)
        found = []
        for _ in listed.split(", "):
            due = Timetable(expression, zone).after(now)
            assert due is not None
            now = due
            found.append(f"{due:%d %H:%M%z}")
        assert ", ".join(found) == listed, expression
