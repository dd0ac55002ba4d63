"""One run of one job: lock, preflight, dump, store, commit; what happens is told as events."""

import logging
import platform
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from backupctl import __version__
from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.engines import ENGINES
from backupctl.engines.base import Engine, Part, Preflight
from backupctl.errors import BackupctlError, BusyError, CancelledError, ExitCode
from backupctl.events import Dumping, Finished, Listener, Progress, Run, Started, Warned
from backupctl.model import Artifact, BackupId, Manifest, Outcome
from backupctl.process import Session
from backupctl.redact import Redactor
from backupctl.repository import Repository
from backupctl.state import StateFolder
from backupctl.storages import STORAGES
from backupctl.storages.base import Storage
from backupctl.stream import Reader, Tap, Watch

_PROGRESS_EVERY_S = 0.2
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
    return ENGINES[job.database.type].build(job.database, session)


@dataclass(frozen=True)
class Runner:
    """Runs jobs, one at a time a call; safe to call from several threads for different jobs."""

    state: StateFolder
    redact: Redactor
    listener: Listener
    clock: Clock = utc_now

    def run(self, job: Job, cancel: Cancellation) -> Run:
        """Back a job up. Never raises for what can go wrong with a job: the outcome tells."""
        started_at = self.clock()
        unfinished = Run(
            run_id=secrets.token_hex(8),
            job=job.name,
            outcome=Outcome.FAILED,
            started_at=started_at,
            finished_at=started_at,
            location=storage_of(job).location,
        )
        try:
            manifest = self._back_up(job, unfinished, cancel)
            run = replace(unfinished, outcome=Outcome.SUCCEEDED, manifest=manifest)
        except BackupctlError as error:
            run = replace(
                unfinished,
                outcome=_outcome(error),
                exit_code=_exit_code(error),
                error=self.redact(error.message),
                hint=self.redact(error.hint) if error.hint else None,
            )
        except Exception as error:
            _log.exception("job %s met a bug", job.name)
            text = self.redact(f"a bug in backupctl: {type(error).__name__}: {error}")
            run = replace(unfinished, exit_code=ExitCode.BUG, error=text, hint="run again with --debug, and report it")
        run = replace(run, finished_at=self.clock())
        self.listener(Finished(job.name, run))
        return run

    def rehearse(self, job: Job, cancel: Cancellation) -> Preflight:
        """All of a run that changes nothing: is the storage there, would the engine dump? Raises what a run would."""
        with self.state.running(job.name) as scratch:
            return _preflight(engine_of(job, Session(scratch, cancel, self.redact)), storage_of(job))

    def _back_up(self, job: Job, run: Run, cancel: Cancellation) -> Manifest:
        cancel.check()
        storage = storage_of(job)
        with self.state.running(job.name) as scratch:
            engine = engine_of(job, Session(scratch, cancel, self.redact))
            self.listener(Started(job.name, run.run_id, engine.target, storage.location))
            preflight = _preflight(engine, storage)
            return _Backup(self, job, engine, preflight, storage, cancel, BackupId.new(run.started_at)).make()


@dataclass(frozen=True)
class _Backup:
    """One backup in the making."""

    runner: Runner
    job: Job
    engine: Engine
    preflight: Preflight
    storage: Storage
    cancel: Cancellation
    backup_id: BackupId

    def make(self) -> Manifest:
        repository = repository_of(self.job, self.storage)
        stored: list[Artifact] = []
        try:
            for part in self.preflight.parts:
                stored.append(self._store(part, repository))  # noqa: PERF401 -- what was stored is taken back
            manifest = self._manifest(tuple(stored))
            self.cancel.check()
            repository.commit(manifest)
        except BaseException:
            repository.discard(tuple(stored))
            raise
        for warning in manifest.warnings:
            self.runner.listener(Warned(self.job.name, warning))
        return manifest

    def _store(self, part: Part, repository: Repository) -> Artifact:
        preflight, job = self.preflight, self.job
        self.runner.listener(
            Dumping(job.name, part.role, preflight.client, preflight.server_version, part.size_estimate)
        )
        key = repository.artifact_key(self.backup_id, self.engine.database, part.suffix + job.compression.suffix)
        with _opened(part) as source, _Meter(self.runner.listener, job.name, part.role) as meter:
            return repository.put(
                part.role,
                key,
                Tap(Watch(source, meter.dumped)),
                job.compression,
                metadata=self._metadata(part),
                size_estimate=part.size_estimate,
                seen=meter.stored,
                cancel=self.cancel,
            )

    def _metadata(self, part: Part) -> dict[str, str]:
        started_at = self.backup_id.started_at.astimezone(ZoneInfo(self.job.timezone))
        return {
            "job": self.job.name,
            "engine": self.job.database.type,
            "database": self.engine.database,
            "backup-id": str(self.backup_id),
            "role": part.role,
            "started-at": started_at.isoformat(timespec="seconds"),
            "timezone": self.job.timezone,
        }

    def _manifest(self, artifacts: tuple[Artifact, ...]) -> Manifest:
        zone = ZoneInfo(self.job.timezone)
        findings = [part.findings() for part in self.preflight.parts]
        tables = [found.tables for found in findings if found.tables is not None]
        warnings = [*self.preflight.warnings, *(warning for found in findings for warning in found.warnings)]
        return Manifest(
            id=str(self.backup_id),
            job=self.job.name,
            engine=self.job.database.type,
            database=self.engine.database,
            server_version=self.preflight.server_version,
            client=self.preflight.client,
            host=platform.node(),
            started_at=self.backup_id.started_at.astimezone(zone),
            finished_at=self.runner.clock().astimezone(zone),
            timezone=self.job.timezone,
            format=self.engine.format,
            compression=self.job.compression.algorithm,
            artifacts=artifacts,
            tables=tables[0] if tables else None,
            warnings=tuple(self.runner.redact(warning) for warning in warnings),
            details=self.preflight.details,
            tool=f"backupctl {__version__}",
        )


class _Meter:
    """Adds bytes up, and tells of them a few times a second."""

    def __init__(self, listener: Listener, job: str, role: str) -> None:
        self._listener = listener
        self._progress = Progress(job, role, 0, 0)
        self._told_at = 0.0

    def dumped(self, count: int) -> None:
        self._progress = replace(self._progress, dumped=self._progress.dumped + count)
        self._tell_sometimes()

    def stored(self, count: int) -> None:
        self._progress = replace(self._progress, stored=self._progress.stored + count)
        self._tell_sometimes()

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener(self._progress)

    def _tell_sometimes(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= _PROGRESS_EVERY_S:
            self._told_at = now
            self._listener(self._progress)


def _preflight(engine: Engine, storage: Storage) -> Preflight:
    """Ask the database and the storage at the same time: each mostly waits."""
    with ThreadPoolExecutor(1) as beside:
        checked = beside.submit(storage.check)
        preflight = engine.preflight()
        checked.result()
    return preflight


@contextmanager
def _opened(part: Part) -> Iterator[Reader]:
    with closing(part.open()) as source:
        yield source


def _exit_code(error: BackupctlError) -> ExitCode:
    # A dump without its end is an integrity error where a backup is read; here no backup came to be.
    return ExitCode.RUN_FAILED if error.exit_code is ExitCode.INTEGRITY else error.exit_code


def _outcome(error: BackupctlError) -> Outcome:
    if isinstance(error, CancelledError):
        return Outcome.CANCELLED
    return Outcome.SKIPPED if isinstance(error, BusyError) else Outcome.FAILED
