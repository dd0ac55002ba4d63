"""When a job is stale or failing, and when it is neither."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from backupctl.model import Outcome
from backupctl.standing import Facts, standing_of

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAILY = Facts(
    job="shop",
    enabled=True,
    good=(NOW - 9 * HOUR, NOW - 33 * HOUR),
    since=NOW - timedelta(days=100),
    max_age=timedelta(days=2),
    last_outcome=Outcome.SUCCEEDED,
    last_telling=Outcome.SUCCEEDED,
    next_run_at=NOW + 15 * HOUR,
)


def test_a_job_with_a_young_backup_is_well() -> None:
    standing = standing_of(DAILY, NOW)
    assert standing.is_well
    assert (standing.last_good_at, standing.age) == (NOW - 9 * HOUR, 9 * HOUR)
    assert (standing.next_run_at, standing.note) == (NOW + 15 * HOUR, None)


def test_a_job_is_stale_once_its_newest_backup_is_older_than_it_may_be() -> None:
    at_the_limit = replace(DAILY, good=(NOW - timedelta(days=2),))
    assert not standing_of(at_the_limit, NOW).stale
    assert standing_of(at_the_limit, NOW + timedelta(seconds=1)).stale


@pytest.mark.parametrize(("known", "stale"), [(timedelta(days=1), False), (timedelta(days=3), True)])
def test_a_job_that_never_had_a_backup_is_stale_once_it_is_known_for_too_long(known: timedelta, stale: bool) -> None:
    standing = standing_of(replace(DAILY, good=(), since=NOW - known), NOW)
    assert (standing.last_good_at, standing.age, standing.stale) == (None, None, stale)


def test_a_backup_that_is_remembered_and_not_there_makes_its_job_stale_at_once() -> None:
    gone = replace(DAILY, good=(), since=NOW, remembered=NOW - HOUR)
    standing = standing_of(gone, NOW)
    assert standing.stale
    assert standing.note == "the catalog remembers a backup of 2026-03-10 11:00:00 +0000 that the storage does not list"


def test_an_older_backup_does_not_hide_that_the_newest_is_not_there_any_more() -> None:
    standing = standing_of(replace(DAILY, remembered=NOW - HOUR), NOW)
    assert standing.stale
    assert (standing.last_good_at, standing.age) == (NOW - 9 * HOUR, 9 * HOUR)
    assert standing.note == "the catalog remembers a backup of 2026-03-10 11:00:00 +0000 that the storage does not list"
    assert standing_of(replace(DAILY, remembered=NOW - 9 * HOUR), NOW).is_well
    assert standing_of(replace(DAILY, remembered=NOW - 10 * HOUR), NOW).is_well


def test_a_backup_from_the_future_is_not_the_newest() -> None:
    skewed, wrong = NOW + timedelta(minutes=5), NOW + timedelta(minutes=6)
    assert standing_of(replace(DAILY, good=(wrong, *DAILY.good)), NOW).last_good_at == NOW - 9 * HOUR
    slightly_ahead = standing_of(replace(DAILY, good=(skewed, *DAILY.good)), NOW)
    assert (slightly_ahead.last_good_at, slightly_ahead.age) == (skewed, timedelta(0))


@pytest.mark.parametrize(
    ("last", "telling", "failing"),
    [
        (Outcome.FAILED, Outcome.FAILED, True),
        (Outcome.INTERRUPTED, Outcome.INTERRUPTED, True),
        (Outcome.PARTIAL, Outcome.PARTIAL, True),
        (Outcome.CANCELLED, Outcome.SUCCEEDED, False),
        (Outcome.CANCELLED, Outcome.FAILED, True),
        (None, None, False),
    ],
)
def test_a_job_is_failing_when_its_last_run_that_tells_went_wrong(
    last: Outcome | None, telling: Outcome | None, failing: bool
) -> None:
    standing = standing_of(replace(DAILY, last_outcome=last, last_telling=telling), NOW)
    assert (standing.failing, standing.last_outcome) == (failing, last)


def test_a_storage_that_cannot_be_read_makes_its_job_fail_and_what_is_remembered_is_shown() -> None:
    remembered = NOW - 9 * HOUR
    standing = standing_of(replace(DAILY, good=(remembered,), remembered=remembered, problem="no route to host"), NOW)
    assert (standing.failing, standing.stale, standing.last_good_at) == (True, False, remembered)
    assert standing.note == "from the catalog: storage could not be read: no route to host"


def test_a_disabled_job_is_well_whatever_became_of_it() -> None:
    worst = replace(DAILY, enabled=False, good=(), last_telling=Outcome.FAILED, remembered=NOW - HOUR)
    standing = standing_of(worst, NOW)
    assert standing.is_well
    assert standing.next_run_at is None


def test_an_age_is_of_real_time_across_a_clock_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 28, 12, tzinfo=berlin)
    after = datetime(2026, 3, 29, 12, tzinfo=berlin)
    assert standing_of(replace(DAILY, good=(before,)), after).age == 23 * HOUR
