"""One run of one job: its lock, its preflight, its backup, its outcome; what happens is told as events."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol
from zoneinfo import ZoneInfo

from backupctl import hooks
from backupctl.backing import Backing, rehearse
from backupctl.beside import in_background, result_of
from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.engines.base import Preflight
from backupctl.errors import BackupctlError, BugError, BusyError, CancelledError, ExitCode, ExpiredError, StorageError
from backupctl.events import Doing, Finished, Listener, Pruned, Run, Started, Warned
from backupctl.journal import Journal
from backupctl.model import Outcome, Trigger
from backupctl.options import written
from backupctl.process import Session, output_of
from backupctl.pruning import prune
from backupctl.redact import Redactor
from backupctl.repository import Repository
from backupctl.retention import Retention
from backupctl.several import Made
from backupctl.state import StateFolder
from backupctl.wiring import engine_of, repository_of, storage_of

_log = logging.getLogger(__name__)


class Clock(Protocol):
    """Tells the time, aware, in UTC."""

    def __call__(self) -> datetime: ...


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Request:
    """A run that was asked for. `due_at` is when the schedule wanted it; `attempt` counts the retries, from 1."""

    job: Job
    trigger: Trigger = Trigger.MANUAL
    due_at: datetime | None = None
    attempt: int = 1
    only: frozenset[str] | None = None
    """Of a job with several databases, those that a retry is for; None: all."""


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
                return self._told(self._locked(request, begun, Session(scratch, cancel, self.redact)))
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

    def rehearse(self, job: Job, cancel: Cancellation) -> Mapping[str, Preflight]:
        """All of a run that changes nothing: is the storage there, would the engine dump? Raises what a run would.

        Gives what was found out about each of the job's databases.
        """
        with self.state.running(job.name) as scratch:
            checked = in_background(storage_of(job).check, f"check-{job.name}")
            found = rehearse(job, Session(scratch, cancel, self.redact))
            result_of(checked, cancel)
        return found

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

    def _locked(self, request: Request, begun: Run, session: Session) -> Run:
        """All of a run for which the job's lock is held."""
        run = self._backed_up(request, begun, session)
        try:
            self._afterwards(request.job, run, session)
        except Exception as error:
            # The backup is there: whatever goes wrong from here on does not make the run a failure.
            self._warn(request.job, str(self._met_a_bug(run, error).error))
        return run

    def _afterwards(self, job: Job, run: Run, session: Session) -> None:
        try:
            hooks.after(job, run, session)
        except BackupctlError as error:
            self._warn(job, error.message)
        if run.outcome in (Outcome.SUCCEEDED, Outcome.PARTIAL) and job.retention:
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

    def _backed_up(self, request: Request, begun: Run, session: Session) -> Run:
        made = Made()
        try:
            with session.cancel.limited(request.job.timeout, _too_long(request.job)) as cancel:
                self._back_up(request, begun, replace(session, cancel=cancel), made)
            run = replace(begun, outcome=Outcome.SUCCEEDED)
        except BackupctlError as error:
            run = self._failed(begun, error)
        except Exception as error:
            run = self._met_a_bug(begun, error)
        return replace(self._with(made, run), finished_at=self.clock())

    def _with(self, made: Made, run: Run) -> Run:
        """The run with what has come of it, whatever ended it."""
        partial = run.outcome is Outcome.FAILED and made.manifests
        return replace(
            run,
            outcome=Outcome.PARTIAL if partial else run.outcome,
            manifests=tuple(manifest for _, manifest in sorted(made.manifests.items())),
            failures={name: self.redact(why) for name, why in made.lacking.items()},
            gone=made.gone,
        )

    def _met_a_bug(self, begun: Run, error: Exception) -> Run:
        _log.error("job %s met a bug", begun.job, exc_info=error)
        return self._failed(begun, BugError.met(error))

    def _failed(self, begun: Run, error: BackupctlError) -> Run:
        return replace(
            begun,
            outcome=_outcome(error),
            finished_at=self.clock(),
            transient=error.transient,
            exit_code=_exit_code(error),
            error=self.redact(error.message),
            hint=self.redact(error.hint) if error.hint else None,
            output=self.redact(output_of(error)),
        )

    def _told(self, run: Run) -> Run:
        self.listener(Finished(run.job, run))
        return run

    def _back_up(self, request: Request, run: Run, session: Session, made: Made) -> None:
        job = request.job
        session = replace(session, say=lambda text: self.listener(Doing(job.name, self.redact(text))))
        storage = storage_of(job)
        repository, journal = repository_of(job, storage), self.state.journal(job.name)
        self.listener(_started(run, engine_of(job, session).target))
        hooks.before(job, run, session)
        self._clear_up(repository, journal, job, session.cancel)
        # Database and storage are asked at the same time: each mostly waits.
        checked = in_background(storage.check, f"check-{job.name}")
        Backing(
            job=job,
            repository=repository,
            journal=journal,
            storage_checked=partial(result_of, checked, session.cancel),
            session=session,
            redact=self.redact,
            listener=self.listener,
            clock=self.clock,
        ).run(run.started_at, request.only, made)

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


def _exit_code(error: BackupctlError) -> ExitCode:
    # A dump without its end is an integrity error where a backup is read; here no backup came to be.
    return ExitCode.RUN_FAILED if error.exit_code is ExitCode.INTEGRITY else error.exit_code


def _outcome(error: BackupctlError) -> Outcome:
    if isinstance(error, CancelledError):
        return Outcome.CANCELLED
    return Outcome.SKIPPED if isinstance(error, BusyError) else Outcome.FAILED
