"""The folder that the server and backupctl both see: proven to be one, and cleared of what killed runs left in it."""

import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from backupctl.engines.mssql import statements
from backupctl.engines.mssql.options import MssqlOptions
from backupctl.engines.mssql.shared import SharedFile, why
from backupctl.engines.mssql.sqlcmd import Sql
from backupctl.engines.mssql.statements import Devices
from backupctl.errors import EngineError

_NOT_THERE = ("finds no such file or folder", "cannot reach a share")
_DENIED = "may not read or write there"
_DIGITS = 12


@dataclass(frozen=True)
class Folder:
    """One folder under its two names. Files in it that are ours are named for the database that they belong to."""

    server_dir: str
    local_dir: Path
    mark: str
    """What the names of this database's files begin with."""

    @classmethod
    def of(cls, options: MssqlOptions, server: str) -> Self | None:
        if options.server_dir is None or options.local_dir is None:
            return None
        database = hashlib.sha256(f"{server}\0{options.name}".encode()).hexdigest()[:8]
        return cls(options.server_dir, options.local_dir, f"backupctl_{database}_")

    def as_server_sees(self, name: str) -> str:
        if self.server_dir.startswith("/"):
            return f"{self.server_dir.rstrip('/')}/{name}"
        # As Windows itself writes it: msdb is asked for the file by this name.
        return self.server_dir.replace("/", "\\").rstrip("\\") + f"\\{name}"

    def new_file(self) -> SharedFile:
        """A name that nothing has, held by a lock as long as it is at work. Raises EngineError."""
        while True:
            name = f"{self.mark}{secrets.token_hex(_DIGITS // 2)}"
            lock = FileLock(self.local_dir / f"{name}.lock", mode=0o600)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            except OSError as error:
                raise self._unusable(error) from error
            # Who clears up may have taken the lock's file away between its making and its locking.
            if Path(lock.lock_file).exists():
                return SharedFile(self.local_dir / f"{name}.bak", self.as_server_sees(f"{name}.bak"), lock)
            lock.release()

    def clear(self, say: Callable[[str], None]) -> None:
        """Remove what killed runs left: files of this database whose lock nobody holds."""
        for path in self.local_dir.glob(f"{self.mark}*.lock"):
            lock = FileLock(path, mode=0o600)
            with suppress(Timeout, OSError):
                lock.acquire(timeout=0)
                name = path.with_suffix("").name
                left = SharedFile(self.local_dir / f"{name}.bak", self.as_server_sees(f"{name}.bak"), lock)
                left.remove(say, patience_s=0)
        for path in self.local_dir.glob(f"{self.mark}{'[0-9a-f]' * _DIGITS}.bak"):
            # A server that was told to stop may have come to write its file after it was removed here.
            if not path.with_suffix(".lock").exists():
                self._clear_one(path, say)

    def _clear_one(self, path: Path, say: Callable[[str], None]) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            say(f"{path}, which an earlier run left, could not be removed: {why(error)}")

    def prove(self, sql: Sql) -> None:
        """Have the server look for a file that is written here. Raises EngineError with what to set up."""
        self._check_local()
        file = self.new_file()
        try:
            file.path.touch(mode=0o644, exist_ok=False)
            self._have_found(sql, file.as_server_sees)
        except OSError as error:
            raise self._unusable(error) from error
        finally:
            file.remove(sql.connection.session.say)

    def _check_local(self) -> None:
        try:
            found = self.local_dir.stat()
        except OSError as error:
            raise self._unusable(error) from error
        if not stat.S_ISDIR(found.st_mode):
            raise EngineError(f"local_dir {self.local_dir} is no folder", hint="mount the server's folder there")
        if found.st_mode & stat.S_ISVTX and os.geteuid() not in (0, found.st_uid):
            raise EngineError(
                f"what the server writes into {self.local_dir} could not be removed: of that folder, as its sticky bit "
                "says, everybody removes his own files alone",
                hint=f"chmod -t {self.local_dir}, and give this user the right to write there by a group or an ACL",
            )

    def _have_found(self, sql: Sql, path: str) -> None:
        row = next(iter(sql.rows(statements.file_exists(path))), {})
        if "1" in list(row.values())[:1]:
            return
        # To a login that is no sysadmin xp_fileexist may deny what is there. A file that is no backup is refused with
        # another error (3241) than one that is not there (3201), whoever asks.
        try:
            sql.execute(statements.header_only(Devices.disk(path)))
        except EngineError as error:
            if any(words in error.message for words in _NOT_THERE):
                raise self._another(sql) from error
            if _DENIED in error.message or error.transient:
                raise

    def _another(self, sql: Sql) -> EngineError:
        return EngineError(
            f"server_dir {self.server_dir} on {sql.connection.server} is not the folder local_dir {self.local_dir} "
            "here: the server does not see a file that was written here",
            hint="make them one: mount or share the server's folder here, or the same volume in both containers; "
            "`server_dir` is its name on the server's machine",
        )

    def _unusable(self, error: OSError) -> EngineError:
        return EngineError(
            f"local_dir {self.local_dir} cannot be written here: {why(error)}",
            hint="mount the server's folder there, and give this user the right to write in it",
        )
