"""What is suspiciously less than before is told, and what merely changes is not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupctl.drift import drift
from backupctl.model import Artifact, Manifest

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def backup(
    day: int, size: int | None = 100 * MIB, tables: Mapping[str, int] | None = None, unit: str = "rows", **changes: Any
) -> Manifest:
    started = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    fields: dict[str, Any] = {
        "id": f"{started:%Y%m%dT%H%M%SZ}-abcdef",
        "job": "shop",
        "engine": "postgres",
        "database": "shop",
        "server_version": "17.6",
        "client": "pg_dump 17.6",
        "host": "here",
        "started_at": started,
        "finished_at": started,
        "timezone": "UTC",
        "format": "plain",
        "compression": "zstd",
        "artifacts": (Artifact(role="dump", key="k", size=1, sha256=None, dump_size=size, dump_sha256=None),),
        "tables": tables,
        "tables_unit": unit if tables is not None else None,
        "tool": "tests",
    }
    return Manifest(**(fields | changes))


def of_sizes(*sizes: int | None) -> list[Manifest]:
    return [backup(day, size) for day, size in enumerate(sizes)]


def of_tables(*days: Mapping[str, int] | None, unit: str = "rows") -> list[Manifest]:
    return [backup(day, tables=tables, unit=unit) for day, tables in enumerate(days)]


def told(backups: list[Manifest], max_shrink: float = 0.5) -> tuple[str, ...]:
    """Of the last of them."""
    return drift(backups[-1], backups[:-1], max_shrink=max_shrink)


def test_a_first_backup_has_no_drift() -> None:
    assert told([backup(0, 0, {})]) == ()


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        (
            [100 * MIB, 40 * MIB],
            "the dump has 40.0 MiB, 60 % less than the 100.0 MiB of the one before",
        ),
        (
            [1 * GIB, 100 * MIB, 100 * MIB, 100 * MIB, 100 * MIB, 100 * MIB, 3000],
            "the dump has 2.9 KiB, 99 % less than the 100.0 MiB of the last 5 (median)",
        ),
        (
            [None, 4 * GIB, 2 * GIB, 0],
            "the dump has 0 bytes, 100 % less than the 3.0 GiB of the last 2 (median)",
        ),
    ],
)
def test_a_dump_of_less_than_half_is_told(sizes: list[int | None], sentence: str) -> None:
    assert told(of_sizes(*sizes)) == (sentence,)


@pytest.mark.parametrize(
    "sizes",
    [
        [100 * MIB, 50 * MIB],
        [100 * MIB, 900 * MIB],
        [40 * KIB, 15 * KIB],
        [300 * KIB, 50 * KIB],
        [500 * MIB, 100 * MIB, 100 * MIB, 60 * MIB],
        [100 * MIB, None],
        [None, 1],
        [0, 0],
    ],
    ids=["half", "more", "small", "hardly", "one large before", "unknown", "unknown before", "nothing"],
)
def test_other_sizes_are_not(sizes: list[int | None]) -> None:
    assert told(of_sizes(*sizes)) == ()


def test_how_much_may_be_lost_is_chosen() -> None:
    shrunk = of_sizes(100 * MIB, 75 * MIB)
    assert told(shrunk, 0.2)
    assert not told(shrunk, 0.3)
    assert not told(of_sizes(100 * MIB, 0), 1)
    assert not told([*of_tables({"t": 9999}), backup(1, 0, {})], 0)


@pytest.mark.parametrize(
    ("before", "now", "unit", "sentence"),
    [
        ({"public.orders": 12345}, {}, "rows", "table public.orders (12,345 rows) is gone"),
        ({"t": 12345}, {"t": 0}, "rows", "table t is empty, it had 12,345 rows"),
        ({"t": 12345}, {"t": 1}, "rows", "table t has 1 row, it had 12,345 rows"),
        ({"t": 3 * MIB}, {"t": 300 * KIB}, "bytes", "table t has 300.0 KiB of rows, it had 3.0 MiB of rows"),
        ({"t": 3 * MIB}, {}, "bytes", "table t (3.0 MiB of rows) is gone"),
        ({'a\n"\x1b[2J\u2028': 500}, {}, "rows", 'table a\\n"\\x1b[2J\\u2028 (500 rows) is gone'),
    ],
)
def test_a_table_that_lost_most_is_told(
    before: Mapping[str, int], now: Mapping[str, int], unit: str, sentence: str
) -> None:
    assert told(of_tables(before, now, unit=unit)) == (sentence,)


@pytest.mark.parametrize(
    ("before", "now", "unit"),
    [
        ({"t": 99}, {}, "rows"),
        ({"t": 0}, {}, "rows"),
        ({"t": 1099}, {"t": 100}, "rows"),
        ({"t": 10_000}, {"t": 5_000}, "rows"),
        ({"t": 10 * KIB}, {}, "bytes"),
        ({"t": 255 * KIB}, {"t": 1}, "bytes"),
        ({"t": 10_000}, {"t": 10_000, "u": 0}, "rows"),
        ({}, {"t": 10_000}, "rows"),
    ],
)
def test_tables_that_are_tiny_or_lost_little_are_not(
    before: Mapping[str, int], now: Mapping[str, int], unit: str
) -> None:
    assert told(of_tables(before, now, unit=unit)) == ()


def test_a_table_is_held_against_the_newest_that_was_counted() -> None:
    assert told(of_tables({"t": 90_000}, {"t": 5_000}, None, {"t": 4_000})) == ()
    assert told(of_tables({"t": 60_000}, {"t": 90_000}, None, {"t": 40_000})) == (
        "table t has 40,000 rows, it had 90,000 rows",
    )


def test_a_small_share_that_may_be_lost_of_the_whole_does_not_hold_for_each_table() -> None:
    assert told(of_tables({"t": 10_000}, {"t": 6_000}), 0.1) == ()


def test_a_queue_that_was_as_short_before_is_no_news_until_it_is_gone() -> None:
    days = of_tables({"queue": 40}, {"queue": 30_000}, {"queue": 10})
    assert told(days) == ()
    assert told([*days[:-1], backup(9, tables={})]) == ("table queue (30,000 rows) is gone",)


PARTITIONS = {f"log_2026_{month:02}": 10_000 for month in range(1, 8)}


def test_the_oldest_partition_that_goes_while_the_others_stay_is_no_news() -> None:
    fewer = {name: rows for name, rows in PARTITIONS.items() if name > "log_2026_02"}
    assert told(of_tables(PARTITIONS, fewer | {"log_2026_10": 0})) == ()


@pytest.mark.parametrize("gone", ["log_2026_03", "log_2026_07"])
def test_any_other_partition_that_goes_is(gone: str) -> None:
    fewer = {name: rows for name, rows in PARTITIONS.items() if name != gone}
    assert told(of_tables(PARTITIONS, fewer)) == (f"table {gone} (10,000 rows) is gone",)


def test_all_partitions_but_the_newest_that_go_are() -> None:
    assert len(told(of_tables(PARTITIONS, {"log_2026_07": 10_000}))) == 6


def test_many_tables_are_summarised_the_largest_losses_first() -> None:
    many = {f"t{chr(97 + number)}": 1000 + number for number in range(26)}
    sentences = told(of_tables(many, {}))
    assert len(sentences) == 10
    assert sentences[0] == "table tz (1,025 rows) is gone"
    assert sentences[-1] == "17 more tables are gone, empty or lost most of what they had"


@pytest.mark.parametrize(
    "changes",
    [
        {"engine": "mariadb"},
        {"database": "other"},
        {"format": "custom"},
        {"details": {"extra_args_sha256": "0123456789abcdef"}},
        {"drift": ("the dump is small",)},
        {"started_at": datetime(2027, 1, 1, tzinfo=UTC)},
    ],
    ids=["engine", "database", "format", "arguments", "drifted", "later"],
)
def test_only_like_is_compared_with_like(changes: dict[str, Any]) -> None:
    old, new = backup(0, 100 * MIB, {"t": 9999}), backup(1, 0, {})
    assert len(drift(new, [old], max_shrink=0.5)) == 2
    assert drift(new, [old.model_copy(update=changes)], max_shrink=0.5) == ()


def test_tables_in_another_unit_are_not_compared() -> None:
    assert told([backup(0, tables={"t": 9 * MIB}, unit="bytes"), backup(1, tables={"t": 9})]) == ()


def test_a_loss_is_told_until_somebody_accepts_it() -> None:
    large, lost, next_one = of_sizes(100 * MIB, 10 * MIB, 10 * MIB)
    lost = lost.model_copy(update={"drift": drift(lost, [large], max_shrink=0.5)})
    assert drift(next_one, [large, lost], max_shrink=0.5) == lost.drift
    assert drift(next_one, [lost.model_copy(update={"drift": ()})], max_shrink=0.5) == ()


tables = st.none() | st.dictionaries(
    st.text("ab1२9_\n", max_size=5) | st.just("9" * 9999), st.integers(0, 10**12), max_size=6
)
backups = st.lists(
    st.builds(
        backup, st.integers(0, 50), st.none() | st.integers(0, 10**15), tables, st.sampled_from(["rows", "bytes"])
    ),
    min_size=1,
    max_size=8,
)


@given(backups, st.floats(0, 1), st.randoms())
def test_any_history_is_told_of_in_a_few_single_lines_whatever_its_order(
    history: list[Manifest], max_shrink: float, random: Any
) -> None:
    history = [one.model_copy(update={"id": str(number)}) for number, one in enumerate(history)]
    *recent, new = history
    sentences = drift(new, recent, max_shrink=max_shrink)
    assert len(sentences) <= 11
    assert not any("\n" in sentence for sentence in sentences)
    random.shuffle(recent)
    assert drift(new, recent, max_shrink=max_shrink) == sentences


@given(backups, st.floats(0, 1))
def test_the_same_again_or_more_is_never_a_drift(history: list[Manifest], max_shrink: float) -> None:
    newest = max(history, key=lambda one: (one.started_at, one.id))
    again = newest.model_copy(update={"started_at": newest.started_at + timedelta(hours=1)})
    assert drift(again, [newest], max_shrink=max_shrink) == ()
    more = None if again.tables is None else {name: rows * 2 for name, rows in again.tables.items()}
    grown = again.model_copy(update={"tables": None if more is None else more | {"new": 1}})
    assert drift(grown, [newest], max_shrink=max_shrink) == ()
