"""Raises the alarm for what did not happen, and tells each recipient of the day: what no run's end would ever say."""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from backupctl import letters
from backupctl.catalog import Catalog, Row
from backupctl.catalog.rows import GOOD
from backupctl.config import Config, Job
from backupctl.events import Alarm, Listener
from backupctl.letters import Day, JobDay
from backupctl.model import Outcome
from backupctl.notices import Notices
from backupctl.notifiers.email import CHANNEL as EMAIL
from backupctl.postman import Postman
from backupctl.standing import Standing
from backupctl.timetable import Timetable

_BAD = (Outcome.FAILED, Outcome.PARTIAL, Outcome.INTERRUPTED)
_LOOK_EVERY = timedelta(minutes=5)
_AGAIN = timedelta(days=1)
_DAY = timedelta(days=1)
_STALE = "stale:"
_DIGEST = "digest"
_TREND = 7


class Watchman:
    """Looks at the clock and at how the jobs stand. For the scheduler's loop, which it never holds up."""

    def __init__(self, catalog: Catalog, notices: Notices, postman: Postman, listener: Listener) -> None:
        self._catalog = catalog
        self._notices = notices
        self._postman = postman
        self._listener = listener
        self._configuration: Config | None = None
        self._raised: dict[str, datetime] | None = None
        self._look_at: datetime | None = None
        self._digest_at: datetime | None = None

    def serve(self, configuration: Config, now: datetime) -> None:
        """From now on go by this file."""
        self._configuration = configuration
        self._digest_at = self._next_digest(now)

    def tick(self, now: datetime, standings: Callable[[], Sequence[Standing]]) -> None:
        """Do what is due; for each round of the loop."""
        if self._look_at is None or not self._look_at - _LOOK_EVERY <= now < self._look_at:
            first, self._look_at = self._look_at is None, now + _LOOK_EVERY
            if not first:  # at the start, storages are still to be looked at
                self._alarm(now, standings())
        if self._digest_at is not None and now >= self._digest_at:
            self._send_digest(self._digest_at, standings())
            self._digest_at = self._next_digest(now)

    def _alarm(self, now: datetime, standings: Sequence[Standing]) -> None:
        """Raise it for each job that has become stale, again each day, and forget those that are well."""
        raised = self._remembered()
        stale = {standing.job: standing for standing in standings if standing.stale}
        for job, standing in stale.items():
            if job in raised and timedelta(0) <= now - raised[job] < _AGAIN:
                continue
            raised[job] = now
            self._catalog.mark(_STALE + job, now)
            self._listener(Alarm(job))
            self._notices.tell_stale(standing)
        for job in set(raised) - set(stale):
            del raised[job]
            self._catalog.mark(_STALE + job, None)

    def _remembered(self) -> dict[str, datetime]:
        if self._raised is None:
            marks = self._catalog.marks(_STALE)
            self._raised = {name.removeprefix(_STALE): at for name, at in marks.items()}
        return self._raised

    def _next_digest(self, now: datetime) -> datetime | None:
        """When the next one is due; one that was missed is made up within a day."""
        configuration = self._configuration
        if configuration is None or configuration.digest is None or configuration.email is None:
            return None
        timetable = Timetable(configuration.digest, configuration.timezone)
        last = self._catalog.marks(_DIGEST).get(_DIGEST)
        if last is None:
            self._catalog.mark(_DIGEST, now)
            return timetable.after(now)
        missed = timetable.latest(now)
        if missed is not None and missed > last and now - missed < _DAY:
            return missed
        return timetable.after(now)

    def _send_digest(self, until: datetime, standings: Sequence[Standing]) -> None:
        self._catalog.mark(_DIGEST, until)
        if self._configuration is not None:
            arguments = (self._configuration, until, standings)
            # Of many jobs it takes a while to put together.
            threading.Thread(target=self._digest, args=arguments, name="digest", daemon=True).start()

    def _digest(self, configuration: Config, until: datetime, standings: Sequence[Standing]) -> None:
        since = until - _DAY
        days = _days(configuration.jobs, self._catalog.history(since=until - _TREND * _DAY), since, standings)
        place = self._notices.place(configuration.timezone)
        for recipient, jobs in _by_recipient(configuration.jobs).items():
            told = tuple(days[name] for name in jobs if name in days)
            if told:
                message = letters.about_day(Day(since, until, told), place)
                self._postman.post(EMAIL, message, (recipient,))


def _by_recipient(jobs: Sequence[Job]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for job in jobs:
        for recipient in dict.fromkeys(job.recipients):
            found[recipient].append(job.name)
    return found


def _days(
    jobs: Sequence[Job], rows: Sequence[Row], since: datetime, standings: Sequence[Standing]
) -> dict[str, JobDay]:
    """Each enabled job's day, from the runs of the last days, the newest first."""
    of_job: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_job[row.job].append(row)
    standing_of = {standing.job: standing for standing in standings}
    return {job.name: _day(job.name, of_job[job.name], since, standing_of.get(job.name)) for job in jobs if job.enabled}


def _day(job: str, rows: Sequence[Row], since: datetime, standing: Standing | None) -> JobDay:
    today = [row for row in rows if row.started_at >= since]
    good = [row for row in today if row.outcome in GOOD]
    failed = [row for row in today if row.outcome in _BAD]
    sizes = [row.stored for row in rows if row.outcome in GOOD and row.stored is not None]
    return JobDay(
        job=job,
        good=len(good),
        failed=len(failed),
        skipped=sum(row.outcome is Outcome.SKIPPED for row in today),
        stale=standing.stale if standing else False,
        failing=standing.failing if standing else False,
        last_good_at=standing.last_good_at if standing else None,
        stored=sum(row.stored or 0 for row in today),
        sizes=tuple(reversed(sizes[:_TREND])),
        error=failed[0].error if failed else None,
    )
