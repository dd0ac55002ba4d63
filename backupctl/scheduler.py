"""The long-running loop: due jobs into the pool, signals, reloads, and an orderly end."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from backupctl.agenda import Agenda, missed
from backupctl.catalog import Catalog
from backupctl.config import Config, Job
from backupctl.errors import BackupctlError, UsageError
from backupctl.events import ClockChanged, CutOff, Listener, NotReloaded, Reloaded, Serving, Stopping
from backupctl.model import Trigger
from backupctl.pool import Limits, Pool
from backupctl.reloading import Reloader, Signature
from backupctl.runner import Clock, Request, Runner, utc_now
from backupctl.signals import STOPS, Signals
from backupctl.standing import Standing
from backupctl.state import StateFolder
from backupctl.vigil import Vigil

_SLEEP_MOST_S = 5.0
"""A clock that was set, a machine that slept, and a changed file are noticed after that."""

_RESTLESS_S = 0.5
_CLOCK_SLACK_S = 1.0


class Companion(Protocol):
    """What goes along with the loop: it is told of the file, and has a turn in each round. It holds up neither."""

    def serve(self, configuration: Config, now: datetime) -> None:
        """From now on this file holds."""

    def tick(self, now: datetime, standings: Callable[[], Sequence[Standing]]) -> None:
        """Do what is due."""

    def end(self) -> None:
        """Nothing more will run; a few seconds are left."""


@dataclass(frozen=True)
class Parts:
    """What a scheduler works with."""

    file: Path
    signature: Signature
    """The file's when the configuration was read from it."""
    load: Callable[[], Config]
    """Reads the file anew. Raises ConfigError."""
    signals: Signals
    """Waited for from before the file was read on: none is lost, nor ends the runner as it begins."""
    state: StateFolder
    catalog: Catalog
    vigil: Vigil
    companion: Companion
    listener: Listener
    clock: Clock = utc_now


