"""One run of one job: its lock, its preflight, its backup, its outcome; what happens is told as events."""

import logging
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol
from zoneinfo import ZoneInfo

from backupctl import hooks
from backupctl.beside import in_background, result_of
from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.drift import drift
from backupctl.engines import ENGINES
from backupctl.engines.base import Engine, Preflight
from backupctl.errors import BackupctlError, BusyError, CancelledError, ExitCode, ExpiredError, StorageError
from backupctl.events import Finished, Listener, Pruned, Run, Started, Warned
from backupctl.journal import Journal
from backupctl.making import Making
from backupctl.model import BackupId, Manifest, Outcome, Trigger
from backupctl.options import written
from backupctl.process import Session
from backupctl.pruning import prune
from backupctl.redact import Redactor
from backupctl.repository import Repository
from backupctl.retention import Retention
from backupctl.state import StateFolder
from backupctl.storages import STORAGES
from backupctl.storages.base import Storage

_COMPARED = 20
"""So many of the newest backups are looked at for what a new one should hold."""

_log = logging.getLogger(__name__)


class Clock(Protocol):
    """Tells the time, aware, in UTC."""

    def __call__(self) -> datetime: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


def storage_of(job: Job) -> Storage:
    return STORAGES[job.storage.type](job.storage)


def repository_of(job: Job, storage: Storage) -> Repository:
    return Repository(job.name, storage, ZoneInfo(job.timezone))


def engine_of(job: Job, session: Session) -> Engine:
    return ENGINES[job.database.type].build(job.database, session, job.storage.access)


@dataclass(frozen=True)
class Request:
    """A run that was asked for. `due_at` is when the schedule wanted it; `attempt` counts the retries, from 1."""

    job: Job
    trigger: Trigger = Trigger.MANUAL
    due_at: datetime | None = None
    attempt: int = 1


