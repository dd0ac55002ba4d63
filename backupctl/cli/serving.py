"""`run`: the long-running runner."""

import threading
from contextlib import nullcontext
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import typer

from backupctl import config
from backupctl.address import Address
from backupctl.cli import render
from backupctl.cli.given import FileOption, ListenOption, file_of
from backupctl.cli.remembering import catalog_of
from backupctl.cli.watching import Teller
from backupctl.config import InvalidFile
from backupctl.events import ClockChanged, Event, Listener, NotReloaded, Reloaded, Serving, Stopping, to_all
from backupctl.runner import utc_now
from backupctl.signals import STOPS, Signals
from backupctl.state import StateFolder

_LINE_EVERY_S = 60.0
_FEW = 5


def register(app: typer.Typer) -> None:
    app.command("run")(run)


def run(ctx: typer.Context, listen: ListenOption = None, file: FileOption = None) -> None:
    """Run every enabled job when its cron says so, until SIGTERM or Ctrl-C.

    The file is read again when it changes, and on SIGHUP. Runs that go on are given `shutdown_grace` to end;
    a second signal ends them at once.

    Exit: 0 when it was told to stop, 2 usage or configuration, 4 another one works with the same state folder.
    """
    # From here on: a signal that comes while the runner begins is not to end it otherwise than later.
    with Signals(STOPS) as signals:
        _serve(file_of(ctx, file), listen, signals)


def _serve(path: Path, listen: str | None, signals: Signals) -> None:
    # Imported late: what every other command can do without.
    from backupctl import health
    from backupctl.metrics import Metrics
    from backupctl.reloading import signature_of
    from backupctl.scheduler import Parts, Scheduler
    from backupctl.vigil import Vigil

    signature = signature_of(path)
    configuration = config.load(path)
    state = StateFolder(configuration.state_dir)
    zone = ZoneInfo(configuration.timezone)
    log = render.Lines(zone)
    catalog = catalog_of(state, warn=log.warn)
    metrics = Metrics()
    metrics.recall([*catalog.last_runs().values(), *catalog.last_success().values()])
    vigil = Vigil(catalog, utc_now)
    listener = to_all(catalog.hear, vigil.hear, metrics.hear, _in_turn(_Told(log, zone).hear))
    parts = Parts(path, signature, partial(config.load, path), signals, state, catalog, vigil, listener)
    scheduler = Scheduler(configuration, parts)
    scheduler.serve(health.serve(Address.parse(listen), scheduler, metrics) if listen else nullcontext())


def _in_turn(listener: Listener) -> Listener:
    lock = threading.Lock()

    def listen(event: Event) -> None:
        with lock:
            listener(event)

    return listen


class _Told:
    """What the runner says of itself and of its runs, a line each."""

    def __init__(self, log: render.Lines, zone: ZoneInfo) -> None:
        self._log = log
        self._zone = zone
        self._runs = Teller(log, line_every_s=_LINE_EVERY_S)

    def hear(self, event: Event) -> None:
        match event:
            case Serving():
                self._log.note(f"serving {self._jobs(event.jobs, event.next_at)}")
            case Reloaded():
                self._log.note(f"the jobs file was read again: {self._jobs(event.jobs, event.next_at)}")
            case NotReloaded():
                self._refused(event)
            case ClockChanged():
                way = "forward" if event.seconds > 0 else "back"
                self._log.warn(
                    f"the clock went {render.human_duration(abs(event.seconds))} {way}, or the machine slept"
                )
            case Stopping():
                self._stopping(event)
            case _:
                self._runs.hear(event)

    def _jobs(self, count: int, next_at: datetime | None) -> str:
        jobs = f"{count} job{'' if count == 1 else 's'}"
        if next_at is None:
            return f"{jobs}, and none is due ever"
        return f"{jobs}, the next at {next_at.astimezone(self._zone):%Y-%m-%d %H:%M:%S %z}"

    def _refused(self, event: NotReloaded) -> None:
        if isinstance(event.error, InvalidFile):
            render.problems(event.error.problems)
        self._log.error(f"{event.error.message}; the jobs go on as before", event.error.hint)

    def _stopping(self, event: Stopping) -> None:
        if not event.running:
            self._log.note("stopping; nothing is running")
        elif event.grace:
            grace = render.human_duration(event.grace)
            self._log.note(f"stopping; {_named(event.running)} may go on for {grace}, a second signal ends it now")
        else:
            self._log.note(f"stopping; ending {_named(event.running)} now")


def _named(jobs: tuple[str, ...]) -> str:
    first = ", ".join(jobs[:_FEW])
    return first if len(jobs) <= _FEW else f"{first} and {len(jobs) - _FEW} more"