class Scheduler:
    """Runs every enabled job of the file when it is due, until it is told to stop."""

    def __init__(self, configuration: Config, parts: Parts) -> None:
        self._configuration = configuration
        self._parts = parts
        self._runner = Runner(parts.state, configuration.redactor, parts.listener, parts.clock)
        self._signals = parts.signals
        self._pool = Pool(_limits(configuration), parts.listener, lambda _request, _run: self._signals.wake())
        self._agenda = Agenda(self._submit, parts.clock())
        self._reloader = Reloader(parts.file, parts.signature, parts.load, self._signals.wake)
        self._wall_minus_monotonic = 0.0
        self._beat = time.monotonic()
        self._stops = 0

    @property
    def configuration(self) -> Config:
        """The file as it holds now."""
        return self._configuration

    @property
    def seconds_since_beat(self) -> float:
        """How long ago the loop went round; much more than a few seconds: it hangs."""
        return time.monotonic() - self._beat

    @property
    def waiting(self) -> int:
        """How many runs wait for a worker."""
        return len(self._pool.waiting)

    @property
    def running(self) -> int:
        return len(self._pool.running)

    def standings(self) -> list[Standing]:
        """How every job stands now."""
        return [
            replace(standing, next_run_at=self._agenda.next_run(standing.job))
            for standing in self._parts.vigil.standings()
        ]

    def serve(self, beside: AbstractContextManager[None]) -> None:
        """Go on until SIGTERM or SIGINT, within `beside`; on the main thread. Raises BusyError when another does."""
        # First: of a second runner it is to be said that it is one, and not that a port is taken.
        with self._parts.state.serving(), beside:
            self._begin()
            while not self._round():
                pass
            self._end()
            self._parts.companion.end()

    def _begin(self) -> None:
        now = self._parts.clock()
        self._notice_clock(now)
        threading.Thread(target=self._clear_up, name="clear-up", daemon=True).start()
        self._plan(now)
        self._parts.listener(Serving(len(self._enabled), self._agenda.next_at))
        self._parts.vigil.start()
        self._catch_up(now)

    def _round(self) -> bool:
        """Do what is to be done now, then sleep; True: it is time to end."""
        self._beat = time.monotonic()
        now = self._parts.clock()
        self._notice_clock(now)
        self._agenda.run_due(now)
        self._reloader.look()
        self._take_reloaded()
        self._parts.companion.tick(now, self.standings)
        self._heed(self._signals.wait(self._seconds_to_sleep()))
        return self._stops > 0

    def _heed(self, came: Sequence[signal.Signals]) -> None:
        if signal.SIGHUP in came:
            self._reloader.reload()
        self._stops += sum(number != signal.SIGHUP for number in came)

    def _seconds_to_sleep(self) -> float:
        most = _RESTLESS_S if self._reloader.is_restless else _SLEEP_MOST_S
        if self._agenda.next_at is None:
            return most
        return min(most, max(0.0, (self._agenda.next_at - self._parts.clock()).total_seconds()))

    def _notice_clock(self, now: datetime) -> None:
        difference = now.timestamp() - time.monotonic()
        by = difference - self._wall_minus_monotonic
        known = self._wall_minus_monotonic != 0.0
        self._wall_minus_monotonic = difference
        if known and abs(by) > _CLOCK_SLACK_S:
            self._parts.listener(ClockChanged(by))
            if by < 0:
                self._agenda.set_back(now, timedelta(seconds=-by))

    @property
    def _enabled(self) -> list[Job]:
        return [job for job in self._configuration.jobs if job.enabled]

    def _plan(self, now: datetime) -> None:
        self._answered = self._parts.catalog.answered()
        self._agenda.put(self._enabled, now, answered=self._answered.get)
        self._parts.vigil.watch(self._enabled, self._configuration.redactor)
        self._parts.companion.serve(self._configuration, now)

    def _catch_up(self, now: datetime) -> None:
        known = self._parts.catalog.first_known({job.name: _schedule(job) for job in self._enabled}, now)
        for job in self._enabled:
            due = missed(job, since=known[job.name], answered=self._answered.get(job.name), now=now)
            if due is not None:
                self._submit(job, Trigger.CATCH_UP, due)

    def _submit(self, job: Job, trigger: Trigger, due: datetime) -> None:
        self._pool.submit(Request(job, trigger, due), self._runner)

    def _clear_up(self) -> None:
        """What runs of a process that was killed left: their rows in the catalog, their unfinished uploads."""
        for name in self._parts.catalog.settle(self._holding):
            self._parts.listener(CutOff(name))
        for job in self._enabled:
            with suppress(BackupctlError):
                if self._parts.state.journal(job.name).intents():
                    with self._pool.holding(job.name):
                        self._runner.clear_up(job)

    @contextmanager
    def _holding(self, job: str) -> Iterator[None]:
        """Have a job to oneself: no run of this process, nor of another one."""
        # A run that only met the lock would take it for another process's, and be skipped.
        with self._pool.holding(job), self._parts.state.holding(job):
            yield

    def _take_reloaded(self) -> None:
        taken = self._reloader.take()
        if isinstance(taken, Config) and taken.state_dir != self._configuration.state_dir:
            taken = UsageError("state_dir cannot be changed while the runner goes", hint="restart it")
        if isinstance(taken, BackupctlError):
            self._parts.listener(NotReloaded(taken))
        elif taken is not None:
            self._swap(taken)

    def _swap(self, configuration: Config) -> None:
        """From now on the new file holds; what runs goes on under the one that it began with."""
        now = self._parts.clock()
        self._configuration = configuration
        self._runner = replace(self._runner, redact=configuration.redactor)
        jobs = {job.name: job for job in self._enabled}
        self._plan(now)
        self._pool.revise(lambda request: self._revised(request, jobs))
        self._pool.set_limits(_limits(configuration))
        self._parts.listener(Reloaded(len(jobs), self._agenda.next_at))

    def _revised(self, request: Request, jobs: dict[str, Job]) -> tuple[Request, Runner] | None:
        job = jobs.get(request.job.name)
        return (replace(request, job=job), self._runner) if job else None

    def _end(self) -> None:
        """Begin nothing new, and let what runs come to its end: for a while, or until somebody insists."""
        grace = float(self._configuration.shutdown_grace)
        until = time.monotonic() + grace
        self._tell_of_end(grace)
        stopped = self._beside("stop", self._pool.stop)
        while not (stopped.is_set() and self._pool.is_idle):
            left = until - time.monotonic()
            if self._stops > 1 or left <= 0:
                self._insist(stopped)
                return
            self._linger(left)

    def _insist(self, stopped: threading.Event) -> None:
        for number in STOPS:
            self._signals.let_go(number)
        self._tell_of_end(None)
        cancelled = self._beside("cancel", self._pool.cancel)
        while not (stopped.is_set() and cancelled.is_set() and self._pool.is_idle):
            self._linger(_SLEEP_MOST_S)

    def _beside(self, name: str, work: Callable[[], None]) -> threading.Event:
        """Do it beside the loop, which is woken: to record of thousands that they wait no longer takes a while."""
        done = threading.Event()

        def do() -> None:
            work()
            done.set()
            self._signals.wake()

        threading.Thread(target=do, name=name, daemon=True).start()
        return done

    def _linger(self, seconds: float) -> None:
        """Wait for a run to end, or a signal; whoever asks for our health hears that we do not hang."""
        self._beat = time.monotonic()
        self._stops += sum(number != signal.SIGHUP for number in self._signals.wait(min(seconds, _SLEEP_MOST_S)))

    def _tell_of_end(self, grace: float | None) -> None:
        self._parts.listener(Stopping(tuple(request.job.name for request in self._pool.running), grace))


def _limits(configuration: Config) -> Limits:
    return Limits(configuration.workers, configuration.max_per_host)


def _schedule(job: Job) -> tuple[str, str]:
    return (job.cron, job.timezone)
