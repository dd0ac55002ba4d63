"""Counts what the runner says it does, and writes it down for Prometheus."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from backupctl import __version__
from backupctl.events import Event, Finished, NotReloaded, Pruned, Reloaded, Retrying, Run, Serving
from backupctl.health import Vitals
from backupctl.model import Outcome, Trigger
from backupctl.standing import Standing

_SECOND, _MINUTE, _HOUR = 1, 60, 3600
_DURATIONS = (
    *(n * _SECOND for n in (1, 5, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 30)),
    *(n * _HOUR for n in (1, 2, 4, 8, 12, 24)),
)

_FROM_THE_START = ((Trigger.SCHEDULE, Outcome.SUCCEEDED), (Trigger.SCHEDULE, Outcome.FAILED))
"""Counted from 0 on: Prometheus sees no increase in a series that begins with 1."""

_Runs = Counter[tuple[Trigger, Outcome]]
_Families = Iterator[Metric]


class Past(Protocol):
    """A run of an earlier process, as the catalog remembers it; sizes are of all its artifacts, in bytes."""

    @property
    def job(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def finished_at(self) -> datetime | None: ...
    @property
    def dumped(self) -> int | None: ...
    @property
    def stored(self) -> int | None: ...


@dataclass
class _Tally:
    """What is known of one job since the process began, and of its last runs from before."""

    runs: _Runs = field(default_factory=lambda: Counter(dict.fromkeys(_FROM_THE_START, 0)))
    removed: int = 0
    retries: int = 0
    ended_at: float | None = None
    seconds: float | None = None
    dumped: int | None = None
    stored: int | None = None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Metrics:
    """Hears the runner's events, and renders what came of them. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], datetime] = _utc_now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rendering = threading.Lock()
        self._tallies: dict[str, _Tally] = {}
        self._reloads = {"success": 0, "failure": 0}
        self._read_at: float | None = None
        self._read_well = True
        self._durations = Histogram(
            "backupctl_run_duration_seconds",
            "How long runs took, by what became of them.",
            ["outcome"],
            buckets=_DURATIONS,
            registry=None,
        )

    def recall(self, runs: Iterable[Past]) -> None:
        """Begin with what is remembered of each job's last run and last backup, in any order."""
        with self._lock:
            for run in runs:
                _recall(self._tally(run.job), run)

    def hear(self, event: Event) -> None:
        """Count what an event tells; for the runner's events."""
        with self._lock:
            match event:
                case Finished():
                    self._count(event.run)
                case Retrying():
                    self._tally(event.job).retries += 1
                case Pruned():
                    self._tally(event.job).removed += len(event.removed)
                case Serving():
                    self._read()
                case Reloaded():
                    self._reloads["success"] += 1
                    self._read()
                case NotReloaded():
                    self._reloads["failure"] += 1
                    self._read_well = False

    def render(self, vitals: Vitals, accept: str) -> tuple[bytes, str]:
        """The metrics of the jobs that are scheduled, and the content type, in a form that the Accept header allows."""
        encode, content_type = _encoder(accept)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Scrape(self, vitals))
        # One after the other: with thousands of jobs a few scrapes at once would take the time of the backups.
        with self._rendering:
            return encode(registry), content_type

    def families(self, vitals: Vitals) -> _Families:
        """Everything that there is to tell at this moment."""
        standings = vitals.standings()
        with self._lock:
            known = [(standing.job, self._tallies.get(standing.job) or _Tally()) for standing in standings]
            told = [*_runs(known), *_last_runs(known), *self._own()]
        yield from _standings(standings)
        yield from told
        yield _gauge("waiting", "Runs that wait for a worker.", vitals.waiting)
        yield _gauge("running", "Runs that go on at this moment.", vitals.running)
        what = "How long ago the scheduler's loop went round; after 60 seconds it hangs."
        yield _gauge("beat_age_seconds", what, vitals.seconds_since_beat)
        yield _gauge("jobs", "Jobs that are scheduled.", len(standings))

    def _tally(self, job: str) -> _Tally:
        return self._tallies.setdefault(job, _Tally())

    def _count(self, run: Run) -> None:
        tally = self._tally(run.job)
        tally.runs[run.trigger, run.outcome] += 1
        if run.outcome is Outcome.SKIPPED:
            return  # it never began
        tally.ended_at, tally.seconds = run.finished_at.timestamp(), run.seconds
        self._durations.labels(run.outcome.value).observe(run.seconds)
        if run.manifests:
            tally.dumped, tally.stored = run.dumped, run.stored

    def _read(self) -> None:
        self._read_at = self._clock().timestamp()
        self._read_well = True

    def _own(self) -> _Families:
        """What belongs to no job."""
        yield from self._durations.collect()
        reloads = CounterMetricFamily(
            "backupctl_config_reloads", "How often the jobs file was read again, by result.", labels=["result"]
        )
        for result, count in self._reloads.items():
            reloads.add_metric([result], count)
        yield reloads
        what = "Whether the jobs file could be used when it was last read."
        yield _gauge("config_last_reload_successful", what, int(self._read_well))
        what = "When the jobs file that holds was read."
        yield _gauge("config_last_reload_success_timestamp_seconds", what, self._read_at)
        yield InfoMetricFamily("backupctl_build", "The version that runs.", {"version": __version__})


