"""The catalog's file: used for one short transaction at a time, migrated, and set aside when it is no good."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from backupctl.catalog.gate import Gate
from backupctl.catalog.tables import VERSION, AlteredError, migrate, version_of
from backupctl.errors import BackupctlError

T = TypeVar("T")

_PATIENCE_S = 5.0
_PRIMARY = 0xFF  # the low byte of SQLite's extended codes
# A full disk, a lock or a lack of memory pass, and the file is good: these are not among them.
_DAMAGE = {
    sqlite3.SQLITE_ERROR,  # no such table, no such column
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
}
_SIDE_FILES = ("-wal", "-shm", "-journal")


class CatalogError(BackupctlError):
    """the catalog cannot be used"""


class MissingCatalogError(CatalogError):
    """there is no catalog yet"""


class _NoGoodError(Exception):
    """the file cannot be used as it is"""

    def __init__(self, problem: str, *, outdated: bool = False) -> None:
        super().__init__(problem)
        self.outdated = outdated


class CatalogFile:
    """One SQLite file, safe to use from several threads and processes."""

    def __init__(self, path: Path, *, warn: Callable[[str], None], clock: Callable[[], datetime]) -> None:
        self._path = path
        self._warn = warn
        self._clock = clock
        self._gate = Gate(path.with_suffix(".lock"), _PATIENCE_S)
        self._thread = threading.Lock()
        self._engine = _engine(path)

    def use(self, work: Callable[[Connection], T], *, create: bool = True) -> T:
        """Do the work in a transaction of its own; a file that is no good is replaced, and the work done anew.

        Raises CatalogError when that does not help either, MissingCatalogError where there is
        no file and `create` is False.
        """
        with self._thread:
            try:
                return self._use(work, create=create)
            except (OSError, SQLAlchemyError, sqlite3.Error, _NoGoodError) as error:
                raise self._unusable(error) from error

    def _use(self, work: Callable[[Connection], T], *, create: bool) -> T:
        found = self._identity()
        if found is None:
            if not create:
                raise MissingCatalogError
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._mend(found, None)
        try:
            return self._attempt(work)
        except _NoGoodError as bad:
            self._mend(found, bad)
        return self._attempt(work)

    def _attempt(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._gate.shared(), self._engine.begin() as connection:
                _check_version(connection)
                return work(connection)
        except DBAPIError as error:
            if _is_damage(error):
                raise _NoGoodError(_text(error)) from error
            raise
        except AlteredError as error:
            raise _NoGoodError(str(error)) from error

    def _mend(self, found: tuple[int, int] | None, bad: _NoGoodError | None) -> None:
        """Migrate or replace the file that was found to be bad, unless another process has done so."""
        with self._gate.alone():
            if self._identity() != found:
                return
            if bad is not None and bad.outdated and self._migrated():
                return
            self._replace(bad)

    def _migrated(self) -> bool:
        try:
            with self._engine.begin() as connection:
                migrate(connection)
        except DBAPIError as error:
            if _is_damage(error):
                return False
            raise
        return True

    def _replace(self, bad: _NoGoodError | None) -> None:
        # The new one is made first: where there is no room for it, the old one may be good still.
        fresh = self._path.with_suffix(".new")
        _remove(fresh)
        try:
            _make(fresh)
        except BaseException:
            _remove(fresh)
            raise
        aside = self._set_aside() if bad else None
        # A log that outlived its database would be taken for the new one's.
        _remove_side_files(self._path)
        fresh.replace(self._path)
        if aside:
            self._warn(f"the catalog of runs was no good ({bad}): a new one was begun, and the old one is now {aside}")

    def _set_aside(self) -> Path:
        for older in self._path.parent.glob(f"{self._path.stem}.corrupt-*{self._path.suffix}"):
            _remove(older)
        aside = self._path.with_name(f"{self._path.stem}.corrupt-{self._clock():%Y%m%dT%H%M%SZ}{self._path.suffix}")
        log = _side_file(self._path, "-wal")
        if log.exists():
            log.replace(_side_file(aside, "-wal"))
        self._path.replace(aside)
        return aside

    def _identity(self) -> tuple[int, int] | None:
        """Which file is there; another one has the name once it was replaced."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _unusable(self, error: Exception) -> CatalogError:
        return CatalogError(
            f"the catalog of runs {self._path} cannot be used: {_text(error)}",
            hint="make room on the disk of state_dir, and let this user read and write there",
        )


def _engine(path: Path) -> Engine:
    uri = f"{path.absolute().as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        # In this mode the driver (Python 3.11) begins no transaction by itself, and leaves that to _begin.
        connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE_S, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    # A connection a transaction: none is open while the file is replaced, and threads and forks share none.
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    # A transaction that only becomes a writer later fails at once when another one wrote meanwhile, without waiting.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check_version(connection: Connection) -> None:
    version = version_of(connection)
    if version > VERSION:
        raise _NoGoodError(f"a newer backupctl wrote it: its version is {version}, the newest known here is {VERSION}")
    if version < VERSION:
        raise _NoGoodError("it is no catalog", outdated=version > 0)


def _make(path: Path) -> None:
    path.touch(mode=0o600, exist_ok=False)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    engine = _engine(path)
    with engine.begin() as connection_:
        migrate(connection_)


def _is_damage(error: DBAPIError) -> bool:
    # Without a code it is the driver's own complaint: a text that is no UTF-8.
    code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & _PRIMARY in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ


def _text(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error.orig if isinstance(error, DBAPIError) else error)


def _side_file(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_side_files(path)


def _remove_side_files(path: Path) -> None:
    for ending in _SIDE_FILES:
        _side_file(path, ending).unlink(missing_ok=True)
