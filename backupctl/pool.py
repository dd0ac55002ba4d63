"""The shared workers: several jobs at once, each on its own, and one stop for all of them."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType

from backupctl.cancel import Cancellation
from backupctl.events import Run
from backupctl.runner import Request

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask for an end: Ctrl-C, an orderly shutdown, a terminal that was closed."""

# Python's handlers run on the main thread alone. A signal that the kernel hands to another thread does not wake a main
# thread that waits for a lock (CPython 3.11; seen in one of twenty runs): it must wake up by itself.
_WAKE_S = 0.2


class Pool:
    """At most `workers` runs at once; the others wait their turn in the order they were given."""

    def __init__(self, workers: int, run: Callable[[Request, Cancellation], Run]) -> None:
        self._workers = workers
        self._run = run

    def run_all(self, requests: Sequence[Request]) -> list[Run]:
        """Run every one; one that fails stops no other. Ctrl-C, SIGTERM or a lost terminal cancels those not done."""
        cancel = Cancellation()
        with _stopping(cancel), ThreadPoolExecutor(self._workers, thread_name_prefix="run") as workers:
            futures = [workers.submit(self._run, request, cancel) for request in requests]
            while wait(futures, timeout=_WAKE_S).not_done:
                pass
            return [future.result() for future in futures]


def after_one(number: int) -> signal.Handlers:
    """What the next signal of that number does: somebody who presses Ctrl-C again means it.

    Of a terminal that is closed both the kernel and the shell tell, and nobody means anything by the second.
    """
    return signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL


@contextmanager
def _stopping(cancel: Cancellation) -> Iterator[None]:
    """Within the block, each of STOPS cancels; a second one of them ends the process at once, but for SIGHUP."""

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, after_one(number))
        # Not here: what cancelling calls may want a lock that this thread holds at this very moment.
        threading.Thread(target=cancel.request, name="cancel", daemon=True).start()

    # What was ignored before us stays so: `nohup` wants the run to outlive its terminal.
    handlers = {number: signal.getsignal(number) for number in STOPS}
    previous = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
