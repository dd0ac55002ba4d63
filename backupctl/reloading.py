"""Reads the jobs file again when it was changed, or on demand, beside the loop that goes on with the old one."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from backupctl.config import Config
from backupctl.errors import BackupctlError

Signature = tuple[int, int, int, int] | None
"""What differs when a file was written, replaced, or opened to others; None: there is none."""

_log = logging.getLogger(__name__)


class Reloader:
    """Watches one file. For one thread alone, but for what it does beside it."""

    def __init__(self, path: Path, loaded: Signature, load: Callable[[], Config], done: Callable[[], None]) -> None:
        """`loaded` is what the file was when it was read; `done` is called when there is something to take."""
        self._path = path
        self._load = load
        self._done = done
        self._loaded = self._seen = loaded
        self._thread: threading.Thread | None = None
        self._again = False
        self._taken: Config | BackupctlError | None = None

    def look(self) -> None:
        """Begin to read the file again if it has changed, and has stayed the same since the last look."""
        before, self._seen = self._seen, signature_of(self._path)
        # An editor may empty the file before it writes it, and half of a file may be valid.
        if self._seen != self._loaded and self._seen == before:
            self.reload()

    def reload(self) -> None:
        """Begin to read the file again, changed or not; once more after that when it is being read already."""
        # A file that its secrets come from may have changed since: that shows nowhere.
        self._again = self._thread is not None
        if self._thread is None:
            self._loaded = self._seen = signature_of(self._path)
            self._thread = threading.Thread(target=self._read, name="reload", daemon=True)
            self._thread.start()

    @property
    def is_restless(self) -> bool:
        """The file was seen to change, and is to be looked at again soon."""
        return self._seen != self._loaded

    def take(self) -> Config | BackupctlError | None:
        """What reading it gave, once: the file, or why it is refused; None: nothing new."""
        if self._taken is None:
            return None
        self._thread, self._taken, taken = None, None, self._taken
        if self._again:
            self.reload()
        return taken

    def _read(self) -> None:
        try:
            self._taken = self._load()
        except BackupctlError as error:
            self._taken = error
        except Exception as error:
            _log.exception("the jobs file could not be read")
            self._taken = BackupctlError(
                f"a bug in backupctl met the jobs file: {type(error).__name__}",
                hint="run `backupctl --debug validate`, and report it",
            )
        finally:
            self._done()


def signature_of(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
