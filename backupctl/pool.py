"""The shared workers: several runs at once, few against one server, the longest-waiting first; and the retries."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.errors import BusyError
from backupctl.events import Ended, Listener, Retrying, Run, Waiting
from backupctl.model import Outcome, Trigger
from backupctl.runner import Request
from backupctl.signals import STOPS, Signals

_RETRY_MOST_S = 3600.0


class Worker(Protocol):
    """Carries requests out; the runner does."""

    def run(self, request: Request, cancel: Cancellation) -> Run:
        """Never raises for what can go wrong with a job: the outcome tells."""

    def skip(self, request: Request, why: str, hint: str) -> Run:
        """Record that the run did not take place."""


Changed = Callable[[Request], tuple[Request, Worker] | None]
"""Gives a request that was not begun its new shape; None: it is not wanted any more."""


@dataclass(frozen=True)
class Limits:
    """Runs at once: over all jobs, and against one database server."""

    workers: int
    per_host: int


@dataclass(eq=False)
class _Seat:
    """A request on its way: it waits for a worker, runs, or waits to be tried again."""

    request: Request
    runner: Worker
    cancel: Cancellation = field(default_factory=Cancellation)
    failed: Run | None = None
    """The run whose retry this is, with all that came of those before it."""
    timer: threading.Timer | None = None

    @property
    def job(self) -> Job:
        return self.request.job


class Pool:
    """Runs what is submitted, each on a thread of its own. A job has one seat at a time."""

    def __init__(self, limits: Limits, listener: Listener, ended: Callable[[Request, Run], None]) -> None:
        """`ended` is told of each request's last run, on the thread of that run."""
        self._limits = limits
        self._listener = listener
        self._ended = ended
        self._lock = threading.Lock()
        # By the job's name, in the order in which they came: many may be due at once, and each is looked for.
        self._waiting: dict[str, _Seat] = {}
        self._running: dict[str, _Seat] = {}
        self._delayed: dict[str, _Seat] = {}
        self._held: set[str] = set()
        self._changed: Changed | None = None
        self._stopped = False

    @property
    def waiting(self) -> tuple[Request, ...]:
        """What has no worker yet, the longest-waiting first."""
        with self._lock:
            return tuple(seat.request for seat in self._waiting.values())

    @property
    def running(self) -> tuple[Request, ...]:
        with self._lock:
            return tuple(seat.request for seat in self._running.values())

    @property
    def is_idle(self) -> bool:
        """Nothing runs, waits, or is to be tried again."""
        with self._lock:
            return not (self._waiting or self._running or self._delayed)

    def submit(self, request: Request, runner: Worker) -> None:
        """Run it as soon as there is room; skip it when the job's last request is not done. Not after `stop`."""
        seat = _Seat(request, runner)
        with self._lock:
            doing = self._doing(request.job.name)
            why = None if doing else self._seated(seat)
        if doing:
            hint = "let more time pass between the job's runs, or give it a `timeout`"
            self._tell(request, runner.skip(request, f"the job's last run {doing}", hint))
        elif why:
            self._listener(Waiting(request.job.name, why))

    def set_limits(self, limits: Limits) -> None:
        with self._lock:
            self._limits = limits
            self._fill()

    @contextmanager
    def holding(self, job: str) -> Iterator[None]:
        """Within the block no run of the job begins: it waits. Raises BusyError when one goes on, or is about to."""
        with self._lock:
            if self._doing(job):
                raise BusyError
            self._held.add(job)
        try:
            yield
        finally:
            with self._lock:
                self._held.remove(job)
                self._fill()

    def revise(self, changed: Changed) -> None:
        """Give what waits its new shape, and retries of what runs; None: it waits no longer, recorded as cancelled."""
        with self._lock:
            self._changed = changed
            dropped = [seat for seat in self._not_begun() if not _revised(seat, changed)]
        self._drop(dropped)

    def stop(self) -> None:
        """Begin nothing more: what waits is recorded as cancelled, what runs goes on."""
        with self._lock:
            self._stopped = True
            dropped = self._not_begun()
        self._drop(dropped)

    def cancel(self) -> None:
        """Stop, and end what runs too, without waiting for it."""
        with self._lock:
            self._stopped = True
            running = list(self._running.values())
        for seat in running:
            seat.cancel.request()
        self.stop()

    def _doing(self, job: str) -> str | None:
        for seats, what in (
            (self._running, "still goes"),
            (self._waiting, "still waits for a worker"),
            (self._delayed, "waits to be tried again"),
        ):
            if job in seats:
                return what
        return None

    def _not_begun(self) -> list[_Seat]:
        return [*self._waiting.values(), *self._delayed.values()]

    def _seated(self, seat: _Seat) -> str | None:
        """Begin it, or let it wait and say why. It makes no room: nobody who waits already can begin instead."""
        why = self._why_not(seat)
        if why or self._stopped:
            self._waiting[seat.job.name] = seat
        else:
            self._begin(seat)
        return why

    def _fill(self) -> None:
        """Give workers to those who wait, as far as there are any."""
        while not self._stopped and (seat := self._next()):
            del self._waiting[seat.job.name]
            self._begin(seat)

    def _next(self) -> _Seat | None:
        """The longest-waiting one that need not wait any more."""
        if len(self._running) >= self._limits.workers:
            return None
        full = {server for server, runs in self._busy().items() if runs >= self._limits.per_host}
        return next((seat for seat in self._waiting.values() if self._may_begin(seat, full)), None)

    def _may_begin(self, seat: _Seat, full: Collection[str]) -> bool:
        return seat.job.database.server not in full and seat.job.name not in self._held

    def _busy(self) -> Counter[str]:
        """How many runs go on against each server."""
        servers = (seat.job.database.server for seat in self._running.values())
        return Counter(server for server in servers if server is not None)

    def _begin(self, seat: _Seat) -> None:
        self._running[seat.job.name] = seat
        threading.Thread(target=self._work, args=(seat,), name=f"run-{seat.job.name}", daemon=True).start()

    def _why_not(self, seat: _Seat) -> str | None:
        """Why this one must wait; None: it need not."""
        if seat.job.name in self._held:
            return "what a killed run left is cleared up first"
        if len(self._running) >= self._limits.workers:
            return f"all {self._limits.workers} workers are busy"
        server = seat.job.database.server
        runs = 0 if server is None else self._busy()[server]
        return f"{runs} runs go on {server} already" if runs >= self._limits.per_host else None

    def _work(self, seat: _Seat) -> None:
        run = seat.runner.run(seat.request, seat.cancel)
        if seat.failed:
            run = run.after(seat.failed)
        seconds = _delay_s(seat.request)
        with self._lock:
            later = self._retry_of(seat, run)
            if later:
                self._delay(later, seconds)
            del self._running[seat.job.name]
            self._fill()
        if later:
            self._listener(Retrying(seat.job.name, seconds, seat.request.attempt, later.job.retries))
        else:
            self._tell(seat.request, run)

    def _retry_of(self, seat: _Seat, run: Run) -> _Seat | None:
        """The next attempt, as the file has the job by now; None: there is none."""
        if self._stopped or not (run.outcome in (Outcome.FAILED, Outcome.PARTIAL) and run.transient):
            return None
        # Where some of several databases have their backup, the others alone are tried again.
        only = frozenset(run.failures) if run.outcome is Outcome.PARTIAL else seat.request.only
        request = replace(seat.request, trigger=Trigger.RETRY, attempt=seat.request.attempt + 1, only=only)
        later = _Seat(request, seat.runner, failed=run)
        wanted = self._changed is None or _revised(later, self._changed)
        return later if wanted and seat.request.attempt <= later.job.retries else None

    def _tell(self, request: Request, run: Run) -> None:
        self._listener(Ended(run.job, run))
        self._ended(request, run)

    def _delay(self, seat: _Seat, seconds: float) -> None:
        seat.timer = threading.Timer(seconds, self._resume, args=(seat,))
        seat.timer.daemon = True
        seat.timer.start()
        self._delayed[seat.job.name] = seat

    def _resume(self, seat: _Seat) -> None:
        with self._lock:
            if _left(self._delayed, seat):
                self._seated(seat)

    def _drop(self, seats: Sequence[_Seat]) -> None:
        for seat in seats:
            with self._lock:
                if not (_left(self._delayed, seat) or _left(self._waiting, seat)):
                    continue  # it got its worker in between
            if seat.timer:
                seat.timer.cancel()
            seat.cancel.request()
            # A retry that never comes leaves the run before it as the last one.
            self._tell(seat.request, seat.failed or seat.runner.run(seat.request, seat.cancel))


