"""Measures the long-running runner from outside: what it costs, and how late it is.

    make bench-run                                   # some eight minutes
    make bench-run ARGS="--jobs 1000 --due 100"

- Many jobs, each with ten runs in the catalog, none of them due: the time until it serves, its memory, its time on the
  processor while it has nothing to do, the time to read the file again and to answer for the metrics. And the same of a
  first start, when nothing is known of any job, and so every storage is looked at once in the minutes after it.
- Some hundred jobs due in the same minute, with 4 and with 16 workers: how late each is asked for (its first line in
  the log), and how late it begins (the catalog's started_at).
- Ten jobs every minute beside the many: how late they begin.
"""

import argparse
import json
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

from bench import fleet
from bench.daemon import Daemon
from bench.report import machine, save, say, table
from tests.parts.ports import free_port

IDLE_S = 60.0
IDLE_MOST_PERCENT = 0.3
LATE_MOST_S = 1.0
WORKERS = (4, 16)
EACH_MINUTE = 10
PAST_RUNS = 10
_ROOM_S = 15.0
_MINUTE = timedelta(minutes=1)

Figures = dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000, help="how many are loaded")
    parser.add_argument("--due", type=int, default=500, help="how many are due in the same minute")
    parser.add_argument("--minutes", type=int, default=3, help="for how long ten jobs run every minute")
    wanted = parser.parse_args()
    result: dict[str, object] = {**machine(), "jobs": wanted.jobs, "due": wanted.due, "minutes": wanted.minutes}
    steps: list[tuple[str, Callable[[Path], Figures]]] = [
        ("many", lambda folder: _many(folder, wanted.jobs, past_runs=PAST_RUNS)),
        ("first", lambda folder: _many(folder, wanted.jobs, past_runs=0)),
        *((f"workers_{number}", _due_together(wanted.due, number)) for number in WORKERS),
        ("each_minute", lambda folder: _each_minute(folder, wanted.jobs, wanted.minutes)),
    ]
    for name, measure in steps:
        with _place() as folder:
            result[name] = measure(folder)
    _report(result)
    save("run", result)
    return 0


@contextmanager
def _place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bctl-bench-", dir="/var/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _many(folder: Path, jobs: int, *, past_runs: int) -> Figures:
    """What it costs to have many jobs of which none is due."""
    now = datetime.now(UTC)
    loaded = fleet.quiet(jobs, now)
    fleet.write(folder, loaded)
    if past_runs:
        fleet.remember(folder, loaded, now, runs=past_runs)
    port = free_port()
    with Daemon(folder, "--listen", f"127.0.0.1:{port}") as daemon:
        start_s = daemon.wait_for("serving").at - daemon.begun
        start_cpu_s = daemon.cpu_seconds
        say(f"{jobs} jobs with {past_runs} past runs each: serving after {start_s:.1f} s; now an idle minute")
        time.sleep(_ROOM_S)
        figures = {"start_s": start_s, "start_cpu_s": start_cpu_s, **_idle(daemon)}
        metrics_s = _timed(lambda: urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60).read())
        reload_s = -daemon.signal(signal.SIGHUP) + daemon.wait_for("the jobs file was read again").at
        return {**figures, "metrics_s": metrics_s, "reload_s": reload_s, "peak_bytes": float(daemon.peak_bytes)}


def _idle(daemon: Daemon) -> Figures:
    before, begun = daemon.cpu_seconds, time.monotonic()
    time.sleep(IDLE_S)
    busy = daemon.cpu_seconds - before
    return {
        "idle_percent": 100 * busy / (time.monotonic() - begun),
        "resident_bytes": float(daemon.resident_bytes),
    }


def _due_together(count: int, workers: int) -> Callable[[Path], Figures]:
    """How late jobs are that are all due at one moment."""

    def measure(folder: Path) -> Figures:
        due = _coming_minute()
        jobs = fleet.alike("due", count, f"{due.minute} {due.hour} * * *")
        fleet.write(folder, jobs, workers=workers)
        fleet.fill(folder, jobs)
        with Daemon(folder) as daemon:
            daemon.wait_for(f"serving {count} jobs, the next at {due:%Y-%m-%dT%H:%M}")
            say(f"{count} jobs, {workers} workers: all due at {due:%H:%M} UTC")
            daemon.wait_for("succeeded", times=count)
            asked = _first_told(daemon)
        began, ended = _runs(folder, due)
        submitted = [asked[job.name] - due.timestamp() for job in jobs]
        return {**_late("submitted", submitted), **_late("began", began), "all_s": max(ended)}

    return measure


