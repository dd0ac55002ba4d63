"""Lets go of requests on other threads, so that a run which is cancelled waits for none of them."""

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, InvalidStateError, wait
from contextlib import suppress
from typing import Any

# How much of a body goes to the socket at once. http.client asks for 16 KiB: four times the system calls.
_BLOCK = 256 << 10


class Halt:
    """A stop signal that can be waited for together with requests."""

    def __init__(self) -> None:
        self._given: Future[None] = Future()

    def give(self) -> None:
        with suppress(InvalidStateError):
            self._given.set_result(None)

    @property
    def given(self) -> bool:
        return self._given.done()

    def sleep(self, seconds: float) -> None:
        """Raises the standard library's CancelledError as soon as the signal is given."""
        wait([self._given], timeout=seconds)
        if self.given:
            raise CancelledError

    def wait_for_any(self, requests: Iterable[Future[Any]]) -> None:
        """Return when one of the requests has ended, or the signal is given."""
        wait({self._given, *requests}, return_when=FIRST_COMPLETED)


class Body:
    """The bytes of a request, which refuses to go on being sent once the signal is given.

    Bytes would go to the socket in a single call, which has to be through within the time-out for connecting.
    """

    def __init__(self, data: bytes, halt: Halt) -> None:
        self._view = memoryview(data)
        self._halt = halt
        self._position = 0

    def __len__(self) -> int:
        return len(self._view)

    def read(self, size: int = -1) -> memoryview:
        if self._halt.given:
            raise CancelledError  # the one exception that botocore neither wraps nor tries again
        wanted = max(size, _BLOCK) if size >= 0 else len(self._view)
        block = self._view[self._position : self._position + wanted]
        self._position += len(block)
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        start = (0, self._position, len(self._view))[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position
