"""What a letter is made from besides the run: what is known of its job, and of a day of jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from backupctl.standing import Standing


@dataclass(frozen=True)
class Place:
    """Where a letter comes from: the machine, the file that it reads, what the file calls this place, and its zone."""

    host: str
    config: str
    environment: str
    zone: str


@dataclass(frozen=True)
class Good:
    """A good backup: when it began, and its bytes, all artifacts together; `dumped` is None if it is not known."""

    at: datetime
    stored: int
    dumped: int | None


@dataclass(frozen=True)
class Facts:
    """What is known of a job; texts hold no secret. `place.zone` is the job's own zone.

    `last_good` is the newest good backup before this run. `failed_before` counts the runs that failed, one after the
    other, right before it, since `failing_since`. `drift` are sentences: what of this backup is not as of the ones
    before it. `output` is the end of what the tool said.
    """

    job: str
    engine: str
    target: str
    place: Place
    last_good: Good | None = None
    failed_before: int = 0
    failing_since: datetime | None = None
    drift: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    output: str = ""
    standing: Standing | None = None
    max_age_s: float | None = None
    next_run_at: datetime | None = None


@dataclass(frozen=True)
class JobDay:
    """A job in a digest: its runs of the time told of, by how they ended, and how it stands at the end of it.

    `stored` is bytes of that time's backups; `sizes` are those of the newest backups, the oldest first.
    """

    job: str
    good: int
    failed: int
    skipped: int = 0
    stale: bool = False
    failing: bool = False
    last_good_at: datetime | None = None
    stored: int = 0
    sizes: tuple[int, ...] = ()
    error: str | None = None
    warnings: int = 0

    @property
    def is_well(self) -> bool:
        return not (self.failed or self.stale or self.failing or self.warnings)


@dataclass(frozen=True)
class Day:
    """The time that a digest tells of, and its jobs."""

    since: datetime
    until: datetime
    jobs: tuple[JobDay, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many runs were good and failed, how many jobs are stale, and the bytes that were stored."""
        return {
            "good": sum(job.good for job in self.jobs),
            "failed": sum(job.failed for job in self.jobs),
            "stale": sum(job.stale for job in self.jobs),
            "stored": sum(job.stored for job in self.jobs),
        }