def _each_minute(folder: Path, jobs: int, minutes: int) -> Figures:
    """How late a few jobs are that are due each minute, beside many that are not."""
    now = datetime.now(UTC)
    few = fleet.alike("each", EACH_MINUTE, "* * * * *")
    fleet.write(folder, [*fleet.quiet(jobs - EACH_MINUTE, now), *few])
    fleet.fill(folder, few)
    with Daemon(folder) as daemon:
        daemon.wait_for("serving")
        say(f"{EACH_MINUTE} jobs each minute beside {jobs - EACH_MINUTE} others, for {minutes} minutes")
        daemon.wait_for("succeeded", times=EACH_MINUTE * minutes)
    began, _ = _runs(folder)
    return {**_late("began", began), "runs": float(len(began))}


def _coming_minute() -> datetime:
    """The next one that leaves time to fill databases and start a runner."""
    return (datetime.now(UTC) + timedelta(seconds=_ROOM_S)).replace(second=0, microsecond=0) + _MINUTE


def _first_told(daemon: Daemon) -> dict[str, float]:
    """When each job was first spoken of."""
    told: dict[str, float] = {}
    for line in daemon.lines:
        told.setdefault(json.loads(line.text).get("job", ""), line.at)
    return told


def _runs(folder: Path, due: datetime | None = None) -> tuple[list[float], list[float]]:
    """Of each run how many seconds after its due time it began, and ended."""
    with closing(sqlite3.connect(folder / "state" / "catalog.sqlite")) as catalog:
        rows = catalog.execute('SELECT "trigger", outcome, due_at, started_at, finished_at FROM runs').fetchall()
    for trigger, outcome, due_at, *_ in rows:
        if (trigger, outcome) != ("schedule", "succeeded") or (due and datetime.fromisoformat(due_at) != due):
            raise SystemExit(f"a run that nobody expected: {trigger}, {outcome}, due at {due_at}")
    times = [tuple(datetime.fromisoformat(text).timestamp() for text in row[2:]) for row in rows]
    return [began - due_at for due_at, began, _ in times], [ended - due_at for due_at, _, ended in times]


def _late(what: str, seconds: Sequence[float]) -> Figures:
    ordered = sorted(seconds)
    return {
        f"{what}_median_s": ordered[len(ordered) // 2],
        f"{what}_p99_s": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)],
        f"{what}_max_s": ordered[-1],
    }


def _timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def _report(result: dict[str, object]) -> None:
    many, first, each = (_figures(result, name) for name in ("many", "first", "each_minute"))
    widths = (44, 16, 16, 10)
    rows: list[Sequence[str]] = [
        ("", "a month in", "first start", "bound"),
        _row("start until serving, s", "{:.1f}", "start_s", many, first),
        _row("  of that on the processor, s", "{:.1f}", "start_cpu_s", many, first),
        _row("memory, MB", "{:.0f}", "resident_bytes", many, first, scale=1e-6),
        _row("peak memory, with a reload, MB", "{:.0f}", "peak_bytes", many, first, scale=1e-6),
        _row("processor while idle, %", "{:.2f}", "idle_percent", many, first, bound=f"{IDLE_MOST_PERCENT}"),
        _row("reading the file again, s", "{:.1f}", "reload_s", many, first),
        _row("answering /metrics, s", "{:.2f}", "metrics_s", many, first),
    ]
    table(f"{result['jobs']} jobs, none due, {result['machine']}", rows, widths)
    together = [_figures(result, f"workers_{number}") for number in WORKERS]
    rows = [
        ("", *(f"{number} workers" for number in WORKERS), ""),
        *(_spread(f"{what}, s after it was due", key, *together) for what, key in _LATENESS),
        _row("all of them done, s", "{:.1f}", "all_s", *together),
    ]
    table(f"{result['due']} jobs due at one moment: median / 99 % / last", rows, (34, 22, 22, 4))
    rows = [("begun at the latest, s after it was due", f"{each['began_max_s']:.3f}", "", f"{LATE_MOST_S}")]
    table(f"{EACH_MINUTE} jobs each minute beside {result['jobs']}, {each['runs']:.0f} runs", rows, widths)


_LATENESS = (("asked for", "submitted"), ("begun", "began"))


def _figures(result: dict[str, object], name: str) -> Figures:
    figures = result[name]
    assert isinstance(figures, dict)
    return figures


def _row(what: str, shape: str, key: str, *of: Figures, scale: float = 1.0, bound: str = "") -> Sequence[str]:
    return (what, *(shape.format(figures[key] * scale) for figures in of), bound)


def _spread(what: str, key: str, *of: Figures) -> Sequence[str]:
    cells = (" / ".join(f"{figures[f'{key}_{which}_s']:.2f}" for which in ("median", "p99", "max")) for figures in of)
    return (what, *cells, "")


if __name__ == "__main__":
    sys.exit(main())
