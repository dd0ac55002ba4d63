"""How sizes, times and changes are written in a letter."""

from datetime import UTC, datetime

import pytest

from backupctl.letters import measures


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (None, 5, ""),
        (0, 5, ""),
        (5, None, ""),
        (100, 100, "unchanged"),
        (1_000_000, 1_000_001, "nearly unchanged"),
        (1000, 1033, "+3.3 %"),
        (100, 29, "\N{MINUS SIGN}71 %"),
        (1, 12_346, "+1,234,500 %"),
    ],
)
def test_a_change_is_told_in_percent(before: int | None, after: int | None, text: str) -> None:
    assert measures.change(before, after) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (59.4, "59 s"),
        (185, "3 min 05 s"),
        (7620, "2 h 07 min"),
        (86400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_duration_is_told_in_two_units(seconds: float, text: str) -> None:
    assert measures.duration(seconds) == text


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "2026-03-01 03:30:00 +00:00 (UTC)"),
        ("Asia/Kathmandu", "2026-03-01 09:15:00 +05:45 (Asia/Kathmandu)"),
        ("America/Sao_Paulo", "2026-03-01 00:30:00 -03:00 (America/Sao_Paulo)"),
    ],
)
def test_a_time_is_told_in_the_zone_with_its_offset(zone: str, text: str) -> None:
    assert measures.moment(datetime(2026, 3, 1, 3, 30, 0, 987654, tzinfo=UTC), zone) == text


def test_a_trend_is_a_bar_for_each_size() -> None:
    assert measures.trend([0, 50, 100]) == "▁▅█"
    assert measures.trend([]) == measures.trend([0, 0]) == ""


def test_a_long_line_is_cut_and_control_characters_are_gone() -> None:
    assert measures.one_line("a\r\nb\x1b[0m\u2028c", 100) == "a b [0m c"
    assert measures.one_line("abcdef", 4) == "abc…"
