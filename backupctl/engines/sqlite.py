"""SQLite: a consistent copy through the backup API, spooled to a private file, checked, then streamed."""

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG
from typing import ClassVar, Literal, Self

from pydantic import Field

from backupctl.access import BucketAccess
from backupctl.cancel import Cancellation
from backupctl.engines.base import CountRows, Engine, EngineOptions, Findings, Part, Preflight, Restore
from backupctl.engines.counting import NOT_COUNTED, Tally, TooManyTablesError
from backupctl.errors import EngineError, IntegrityError, UsageError
from backupctl.model import DUMP_ROLE, Manifest
from backupctl.options import FilePath
from backupctl.process import Session
from backupctl.stream import CHUNK, Reader, Spool

_BUSY_S = 30.0
_STEP_PAGES = 4096
_SIDE_FILES = ("-wal", "-shm", "-journal")


class SqliteOptions(EngineOptions):
    """A SQLite database is its file."""

    type: Literal["sqlite"] = "sqlite"
    path: FilePath
    count_rows: CountRows = Field(
        default="auto", description="Count the rows of each table: auto, exact (the same), off"
    )


class SqliteEngine(Engine):
    """Dumps one SQLite file. The artifact is itself a SQLite database."""

    Options: ClassVar[type[EngineOptions]] = SqliteOptions
    format = "sqlite"

    def __init__(self, options: SqliteOptions, session: Session) -> None:
        self._path = options.path
        self._counts = options.count_rows != "off"
        self._session = session

    @classmethod
    def build(cls, options: SqliteOptions, session: Session, access: BucketAccess | None = None) -> Self:
        return cls(options, session)

    @property
    def database(self) -> str:
        return self._path.stem

    @property
    def target(self) -> str:
        return str(self._path)

    def preflight(self) -> Preflight:
        with _open_for_reading(self._path) as source:
            size = _pragma(source, "page_count") * _pragma(source, "page_size")
        spool = _SpooledCopy(self._path, self._session, counts=self._counts)
        part = Part(DUMP_ROLE, ".sqlite", spool.open, size_estimate=size, findings=lambda: spool.findings)
        version = sqlite3.sqlite_version
        return Preflight(server_version=version, client=f"SQLite library {version}", parts=(part,))

    def check_dump(self, manifest: Manifest, dump: Reader, *, say: Callable[[str], None]) -> None:
        copy = self._session.scratch / f"check-{secrets.token_hex(4)}.sqlite"
        try:
            _write(dump, copy)
            problem = _integrity_problem(copy)
            if problem:
                raise IntegrityError(f"the database in the backup is damaged: {problem}")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise EngineError(
                f"the copy that is checked could not be written to {copy.parent}: {reason}",
                hint="state_dir needs room for one copy of the database",
            ) from error
        finally:
            copy.unlink(missing_ok=True)

    def restore(self, request: Restore) -> None:
        if request.create_roles or not request.owner:
            raise UsageError("SQLite has no roles and no owners", hint="leave out --create-roles and --no-owner")
        target = Path(request.into)
        partial = target.parent / f".{secrets.token_hex(8)}.partial"
        try:
            _refuse_to_lose(target, request)
            reader = request.open(DUMP_ROLE)
            with contextlib.closing(reader):
                _write(reader, partial)
            request.say("checking the restored database")
            problem = _integrity_problem(partial)
            if problem:
                raise IntegrityError(f"the database in the backup is damaged: {problem}")
            # A write-ahead log or a journal of the replaced database would be played into the restored one.
            for suffix in _SIDE_FILES:
                Path(f"{target}{suffix}").unlink(missing_ok=True)
            partial.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise EngineError(f"the database could not be written to {target}: {reason}") from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()


class _SpooledCopy:
    def __init__(self, path: Path, session: Session, *, counts: bool) -> None:
        self._path = path
        self._session = session
        self._counts = counts
        self.findings = Findings()

    def open(self) -> Reader:
        copy = self._session.private_file(f"{secrets.token_hex(4)}.sqlite", "")
        try:
            _copy(self._path, copy, self._session.cancel)
            problem = _integrity_problem(copy)
            if problem:
                raise EngineError(
                    f"the database {self._path} is damaged: {problem}",
                    hint="restore the last good backup, or save what is readable with `sqlite3 FILE .recover`",
                )
            self.findings = _look(copy, counts=self._counts)
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        return Spool(copy)


