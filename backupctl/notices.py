"""Decides who is told of what, and over which channels: of a job's runs, and of its alarms."""

import platform
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backupctl import letters
from backupctl.agenda import timetable_of
from backupctl.catalog import Catalog, Row
from backupctl.catalog.rows import GOOD
from backupctl.config import Config, Job
from backupctl.events import CutOff, Ended, Event, Run, Started, Warned
from backupctl.letters import Facts, Good, Place
from backupctl.model import Outcome, Trigger
from backupctl.notifiers.apprise import AppriseNotifier
from backupctl.notifiers.base import Kind, Message, Notifier, NotifyError
from backupctl.notifiers.email import EmailNotifier
from backupctl.notifiers.ping import PingNotifier
from backupctl.postman import Clock, Postman
from backupctl.standing import Standing

_LOOKED_BACK = 50
_BAD = frozenset({Outcome.FAILED, Outcome.PARTIAL, Outcome.INTERRUPTED})
_OCCASIONS = {
    Kind.SUCCESS: {"success"},
    Kind.RECOVERY: {"success", "recovery"},
    Kind.FAILURE: {"failure"},
    Kind.DRIFT: {"success", "failure"},
    Kind.SKIPPED: {"skipped"},
    Kind.STALE: {"stale"},
}
"""Each kind is sent when `notify_on` has one of these."""


@dataclass(frozen=True)
class Channels:
    """Over what a job's people are told; the ping hears of every run, whatever `notify_on` says."""

    people: tuple[tuple[str, tuple[str, ...]], ...]
    """Channel and recipients."""
    ping: str | None


class Notices:
    """Turns events into messages, and posts them; waits for no channel. Safe to use from several threads."""

    def __init__(self, file: Path, catalog: Catalog, postman: Postman, clock: Clock) -> None:
        self._file = file
        self._catalog = catalog
        self._postman = postman
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: Mapping[str, Job] = {}
        self._channels: Mapping[str, Channels] = {}
        self._notifiers: Mapping[str, Notifier] = {}
        self._configuration: Config | None = None
        self._targets: dict[str, str] = {}
        self._warned: defaultdict[str, list[str]] = defaultdict(list)

    def serve(self, configuration: Config) -> None:
        """From now on people are told as this file says."""
        notifiers: dict[str, Notifier] = {}
        channels = {job.name: channels_of(job, configuration, notifiers) for job in configuration.jobs}
        with self._lock:
            self._jobs = {job.name: job for job in configuration.jobs}
            self._channels, self._notifiers = channels, notifiers
            self._configuration = configuration
        self._postman.serve(notifiers)

    def hear(self, event: Event) -> None:
        """Tell of what happened; for the runner's and the scheduler's events."""
        match event:
            case Started():
                self._begun(event)
            case Warned():
                with self._lock:
                    self._warned[event.job] += [event.text] if event.text not in self._warned[event.job] else []
            case Ended():
                self._ended(event.run)
            case CutOff():
                self._cut_off(event.job)

    def tell_stale(self, standing: Standing) -> bool:
        """Tell that a job's newest good backup is too old; False: nobody wants to know."""
        job = self._jobs.get(standing.job)
        if job is None or "stale" not in job.notify_on:
            return False
        now = self._clock()
        message = letters.about_stale(self._facts(job, [], standing=standing), now)
        self._post(job, message)
        return True

    def place(self, zone: str) -> Place:
        """Where the letters come from."""
        assert self._configuration
        return place_of(self._file, self._configuration, zone)

    def _begun(self, event: Started) -> None:
        with self._lock:
            self._targets[event.job] = event.target
            # Of several databases, a retry is of some alone: what was said of the others before still holds.
            if event.trigger is not Trigger.RETRY:
                self._warned[event.job] = []
            notifier = self._notifiers.get(self._channels_of(event.job).ping or "")
        if isinstance(notifier, PingNotifier):
            threading.Thread(target=_begin, args=(notifier, event.run_id), name="ping", daemon=True).start()

    def _ended(self, run: Run) -> None:
        job = self._jobs.get(run.job)
        if job is None:
            return
        facts = self._facts(job, self._before(run), run=run)
        kind = letters.kind_of(run, facts)
        # Whoever stops a run by hand knows.
        if run.outcome is Outcome.CANCELLED and run.trigger is Trigger.MANUAL:
            return
        wanted = bool(_OCCASIONS[kind] & job.notify_on)
        ping = self._channels_of(job.name).ping
        if wanted or ping:
            message = letters.about_run(run, facts)
            if wanted:
                self._post(job, message)
            if ping:
                self._postman.post(ping, message)

    def _cut_off(self, name: str) -> None:
        job = self._jobs.get(name)
        rows = self._catalog.history(name, limit=1)
        if job and rows and rows[0].outcome is Outcome.INTERRUPTED:
            self._ended(_as_run(rows[0], location=""))

    def _post(self, job: Job, message: Message) -> None:
        for channel, recipients in self._channels_of(job.name).people:
            self._postman.post(channel, message, recipients)

    def _channels_of(self, job: str) -> Channels:
        return self._channels.get(job, Channels((), None))

    def _before(self, run: Run) -> list[Row]:
        """The runs of the job before this one and those that it tries again, the newest first."""
        rows = self._catalog.history(run.job, limit=_LOOKED_BACK)
        places = [place for place, row in enumerate(rows) if row.run_id == run.run_id]
        if not places:
            return rows
        place = places[0]
        while place + 1 < len(rows) and rows[place].trigger is Trigger.RETRY:
            place += 1
        return rows[place + 1 :]

    def _facts(
        self, job: Job, before: Sequence[Row], *, run: Run | None = None, standing: Standing | None = None
    ) -> Facts:
        now = self._clock()
        timetable = timetable_of(job)
        failed = _failed_lately(before)
        drift = run.drift if run else ()
        with self._lock:
            warnings = [text for text in self._warned[job.name] if text not in drift]
            target = self._targets.get(job.name, job.database.type)
        return Facts(
            job=job.name,
            engine=job.database.type,
            target=target,
            place=self.place(job.timezone),
            last_good=_last_good(before),
            failed_before=len(failed),
            failing_since=failed[-1].started_at if failed else None,
            drift=drift,
            warnings=tuple(warnings),
            output=run.output if run else "",
            standing=standing,
            max_age_s=timetable.default_max_age(now).total_seconds() if job.max_age is None else float(job.max_age),
            next_run_at=timetable.after(now) if job.enabled else None,
        )


