"""What a retention policy keeps: plans worked out by hand, and what must hold for every history."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backupctl.retention import Candidate, Plan, Retention, plan

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]


def policy(**rules: Any) -> Retention:
    return Retention.model_validate(rules)


def at(started_at: datetime, *, damage: str | None = None) -> Candidate:
    return Candidate(f"{started_at.astimezone(UTC):%Y-%m-%d %H:%M}", started_at, damage)


def every(step: timedelta, count: int, *, until: datetime = NOW) -> list[Candidate]:
    """The newest first."""
    return [at(until - step * number) for number in range(count)]


def kept(backups: Iterable[Candidate], rules: Retention | None, zone: str = "UTC", now: datetime = NOW) -> list[str]:
    return [decision.key for decision in plan(backups, rules, now, ZoneInfo(zone)).keep]


def reasons(planned: Plan) -> dict[str, tuple[str, ...]]:
    return {decision.key: decision.reasons for decision in (*planned.keep, *planned.remove)}


def test_without_a_policy_everything_is_kept_and_it_says_so() -> None:
    planned = plan(every(timedelta(days=1), 3), None, NOW, ZoneInfo("UTC"))
    assert not planned.remove
    assert {decision.reasons for decision in planned.keep} == {("no retention policy: everything is kept",)}


@pytest.mark.parametrize("rules", [{}, {"keep_last": 0}, {"keep_daily": -1}, {"keep_within": "0d"}, {"keep_lats": 1}])
def test_a_policy_that_is_empty_or_means_nothing_is_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        policy(**rules)


def test_the_last_so_many_are_kept_whatever_their_age() -> None:
    backups = every(timedelta(days=40), 6)
    assert kept(backups, policy(keep_last=2)) == ["2026-11-20 12:00", "2026-10-11 12:00"]


def test_backups_of_another_database_under_the_same_name_cost_none_its_place() -> None:
    ours = every(timedelta(days=1), 2)
    theirs = [Candidate(f"theirs {number}", NOW - timedelta(hours=1 + number), source="sqlite b") for number in (0, 1)]
    assert kept([*ours, *theirs], policy(keep_last=1)) == ["2026-11-20 12:00", "theirs 0"]


def test_a_copy_that_was_made_by_hand_takes_no_place_of_its_own() -> None:
    newest, *older = every(timedelta(days=1), 4)
    copied = [newest, Candidate("copy", newest.started_at), *older]
    assert kept(copied, policy(keep_last=3)) == ["copy", "2026-11-20 12:00", "2026-11-19 12:00", "2026-11-18 12:00"]


def test_two_years_of_daily_backups_thin_out() -> None:
    backups = every(timedelta(days=1), 730)
    rules = policy(keep_last=2, keep_daily=4, keep_weekly=4, keep_monthly=6, keep_yearly=3)
    planned = plan(backups, rules, NOW, ZoneInfo("UTC"))
    assert {decision.key.removesuffix(" 12:00"): decision.reasons for decision in planned.keep} == {
        "2026-11-20": (
            "newest",
            "last 2",
            "daily 2026-11-20",
            "weekly 2026-W47",
            "monthly 2026-11",
            "yearly 2026",
        ),
        "2026-11-19": ("last 2", "daily 2026-11-19"),
        "2026-11-18": ("daily 2026-11-18",),
        "2026-11-17": ("daily 2026-11-17",),
        "2026-11-15": ("weekly 2026-W46",),
        "2026-11-08": ("weekly 2026-W45",),
        "2026-11-01": ("weekly 2026-W44",),
        "2026-10-31": ("monthly 2026-10",),
        "2026-09-30": ("monthly 2026-09",),
        "2026-08-31": ("monthly 2026-08",),
        "2026-07-31": ("monthly 2026-07",),
        "2026-06-30": ("monthly 2026-06",),
        "2025-12-31": ("yearly 2025",),
        "2024-12-31": ("yearly 2024",),
    }
    assert len(planned.remove) == 730 - 14
    assert {decision.reasons for decision in planned.remove} == {("no rule keeps it",)}


def test_a_week_is_the_iso_week_also_at_the_turn_of_the_year() -> None:
    backups = every(timedelta(days=1), 8, until=datetime(2027, 1, 5, 12, tzinfo=UTC))
    planned = plan(backups, policy(keep_weekly=2), datetime(2027, 1, 5, 13, tzinfo=UTC), ZoneInfo("UTC"))
    assert reasons(planned)["2027-01-05 12:00"] == ("newest", "weekly 2027-W01")
    assert [decision.reasons for decision in planned.keep[1:]] == [("weekly 2026-W53",)]
    assert planned.keep[1].key == "2027-01-03 12:00"


def test_a_day_begins_at_midnight_in_the_jobs_zone() -> None:
    backups = [at(datetime(2026, 11, 20, hour, tzinfo=UTC)) for hour in (2, 4)]
    assert len(kept(backups, policy(keep_daily=5), "UTC")) == 1
    assert len(kept(backups, policy(keep_daily=5), "America/Sao_Paulo")) == 2


def test_a_gap_costs_no_older_backup_its_place() -> None:
    before = every(timedelta(days=1), 5, until=NOW - timedelta(days=90))
    assert kept([at(NOW), *before], policy(keep_daily=4)) == [backup.key for backup in (at(NOW), *before[:3])]


def test_the_repeated_hour_is_two_hours() -> None:
    backups = every(timedelta(minutes=30), 6, until=datetime(2026, 10, 25, 2, 30, tzinfo=UTC))
    planned = plan(backups, policy(keep_hourly=3), NOW, ZoneInfo("Europe/Berlin"))
    assert [decision.reasons[-1] for decision in planned.keep] == [
        "hourly 2026-10-25 03:00 +0100",
        "hourly 2026-10-25 02:00 +0100",
        "hourly 2026-10-25 02:00 +0200",
    ]
    assert [decision.key[-5:] for decision in planned.keep] == ["02:30", "01:30", "00:30"]


def test_a_day_of_25_hours_is_one_day_and_the_clock_change_at_midnight_makes_no_other() -> None:
    # In Sao Paulo 2018-02-18 began at 00:00 -02:00, which became 2018-02-17 23:00 -03:00.
    backups = every(timedelta(hours=1), 30, until=datetime(2018, 2, 18, 4, 30, tzinfo=UTC))
    assert kept(backups, policy(keep_daily=3), "America/Sao_Paulo") == [
        "2018-02-18 04:30",
        "2018-02-18 02:30",
        "2018-02-17 01:30",
    ]


def test_the_day_that_a_zone_skips_takes_no_place() -> None:
    # Apia went from 2011-12-29 to 2011-12-31.
    backups = every(timedelta(hours=12), 8, until=datetime(2012, 1, 1, 0, tzinfo=UTC))
    planned = plan(backups, policy(keep_daily=3), NOW, ZoneInfo("Pacific/Apia"))
    assert [decision.reasons[-1] for decision in planned.keep] == [
        "daily 2012-01-01",
        "daily 2011-12-31",
        "daily 2011-12-29",
    ]


def test_within_is_counted_from_the_newest_so_that_a_long_rest_costs_nothing() -> None:
    backups = every(timedelta(days=1), 40, until=NOW - timedelta(days=60))
    planned = plan(backups, policy(keep_within="30d"), NOW, ZoneInfo("UTC"))
    assert len(planned.keep) == 30
    assert reasons(planned)[backups[29].key] == ("within 30d of the newest",)


def test_within_means_real_days_of_24_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    newest, older = datetime(2026, 3, 29, 12, tzinfo=zone), datetime(2026, 3, 28, 12, tzinfo=zone)
    assert len(kept([at(newest), at(older)], policy(keep_within="1d"), "Europe/Berlin")) == 2
    assert len(kept([at(newest), at(older)], policy(keep_within="23h"), "Europe/Berlin")) == 1


def test_a_backup_from_the_future_is_kept_and_counts_for_nothing() -> None:
    backups = [at(datetime(2099, 1, 1, tzinfo=UTC)), *every(timedelta(days=1), 3)]
    planned = plan(backups, policy(keep_last=1, keep_yearly=1), NOW, ZoneInfo("America/Sao_Paulo"))
    assert [decision.key for decision in planned.keep] == ["2099-01-01 00:00", "2026-11-20 12:00"]
    assert planned.keep[0].reasons == ("starts in the future, at 2098-12-31 21:00: not trusted, not counted",)
    assert planned.keep[1].reasons[0] == "newest"


def test_clocks_that_differ_by_minutes_are_trusted() -> None:
    backups = [at(NOW + timedelta(minutes=4)), at(NOW)]
    assert kept(backups, policy(keep_last=1)) == [backups[0].key]


def test_a_clock_that_is_years_behind_removes_nothing() -> None:
    backups = every(timedelta(days=1), 100)
    assert len(kept(backups, policy(keep_last=1), now=datetime(1970, 1, 1, tzinfo=UTC))) == 100


def test_a_damaged_backup_takes_no_good_ones_place() -> None:
    newest, *rest = every(timedelta(days=1), 4)
    broken = at(newest.started_at, damage="its artifact is not there")
    planned = plan([broken, *rest], policy(keep_last=1, keep_daily=2), NOW, ZoneInfo("UTC"))
    assert [decision.key for decision in planned.keep] == [broken.key, rest[0].key, rest[1].key]
    assert planned.keep[0].reasons == ("damaged: its artifact is not there",)
    assert planned.keep[1].reasons[:2] == ("newest", "last 1")


def test_an_interrupted_delete_is_finished() -> None:
    backups = every(timedelta(days=1), 10)
    rules = policy(keep_daily=3)
    halves = [at(backup.started_at, damage="its artifact is not there") for backup in backups[3:]]
    planned = plan([*backups[:3], *halves], rules, NOW + timedelta(days=2), ZoneInfo("UTC"))
    assert [decision.key for decision in planned.remove] == [backup.key for backup in halves]
    assert planned.remove[0].reasons == ("no rule keeps it", "damaged: its artifact is not there")


def test_where_every_backup_is_damaged_all_are_kept() -> None:
    backups = [at(NOW - timedelta(days=days), damage="its artifact is not there") for days in range(5)]
    assert len(kept(backups, policy(keep_last=1))) == 5


# From here on: what holds for every history, gap, damage, clock change and policy.

POLICIES: st.SearchStrategy[Retention] = (
    st.fixed_dictionaries(
        {},
        optional={
            **{
                f"keep_{name}": st.integers(1, 6) for name in ("last", "hourly", "daily", "weekly", "monthly", "yearly")
            },
            "keep_within": st.integers(1, 40 * 86400),
        },
    )
    .filter(bool)
    .map(lambda rules: policy(**rules))
)
# Minutes apart, hours, days, or years: a history with gaps. It ends at a clock change of most of the zones.
STEPS = st.one_of(st.integers(1, 90), st.integers(60, 2000), st.integers(1440, 60000), st.integers(300_000, 700_000))
ENDS = st.sampled_from(
    [
        NOW,
        datetime(2026, 10, 25, 2, tzinfo=UTC),
        datetime(2026, 4, 5, 3, tzinfo=UTC),
        datetime(2018, 2, 18, 3, tzinfo=UTC),
    ]
)
PERIODS: dict[str, Callable[[datetime], object]] = {
    "keep_hourly": lambda local: (local.date(), local.hour, local.utcoffset()),
    "keep_daily": lambda local: local.date(),
    "keep_weekly": lambda local: local.isocalendar()[:2],
    "keep_monthly": lambda local: (local.year, local.month),
    "keep_yearly": lambda local: local.year,
}
many = settings(max_examples=60, deadline=None, database=None)


@st.composite
def histories(draw: st.DrawFn) -> list[Candidate]:
    """In no order, some of them damaged, some from the future."""
    moment = draw(ENDS) + timedelta(minutes=draw(st.sampled_from([0, 0, 0, 3, 600])))
    found = []
    for number, step in enumerate(draw(st.lists(STEPS, max_size=40))):
        found.append(
            Candidate(f"{number:02}", moment, draw(st.sampled_from([None, None, None, "its artifact is gone"])))
        )
        moment -= timedelta(minutes=step)
    return draw(st.permutations(found))


def latest_trusted(backups: list[Candidate]) -> datetime:
    return max(backup.started_at for backup in backups) if backups else NOW


def by_brute_force(good: list[Candidate], rules: Retention, zone: ZoneInfo) -> set[str]:
    """What is to be kept of good backups, told rule by rule and period by period, in another way."""
    times = {backup.key: backup.started_at for backup in good}
    newest_first = sorted(times, key=lambda key: (times[key], key), reverse=True)
    keep = set(newest_first[:1]) | set(newest_first[: rules.keep_last or 0])
    for name, period in PERIODS.items():
        most = getattr(rules, name) or 0
        groups: dict[Any, list[str]] = {}
        for key in newest_first:
            groups.setdefault(period(times[key].astimezone(zone)), []).append(key)
        newest_of_each = sorted((group[0] for group in groups.values()), key=newest_first.index)
        keep |= set(newest_of_each[:most])
    if rules.keep_within and newest_first:
        keep |= {key for key in times if (times[newest_first[0]] - times[key]).total_seconds() < rules.keep_within}
    return keep


@many
@given(histories(), POLICIES, st.sampled_from(ZONES), ENDS)
def test_exactly_what_a_rule_keeps_is_kept(
    backups: list[Candidate], rules: Retention, zone: str, now: datetime
) -> None:
    trusted = [backup for backup in backups if backup.started_at <= now + timedelta(minutes=5)]
    good = [backup for backup in trusted if backup.damage is None]
    expected = {backup.key for backup in backups if backup not in trusted} | by_brute_force(good, rules, ZoneInfo(zone))
    for backup in trusted:
        if backup.damage and backup.key in by_brute_force([*good, backup], rules, ZoneInfo(zone)):
            expected.add(backup.key)
    planned = plan(backups, rules, now, ZoneInfo(zone))
    assert {decision.key for decision in planned.keep} == expected
    assert len(planned.keep) + len(planned.remove) == len(backups)
    assert all(decision.reasons for decision in (*planned.keep, *planned.remove))


@many
@given(histories(), POLICIES, st.sampled_from(ZONES), ENDS)
def test_each_database_is_planned_as_if_it_were_alone(
    backups: list[Candidate], rules: Retention, zone: str, now: datetime
) -> None:
    mixed = [replace(backup, source=f"sqlite {int(backup.key) % 3}") for backup in backups]
    alone = [
        kept([backup for backup in mixed if backup.source == f"sqlite {one}"], rules, zone, now) for one in (0, 1, 2)
    ]
    assert set(kept(mixed, rules, zone, now)) == {key for keys in alone for key in keys}


@many
@given(histories(), POLICIES, st.sampled_from(ZONES))
def test_the_newest_good_backup_is_never_removed(backups: list[Candidate], rules: Retention, zone: str) -> None:
    good = [backup for backup in backups if backup.damage is None]
    keys = kept(backups, rules, zone, latest_trusted(backups))
    assert not good or max(good, key=lambda backup: (backup.started_at, backup.key)).key in keys


@many
@given(histories(), POLICIES, st.sampled_from(ZONES), ENDS)
def test_after_the_removal_there_is_nothing_more_to_remove(
    backups: list[Candidate], rules: Retention, zone: str, now: datetime
) -> None:
    keys = kept(backups, rules, zone, now)
    left = [backup for backup in backups if backup.key in keys]
    assert kept(left, rules, zone, now) == keys


@many
@given(histories(), POLICIES, st.sampled_from(ZONES), st.data())
def test_a_removal_that_was_interrupted_anywhere_is_finished_and_takes_nothing_else(
    backups: list[Candidate], rules: Retention, zone: str, data: st.DataObject
) -> None:
    now = latest_trusted(backups)
    planned = plan(backups, rules, now, ZoneInfo(zone))
    doomed = [decision.key for decision in planned.remove]
    fate = {key: data.draw(st.sampled_from(["whole", "half", "gone"])) for key in doomed}
    left = [
        Candidate(
            backup.key, backup.started_at, "its artifact is gone" if fate.get(backup.key) == "half" else backup.damage
        )
        for backup in backups
        if fate.get(backup.key) != "gone"
    ]
    assert kept(left, rules, zone, now) == [decision.key for decision in planned.keep]


@many
@given(histories(), POLICIES, POLICIES, st.sampled_from(ZONES), ENDS)
def test_a_rule_more_never_removes_more(
    backups: list[Candidate], rules: Retention, more: Retention, zone: str, now: datetime
) -> None:
    wider = policy(**(more.model_dump(exclude_none=True) | rules.model_dump(exclude_none=True)))
    assert set(kept(backups, rules, zone, now)) <= set(kept(backups, wider, zone, now))


@many
@given(histories(), POLICIES, st.sampled_from(ZONES), ENDS)
def test_damaged_backups_never_cost_a_good_one_its_place(
    backups: list[Candidate], rules: Retention, zone: str, now: datetime
) -> None:
    good = [backup for backup in backups if backup.damage is None]
    assert set(kept(good, rules, zone, now)) <= set(kept(backups, rules, zone, now))


@many
@given(histories(), POLICIES, st.sampled_from(ZONES), st.integers(0, 100_000))
def test_a_newer_backup_makes_no_older_one_come_back(
    backups: list[Candidate], rules: Retention, zone: str, later: int
) -> None:
    """So what two hosts remove at once, one of which has not seen the newest backup, one alone would remove too."""
    now = latest_trusted(backups)
    then = now + timedelta(minutes=later)
    gone_now = {backup.key for backup in backups} - set(kept(backups, rules, zone, now))
    assert gone_now.isdisjoint(kept([*backups, Candidate("zz", then)], rules, zone, then))


@many
@given(histories(), POLICIES, st.sampled_from(ZONES), st.integers(0, 10_000_000))
def test_time_alone_removes_nothing(backups: list[Candidate], rules: Retention, zone: str, later: int) -> None:
    """Without a new backup, the plan stays what it was, however long nothing ran."""
    now = latest_trusted(backups)
    assert kept(backups, rules, zone, now + timedelta(minutes=later)) == kept(backups, rules, zone, now)
