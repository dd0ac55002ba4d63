"""How every job stands, kept up to date for as long as the runner goes: by its runs, and by looking at the storages."""

import threading
from collections.abc import Sequence
from dataclasses import replace

from backupctl.catalog import Catalog
from backupctl.config import Job
from backupctl.events import Event, Finished
from backupctl.redact import Redactor
from backupctl.runner import Clock
from backupctl.standing import TELLING, Facts, Standing, newest_of, standing_of
from backupctl.survey import look, remembered

_ROUND_S = 24 * 3600.0
"""Each storage is looked at once in this time: somebody may have deleted what a run had left there."""

_LOOK_LEAST_S = 1.0
_UNKNOWN_LEAST_S = 0.1
"""Of a job that no success is remembered of nothing is known before its storage was looked at."""


class Vigil:
    """What is known of each job. Safe to use from several threads."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._lock = threading.Lock()
        self._facts: dict[str, Facts] = {}
        self._jobs: dict[str, Job] = {}
        self._unknown: dict[str, None] = {}
        self._round: list[str] = []
        self._redact = Redactor()
        self._stopped = threading.Event()

    def watch(self, jobs: Sequence[Job], redact: Redactor) -> None:
        """From now on these jobs are looked after, and no others."""
        facts = dict(remembered(jobs, self._catalog, self._clock()))
        with self._lock:
            seen = {name for name in self._facts if name not in self._unknown}
            self._unknown = {name: None for name, one in facts.items() if not one.good and name not in seen}
            self._facts, self._jobs, self._redact = facts, {job.name: job for job in jobs}, redact

    def hear(self, event: Event) -> None:
        """Take a run's end into account; for the runner's events."""
        if isinstance(event, Finished):
            with self._lock:
                if event.job in self._facts:
                    self._facts[event.job] = _after(self._facts[event.job], event)

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
        while not self._stopped.wait(self._pace_s()):
            self._look(self._next())

    def _pace_s(self) -> float:
        with self._lock:
            return _UNKNOWN_LEAST_S if self._unknown else max(_LOOK_LEAST_S, _ROUND_S / max(1, len(self._jobs)))

    def _next(self) -> str | None:
        with self._lock:
            if self._unknown:
                return next(iter(self._unknown))
            self._round = self._round or list(self._jobs)
            return self._round.pop() if self._round else None

    def _look(self, name: str | None) -> None:
        with self._lock:
            job, facts, redact = self._jobs.get(name or ""), self._facts.get(name or ""), self._redact
        if job is None or facts is None:
            return
        looked = look(job, facts, redact)
        with self._lock:
            if self._facts.get(job.name) is facts:  # else a run has ended in between, and knows better
                self._facts[job.name] = looked
            self._unknown.pop(job.name, None)


def _after(facts: Facts, event: Finished) -> Facts:
    run = event.run
    telling = run.outcome if run.outcome in TELLING else facts.last_telling
    if run.manifest is None:
        return replace(facts, last_outcome=run.outcome, last_telling=telling)
    good = newest_of([*facts.good, run.manifest.started_at], run.finished_at)
    known = () if good is None else (good,)
    return replace(facts, good=known, remembered=good, last_outcome=run.outcome, last_telling=telling, problem=None)
