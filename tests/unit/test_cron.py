"""When cron expressions fire, clock changes included, and how they are put into words."""

from datetime import UTC, datetime

import pytest

from backupctl import cron

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)


def local_times(expression: str, zone: str, now: datetime, count: int) -> list[str]:
    return [f"{time:%Y-%m-%d %H:%M%z}" for time in cron.next_fires(expression, zone, now, count)]


def test_times_are_in_the_zone_and_after_now() -> None:
    assert local_times("30 3 * * *", "America/Sao_Paulo", NOON, 2) == ["2026-03-29 03:30-0300", "2026-03-30 03:30-0300"]


def test_a_time_that_is_exactly_now_is_not_next() -> None:
    assert local_times("0 12 * * *", "UTC", NOON, 1) == ["2026-03-29 12:00+0000"]


def test_a_time_that_a_clock_change_skips_fires_right_after_the_gap() -> None:
    assert local_times("30 2 * * *", "Europe/Berlin", NOON, 2) == ["2026-03-29 03:00+0200", "2026-03-30 02:30+0200"]


def test_a_time_that_comes_twice_fires_once() -> None:
    now = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert local_times("30 2 * * *", "Europe/Berlin", now, 2) == ["2026-10-25 02:30+0200", "2026-10-26 02:30+0100"]


def test_an_hourly_job_runs_in_both_hours_of_a_repeated_one() -> None:
    now = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    times = local_times("0 * * * *", "Europe/Berlin", now, 3)
    assert times == ["2026-10-25 02:00+0200", "2026-10-25 02:00+0100", "2026-10-25 03:00+0100"]


@pytest.mark.parametrize(
    "expression", ["61 * * * *", "* * * *", "* * * * * *", "@daily", "0 0 31 2 *", "x * * * *", "", "*/0 * * * *"]
)
def test_what_is_no_cron_expression_or_never_comes_true_is_refused(expression: str) -> None:
    with pytest.raises(cron.CronError):
        cron.check(expression)


def test_words_use_the_24_hour_clock() -> None:
    assert cron.describe("30 15 * * MON-FRI") == "At 15:30, Monday through Friday"
