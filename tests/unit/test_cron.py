"""When cron expressions fire, clock changes included, and how they are put into words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from backupctl import cron

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)


def local_times(expression: str, zone: str, now: datetime, count: int) -> list[str]:
    times = []
    for _ in range(count):
        following = cron.after(expression, zone, now)
        assert following is not None
        now = following
        times.append(f"{now:%Y-%m-%d %H:%M%z}")
    return times


def at(zone: str, *wall: int, second_time: bool = False) -> datetime:
    return datetime(*wall, tzinfo=ZoneInfo(zone), fold=int(second_time))  # type: ignore[misc,arg-type]


def test_times_are_in_the_zone_and_after_now() -> None:
    assert local_times("30 3 * * *", "America/Sao_Paulo", NOON, 2) == ["2026-03-29 03:30-0300", "2026-03-30 03:30-0300"]


def test_a_time_that_is_exactly_now_is_not_next() -> None:
    assert local_times("0 12 * * *", "UTC", NOON, 1) == ["2026-03-29 12:00+0000"]


def test_a_time_that_is_exactly_now_is_the_latest_until_the_next_one() -> None:
    for later in (timedelta(0), timedelta(microseconds=1), timedelta(hours=23, minutes=59, seconds=59)):
        assert cron.latest("0 12 * * *", "UTC", NOON + later) == NOON
    assert cron.latest("0 12 * * *", "UTC", NOON - timedelta(microseconds=1)) == NOON - timedelta(days=1)


def test_a_time_that_a_clock_change_skips_fires_right_after_the_gap() -> None:
    assert local_times("30 2 * * *", "Europe/Berlin", NOON, 2) == ["2026-03-29 03:00+0200", "2026-03-30 02:30+0200"]
    just_after = at("Europe/Berlin", 2026, 3, 29, 3, 10)
    assert cron.latest("30 2 * * *", "Europe/Berlin", just_after) == at("Europe/Berlin", 2026, 3, 29, 3)


def test_a_time_that_comes_twice_fires_once() -> None:
    now = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert local_times("30 2 * * *", "Europe/Berlin", now, 2) == ["2026-10-25 02:30+0200", "2026-10-26 02:30+0100"]


@pytest.mark.parametrize("minute", [0, 10, 29, 30, 31, 59])
def test_nothing_that_comes_twice_fires_again_after_a_start_in_the_second_hour(minute: int) -> None:
    now = at("Europe/Berlin", 2026, 10, 25, 2, minute, second_time=True)
    assert local_times("30 2 * * *", "Europe/Berlin", now, 1) == ["2026-10-26 02:30+0100"]
    latest = cron.latest("30 2 * * *", "Europe/Berlin", now)
    assert latest is not None
    assert latest.isoformat() == "2026-10-25T02:30:00+02:00"


def test_an_hourly_job_runs_in_both_hours_of_a_repeated_one() -> None:
    now = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    times = local_times("0 * * * *", "Europe/Berlin", now, 3)
    assert times == ["2026-10-25 02:00+0200", "2026-10-25 02:00+0100", "2026-10-25 03:00+0100"]


@pytest.mark.parametrize("expression", ["0 1,2,3 * * *", "0,15,30,45 2,3 * * *", "30-59/29 2 * * *", "0-59 1-3 * * *"])
def test_all_times_in_a_gap_become_one_run_that_is_not_doubled_by_a_run_at_its_end(expression: str) -> None:
    times = local_times(expression, "America/New_York", datetime(2026, 3, 8, 6, 59, tzinfo=UTC), 2)
    assert times[0] == "2026-03-08 03:00-0400"
    assert times[1] > times[0]


def test_a_wildcard_does_not_make_up_for_what_is_skipped_and_does_run_twice_as_in_debian() -> None:
    assert local_times("*/30 2 * * *", "Europe/Berlin", NOON, 1) == ["2026-03-30 02:00+0200"]
    assert local_times("5-59/30 2 * * *", "Europe/Berlin", NOON, 1) == ["2026-03-29 03:00+0200"]
    now = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert [time[8:] for time in local_times("*/30 2 * * *", "Europe/Berlin", now, 4)] == [
        "25 02:00+0200",
        "25 02:30+0200",
        "25 02:00+0100",
        "25 02:30+0100",
    ]
    assert [time[8:] for time in local_times("5-59/30 2 * * *", "Europe/Berlin", now, 3)] == [
        "25 02:05+0200",
        "25 02:35+0200",
        "26 02:05+0100",
    ]


def test_a_wildcard_hour_is_never_found_at_a_midnight_that_is_skipped() -> None:
    """cronsim 2.8 answers 2018-11-04 00:00-03:00, when the clock shows 01:00, to each that comes from another day."""
    saturday = datetime(2018, 11, 3, 12, tzinfo=UTC)
    for expression in ("0 */12 * * 0", "0 */12 4 11 *", "0 */12 4,5 * *"):
        assert local_times(expression, "America/Sao_Paulo", saturday, 1) == ["2018-11-04 12:00-0200"]


def test_a_change_of_half_an_hour_costs_no_run_after_it() -> None:
    """cronsim 2.8 finds 03:30 after each of both changes: it steps by whole hours from 02:00 or 01:30."""
    for day, before, after in (("2026-10-04", "+1030", "+1100"), ("2026-04-05", "+1100", "+1030")):
        now = datetime.strptime(f"{day} 01:20{before}", "%Y-%m-%d %H:%M%z")
        times = local_times("*/15 3 * * *", "Australia/Lord_Howe", now, 2)
        assert times == [f"{day} 03:00{after}", f"{day} 03:15{after}"]


def test_a_job_of_a_day_that_is_missing_runs_once_as_the_next_day_begins() -> None:
    now = datetime(2011, 12, 29, 22, tzinfo=UTC)
    times = local_times("0 9,15 * * *", "Pacific/Apia", now, 3)
    assert times == ["2011-12-29 15:00-1000", "2011-12-31 00:00+1400", "2011-12-31 09:00+1400"]


def test_a_day_that_comes_every_eight_years_is_found_in_both_directions() -> None:
    now = datetime(2098, 1, 1, tzinfo=UTC)
    for zone in ("UTC", "Europe/Berlin"):
        for minute in ("0", "*/60"):
            assert local_times(f"{minute} 12 29 2 *", zone, now, 1)[0].startswith("2104-02-29 12:00")
            latest = cron.latest(f"{minute} 12 29 2 *", zone, now)
            assert latest is not None
            assert f"{latest:%F %R}" == "2096-02-29 12:00"


def test_a_yearly_wildcard_is_not_lost_in_the_hour_that_comes_again() -> None:
    """Summer time has ended and begun again by the next match by the calendar: the offsets are the same."""
    first_pass = at("Europe/Berlin", 2026, 10, 25, 2, 59)
    assert local_times("* 2 25 10 *", "Europe/Berlin", first_pass, 1) == ["2026-10-25 02:00+0100"]


@pytest.mark.parametrize(
    "expression", ["61 * * * *", "* * * *", "* * * * * *", "@daily", "0 0 31 2 *", "x * * * *", "", "*/0 * * * *"]
)
def test_what_is_no_cron_expression_or_never_comes_true_is_refused(expression: str) -> None:
    with pytest.raises(cron.CronError):
        cron.check(expression)


def test_words_use_the_24_hour_clock() -> None:
    assert cron.describe("30 15 * * MON-FRI") == "At 15:30, Monday through Friday"
