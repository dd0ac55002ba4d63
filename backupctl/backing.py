"""The backups of one run: of the job's database, or of each of its several."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from backupctl.beside import each, in_background, result_of
from backupctl.config import Job
from backupctl.drift import drift
from backupctl.engines.base import Preflight, ServerEngine, ServerOptions
from backupctl.errors import EngineError, StorageError
from backupctl.events import DatabaseEnded, Doing, Listener, Warned
from backupctl.journal import Journal
from backupctl.listing import Stored
from backupctl.making import Making
from backupctl.model import BackupId, Manifest
from backupctl.process import Session
from backupctl.redact import Redactor
from backupctl.repository import Repository
from backupctl.several import Choice, Made, choose, gone_and_come, has_patterns, no_such_database
from backupctl.wiring import engine_of

_COMPARED = 20
"""So many of a database's newest backups are looked at for what a new one should hold."""
_NEWEST = 3
"""So many of the newest backups are looked at for one that tells which databases there were."""

T = TypeVar("T")


@dataclass(frozen=True)
class Backing:
    """What the backups of one run have in common. The job's lock is held by whoever makes them."""

    job: Job
    repository: Repository
    journal: Journal
    storage_checked: Callable[[], None]
    """Returns once the storage is known to be there; raises StorageError."""
    session: Session
    redact: Redactor
    listener: Listener
    clock: Callable[[], datetime]

    def run(self, started_at: datetime, only: frozenset[str] | None, made: Made) -> None:
        """Add to `made` what comes of the job's database, or of its several; `only` are those that are tried again.

        Raises what is wrong with one database, and for several EngineError if any has no backup.
        """
        several = several_of(self.job)
        if several is None:
            self._one(self.job, self.session, started_at, (), made)
        else:
            self._each(several, only, made)

    def _one(self, job: Job, session: Session, now: datetime, one_of: tuple[str, ...], made: Made) -> None:
        engine = engine_of(job, session)
        made.manifests[engine.database] = Making(
            job=job,
            engine=engine,
            preflight=engine.preflight(),
            storage_checked=self.storage_checked,
            repository=self.repository,
            journal=self.journal,
            backup_id=BackupId.new(now),
            cancel=session.cancel,
            redact=self.redact,
            listener=self.listener,
            clock=self.clock,
            drift=self._drift,
            one_of=one_of,
        ).make()

    def _each(self, several: ServerOptions, only: frozenset[str] | None, made: Made) -> None:
        server = server_of(self.job, self.session)
        found = server.databases()
        choice = choose(found, several.names, several.exclude)
        self._tell_unseen(several, server)
        self._tell_changes(choice, found, made)
        wanted = [name for name in choice.all if only is None or name in only]
        each(partial(self._attempt, several, choice, made), wanted, several.parallel)
        if made.failures:
            self.session.cancel.check()
        made.check(len(choice.all))

    def _attempt(self, several: ServerOptions, choice: Choice, made: Made, name: str) -> None:
        """Back one of the several up, and say what came of it."""

        def work() -> None:
            self.session.cancel.check()
            if name in choice.lacking:
                raise no_such_database(name)
            job = replace(self.job, database=several.of(name))
            with _a_part_of(self.session, name, self._said) as session:
                self._one(job, session, self.clock(), choice.all, made)

        made.attempt(name, work)
        manifest, error = made.manifests.get(name), made.failed.get(name)
        if manifest:
            self.listener(DatabaseEnded(self.job.name, name, manifest))
        elif error:
            hint = error.hint and self.redact(error.hint)
            self.listener(DatabaseEnded(self.job.name, name, error=self.redact(error.message), hint=hint))

    def _said(self, database: str, text: str) -> None:
        self.listener(Doing(self.job.name, self.redact(text), database))

    def _tell_unseen(self, several: ServerOptions, server: ServerEngine) -> None:
        """Say so where a pattern may mean databases that this user is not shown."""
        unseen = server.unseen() if has_patterns(several.names) else None
        if unseen:
            self.listener(Warned(self.job.name, self.redact(unseen)))

    def _tell_changes(self, choice: Choice, found: Sequence[str], made: Made) -> None:
        """Say which databases have gone and come since the newest backup; a key that may not read cannot know."""
        before = self._databases_before()
        gone, come = gone_and_come(before, choice, found) if before else ((), ())
        # One that the file named, and the server never had, is not gone.
        made.gone = tuple(name for name in gone if self._stored.newest(1, name))
        told = [f"database {name} is gone from the server" for name in made.gone]
        told += [f"database {name} is new: it is backed up from now on" for name in come]
        for text in told:
            self.listener(Warned(self.job.name, text))

    def _databases_before(self) -> tuple[str, ...]:
        newest = next(iter(self._recent(_NEWEST, None)), None)
        return (newest and newest.databases) or ()

    def _drift(self, manifest: Manifest) -> tuple[str, ...]:
        if not self.job.max_shrink:
            return ()
        return drift(manifest, self._recent(_COMPARED, manifest.database), max_shrink=self.job.max_shrink)

    def _recent(self, count: int, database: str | None) -> tuple[Manifest, ...]:
        """The newest backups; none for a key that may put and list alone."""
        try:
            return self._in_background(partial(self.repository.recent, self._stored, count, database))
        except StorageError:
            return ()

    @cached_property
    def _stored(self) -> Stored:
        """Listed once: for each of many databases it would take longer with each of them. Raises StorageError."""
        return self._in_background(self.repository.stored)

    def _in_background(self, work: Callable[[], T]) -> T:
        return result_of(in_background(work, f"compare-{self.job.name}"), self.session.cancel)


def several_of(job: Job) -> ServerOptions | None:
    """The options of a job that has several databases; None: it has one."""
    options = job.database
    return options if isinstance(options, ServerOptions) and options.has_several else None


def server_of(job: Job, session: Session) -> ServerEngine:
    """What tells which databases the server of a job with several has."""
    engine = engine_of(job, session)
    assert isinstance(engine, ServerEngine)
    return engine


def rehearse(job: Job, session: Session) -> Mapping[str, Preflight]:
    """What a run would find out about each of the job's databases before it dumps it. Raises what a run would."""
    several = several_of(job)
    if several is None:
        engine = engine_of(job, session)
        return {engine.database: engine.preflight()}
    choice = choose(server_of(job, session).databases(), several.names, several.exclude)
    for name in choice.lacking:
        raise no_such_database(name)
    return {name: _rehearsed(replace(job, database=several.of(name)), name, session) for name in choice.wanted}


def _rehearsed(job: Job, name: str, session: Session) -> Preflight:
    try:
        return engine_of(job, session).preflight()
    except EngineError as error:
        error.args = (f"{name}: {error.message}",)
        raise


@contextmanager
def _a_part_of(session: Session, database: str, said: Callable[[str, str], None]) -> Iterator[Session]:
    """The session for one of several databases: they may be at work at once, and their files have the same names."""
    try:
        folder = Path(mkdtemp(dir=session.scratch))
    except OSError as error:
        raise EngineError(
            f"{session.scratch} could not be written: {(error.strerror or str(error)).lower()}",
            hint="look at the disk of state_dir",
        ) from error
    try:
        yield replace(session, scratch=folder, say=partial(said, database))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
