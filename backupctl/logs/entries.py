"""Says what each of the runner's events is in a log: its level, its sentence, and the values to search for."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backupctl.events import (
    Alarm,
    ClockChanged,
    CutOff,
    DatabaseEnded,
    Doing,
    Dumping,
    Ended,
    Event,
    Finished,
    NotDelivered,
    NotReloaded,
    Progress,
    Pruned,
    Reloaded,
    Retrying,
    Run,
    Serving,
    Started,
    Stopping,
    Waiting,
    Warned,
)
from backupctl.figures import human_duration, human_size
from backupctl.model import DUMP_ROLE, Outcome

_FEW = 5


@dataclass(frozen=True)
class About:
    """What is known of a job from the file."""

    engine: str
    database: str
    storage: str


@dataclass(frozen=True)
class Entry:
    """One thing to log. `template` has a `{name}` for each value that its sentence is made with."""

    event: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    level: int = logging.INFO


class Narrator:
    """Makes entries of events, each with what is known of its job and its run. For one thread at a time."""

    def __init__(self, *, progress_every_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._progress_every_s = progress_every_s
        self._monotonic = monotonic
        self._about: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, dict[str, Any]] = {}
        self._progress_at: dict[str, float] = {}

    def know(self, about: Mapping[str, About]) -> None:
        """What is known of these jobs, by their names; of others what was known before."""
        self._about |= {job: vars(one) for job, one in about.items()}

    def tell(self, event: Event) -> Iterator[Entry]:
        """The entries for an event, mostly one."""
        if isinstance(event, Started):
            self._runs[event.job] = {"run_id": event.run_id, "trigger": event.trigger.value}
        elif isinstance(event, Finished):
            self._runs[event.job] = {"run_id": event.run.run_id, "trigger": event.run.trigger.value}
        entry = self._entry(event)
        if entry is not None:
            yield Entry(entry.event, entry.template, {**self._context(event), **entry.values}, entry.level)
        if isinstance(event, Finished):
            self._runs.pop(event.job, None)
            self._progress_at.pop(event.job, None)

    def _context(self, event: Event) -> dict[str, Any]:
        job = getattr(event, "job", None)
        if job is None:
            return {}
        return {"job": job} | self._runs.get(job, {}) | self._about.get(job, {})

    def _entry(self, event: Event) -> Entry | None:
        match event:
            case Progress():
                return _progress(event) if self._is_time_for_progress(event.job) else None
            case Dumping():
                self._progress_at[event.job] = self._monotonic() + self._progress_every_s
                return _dumping(event)
            case Waiting() | Started() | Doing() | Retrying() | Warned() | Pruned() | DatabaseEnded() | Finished():
                return _of_a_job(event)
            case Ended():
                return None  # its Finished has said it all
            case _:
                return _of_the_runner(event)

    def _is_time_for_progress(self, job: str) -> bool:
        now = self._monotonic()
        if now < self._progress_at.get(job, now + 1):
            return False
        self._progress_at[job] = now + self._progress_every_s
        return True


def _of_a_job(
    event: Waiting | Started | Doing | Retrying | Warned | Pruned | DatabaseEnded | Finished,
) -> Entry | None:
    match event:
        case Waiting():
            return Entry("waiting", "{job}: waits, {why}", {"why": event.why})
        case Retrying():
            return _retrying(event)
        case Started():
            return Entry("started", "{job}: {target} to {location}", _started(event))
        case Doing():
            values = {"doing": event.text} | _told({"database": event.database})
            return Entry("doing", f"{_name(event)}: {{doing}}", values)
        case Warned():
            return Entry("warning", "{job}: {warning}", {"warning": event.text}, logging.WARNING)
        case Pruned():
            return _pruned(event)
        case DatabaseEnded():
            return _database_ended(event)
        case Finished():
            return _finished(event.run)


def _of_the_runner(event: Event) -> Entry:
    match event:
        case Serving():
            return _schedule("serving", "serving", event.jobs, event.next_at)
        case Reloaded():
            return _schedule("reloaded", "the jobs file was read again:", event.jobs, event.next_at)
        case NotReloaded():
            return _not_reloaded(event)
        case ClockChanged():
            return _clock_changed(event.seconds)
        case CutOff():
            return Entry("cut-off", "{job}: a run of an earlier process did not come to its end", {}, logging.WARNING)
        case Alarm():
            return Entry("alarm", "{job}: the newest good backup is too old", {}, logging.ERROR)
        case NotDelivered():
            return _not_delivered(event)
        case Stopping():
            return _stopping(event)
        case _:
            # One that was added since: to be seen plainly is better than not to be seen.
            name = type(event).__name__.lower()
            return Entry(name, "{what}", {"what": str(event)})


def _schedule(event: str, beginning: str, jobs: int, next_at: datetime | None) -> Entry:
    counted = f"{beginning} {{jobs}} job{'' if jobs == 1 else 's'}"
    if next_at is None:
        return Entry(event, f"{counted}, and none is due ever", {"jobs": jobs})
    return Entry(event, f"{counted}, the next at {{next_at}}", {"jobs": jobs, "next_at": next_at})


def _not_reloaded(event: NotReloaded) -> Entry:
    problems = [
        f"{problem.place}: {problem.path}: {problem.message}" for problem in getattr(event.error, "problems", ())
    ]
    values = {"error": event.error.message, "hint": event.error.hint, "problems": problems}
    return Entry("not-reloaded", "{error}; the jobs go on as before", _told(values), logging.ERROR)


def _clock_changed(seconds: float) -> Entry:
    way = "forward" if seconds > 0 else "back"
    values = {"by": human_duration(abs(seconds)), "seconds": seconds}
    return Entry("clock-changed", f"the clock went {{by}} {way}, or the machine slept", values, logging.WARNING)


def _stopping(event: Stopping) -> Entry:
    if not event.running:
        return Entry("stopping", "stopping; nothing is running")
    few = ", ".join(event.running[:_FEW])
    more = len(event.running) - _FEW
    values = {"running": few if more <= 0 else f"{few} and {more} more"}
    if not event.grace:
        return Entry("stopping", "stopping; ending {running} now", values)
    template = "stopping; {running} may go on for {grace}, a second signal ends it now"
    return Entry("stopping", template, values | {"grace": human_duration(event.grace)})


def _not_delivered(event: NotDelivered) -> Entry:
    values = _told({"channel": event.channel, "error": event.error, "hint": event.hint})
    told = "a message over {channel} could not be sent"
    if event.given_up:
        return Entry("not-delivered", told + ", and is given up: {error}", values, logging.ERROR)
    return Entry("not-delivered", told + ", and is tried again: {error}", values, logging.WARNING)


def _retrying(event: Retrying) -> Entry:
    values = {"wait": human_duration(event.seconds), "retry": event.retry, "retries": event.retries}
    return Entry("retrying", "{job}: is tried again in {wait}, retry {retry} of {retries}", values, logging.WARNING)


def _started(event: Started) -> dict[str, Any]:
    return _told({"target": event.target, "location": event.location, "due_at": event.due_at})


def _dumping(event: Dumping) -> Entry:
    what = "dumping with {client}" if event.role == DUMP_ROLE else "dumping {role} with {client}"
    what += ", server {server_version}" if event.server_version else ""
    values = _told({"role": event.role, "client": event.client, "server_version": event.server_version})
    values |= _told({"database": event.database})
    if event.size_estimate is None:
        return Entry("dumping", f"{_name(event)}: {what}", values)
    values |= {"about": human_size(event.size_estimate)}
    sizes = {"bytes_expected": event.size_estimate}
    return Entry("dumping", f"{_name(event)}: {what}, about {{about}}", values | sizes)


def _progress(event: Progress) -> Entry:
    values = {"role": event.role, "dump_bytes": event.dumped, "bytes": event.stored}
    values |= _told({"database": event.database})
    sizes = {"dumped": human_size(event.dumped), "stored": human_size(event.stored)}
    return Entry("progress", f"{_name(event)}: {{dumped}} dumped, {{stored}} stored", values | sizes)


def _pruned(event: Pruned) -> Entry | None:
    removed, failed = len(event.removed), len(event.failed)
    if not removed and not failed:
        return None
    values = {"removed": removed, "removed_ids": list(event.removed)}
    counted = f"{{job}}: {{removed}} old backup{'' if removed == 1 else 's'} removed"
    if not failed:
        return Entry("pruned", counted, values)
    values |= {"not_removed": failed, "problems": [f"{backup}: {why}" for backup, why in event.failed.items()]}
    return Entry("pruned", f"{counted}, {{not_removed}} could not be", values, logging.WARNING)


def _finished(run: Run) -> Entry:
    values = _told(
        {
            "outcome": run.outcome.value,
            "duration": round(run.seconds, 3),
            "location": run.location,
            "due_at": run.due_at,
            "error": run.error,
            "hint": run.hint,
        }
    )
    if run.outcome is Outcome.SUCCEEDED:
        return _backed_up(run, values)
    if run.manifests:
        return _partly(run, values)
    if run.outcome is Outcome.CANCELLED:
        return Entry("finished", "{job}: cancelled; nothing was stored", values, logging.WARNING)
    values = {"error": "nobody knows why"} | values
    if run.outcome is Outcome.SKIPPED:
        return Entry("finished", "{job}: skipped: {error}", values, logging.WARNING)
    return Entry("finished", "{job}: failed: {error}", values, logging.ERROR)


def _backed_up(run: Run, values: dict[str, Any]) -> Entry:
    values |= {"took": human_duration(run.seconds)} | _stored(run)
    ending = "{dumped} dumped, {stored} stored" if run.dumped is not None else "{stored} stored"
    if run.manifest:
        manifest, ending = run.manifest, ending + " as {backup_id}"
        values |= {"backup_id": manifest.id, "database": manifest.database, "engine": manifest.engine}
    else:
        ending += " of {databases} databases"
    return Entry("finished", "{job}: {outcome} in {took}: " + ending, values)


def _partly(run: Run, values: dict[str, Any]) -> Entry:
    values |= {"took": human_duration(run.seconds)} | _stored(run) | {"failed_databases": list(run.failures)}
    return Entry("finished", "{job}: {outcome} in {took}: {error}", values, logging.ERROR)


def _stored(run: Run) -> dict[str, Any]:
    stored, dumped = run.stored or 0, run.dumped
    values: dict[str, Any] = {"stored": human_size(stored), "bytes": stored, "databases": len(run.manifests)}
    return values if dumped is None else values | {"dumped": human_size(dumped), "dump_bytes": dumped}


def _database_ended(event: DatabaseEnded) -> Entry:
    values = _told({"database": event.database, "error": event.error, "hint": event.hint})
    if event.manifest is None:
        return Entry("database-ended", "{job}/{database} failed: {error}", values, logging.ERROR)
    size = event.manifest.dump.size
    values |= {"backup_id": event.manifest.id, "stored": human_size(size), "bytes": size}
    return Entry("database-ended", "{job}/{database}: {stored} stored as {backup_id}", values)


def _name(event: Doing | Dumping | Progress) -> str:
    return "{job}/{database}" if event.database else "{job}"


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, [], "")}
