"""Work on daemon threads: neither a run that is cancelled nor the process's end waits for what hangs there."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from backupctl.cancel import Cancellation

S = TypeVar("S")
T = TypeVar("T")


def in_background(work: Callable[[], T], name: str) -> "Future[T]":
    """Start `work` on a thread with that name."""
    future: Future[T] = Future()
    threading.Thread(target=_settle, args=(future, work), name=name, daemon=True).start()
    return future


def each(work: Callable[[S], T], things: Iterable[S], at_once: int) -> list[T]:
    """What the work gives for every one, in their order, so many at a time. Raises what the first that fails raises."""
    # Not the standard library's pool: the process's end waits for its threads.
    waiting = deque((partial(work, thing), Future[T]()) for thing in things)
    futures = [future for _, future in waiting]

    def settle() -> None:
        with suppress(IndexError):
            while True:
                one, future = waiting.popleft()
                _settle(future, one)

    for _ in range(min(at_once, len(futures))):
        threading.Thread(target=settle, name="each", daemon=True).start()
    try:
        return [future.result() for future in futures]
    finally:
        waiting.clear()


def result_of(future: "Future[T]", cancel: Cancellation) -> T:
    """What the work gives or raises; CancelledError as soon as the run is asked to stop, while the work goes on."""
    asked: Future[None] = Future()
    with cancel.calling(lambda: asked.set_result(None)):
        either: list[Future[Any]] = [asked, future]
        wait(either, return_when=FIRST_COMPLETED)
    cancel.check()
    return future.result()


def _settle(future: "Future[T]", work: Callable[[], T]) -> None:
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
