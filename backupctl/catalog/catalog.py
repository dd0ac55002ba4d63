"""The catalog as others see it: it hears of runs and remembers them, and what goes wrong in it is a warning."""

import logging
import socket
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection

from backupctl.catalog import outbox, rows
from backupctl.catalog.file import CatalogError, CatalogFile, MissingCatalogError
from backupctl.catalog.outbox import Kept
from backupctl.catalog.rows import GOOD, Bounds, Row
from backupctl.errors import BackupctlError
from backupctl.events import Event, Finished, Started
from backupctl.model import Outcome

_log = logging.getLogger(__name__)

T = TypeVar("T")

_BOUNDS = Bounds()
_NOT_SKIPPED = frozenset(Outcome) - {Outcome.SKIPPED}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Catalog:
    """What is remembered of runs. No method raises for what can go wrong with the file.

    That it cannot be used is warned of once, until something was recorded again. What could not
    be read is empty, and `problem` says why. Safe to use from several threads and processes.
    """

    def __init__(self, file: CatalogFile, *, warn: Callable[[str], None], bounds: Bounds = _BOUNDS) -> None:
        self._file = file
        self._warn = warn
        self._bounds = bounds
        self._host = socket.gethostname()
        self._lock = threading.Lock()
        self._problem: str | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        warn: Callable[[str], None],
        clock: Callable[[], datetime] = _utc_now,
        bounds: Bounds = _BOUNDS,
    ) -> Self:
        """The catalog in the file; the file is made when the first run is recorded."""
        return cls(CatalogFile(path, warn=warn, clock=clock), warn=warn, bounds=bounds)

    @property
    def problem(self) -> str | None:
        """Why the catalog could not be used the last time, None that it could."""
        return self._problem

    def hear(self, event: Event) -> None:
        """Record a run's beginning and its end; for the runner's events."""
        match event:
            case Started():
                self._recorded(lambda connection: rows.begin(connection, event, self._host, self._bounds), None)
            case Finished():
                self._recorded(lambda connection: rows.finish(connection, event.run, self._host, self._bounds), None)

    def cut_off(self, job: str) -> None:
        """Mark the job's unfinished runs as interrupted. Only the holder of the job's lock may say so."""
        self._recorded(lambda connection: rows.cut_off(connection, job), None)

    def settle(self, holding: Callable[[str], AbstractContextManager[object]]) -> list[str]:
        """Mark every unfinished run that no process goes on with, and return their jobs.

        `holding` takes a job's lock or raises BusyError. The lock tells, not the host's name: in a container that
        changes with each start.
        """
        settled = []
        for job in self.jobs_with_unfinished():
            try:
                with holding(job):
                    self.cut_off(job)
            except BackupctlError:
                continue
            settled.append(job)
        return settled

    def jobs_with_unfinished(self) -> list[str]:
        """Jobs with a run that has not ended, as far as anybody recorded."""
        return self._read(rows.unfinished_jobs, [])

    def history(self, job: str | None = None, *, limit: int | None = None, since: datetime | None = None) -> list[Row]:
        """Runs of one job or of all, the newest first; those that began before `since` are left out."""
        return self._read(lambda connection: rows.newest(connection, job, limit, since), [])

    def last_runs(self, outcomes: Collection[Outcome] = _NOT_SKIPPED) -> Mapping[str, Row]:
        """Each job's newest run that ended in one of the outcomes."""
        return self._read(lambda connection: rows.newest_of_each(connection, outcomes), {})

    def last_success(self) -> Mapping[str, Row]:
        """Each job's newest run that left a backup."""
        return self.last_runs(GOOD)

    def first_known(self, schedules: Mapping[str, tuple[str, str]], now: datetime) -> Mapping[str, datetime]:
        """Since when each job is known with its expression and zone, which it is from now on where that is news."""
        unknown = dict.fromkeys(schedules, now)
        return self._recorded(lambda connection: rows.first_known(connection, schedules, now), unknown)

    def answered(self) -> Mapping[str, datetime]:
        """Up to when each job's due times need not be made up for."""
        return self._read(rows.answered, {})

    def keep_message(
        self, channel: str, job: str | None, recipients: Sequence[str], message: str, now: datetime
    ) -> bool:
        """Keep a message until it is sent; False: it could not be kept. Of very many, the oldest go."""

        def keep(connection: Connection) -> bool:
            outbox.keep(connection, channel, job, recipients, message, now)
            return True

        return self._recorded(keep, otherwise=False)

    def oldest_message(self, channel: str) -> Kept | None:
        """What is to be sent next over a channel, whether its time has come or not."""
        return self._read(lambda connection: outbox.oldest(connection, channel), None)

    def channels_with_messages(self) -> list[str]:
        return self._read(outbox.channels, [])

    def messages(self, channels: Collection[str]) -> int:
        """How many messages are kept for these channels."""
        return self._read(lambda connection: outbox.count(connection, channels), 0)

    def remove_message(self, seq: int) -> None:
        self._recorded(lambda connection: outbox.remove(connection, seq), None)

    def postpone_message(self, seq: int, next_at: datetime, error: str, recipients: Sequence[str]) -> None:
        """Send it then, to these recipients."""
        self._recorded(lambda connection: outbox.postpone(connection, seq, next_at, error, recipients), None)

    def mark(self, name: str, at: datetime | None) -> None:
        """Remember when something was last done; None: forget it."""
        self._recorded(lambda connection: outbox.mark(connection, name, at), None)

    def marks(self, beginning: str) -> Mapping[str, datetime]:
        """When things whose names begin so were last done."""
        return self._read(lambda connection: outbox.marks(connection, beginning), {})

    def _recorded(self, work: Callable[[Connection], T], otherwise: T) -> T:
        return self._done(work, otherwise, create=True)

    def _read(self, work: Callable[[Connection], T], otherwise: T) -> T:
        return self._done(work, otherwise, create=False)

    def _done(self, work: Callable[[Connection], T], otherwise: T, *, create: bool) -> T:
        problem: str | None = None
        try:
            return self._file.use(work, create=create)
        except MissingCatalogError:
            return otherwise
        except CatalogError as error:
            problem = error.message
            return otherwise
        except Exception as error:
            _log.exception("the catalog met a bug")
            problem = f"a bug in the catalog: {type(error).__name__}: {error}"
            return otherwise
        finally:
            self._took(problem, wrote=create)

    def _took(self, problem: str | None, *, wrote: bool) -> None:
        with self._lock:
            news = problem is not None and self._problem is None
            # A full disk can still be read: that alone does not make a new warning of the next failure to write.
            if problem is not None or wrote:
                self._problem = problem
        if news:
            self._warn(f"{problem}; runs are not recorded")
