"""Which job is due when: the jobs of the `schedule` library, with times that come from each job's timetable."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import schedule

from backupctl.config import Job
from backupctl.model import Trigger
from backupctl.timetable import Timetable

Submit = Callable[[Job, Trigger, datetime], None]
"""Told which job is due, why it is run now, and when the timetable wanted it."""

_ON_TIME = timedelta(minutes=1)
"""What begins later than this is made up for, and is said to be."""

_WRONG_CLOCK = timedelta(hours=3)
"""Debian's cron(8): a clock that is set back by less than this repeats nothing; by more, it was wrong before."""


def timetable_of(job: Job) -> Timetable:
    return Timetable.of(job.name, job.cron, job.timezone, job.jitter)


def missed(job: Job, *, since: datetime, answered: datetime | None, now: datetime) -> datetime | None:
    """The newest due time that passed while nothing was running and is not too old to be made up; else None.

    `since` is when the job was first known with this timetable, `answered` the newest due time that a run stands for.
    """
    timetable = timetable_of(job)
    due = timetable.latest(now)
    if due is None or due <= since:
        return None
    # Without the delay: a run stands for its time of the cron also when the job was given another jitter since.
    if answered is not None and due.astimezone(UTC) - timetable.delay <= answered:
        return None
    catch_up = timetable.default_catch_up(due) if job.catch_up is None else timedelta(seconds=job.catch_up)
    return due if now - due <= catch_up else None


class Agenda:
    """The jobs that are scheduled, and the time as it was last told. All times are aware, in UTC."""

    def __init__(self, submit: Submit, now: datetime) -> None:
        self.now = now
        self.submit = submit
        self._scheduler = schedule.Scheduler()
        self._due: dict[str, Due] = {}
        self.next_at: datetime | None = None
        """When the next job is due; None while there is none."""

    def next_run(self, job: str) -> datetime | None:
        due = self._due.get(job)
        return due.next_run if due else None

    def put(self, jobs: Iterable[Job], now: datetime, *, answered: Callable[[str], datetime | None]) -> None:
        """Schedule these jobs and no others; one whose timetable is what it was keeps its next time.

        No job is run again for a due time that is answered for, unless the clock was wrong when it was.
        """
        self.now = now
        before, self._due = self._due, {}
        self._scheduler.clear()
        for job in jobs:
            timetable, known = timetable_of(job), before.get(job.name)
            due = self._due[job.name] = Due(job, timetable, self, self._scheduler)
            due.do(due.submit)
            if known and known.timetable == timetable:
                due.next_run = known.next_run
            else:
                due.plan(after=_after(answered(job.name), now))
        self._look_ahead()

    def run_due(self, now: datetime) -> None:
        """Submit every job that is due, the longest-waiting first."""
        self.now = now
        if self.next_at is not None and self.next_at <= now:
            self._scheduler.run_pending()
            self._look_ahead()

    def set_back(self, now: datetime, by: timedelta) -> None:
        """The clock was set back: by much, it was wrong, and so is what was planned with it.

        By little, only what follows real time is planned anew, as Debian's cron(8) has it.
        """
        self.now = now
        for due in self._due.values():
            if by >= _WRONG_CLOCK or due.timetable.follows_real_time:
                due.plan(after=now)
        self._look_ahead()

    def _look_ahead(self) -> None:
        self.next_at = min((due.next_run for due in self._due.values() if due.next_run), default=None)


class Due(schedule.Job):
    """A job of `schedule` that knows cron, zones and clock changes: its `next_run` is aware, in UTC.

    The library's own is naive, local, and an interval from the last run (schedule 1.2.2).
    """

    next_run: datetime | None

    def __init__(self, job: Job, timetable: Timetable, agenda: Agenda, scheduler: schedule.Scheduler) -> None:
        super().__init__(1, scheduler)
        self.backup = job
        self.timetable = timetable
        self._agenda = agenda

    @property
    def should_run(self) -> bool:
        return self.next_run is not None and self.next_run <= self._agenda.now

    def run(self) -> None:
        """Submit the job and schedule it anew. However much time was slept through, it is one run."""
        assert self.job_func
        self.job_func()
        self.last_run = self._agenda.now
        self._schedule_next_run()

    def submit(self) -> None:
        now, due = self._agenda.now, self.next_run
        assert due
        if now - due > _ON_TIME:
            self._agenda.submit(self.backup, Trigger.CATCH_UP, self.timetable.latest(now) or due)
        else:
            self._agenda.submit(self.backup, Trigger.SCHEDULE, due)

    def plan(self, *, after: datetime) -> None:
        """Run next at the first due time after that."""
        due = self.timetable.after(after)
        # Times with one tzinfo are compared by the clock on the wall, which shows some hours twice.
        self.next_run = due.astimezone(UTC) if due else None

    def _schedule_next_run(self) -> None:
        self.plan(after=self._agenda.now)


def _after(answered: datetime | None, now: datetime) -> datetime:
    ahead = answered is not None and now < answered < now + _WRONG_CLOCK
    return answered if ahead and answered is not None else now
