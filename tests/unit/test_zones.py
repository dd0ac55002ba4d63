"""When the clocks of zones are changed, and what instants their times of day are."""

from datetime import UTC, datetime, timedelta

import pytest

from backupctl import zones


def told(zone: str, year: int) -> list[str]:
    return [
        f"{change.at:%m-%d %H:%M}Z {'skips' if change.skips else 'repeats'}"
        f" {change.wall_from:%m-%d %H:%M} to {change.wall_until:%m-%d %H:%M}"
        for change in zones.changes(zone, datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))
    ]


@pytest.mark.parametrize(
    ("zone", "year", "expected"),
    [
        (
            "America/New_York",
            2026,
            ["03-08 07:00Z skips 03-08 02:00 to 03-08 03:00", "11-01 06:00Z repeats 11-01 01:00 to 11-01 02:00"],
        ),
        (
            "America/Sao_Paulo",
            2018,
            ["02-18 02:00Z repeats 02-17 23:00 to 02-18 00:00", "11-04 03:00Z skips 11-04 00:00 to 11-04 01:00"],
        ),
        (
            "Australia/Lord_Howe",
            2026,
            ["04-04 15:00Z repeats 04-05 01:30 to 04-05 02:00", "10-03 15:30Z skips 10-04 02:00 to 10-04 02:30"],
        ),
        (
            "Pacific/Apia",
            2011,
            [
                "04-02 14:00Z repeats 04-02 03:00 to 04-02 04:00",
                "09-24 14:00Z skips 09-24 03:00 to 09-24 04:00",
                "12-30 10:00Z skips 12-30 00:00 to 12-31 00:00",
            ],
        ),
        ("Asia/Kathmandu", 2026, []),
        ("Asia/Kathmandu", 1985, ["12-31 18:30Z skips 01-01 00:00 to 01-01 00:15"]),
        ("America/Sao_Paulo", 2026, []),
        ("UTC", 2026, []),
    ],
)
def test_the_changes_of_a_year_are_found_to_the_second(zone: str, year: int, expected: list[str]) -> None:
    assert told(zone, year) == expected


def test_a_change_is_asked_for_from_after_a_moment_up_to_another() -> None:
    at = datetime(2026, 3, 29, 1, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert [change.at for change in zones.changes("Europe/Berlin", at - second, at)] == [at]
    assert list(zones.changes("Europe/Berlin", at, at + second)) == []
    assert list(zones.changes("Europe/Berlin", at - second, at - second)) == []


@pytest.mark.parametrize(
    ("zone", "shown", "instant"),
    [
        ("Europe/Berlin", "2026-03-29 01:59", "2026-03-29 00:59"),
        ("Europe/Berlin", "2026-03-29 02:30", "2026-03-29 01:00"),
        ("Europe/Berlin", "2026-03-29 03:00", "2026-03-29 01:00"),
        ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 00:30"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30"),
        ("Pacific/Apia", "2011-12-30 09:00", "2011-12-30 10:00"),
    ],
)
def test_a_time_of_day_is_its_first_instant_or_the_end_of_its_gap(zone: str, shown: str, instant: str) -> None:
    found = zones.first_instant(zone, datetime.fromisoformat(shown))
    assert found == datetime.fromisoformat(f"{instant}+00:00")