@dataclass(frozen=True)
class Runner:
    """Runs jobs, one at a time a call; safe to call from several threads for different jobs."""

    state: StateFolder
    redact: Redactor
    listener: Listener
    clock: Clock = utc_now

    def run(self, request: Request, cancel: Cancellation) -> Run:
        """Back a job up. Never raises for what can go wrong with a job: the outcome tells."""
        job, begun = request.job, self._begun(request)
        try:
            cancel.check()
            with self.state.running(job.name) as scratch:
                return self._told(self._locked(job, begun, Session(scratch, cancel, self.redact)))
        except BackupctlError as error:
            return self._told(self._failed(begun, error))
        except Exception as error:
            return self._told(self._met_a_bug(begun, error))

    def skip(self, request: Request, why: str, hint: str) -> Run:
        """Record that a run was asked for and did not take place."""
        return self._told(self._failed(self._begun(request), BusyError(why, hint=hint)))

    def clear_up(self, job: Job) -> None:
        """Remove what runs that were killed left half-stored. Raises BusyError while the job runs, and UsageError."""
        with self.state.running(job.name):
            self._clear_up(repository_of(job, storage_of(job)), self.state.journal(job.name), job, Cancellation())

    def rehearse(self, job: Job, cancel: Cancellation) -> Preflight:
        """All of a run that changes nothing: is the storage there, would the engine dump? Raises what a run would."""
        with self.state.running(job.name) as scratch:
            checked = in_background(storage_of(job).check, f"check-{job.name}")
            preflight = engine_of(job, Session(scratch, cancel, self.redact)).preflight()
            result_of(checked, cancel)
        return preflight

    def _begun(self, request: Request) -> Run:
        now = self.clock()
        return Run(
            run_id=secrets.token_hex(8),
            job=request.job.name,
            trigger=request.trigger,
            due_at=request.due_at,
            outcome=Outcome.FAILED,
            started_at=now,
            finished_at=now,
            location=storage_of(request.job).location,
        )

    def _locked(self, job: Job, begun: Run, session: Session) -> Run:
        """All of a run for which the job's lock is held."""
        run = self._backed_up(job, begun, session)
        try:
            self._afterwards(job, run, session)
        except Exception as error:
            # The backup is there: whatever goes wrong from here on does not make the run a failure.
            self._warn(job, str(self._met_a_bug(run, error).error))
        return run

    def _afterwards(self, job: Job, run: Run, session: Session) -> None:
        try:
            hooks.after(job, run, session)
        except BackupctlError as error:
            self._warn(job, error.message)
        if run.manifest and job.retention:
            self._prune(job, job.retention, session.cancel)

    def _prune(self, job: Job, policy: Retention, cancel: Cancellation) -> None:
        """Remove what the policy does not keep any more; what cannot be removed does not make the run a failure."""
        removal = prune(
            repository_of(job, storage_of(job)),
            policy,
            self.clock(),
            ZoneInfo(job.timezone),
            cancel=cancel,
            warn=lambda text: self._warn(job, text),
        )
        failed = {backup: self.redact(problem) for backup, problem in removal.failed.items()}
        self.listener(Pruned(job.name, removal.removed, failed))

    def _warn(self, job: Job, text: str) -> None:
        self.listener(Warned(job.name, self.redact(text)))

    def _backed_up(self, job: Job, begun: Run, session: Session) -> Run:
        try:
            with session.cancel.limited(job.timeout, _too_long(job)) as cancel:
                manifest = self._back_up(job, begun, replace(session, cancel=cancel))
            run = replace(begun, outcome=Outcome.SUCCEEDED, manifest=manifest)
        except BackupctlError as error:
            run = self._failed(begun, error)
        except Exception as error:
            run = self._met_a_bug(begun, error)
        return replace(run, finished_at=self.clock())

    def _met_a_bug(self, begun: Run, error: Exception) -> Run:
        _log.error("job %s met a bug", begun.job, exc_info=error)
        text = self.redact(f"a bug in backupctl: {type(error).__name__}: {error}")
        return replace(begun, exit_code=ExitCode.BUG, error=text, hint="run again with --debug, and report it")

    def _failed(self, begun: Run, error: BackupctlError) -> Run:
        return replace(
            begun,
            outcome=_outcome(error),
            finished_at=self.clock(),
            transient=error.transient,
            exit_code=_exit_code(error),
            error=self.redact(error.message),
            hint=self.redact(error.hint) if error.hint else None,
        )

    def _told(self, run: Run) -> Run:
        self.listener(Finished(run.job, run))
        return run

    def _back_up(self, job: Job, run: Run, session: Session) -> Manifest:
        storage = storage_of(job)
        repository, journal = repository_of(job, storage), self.state.journal(job.name)
        engine = engine_of(job, session)
        self.listener(_started(run, engine.target))
        hooks.before(job, run, session)
        self._clear_up(repository, journal, job, session.cancel)
        # Database and storage are asked at the same time: each mostly waits.
        checked = in_background(storage.check, f"check-{job.name}")
        return Making(
            job=job,
            engine=engine,
            preflight=engine.preflight(),
            storage_checked=partial(result_of, checked, session.cancel),
            repository=repository,
            journal=journal,
            backup_id=BackupId.new(run.started_at),
            cancel=session.cancel,
            redact=self.redact,
            listener=self.listener,
            clock=self.clock,
            drift=lambda manifest: _drift(job, repository, manifest, session.cancel),
        ).make()

    def _clear_up(self, repository: Repository, journal: Journal, job: Job, cancel: Cancellation) -> None:
        """Remove what earlier runs of the job left half-stored; what cannot be removed now is tried again."""
        for intent in journal.intents():
            problem: StorageError | None = None
            try:
                if intent.location == repository.location:
                    result_of(in_background(partial(repository.clear, intent), f"clear-{job.name}"), cancel)
            except StorageError as error:
                problem = error
                self._warn(job, f"what an interrupted run left in the storage is still there: {error.message}")
            if problem is None or not problem.transient:
                journal.remove(intent)


def _too_long(job: Job) -> ExpiredError:
    return ExpiredError(
        f"the run took longer than its timeout of {written(job.timeout or 0)}, and was ended",
        hint="find out what holds it up (locks, the network), or raise the job's `timeout`",
    )


def _started(run: Run, target: str) -> Started:
    return Started(run.job, run.run_id, run.trigger, run.due_at, run.started_at, target, run.location)


def _drift(job: Job, repository: Repository, manifest: Manifest, cancel: Cancellation) -> tuple[str, ...]:
    if not job.max_shrink:
        return ()
    try:
        recent = result_of(in_background(partial(repository.recent, _COMPARED), f"compare-{job.name}"), cancel)
    except StorageError:
        return ()  # a key that may put and list alone: there is nothing to compare with
    return drift(manifest, recent, max_shrink=job.max_shrink)


def _exit_code(error: BackupctlError) -> ExitCode:
    # A dump without its end is an integrity error where a backup is read; here no backup came to be.
    return ExitCode.RUN_FAILED if error.exit_code is ExitCode.INTEGRITY else error.exit_code


def _outcome(error: BackupctlError) -> Outcome:
    if isinstance(error, CancelledError):
        return Outcome.CANCELLED
    return Outcome.SKIPPED if isinstance(error, BusyError) else Outcome.FAILED
