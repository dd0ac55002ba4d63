"""Made-up runs, as the runner tells of them, and a catalog that hears of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backupctl.catalog import Catalog
from backupctl.events import Finished, Run, Started
from backupctl.model import Artifact, Manifest, Outcome, Trigger

WHEN = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)


class Told:
    """A catalog, and what it warned of."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "catalog.sqlite"
        self.warnings: list[str] = []
        self.catalog = Catalog.open(self.path, warn=self.warnings.append, clock=lambda: WHEN)


def run(
    run_id: str,
    outcome: Outcome = Outcome.SUCCEEDED,
    *,
    job: str = "shop",
    trigger: Trigger = Trigger.MANUAL,
    due_at: datetime | None = None,
    at: datetime = WHEN,
) -> Run:
    """A run of ten seconds; a good one with its backup, any other with an error and a hint."""
    made = Run(run_id, job, trigger, due_at, outcome, at, at + timedelta(seconds=10), "/backups")
    if outcome in (Outcome.SUCCEEDED, Outcome.PARTIAL):
        return replace(made, manifests=(manifest(run_id, job, at),))
    return replace(made, error="the server went away", hint="look at it")


def manifest(backup_id: str, job: str, at: datetime) -> Manifest:
    """A backup of two artifacts, 300 bytes stored and 3000 dumped."""
    artifacts = tuple(
        Artifact(role=role, key=f"{job}/{role}", size=size, sha256=None, dump_size=size * 10, dump_sha256=None)
        for role, size in (("dump", 200), ("globals", 100))
    )
    return Manifest(
        id=backup_id,
        job=job,
        engine="postgres",
        database="shop",
        server_version="16.1",
        client="pg_dump 16.1",
        host="here",
        started_at=at,
        finished_at=at,
        timezone="UTC",
        format="plain",
        compression="zstd",
        artifacts=artifacts,
        tool="tests",
    )


def begin(catalog: Catalog, told: Run) -> None:
    catalog.hear(
        Started(told.job, told.run_id, told.trigger, told.due_at, told.started_at, "db", told.location),
    )


def end(catalog: Catalog, told: Run) -> None:
    catalog.hear(Finished(told.job, told))


def whole(catalog: Catalog, told: Run) -> None:
    begin(catalog, told)
    end(catalog, told)
