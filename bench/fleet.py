"""Many jobs: their file, their small databases, and what a catalog remembers of them."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from backupctl.catalog.file import CatalogFile
from backupctl.catalog.tables import RUNS
from backupctl.model import Outcome, Trigger
from bench.report import say

_HOURS = 18
"""Over so many hours of a day quiet jobs are spread, from the hour after the next on: none is due in a bench."""

_ROWS = 50


@dataclass(frozen=True)
class Job:
    name: str
    cron: str


def quiet(count: int, now: datetime) -> list[Job]:
    """Daily jobs with a thousand different times, none of which comes soon."""
    first = now.hour + 2
    return [Job(f"quiet-{n:05}", f"{n % 60} {(first + n // 60 % _HOURS) % 24} * * *") for n in range(count)]


def alike(name: str, count: int, cron: str) -> list[Job]:
    return [Job(f"{name}-{n:05}", cron) for n in range(count)]


def write(folder: Path, jobs: Sequence[Job], *, workers: int = 4) -> None:
    entries = "".join(
        f"  - name: {job.name}\n"
        f"    database: {{type: sqlite, path: databases/{job.name}.sqlite}}\n"
        f'    cron: "{job.cron}"\n'
        for job in jobs
    )
    (folder / "jobs.yaml").write_text(
        f"version: 1\nworkers: {workers}\nstate_dir: state\n"
        "storages: {here: {type: local, path: backups}}\ndefaults: {storage: here}\n"
        f"jobs:\n{entries}"
    )


def fill(folder: Path, jobs: Iterable[Job]) -> None:
    """Make each job's database, of a few KiB."""
    place = folder / "databases"
    place.mkdir(exist_ok=True)
    for job in jobs:
        with closing(sqlite3.connect(place / f"{job.name}.sqlite")) as database, database:
            database.execute("PRAGMA synchronous = OFF")
            database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT NOT NULL)")
            database.executemany("INSERT INTO orders (note) VALUES (?)", [("x" * 40,)] * _ROWS)


def remember(folder: Path, jobs: Sequence[Job], now: datetime, *, runs: int) -> None:
    """A catalog with so many successful runs of each job, one a day, the last of them just now."""
    path = folder / "state" / "catalog.sqlite"
    rows = [_row(job, now - timedelta(days=runs - day)) for day in range(1, runs + 1) for job in jobs]
    catalog = CatalogFile(path, warn=say, clock=lambda: now)
    catalog.use(lambda connection: connection.execute(insert(RUNS), rows))


def _row(job: Job, at: datetime) -> dict[str, object]:
    stamp = f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return {
        "run_id": f"{job.name}-{stamp}",
        "job": job.name,
        "trigger": Trigger.SCHEDULE,
        "due_at": at,
        "started_at": at,
        "finished_at": at + timedelta(seconds=1),
        "outcome": Outcome.SUCCEEDED,
        "dumped": 8192,
        "stored": 512,
        "backup_id": f"{stamp}-000000",
        "host": "bench",
    }
