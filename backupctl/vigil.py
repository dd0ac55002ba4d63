"""How every job stands, kept up to date for as long as the runner goes: by its runs, and by looking at the storages."""

import heapq
import logging
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from backupctl.catalog import Catalog
from backupctl.config import Job
from backupctl.events import Event, Finished, Run
from backupctl.model import Outcome
from backupctl.redact import Redactor
from backupctl.runner import Clock
from backupctl.standing import TELLING, Facts, Standing, newest_of, standing_of
from backupctl.survey import look, remembered

_log = logging.getLogger(__name__)

_ROUND_S = 24 * 3600.0
"""Each storage is looked at once in this time: somebody may have deleted what a run had left there."""

_AGAIN_S = 300.0
"""A storage that could not be read may be back sooner than that."""

_PACE_S = 0.1
_SLEEP_MOST_S = 1.0


class Vigil:
    """What is known of each job. Safe to use from several threads."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._lock = threading.Lock()
        self._facts: dict[str, Facts] = {}
        self._jobs: dict[str, Job] = {}
        self._seen: set[str] = set()
        self._look_at: dict[str, float] = {}
        """When to look at each job's storage, by the monotonic clock."""
        self._queue: list[tuple[float, str]] = []
        """The same as a heap, and what held before: to seek the first of many jobs each time would keep a core busy."""
        self._redact = Redactor()
        self._stopped = threading.Event()

    def watch(self, jobs: Sequence[Job], redact: Redactor) -> None:
        """From now on these jobs are looked after, and no others."""
        facts = dict(remembered(jobs, self._catalog, self._clock()))
        with self._lock:
            self._seen &= {job.name for job in jobs if not self._is_elsewhere(job)}
            # What was seen there counts for more than what is remembered, also when the file is read again.
            facts |= {name: _as_seen(facts[name], self._facts[name]) for name in self._seen}
            self._look_at = {job.name: self._first_look(job, facts[job.name]) for job in jobs}
            self._queue = [(at, name) for name, at in self._look_at.items()]
            heapq.heapify(self._queue)
            self._facts, self._jobs, self._redact = facts, {job.name: job for job in jobs}, redact

    def _first_look(self, job: Job, facts: Facts) -> float:
        """At once where nothing is known; any other storage within a day, one after the other."""
        if job.name in self._look_at and not self._is_elsewhere(job):
            return self._look_at[job.name]
        if job.name in self._look_at or not facts.good:
            return time.monotonic()
        return time.monotonic() + _ROUND_S * random.random()  # noqa: S311 -- no secret comes of it

    def _is_elsewhere(self, job: Job) -> bool:
        """The job has another storage than it had."""
        before = self._jobs.get(job.name)
        return before is not None and before.storage != job.storage

    def hear(self, event: Event) -> None:
        """Take a run's end into account; for the runner's events."""
        if isinstance(event, Finished):
            with self._lock:
                if event.job in self._facts:
                    self._facts[event.job] = _after(self._facts[event.job], event)
                    if _is_in_part(event.run):  # the rest has backups of earlier runs
                        self._look_again(event.job, 0.0)

    def standings(self) -> list[Standing]:
        """How each job stands now."""
        now = self._clock()
        with self._lock:
            facts = list(self._facts.values())
        return [standing_of(one, now) for one in facts]

    def start(self) -> None:
        """Look at the storages from now on, one after the other, without haste."""
        threading.Thread(target=self._look_around, name="vigil", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _look_around(self) -> None:
        seconds = 0.0
        while not self._stopped.wait(seconds):
            name = self._next()
            if name is not None:
                self._look(name)
            seconds = _SLEEP_MOST_S if name is None else _PACE_S

    def _next(self) -> str | None:
        """Whose storage is to be looked at now; None: nobody's."""
        with self._lock:
            while self._queue and self._queue[0][0] <= time.monotonic():
                at, name = heapq.heappop(self._queue)
                if self._look_at.get(name) == at:
                    self._look_again(name, _ROUND_S)
                    return name
        return None

    def _look_again(self, name: str, seconds: float) -> None:
        self._look_at[name] = time.monotonic() + seconds
        heapq.heappush(self._queue, (self._look_at[name], name))

    def _look(self, name: str) -> None:
        with self._lock:
            job, facts, redact = self._jobs.get(name), self._facts.get(name), self._redact
        if job is None or facts is None:
            return  # the file was read again, and has no such job any more
        try:
            looked = look(job, facts, redact, self._clock())
        except Exception:
            _log.exception("the storage of job %s could not be looked at", name)
            return
        with self._lock:
            if self._facts.get(name) is facts:
                self._facts[name] = looked
                self._seen.add(name)
            elif name in self._look_at:  # a run has ended in between, or the file was read again
                self._look_again(name, 0.0)
            if looked.problem and name in self._seen:
                self._look_again(name, _AGAIN_S)


def _as_seen(remembered: Facts, seen: Facts) -> Facts:
    return replace(remembered, good=seen.good, listed=seen.listed, problem=seen.problem)


def _after(facts: Facts, event: Finished) -> Facts:
    run = event.run
    telling = run.outcome if run.outcome in TELLING else facts.last_telling
    if run.outcome is not Outcome.SUCCEEDED or not run.manifests or _is_in_part(run):
        return replace(facts, last_outcome=run.outcome, last_telling=telling)
    good = newest_of([*facts.good, min(one.started_at for one in run.manifests)], run.finished_at)
    known = () if good is None else (good,)
    facts = replace(facts, good=known, listed=None, remembered=good, problem=None)
    return replace(facts, last_outcome=run.outcome, last_telling=telling)


def _is_in_part(run: Run) -> bool:
    """Whether it has backups of some of the job's databases alone, as a retry has of those that had failed."""
    return any(len(run.manifests) < len(manifest.databases or ()) for manifest in run.manifests)
