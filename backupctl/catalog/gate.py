"""The lock beside the catalog's file: shared by all who use the file, for one alone when it is replaced."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AGAIN_S = 0.01


class Gate:
    """A lock of the file system, so that a process that is killed holds nothing up.

    filelock (3.20) has none that several may share. SQLite itself offers no way: whoever closes a database that was
    renamed meanwhile deletes the write-ahead log of the one that now has its name
    (https://www.sqlite.org/howtocorrupt.html, 2.5).
    """

    def __init__(self, path: Path, patience_s: float) -> None:
        self._path = path
        self._patience_s = patience_s

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Keep the file from being replaced. Raises OSError; TimeoutError when it is being replaced for too long."""
        with self._held(fcntl.LOCK_SH):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the file to oneself. Raises OSError; TimeoutError when others use it for too long."""
        with self._held(fcntl.LOCK_EX):
            yield

    @contextmanager
    def _held(self, kind: int) -> Iterator[None]:
        # For reading, and so that all may: a lock that root once made must not shut the service's own user out.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._wait(descriptor, kind)
            yield
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int, kind: int) -> None:
        # Without waiting in the system call: a holder that was stopped must not stop backups too.
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self._path.name} is held by another process") from None
                time.sleep(_AGAIN_S)
            else:
                return
