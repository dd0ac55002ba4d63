"""Signals as something to wait for: none is lost, and none wakes anybody but the one who waits."""

import select
import signal
import socket
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Self

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask for an end: Ctrl-C, an orderly shutdown, a terminal that was closed."""

_WOKEN = 0  # no signal has this number
_MOST_AT_ONCE = 4096


class Signals:
    """Within the block, these signals do nothing but end `wait`. For the main thread alone.

    What was ignored before stays so: `nohup` wants a run to outlive its terminal.
    """

    def __init__(self, numbers: Sequence[signal.Signals]) -> None:
        self._numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        self._before: dict[signal.Signals, object] = {}

    def wait(self, seconds: float | None) -> list[signal.Signals]:
        """Sleep until a signal comes, `wake` is called, or time is up; returns the signals, in their order."""
        # Python's own handlers do not end a wait of the main thread when the kernel gave the signal to another thread
        # (CPython 3.11); the byte that its C code writes here always does.
        select.select([self._reader], [], [], seconds)
        try:
            came = self._reader.recv(_MOST_AT_ONCE)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in came if number != _WOKEN and number in self._numbers]

    def wake(self) -> None:
        """End a `wait`, now or the next one; from any thread."""
        try:
            self._writer.send(bytes([_WOKEN]))
        except BlockingIOError:
            return  # so much is unread that nobody sleeps
        except OSError:
            return  # the block has been left: nobody waits any more

    def let_go(self, number: signal.Signals) -> None:
        """Give a signal back its own effect: somebody who presses Ctrl-C again means it.

        Of a terminal that is closed both the kernel and the shell tell, and nobody means anything by the second.
        """
        signal.signal(number, after_one(number))

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._writer.settimeout(0)
        self._descriptor_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in self._numbers:
            self._before[number] = signal.signal(number, _nothing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave us
        signal.set_wakeup_fd(self._descriptor_before)
        self._reader.close()
        self._writer.close()


def after_one(number: int) -> signal.Handlers:
    """What the next signal of that number does when one has been heeded."""
    return signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL


def _nothing(number: int, frame: FrameType | None) -> None:
    """Only a handler of Python's makes the byte that `wait` reads."""