@contextlib.contextmanager
def _open_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    # Opening a missing file would create it, and an empty database would be backed up with success.
    try:
        is_file = S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise EngineError(f"there is no database file {path}", hint="correct database.path") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise EngineError(
            f"{path} cannot be reached: {reason}", hint="check database.path, and that this user may enter its folders"
        ) from error
    if not is_file:
        raise EngineError(f"{path} is not a file", hint="correct database.path")
    with _explained(path), contextlib.closing(_connect(path, "mode=ro")) as connection:
        # sqlite_schema is read on purpose: opening alone does not look at the file.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        hint, transient = _ADVICE.get(code.split("_")[1] if "_" in code else "", (None, False))
        raise EngineError(f"SQLite could not read {path}: {error}", hint=hint, transient=transient) from error


_ADVICE = {
    "NOTADB": ("the file is not a SQLite database, or it is encrypted: correct database.path", False),
    "CANTOPEN": (
        "let this user read the file; in WAL mode its folder must be writable too",
        False,
    ),
    "READONLY": ("a WAL-mode database needs its folder writable for this user, or its -shm file there", False),
    "BUSY": ("another process holds an exclusive lock; try again when it is done", True),
    "CORRUPT": ("restore the last good backup, or save what is readable with `sqlite3 FILE .recover`", False),
    "FULL": ("the disk of state_dir is full: a SQLite backup needs room there for one copy of the database", False),
    "IOERR": ("look at the disk, and at the room that is left in state_dir", False),
}


def _connect(path: Path, query: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{query}", uri=True, isolation_level=None, timeout=_BUSY_S)


def _copy(path: Path, copy: Path, cancel: Cancellation) -> None:
    """Copy every page as of one moment, through the backup API.

    The read transaction around it keeps the source as it is for us, so that the copy can go in
    steps (and be cancelled) without starting anew whenever somebody writes.
    """
    deadline = time.monotonic() + _BUSY_S
    last = -1

    def step(_status: int, remaining: int, _total: int) -> None:
        nonlocal deadline, last
        cancel.check()
        if remaining != last:
            last, deadline = remaining, time.monotonic() + _BUSY_S
        elif time.monotonic() > deadline:
            raise EngineError(f"the database {path} stayed locked for {_BUSY_S:.0f} s", transient=True)

    with _open_for_reading(path) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(target, pages=_STEP_PAGES, progress=step, sleep=0.05)


def _integrity_problem(path: Path) -> str | None:
    """What SQLite's own full check finds first, or None. The file has no other user, and gets no side files."""
    try:
        with contextlib.closing(_connect(path, "mode=ro&immutable=1")) as connection:
            result = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if result == "ok" else result.replace("\n", " ")


def _look(path: Path, *, counts: bool) -> Findings:
    with contextlib.closing(_connect(path, "mode=ro&immutable=1")) as connection:
        names = [
            str(row[0])
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            )
        ]
        found = _count(connection, names) if counts else Findings()
        # What an application makes anew when its file was lost, or the wrong path names, looks like this.
        warnings = [] if names else ["the database has no tables"]
        return replace(found, warnings=(*found.warnings, *warnings, *_foreign_key_warnings(connection)))


def _count(connection: sqlite3.Connection, names: list[str]) -> Findings:
    tally = Tally()
    try:
        for name in names:
            if (rows := _rows(connection, name)) is not None:
                tally.add(name, rows)
    except TooManyTablesError:
        return NOT_COUNTED
    return Findings(tables=tally.numbers, unit="rows")


def _rows(connection: sqlite3.Connection, table: str) -> int | None:
    quoted = table.replace('"', '""')
    try:
        return int(connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0])  # noqa: S608 -- quoted above
    except sqlite3.OperationalError:
        return None  # a virtual table whose module this library does not have; its data is in ordinary tables


def _foreign_key_warnings(connection: sqlite3.Connection) -> Iterator[str]:
    try:
        broken: dict[str, int] = {}
        for table, *_ in connection.execute("PRAGMA foreign_key_check"):
            broken[table] = broken.get(table, 0) + 1
    except sqlite3.OperationalError as error:
        yield f"the foreign keys could not be checked: {error}"
        return
    for table, count in sorted(broken.items()):
        yield f"{count} rows of {table} refer to rows that are not there (foreign_key_check)"


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _refuse_to_lose(target: Path, request: Restore) -> None:
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint="name the file to restore into")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}", hint="make it first")
    there = [path for path in (target, *(Path(f"{target}{suffix}") for suffix in _SIDE_FILES)) if _has_content(path)]
    if not there:
        return
    if not request.clean:
        raise UsageError(f"{there[0]} is there already", hint="restore into a new file, or replace it with --clean")
    if not request.confirm(f"{there[0]} is replaced. No program may have it open."):
        raise UsageError("nothing was restored: replacing the file was not confirmed")


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _write(reader: Reader, path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while chunk := reader.read(CHUNK):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
