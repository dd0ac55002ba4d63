"""How a job stands: how old its newest good backup is, whether that is too old, and whether its runs fail; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from backupctl.model import CLOCK_SKEW, Outcome

TELLING = frozenset(Outcome) - {Outcome.SKIPPED, Outcome.CANCELLED}
"""Outcomes that tell how a job does: one that was skipped never began, one that was cancelled was wanted so."""

_BAD = frozenset({Outcome.FAILED, Outcome.PARTIAL, Outcome.INTERRUPTED})


@dataclass(frozen=True)
class Facts:
    """What is known of a job; times are aware.

    `good` are the beginnings of its good backups, as the storage lists them; where that was not asked, or could not be
    read, which `problem` says, as the catalog has them. `remembered` is the newest that the catalog has. Of a job with
    several databases `good` is when all had one, and `listed` the newest of any of them, as a retry of some makes it.
    `last_outcome` is of the newest run that was not skipped, `last_telling` of the newest whose outcome is in TELLING.
    `since` is when the job was first known with its schedule.
    """

    job: str
    enabled: bool
    good: tuple[datetime, ...]
    since: datetime
    max_age: timedelta
    remembered: datetime | None = None
    listed: datetime | None = None
    last_outcome: Outcome | None = None
    last_telling: Outcome | None = None
    next_run_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Standing:
    """How a job stands at one moment; `note` is for people. One that is not enabled is neither stale nor failing."""

    job: str
    enabled: bool
    last_good_at: datetime | None
    age: timedelta | None
    last_outcome: Outcome | None
    next_run_at: datetime | None
    stale: bool
    failing: bool
    note: str | None

    @property
    def is_well(self) -> bool:
        return not (self.stale or self.failing)


def standing_of(facts: Facts, now: datetime) -> Standing:
    """Stale: the newest good backup, or without one the time since the job is known, is older than `max_age`.

    One that is remembered, and neither listed any more nor followed by a newer, makes its job stale at once.
    Failing: the last telling run went wrong, or the storage could not be read.
    """
    newest = newest_of(facts.good, now)
    age = None if newest is None else max(timedelta(0), _between(newest, now))
    waited = _between(facts.since, now) if age is None else age
    lost = _lost(facts)
    return Standing(
        job=facts.job,
        enabled=facts.enabled,
        last_good_at=newest,
        age=age,
        last_outcome=facts.last_outcome,
        next_run_at=facts.next_run_at if facts.enabled else None,
        stale=facts.enabled and (waited > facts.max_age or lost is not None),
        failing=facts.enabled and (facts.last_telling in _BAD or facts.problem is not None),
        note=_note(facts.problem, lost),
    )


def _note(problem: str | None, lost: datetime | None) -> str | None:
    if problem is not None:
        return f"from the catalog: storage could not be read: {problem}"
    if lost is not None:
        return f"the catalog remembers a backup of {lost:%Y-%m-%d %H:%M:%S %z} that the storage does not list"
    return None


def _lost(facts: Facts) -> datetime | None:
    """The backup that the catalog remembers as the newest, when the storage has neither it nor a newer one."""
    there = facts.good if facts.listed is None else (*facts.good, facts.listed)
    if facts.remembered is None or any(_between(facts.remembered, moment) >= timedelta(0) for moment in there):
        return None
    return facts.remembered


def newest_of(moments: Iterable[datetime], now: datetime) -> datetime | None:
    """The newest that is not from the future: whatever wrote such a one had a wrong clock."""
    return max((moment for moment in moments if _between(now, moment) <= CLOCK_SKEW), default=None)


def _between(earlier: datetime, later: datetime) -> timedelta:
    # Python subtracts two times of one zone as the clock on the wall shows them, clock changes and all.
    return later.astimezone(UTC) - earlier.astimezone(UTC)
