"""Finds out how every job stands: asks the storages, and the catalog for what only it remembers."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from backupctl.config import Job
from backupctl.errors import BackupctlError
from backupctl.redact import Redactor
from backupctl.runner import repository_of, storage_of
from backupctl.standing import TELLING, Facts, Standing, standing_of
from backupctl.timetable import Timetable

# sqlalchemy, which the catalog stands on, takes 0.25 s to import: only who has a catalog pays that.
if TYPE_CHECKING:
    from backupctl.catalog import Catalog, Row

_ASKED_AT_ONCE = 8


def survey(jobs: Sequence[Job], catalog: "Catalog", redact: Redactor, now: datetime) -> list[Standing]:
    """How each of the jobs stands. A storage that cannot be read is that job's `problem`, and stops no other."""
    memory = _Memory.of(jobs, catalog, now)
    with ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="ask") as asking:
        facts = list(asking.map(lambda job: _facts(job, memory, redact, now), jobs))
    return [standing_of(one, now) for one in facts]


@dataclass(frozen=True)
class _Memory:
    last: Mapping[str, "Row"]
    telling: Mapping[str, "Row"]
    success: Mapping[str, "Row"]
    since: Mapping[str, datetime]

    @classmethod
    def of(cls, jobs: Sequence[Job], catalog: "Catalog", now: datetime) -> Self:
        schedules = {job.name: (job.cron, job.timezone) for job in jobs}
        return cls(
            last=catalog.last_runs(),
            telling=catalog.last_runs(TELLING),
            success=catalog.last_success(),
            since=catalog.first_known(schedules, now),
        )


def _facts(job: Job, memory: _Memory, redact: Redactor, now: datetime) -> Facts:
    timetable = Timetable.of(job.name, job.cron, job.timezone, job.jitter)
    success, last, telling = (of.get(job.name) for of in (memory.success, memory.last, memory.telling))
    remembered = success.started_at if success else None
    listed, problem = _asked(job, redact)
    return Facts(
        job=job.name,
        enabled=job.enabled,
        good=listed if listed is not None else tuple(filter(None, [remembered])),
        since=memory.since[job.name],
        max_age=timetable.default_max_age(now) if job.max_age is None else timedelta(seconds=job.max_age),
        remembered=remembered,
        last_outcome=last.outcome if last else None,
        last_telling=telling.outcome if telling else None,
        next_run_at=timetable.after(now),
        problem=problem,
    )


def _asked(job: Job, redact: Redactor) -> tuple[tuple[datetime, ...] | None, str | None]:
    """When the good backups on the storage began, or why nobody can tell."""
    if not job.enabled:  # the variables of its storage may not be there
        return None, None
    try:
        listing = repository_of(job, storage_of(job)).listing()
    except BackupctlError as error:
        return None, redact(error.message)
    return tuple(manifest.started_at for manifest in listing.good), None
