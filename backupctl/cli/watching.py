"""Shows what the runner says while it works: live bars on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backupctl.cli import render
from backupctl.events import (
    DatabaseEnded,
    Doing,
    Dumping,
    Event,
    Finished,
    Listener,
    NotDelivered,
    Progress,
    Pruned,
    Retrying,
    Run,
    Started,
    Waiting,
    Warned,
)
from backupctl.model import DUMP_ROLE, Outcome

_LINE_EVERY_S = 10.0


@contextmanager
def watcher() -> Iterator[Listener]:
    """A listener for the runner's events, of several jobs at once."""
    lock = threading.Lock()
    with render.Bars() as bars:
        watching = _Watcher(bars)

        def listen(event: Event) -> None:
            with lock:
                watching.hear(event)

        yield listen


class _Watcher:
    """Says in words what happens in a run; where nothing moves, with a line of progress now and then."""

    def __init__(self, bars: render.Bars) -> None:
        self._bars = bars
        self._line_at: dict[str, float] = {}

    def hear(self, event: Event) -> None:
        match event:
            case Waiting():
                self._bars.note(f"{event.job}: waits, {event.why}")
            case Retrying():
                wait = render.human_duration(event.seconds)
                self._bars.note(f"{event.job}: is tried again in {wait}, retry {event.retry} of {event.retries}")
            case Started() | Doing() | Dumping() | Progress():
                self._working(event)
            case Warned():
                self._bars.warn(f"{event.job}: {event.text}")
            case Pruned(removed=removed) if removed:
                self._bars.note(f"{event.job}: {len(removed)} old backup{'s' * (len(removed) > 1)} removed")
            case NotDelivered():
                self._not_delivered(event)
            case DatabaseEnded():
                self._database_ended(event)
            case Finished():
                self._end_bars(event.job)
                self._end(event.run)

    def _end_bars(self, job: str) -> None:
        """Those of its several databases too: one whose dump was ended says nothing of its own."""
        for name in [job, *(name for name in self._line_at if name.startswith(f"{job}/"))]:
            self._bars.end(name)
            self._line_at.pop(name, None)

    def _working(self, event: Started | Doing | Dumping | Progress) -> None:
        match event:
            case Started():
                self._bars.note(f"{event.job}: {event.target} to {event.location}")
            case Doing():
                self._bars.note(f"{_name(event)}: {event.text}")
            case Dumping():
                self._begin(event)
            case Progress():
                self._progress(event)

    def _not_delivered(self, event: NotDelivered) -> None:
        then = "and is given up" if event.given_up else "and is kept to be tried again"
        self._bars.warn(f"a message over {event.channel} could not be sent, {then}: {event.error}")

    def _begin(self, event: Dumping) -> None:
        what = f"dumping with {event.client}" if event.role == DUMP_ROLE else f"dumping {event.role}"
        about = f", about {render.human_size(event.size_estimate)}" if event.size_estimate is not None else ""
        server = f", server {event.server_version}" if event.server_version else ""
        name = _name(event)
        self._bars.note(f"{name}: {what}{server}{about}")
        self._bars.begin(name, total=event.size_estimate)
        self._line_at[name] = time.monotonic() + _LINE_EVERY_S

    def _progress(self, event: Progress) -> None:
        sizes = f"{render.human_size(event.dumped)} dumped, {render.human_size(event.stored)} stored"
        name = _name(event)
        self._bars.move(name, done=event.dumped, text=f"{render.human_size(event.stored)} stored")
        now = time.monotonic()
        if not self._bars.live and now >= self._line_at.get(name, now + 1):
            self._line_at[name] = now + _LINE_EVERY_S
            self._bars.note(f"{name}: {sizes}")

    def _database_ended(self, event: DatabaseEnded) -> None:
        name = _name(event)
        self._bars.end(name)
        if event.manifest is None:
            self._bars.error(f"{name}: failed: {event.error}", event.hint)
        else:
            self._bars.note(f"{name}: {render.human_size(event.manifest.dump.size)} stored as {event.manifest.id}")

    def _end(self, run: Run) -> None:
        took = render.human_duration(run.seconds)
        if run.outcome is Outcome.SUCCEEDED:
            self._bars.note(f"{run.job}: succeeded in {took}: {_stored(run)}")
        elif run.outcome is Outcome.CANCELLED:
            self._bars.error(f"{run.job}: cancelled{_kept(run)}")
        elif run.outcome is Outcome.PARTIAL:
            self._bars.error(f"{run.job}: partial, in {took}: {_stored(run)}; {run.error}")
        elif run.outcome is Outcome.SKIPPED:
            self._bars.error(f"{run.job}: skipped: {run.error}", run.hint)
        else:
            self._bars.error(f"{run.job}: failed: {run.error}", run.hint)


def _kept(run: Run) -> str:
    if not run.manifests:
        return "; nothing was stored"
    return f"; {len(run.manifests)} of {len(run.manifests) + len(run.failures)} databases have a backup"


def _stored(run: Run) -> str:
    dumped = f"{render.human_size(run.dumped)} dumped, " if run.dumped is not None else ""
    what = f"as {run.manifest.id}" if run.manifest else f"of {len(run.manifests)} databases"
    return f"{dumped}{render.human_size(run.stored or 0)} stored {what}"


def _name(event: Doing | Dumping | Progress | DatabaseEnded) -> str:
    return f"{event.job}/{event.database}" if event.database else event.job
