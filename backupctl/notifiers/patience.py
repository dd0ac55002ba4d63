"""Waits for a channel no longer than its time-out, whatever the other side does."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from backupctl.notifiers.base import NotifyError

_MOST_ABANDONED = 3

T = TypeVar("T")


class Patience:
    """The time-out of one channel, in seconds, over all of an attempt.

    The time-outs of sockets are no help against a server that drips: each of them begins anew with every byte, and
    name look-ups have none. So the work is done in a thread that is left behind when the time is up. It is no pool's,
    since Python waits for those threads at exit.
    """

    def __init__(self, channel: str, seconds: float) -> None:
        self._channel = channel
        self._seconds = seconds
        self._abandoned: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def run(self, work: Callable[[], T], *, abort: Callable[[], None] = lambda: None) -> T:
        """What `work` returns or raises; when the time is up, `abort` is called and NotifyError raised."""
        self._refuse_more()
        done: Future[T] = Future()
        thread = threading.Thread(target=_do, args=(work, done), name=f"notify {self._channel}", daemon=True)
        thread.start()
        try:
            return done.result(self._seconds)
        except TimeoutError:
            if done.done():  # the work's own, such as a socket's
                raise
            abort()
            with self._lock:
                self._abandoned.add(thread)
        raise NotifyError(
            f"{self._channel}: no end within {self._seconds:g} s",
            hint="the server is stuck or the network is down; it is tried again later",
            transient=True,
        )

    def _refuse_more(self) -> None:
        with self._lock:
            self._abandoned = {thread for thread in self._abandoned if thread.is_alive()}
            stuck = len(self._abandoned)
        if stuck >= _MOST_ABANDONED:
            raise NotifyError(
                f"{self._channel}: {stuck} earlier attempts are still stuck",
                hint="the server answers without end; see to it, or restart the runner",
                transient=True,
            )


def _do(work: Callable[[], T], done: Future[T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:
        done.set_exception(error)
