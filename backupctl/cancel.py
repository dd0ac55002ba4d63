"""Asking everything that belongs to a run to stop, from another thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from backupctl.errors import BackupctlError, CancelledError


class Cancellation:
    """One run's stop signal. Cancelling twice is cancelling once; it cannot be taken back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self) -> None:
        """Stop the run; what registered with `calling` is called, once, on this thread."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks = list(self._callbacks)
        with ExitStack() as stack:  # runs them all, also when one raises
            for callback in reversed(callbacks):
                stack.callback(callback)

    def check(self) -> None:
        """Raise CancelledError when the run has been asked to stop."""
        if self._event.is_set():
            raise CancelledError

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until the run is asked to stop, and then raise CancelledError."""
        self._event.wait(seconds)
        self.check()

    @contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, `callback` is called when the run is asked to stop, or at once if it was."""
        with self._lock:
            already = self._event.is_set()
            self._callbacks.append(callback)
        if already:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)

    @contextmanager
    def limited(self, seconds: float | None, expired: BackupctlError) -> Iterator["Cancellation"]:
        """Within the block a stop signal that comes with this one, and when the time is up: then raises `expired`."""
        inner = Cancellation()
        timer = threading.Timer(seconds, inner.request) if seconds is not None else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            with self.calling(inner.request):
                yield inner
        except BackupctlError:
            if inner.requested and not self.requested:
                raise expired from None
            raise
        finally:
            if timer:
                timer.cancel()