@dataclass(frozen=True, eq=False)
class _Scrape(Collector):
    metrics: Metrics
    vitals: Vitals

    def collect(self) -> _Families:
        return self.metrics.families(self.vitals)


def _recall(tally: _Tally, run: Past) -> None:
    ended = run.finished_at
    if ended and (tally.ended_at is None or ended.timestamp() > tally.ended_at):
        tally.ended_at, tally.seconds = ended.timestamp(), (ended - run.started_at).total_seconds()
    if run.stored is not None:
        tally.dumped, tally.stored = run.dumped, run.stored


def _standings(standings: Sequence[Standing]) -> _Families:
    good = _per_job("last_success_timestamp_seconds", "When the newest good backup was begun.")
    due = _per_job("next_run_timestamp_seconds", "When the job is due next.")
    stale = _per_job("job_stale", "1 while the newest good backup is older than the job's max_age.")
    failing = _per_job("job_failing", "1 while the job's last run failed, or its storage cannot be read.")
    for standing in standings:
        _put(good, standing.job, _moment(standing.last_good_at))
        _put(due, standing.job, _moment(standing.next_run_at))
        _put(stale, standing.job, int(standing.stale))
        _put(failing, standing.job, int(standing.failing))
    yield from (good, due, stale, failing)


def _runs(known: Sequence[tuple[str, _Tally]]) -> _Families:
    runs = CounterMetricFamily(
        "backupctl_runs",
        "Runs that ended, by what made them begin and what became of them.",
        labels=["job", "trigger", "outcome"],
    )
    removed = CounterMetricFamily("backupctl_removed_backups", "Backups that retention removed.", labels=["job"])
    retries = CounterMetricFamily("backupctl_retries", "Runs that failed and were to be tried again.", labels=["job"])
    for job, tally in known:
        for (trigger, outcome), count in tally.runs.items():
            runs.add_metric([job, trigger.value, outcome.value], count)
        removed.add_metric([job], tally.removed)
        retries.add_metric([job], tally.retries)
    yield from (runs, removed, retries)


def _last_runs(known: Sequence[tuple[str, _Tally]]) -> _Families:
    ended = _per_job("last_run_timestamp_seconds", "When the last run ended, well or not.")
    seconds = _per_job("last_run_duration_seconds", "How long the last run took.")
    dumped = _per_job("last_backup_dumped_bytes", "Bytes that came out of the database for the last backup.")
    stored = _per_job("last_backup_stored_bytes", "Bytes that the last backup takes in the storage.")
    for job, tally in known:
        _put(ended, job, tally.ended_at)
        _put(seconds, job, tally.seconds)
        _put(dumped, job, tally.dumped)
        _put(stored, job, tally.stored)
    yield from (ended, seconds, dumped, stored)


def _moment(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _per_job(name: str, what: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"backupctl_{name}", what, labels=["job"])


def _put(family: GaugeMetricFamily, job: str, value: float | None) -> None:
    if value is not None:
        family.add_metric([job], value)


def _gauge(name: str, what: str, value: float | None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"backupctl_{name}", what, value=value)


def _encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        # prometheus-client (0.26) compares the words of a `version` that is no number with numbers.
        return choose_encoder("")
