"""One file in the folder that the server and backupctl share: waited for, read or written, and always removed."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from backupctl.cancel import Cancellation
from backupctl.errors import EngineError
from backupctl.stream import CHUNK, Reader

APPEARS_WITHIN_S = 20.0  # a mount may remember for some seconds that a file was not there, or was smaller
GOES_WITHIN_S = 10.0  # a server that was told to stop holds its file a moment longer
_PAUSE_S = 0.2
_MODE = 0o640  # the server's account reads what is written here through the folder's group, or by an ACL of it


@dataclass(frozen=True)
class SharedFile:
    """A backup on its way, in the folder that both sides see."""

    path: Path
    as_server_sees: str
    lock: FileLock

    def wait_for(self, size: int, cancel: Cancellation) -> int:
        """The file's size here, once it is at least that. Raises EngineError when it does not become so."""
        until = time.monotonic() + APPEARS_WITHIN_S
        while (found := self._size()) is None or found < size:
            if time.monotonic() > until:
                raise self._not_whole(found, size)
            cancel.wait(_PAUSE_S)
        return found

    def open(self, size: int, say: Callable[[str], None]) -> Reader:
        """Read what the server wrote; closing removes it. Raises EngineError."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from error
        return _Reading(self, file, size, say)

    def write(self, source: Reader) -> None:
        """All of the source, for the server to read. Raises EngineError, and what the source raises."""
        try:
            with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
                with suppress(OSError):  # a share may know no modes
                    os.fchmod(file.fileno(), _MODE)  # whatever the umask
                while chunk := source.read(CHUNK):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            hint = "free space there, as much as the whole backup needs, and look at the rights to the folder"
            raise EngineError(f"{self.path} could not be written: {why(error)}", hint=hint) from error

    def remove(self, say: Callable[[str], None], *, patience_s: float | None = None) -> None:
        """Remove it, also while the server may still let go of it. What stays is removed by a later run."""
        until = time.monotonic() + (GOES_WITHIN_S if patience_s is None else patience_s)
        while problem := self._gone():
            if time.monotonic() > until:
                say(f"{self.path} could not be removed: {why(problem)}; give this user the right to, or remove it")
                self.lock.release()
                return
            time.sleep(_PAUSE_S)
        with suppress(OSError):
            Path(self.lock.lock_file).unlink(missing_ok=True)
        self.lock.release()

    def _gone(self) -> OSError | None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            return error
        return None

    def _size(self) -> int | None:
        # Listing a folder makes a network mount look again.
        with suppress(OSError):
            next(self.path.parent.iterdir(), None)
        try:
            return self.path.stat().st_size
        except OSError:
            return None

    def _not_whole(self, found: int | None, size: int) -> EngineError:
        if found is None:
            return EngineError(
                f"the server wrote {self.as_server_sees}, and {self.path} is not there",
                hint="server_dir and local_dir must be one folder",
            )
        return EngineError(
            f"the backup {self.path} has {found} bytes, and the server recorded {size}: it is not whole",
            hint="look at the disk of server_dir, and at what else takes files from it",
        )

    def _unreadable(self, error: OSError) -> EngineError:
        with suppress(OSError):
            found = self.path.stat()
            return EngineError(
                f"the server wrote {self.path} as user {found.st_uid}, group {found.st_gid}, mode "
                f"{found.st_mode & 0o777:o}, and this user may not read it: {why(error)}",
                hint=f"run backupctl with the group {found.st_gid}, or give its user an ACL: "
                f"setfacl -m d:u:{os.geteuid()}:rw,u:{os.geteuid()}:rwx {self.path.parent}",
            )
        return EngineError(f"{self.path} cannot be read: {why(error)}")


class _Reading:
    """The bytes of a backup that the server wrote; the file goes when it is closed."""

    def __init__(self, file: SharedFile, stream: BinaryIO, size: int, say: Callable[[str], None]) -> None:
        self._file = file
        self._stream = stream
        self._missing = size
        self._say = say

    def read(self, size: int, /) -> bytes:
        try:
            chunk = self._stream.read(size)
        except OSError as error:
            raise EngineError(f"{self._file.path} could not be read: {why(error)}", transient=True) from error
        self._missing -= len(chunk)
        if len(chunk) < size and self._missing:
            raise EngineError(f"{self._file.path} changed its size while it was read", transient=True)
        return chunk

    def close(self) -> None:
        self._stream.close()
        self._file.remove(self._say)


def why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
