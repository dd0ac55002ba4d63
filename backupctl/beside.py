"""Work on daemon threads: neither a run that is cancelled nor the process's end waits for what hangs there."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from backupctl.cancel import Cancellation

T = TypeVar("T")


def in_background(work: Callable[[], T], name: str) -> "Future[T]":
    """Start `work` on a thread with that name."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def result_of(future: "Future[T]", cancel: Cancellation) -> T:
    """What the work gives or raises; CancelledError as soon as the run is asked to stop, while the work goes on."""
    asked: Future[None] = Future()
    with cancel.calling(lambda: asked.set_result(None)):
        either: list[Future[Any]] = [asked, future]
        wait(either, return_when=FIRST_COMPLETED)
    cancel.check()
    return future.result()
