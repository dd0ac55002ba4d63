"""Finds out how every job stands: asks the storages, and the catalog for what only it remembers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from backupctl.agenda import timetable_of
from backupctl.beside import each
from backupctl.config import Job
from backupctl.errors import BackupctlError
from backupctl.redact import Redactor
from backupctl.standing import TELLING, Facts, Standing, standing_of
from backupctl.wiring import repository_of, storage_of

# sqlalchemy, which the catalog stands on, takes 0.25 s to import: only who has a catalog pays that.
if TYPE_CHECKING:
    from backupctl.catalog import Catalog

_ASKED_AT_ONCE = 8


def survey(jobs: Sequence[Job], catalog: "Catalog", redact: Redactor, now: datetime) -> list[Standing]:
    """How each of the jobs stands. A storage that cannot be read is that job's `problem`, and stops no other."""
    facts = remembered(jobs, catalog, now)
    looked = each(lambda job: look(job, facts[job.name], redact, now), jobs, _ASKED_AT_ONCE)
    return [
        standing_of(replace(one, next_run_at=timetable_of(job).after(now)), now)
        for job, one in zip(jobs, looked, strict=True)
    ]


def remembered(jobs: Sequence[Job], catalog: "Catalog", now: datetime) -> Mapping[str, Facts]:
    """What the catalog knows of each job; of its good backups that is the newest, as the last success left it."""
    since = catalog.first_known({job.name: (job.cron, job.timezone) for job in jobs}, now)
    last, telling, good = catalog.last_runs(), catalog.last_runs(TELLING), catalog.last_success()
    return {
        job.name: Facts(
            job=job.name,
            enabled=job.enabled,
            good=(good[job.name].started_at,) if job.name in good else (),
            since=since[job.name],
            max_age=_max_age(job, now),
            remembered=good[job.name].started_at if job.name in good else None,
            last_outcome=last[job.name].outcome if job.name in last else None,
            last_telling=telling[job.name].outcome if job.name in telling else None,
        )
        for job in jobs
    }


def look(job: Job, facts: Facts, redact: Redactor, now: datetime) -> Facts:
    """The same with the good backups that are on the storage now; one that cannot be read is the `problem`."""
    if not job.enabled:
        return facts  # the variables of its storage may not even be there
    try:
        listing = repository_of(job, storage_of(job)).listing()
    except BackupctlError as error:
        return replace(facts, problem=redact(error.message))
    good, listed = listing.whole_at(now), listing.newest_of_several(now)
    if not good and listed and facts.remembered and listed >= facts.remembered:
        # The last time that all had a backup, those of then have newer ones, and one that has come since has none yet.
        good = (facts.remembered,)
    return replace(facts, good=good, listed=listed, problem=None)


def _max_age(job: Job, now: datetime) -> timedelta:
    return timetable_of(job).default_max_age(now) if job.max_age is None else timedelta(seconds=job.max_age)
