"""What a retention policy keeps of a job's backups, and why: pure functions of the backups and the time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from backupctl.model import CLOCK_SKEW
from backupctl.options import Duration, Options

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class Retention(Options):
    """How many backups of a job are kept. What any rule keeps is kept; a job without a policy keeps everything."""

    keep_last: int | None = Field(default=None, ge=1, description="The newest so many")
    keep_hourly: int | None = Field(default=None, ge=1, description="The newest of each of the last so many hours")
    keep_daily: int | None = Field(default=None, ge=1, description="The newest of each of the last so many days")
    keep_weekly: int | None = Field(default=None, ge=1, description="The newest of each of the last so many ISO weeks")
    keep_monthly: int | None = Field(default=None, ge=1, description="The newest of each of the last so many months")
    keep_yearly: int | None = Field(default=None, ge=1, description="The newest of each of the last so many years")
    keep_within: Duration | None = Field(
        default=None, gt=0, description="All made within this before the newest, such as 30d"
    )

    @model_validator(mode="after")
    def _keeps_something(self) -> "Retention":
        if not any(value for _, value in self):
            raise ValueError(
                "a retention policy without a rule would keep nothing; the word all in its place keeps everything"
            )
        return self


@dataclass(frozen=True)
class Candidate:
    """A backup as far as a policy looks at it: `key` names it alone, `damage` says why it could not be restored.

    `source` is the database that it is of: a job may be pointed at another one, and two hosts may use one name.
    """

    key: str
    started_at: datetime
    damage: str | None = None
    source: str = ""


@dataclass(frozen=True)
class Decision:
    """What becomes of one backup, and why, in words for people."""

    key: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What is kept and what is removed, each the newest first."""

    keep: tuple[Decision, ...]
    remove: tuple[Decision, ...]


class _Rule(Protocol):
    """Asked about every backup, the newest first. What it says depends on the newer good ones alone."""

    def reason(self, backup: Candidate) -> str | None:
        """Why the rule would keep this one if it were good, None when it would not."""

    def take(self, backup: Candidate) -> None:
        """Count this one, which is good."""


def plan(backups: Iterable[Candidate], policy: Retention | None, now: datetime, zone: ZoneInfo) -> Plan:
    """Which backups the policy keeps of each source; its days begin at midnight in `zone`.

    The newest good backup of each is always kept. A damaged one takes no good one's place, and goes only where a good
    one would go too: so an interrupted delete is finished. What starts in the future is kept and not counted.
    """
    newest_first = sorted(backups, key=lambda backup: (backup.started_at.astimezone(UTC), backup.key), reverse=True)
    rules: dict[str, list[_Rule]] = {}
    keep: list[Decision] = []
    remove: list[Decision] = []
    for backup in newest_first:
        damage = () if backup.damage is None else (f"damaged: {backup.damage}",)
        if policy is None:
            keep.append(Decision(backup.key, ("no retention policy: everything is kept", *damage)))
        elif backup.started_at > now + CLOCK_SKEW:
            keep.append(Decision(backup.key, (_from_the_future(backup, zone), *damage)))
        elif reasons := _reasons(backup, rules.setdefault(backup.source, [_Newest(), *_rules(policy, zone)])):
            keep.append(Decision(backup.key, damage or reasons))
        else:
            remove.append(Decision(backup.key, ("no rule keeps it", *damage)))
    return Plan(tuple(keep), tuple(remove))


def _from_the_future(backup: Candidate, zone: ZoneInfo) -> str:
    return f"starts in the future, at {backup.started_at.astimezone(zone):%Y-%m-%d %H:%M}: not trusted, not counted"


def _reasons(backup: Candidate, rules: Iterable[_Rule]) -> tuple[str, ...]:
    reasons = []
    for rule in rules:
        reason = rule.reason(backup)
        if reason is not None:
            reasons.append(reason)
        if backup.damage is None:
            rule.take(backup)
    return tuple(reasons)


def _rules(policy: Retention | None, zone: ZoneInfo) -> Iterator[_Rule]:
    if policy is None:
        return
    if policy.keep_last:
        yield _Last(policy.keep_last)
    periods = (
        ("hourly", policy.keep_hourly, _hour),
        ("daily", policy.keep_daily, _day),
        ("weekly", policy.keep_weekly, _week),
        ("monthly", policy.keep_monthly, _month),
        ("yearly", policy.keep_yearly, _year),
    )
    for name, most, period in periods:
        if most:
            yield _Periods(name, most, period, zone)
    if policy.keep_within:
        yield _Within(policy.keep_within)


@dataclass
class _Newest:
    """The newest good one, whatever the policy says."""

    found: bool = False

    def reason(self, backup: Candidate) -> str | None:
        return None if self.found else "newest"

    def take(self, backup: Candidate) -> None:
        self.found = True


@dataclass
class _Last:
    """Backups of one moment are copies of one, made by hand: they take one place together."""

    most: int
    seen: set[datetime] = field(default_factory=set)

    def reason(self, backup: Candidate) -> str | None:
        return f"last {self.most}" if len(self.seen) < self.most else None

    def take(self, backup: Candidate) -> None:
        self.seen.add(backup.started_at.astimezone(UTC))


@dataclass
class _Periods:
    """The newest of each period; a period without a backup is not counted, so a gap costs no older backup its place."""

    name: str
    most: int
    period: Callable[[datetime], str]
    zone: ZoneInfo
    seen: set[str] = field(default_factory=set)

    def reason(self, backup: Candidate) -> str | None:
        period = self._period_of(backup)
        return f"{self.name} {period}" if len(self.seen) < self.most and period not in self.seen else None

    def take(self, backup: Candidate) -> None:
        if len(self.seen) < self.most:
            self.seen.add(self._period_of(backup))

    def _period_of(self, backup: Candidate) -> str:
        return self.period(backup.started_at.astimezone(self.zone))


@dataclass
class _Within:
    """All that are younger than so many seconds, counted from the newest good one.

    Counted from now, a job that made no backup for that long would lose all of them but one.
    """

    seconds: int
    newest: datetime | None = None

    def reason(self, backup: Candidate) -> str | None:
        # In UTC: two times of one zone are subtracted as the clock on the wall shows them.
        age = timedelta() if self.newest is None else self.newest - backup.started_at.astimezone(UTC)
        return f"within {_words(self.seconds)} of the newest" if age < timedelta(seconds=self.seconds) else None

    def take(self, backup: Candidate) -> None:
        self.newest = self.newest or backup.started_at.astimezone(UTC)


def _hour(local: datetime) -> str:
    """A real hour: the offset tells the two of a repeated one apart."""
    return f"{local:%Y-%m-%d %H:00 %z}"


def _day(local: datetime) -> str:
    return f"{local:%Y-%m-%d}"


def _week(local: datetime) -> str:
    year, week, _ = local.isocalendar()
    return f"{year}-W{week:02}"


def _month(local: datetime) -> str:
    return f"{local:%Y-%m}"


def _year(local: datetime) -> str:
    return f"{local:%Y}"


def _words(seconds: int) -> str:
    """A duration as the file would say it: 30d, 36h."""
    unit, length = next((unit, length) for unit, length in _UNITS if seconds % length == 0)
    return f"{seconds // length}{unit}"