def place_of(file: Path, configuration: Config, zone: str) -> Place:
    """Where a letter of this file comes from, with the zone of its times."""
    return Place(platform.node(), str(file.absolute()), configuration.environment, zone)


def channels_of(job: Job, configuration: Config, notifiers: dict[str, Notifier]) -> Channels:
    """A job's channels; their notifiers are put beside those of the other jobs."""
    people: list[tuple[str, tuple[str, ...]]] = []
    if configuration.email and job.recipients:
        email = EmailNotifier(configuration.email)
        people.append((notifiers.setdefault(email.channel, email).channel, job.recipients))
    for url in job.notify:
        notifier = AppriseNotifier(url.get_secret_value())
        people.append((notifiers.setdefault(notifier.channel, notifier).channel, ()))
    if job.ping is None:
        return Channels(tuple(people), None)
    ping = PingNotifier(job.ping.get_secret_value())
    return Channels(tuple(people), notifiers.setdefault(ping.channel, ping).channel)


def _begin(notifier: PingNotifier, run_id: str) -> None:
    try:
        notifier.begin(run_id)
    except NotifyError:
        return  # that a run began is no news later; its end is told, and tried again


def _failed_lately(before: Sequence[Row]) -> list[Row]:
    """The runs that failed one after the other up to now, the newest first."""
    failed = []
    for row in before:
        if row.outcome in GOOD:
            break
        if row.outcome in _BAD:
            failed.append(row)
    return failed


def _last_good(before: Sequence[Row]) -> Good | None:
    for row in before:
        if row.outcome in GOOD and row.stored is not None:
            return Good(row.started_at, row.stored, row.dumped)
    return None


def _as_run(row: Row, *, location: str) -> Run:
    return Run(
        run_id=row.run_id,
        job=row.job,
        trigger=row.trigger,
        due_at=row.due_at,
        outcome=row.outcome or Outcome.INTERRUPTED,
        started_at=row.started_at,
        finished_at=row.finished_at or row.started_at,
        location=location,
        error=row.error,
        hint=row.hint,
    )