def run_all(requests: Sequence[Request], runner: Worker, limits: Limits, listener: Listener) -> list[Run]:
    """Run every one; one that fails stops no other. Ctrl-C, SIGTERM or a lost terminal cancels those not done."""
    runs: dict[str, Run] = {}

    def ended(request: Request, run: Run) -> None:
        runs[request.job.name] = run
        signals.wake()

    with Signals(STOPS) as signals:
        pool = Pool(limits, listener, ended)
        for request in requests:
            pool.submit(request, runner)
        while len(runs) < len(requests):
            for number in signals.wait(None):
                signals.let_go(number)
                pool.cancel()
    return [runs[request.job.name] for request in requests]


def _left(seats: dict[str, _Seat], seat: _Seat) -> bool:
    """Take the seat out of these, if it is there."""
    if seats.get(seat.job.name) is not seat:
        return False
    del seats[seat.job.name]
    return True


def _revised(seat: _Seat, changed: Changed) -> bool:
    shape = changed(seat.request)
    if shape is not None:
        seat.request, seat.runner = shape
    return shape is not None


def _delay_s(request: Request) -> float:
    """Doubled for each retry, and spread, so that jobs which failed together do not come back together."""
    delay = request.job.retry_delay
    grown = min(delay * 2.0 ** (request.attempt - 1), max(_RETRY_MOST_S, delay))
    return grown * random.uniform(0.75, 1.25)  # noqa: S311 -- no secret comes of it
