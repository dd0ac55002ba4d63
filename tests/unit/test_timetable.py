"""A job's due times: its jitter, its longest gap, what may be made up for, and what a clock change did."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from backupctl.timetable import Timetable

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def times(timetable: Timetable, moment: datetime, count: int) -> list[str]:
    return [f"{due:%m-%d %H:%M:%S%z}" for due in islice(timetable.upcoming(moment), count)]


def test_without_jitter_a_job_is_due_as_its_cron_says() -> None:
    timetable = Timetable.of("shop", "30 2 * * *", "Asia/Kathmandu", 0)
    assert times(timetable, NOW, 2) == ["06-18 02:30:00+0545", "06-19 02:30:00+0545"]


def test_the_delay_of_a_job_is_the_same_wherever_it_is_worked_out() -> None:
    # A number of this one process, such as hash() gives, would not be this one.
    assert Timetable.of("shop", "0 0 * * *", "UTC", 3600).delay == timedelta(seconds=1991)
    assert Timetable.of("shop", "5 5 * * 5", "Europe/Berlin", 3600).delay == timedelta(seconds=1991)


def test_delays_are_spread_evenly_from_nothing_to_the_jitter() -> None:
    delays = [Timetable.of(f"job-{n}", "0 0 * * *", "UTC", 9).delay.seconds for n in range(10_000)]
    counts = [delays.count(second) for second in range(10)]
    assert sum(counts) == 10_000
    assert 850 < min(counts) <= max(counts) < 1150


def test_a_delay_moves_every_run_by_the_same_real_time_also_past_a_clock_change() -> None:
    timetable = Timetable("30 2 * * *", "Europe/Berlin", timedelta(minutes=40))
    assert times(timetable, datetime(2026, 10, 23, 22, tzinfo=UTC), 3) == [
        "10-24 03:10:00+0200",
        "10-25 02:10:00+0100",
        "10-26 03:10:00+0100",
    ]


def test_a_delay_that_is_longer_than_the_interval_loses_no_run() -> None:
    timetable = Timetable("* * * * *", "UTC", timedelta(seconds=150))
    assert times(timetable, NOW, 3) == ["06-17 12:00:30+0000", "06-17 12:01:30+0000", "06-17 12:02:30+0000"]
    assert timetable.latest(NOW) == NOW - timedelta(seconds=30)


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("* * * * *", "UTC", timedelta(minutes=1)),
        ("0 */12 * * *", "UTC", 12 * HOUR),
        ("0 */12 * * *", "America/New_York", 13 * HOUR),
        ("30 3 * * *", "Asia/Kathmandu", DAY),
        ("30 3 * * *", "Europe/Berlin", 25 * HOUR),
        ("0 3 * * 1-5", "UTC", 3 * DAY),
        ("0 8-18 * * 1-5", "UTC", 2 * DAY + 14 * HOUR),
        ("0 0,23 * * *", "UTC", 23 * HOUR),
        ("0 3 1 * *", "UTC", 31 * DAY),
        ("0 3 1 1 *", "UTC", 365 * DAY),
        ("0 3 29 2 *", "UTC", 1461 * DAY),
        ("*/5 2 * * *", "Europe/Berlin", DAY + 22 * HOUR + timedelta(minutes=5)),
    ],
)
def test_the_longest_gap_is_that_of_the_coming_year(expression: str, zone: str, expected: timedelta) -> None:
    timetable = Timetable(expression, zone)
    assert timetable.longest_gap(NOW) == expected
    assert timetable.default_max_age(NOW) == 2 * expected


def test_a_delay_changes_no_gap() -> None:
    assert Timetable("0 3 * * 1-5", "UTC", timedelta(hours=5)).longest_gap(NOW) == 3 * DAY


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("*/10 * * * *", timedelta(minutes=5)), ("0 */12 * * *", 6 * HOUR), ("0 3 * * *", 12 * HOUR), ("0 3 1 * *", DAY)],
)
def test_a_run_is_made_up_for_within_half_its_interval_and_a_day_at_most(expression: str, expected: timedelta) -> None:
    timetable = Timetable(expression, "UTC")
    due = timetable.after(NOW)
    assert due is not None
    assert timetable.default_catch_up(due) == expected


def test_half_an_interval_is_half_of_its_real_time_when_the_clock_is_changed_in_it() -> None:
    timetable = Timetable("0 3 * * *", "Europe/Berlin")
    for day, hours in ((datetime(2026, 3, 28, tzinfo=UTC), 23), (datetime(2026, 10, 24, tzinfo=UTC), 25)):
        due = timetable.after(day)
        assert due is not None
        assert timetable.default_catch_up(due) == hours * HOUR / 2


SPRING, AUTUMN = "2026-03-28T12:00", "2026-10-24T12:00"


@pytest.mark.parametrize(
    ("expression", "zone", "since", "said"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00", None),
        ("30 2 * * *", "Europe/Berlin", SPRING, "moved from 02:30, which the clock change skips"),
        ("0 2,3 * * *", "Europe/Berlin", SPRING, "also in place of 02:00, which the clock change skips"),
        ("0,30 2 * * *", "Europe/Berlin", SPRING, "moved from 02:00 and 02:30, which the clock change skips"),
        ("0-9 2 * * *", "Europe/Berlin", SPRING, "moved from 02:00 and 9 later times, which the clock change skips"),
        ("0 3 * * *", "Europe/Berlin", SPRING, None),
        ("30 2 * * *", "Europe/Berlin", AUTUMN, "02:30 comes twice that day; this is the first"),
        ("0 3 * * *", "Europe/Berlin", AUTUMN, None),
        ("0 9 * * *", "Pacific/Apia", "2011-12-29T20:00", "moved from 2011-12-30 09:00, which the clock change skips"),
        (
            "*/30 2 * * *",
            "Europe/Berlin",
            SPRING,
            "the clock change before it skips 2026-03-29 02:00 and 2026-03-29 02:30 (a wildcard follows real time)",
        ),
        (
            "0 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:30",
            "02:00 comes twice that day; this is the second (a wildcard follows real time)",
        ),
        ("0 */12 * * *", "Europe/Berlin", SPRING, None),
        ("* * * * *", "UTC", SPRING, None),
    ],
)
def test_a_due_time_says_what_a_clock_change_did_to_it(
    expression: str, zone: str, since: str, said: str | None
) -> None:
    for delay in (timedelta(0), timedelta(minutes=7)):
        timetable = Timetable(expression, zone, delay)
        due = timetable.after(datetime.fromisoformat(f"{since}+00:00") + delay)
        assert due is not None
        assert timetable.clock_change(due) == said
