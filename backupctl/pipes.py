"""The pipes between us and a program: never waited for in vain, and what it says kept within bounds."""

import contextlib
import fcntl
import os
import select
import threading
from collections.abc import Callable
from typing import IO

PIPE_BYTES = 1 << 20  # Linux's largest for an unprivileged process: fewer switches between us and the tool
TAIL_BYTES = 16 << 10
_KEPT_BYTES = 2 * TAIL_BYTES
LINGER_S = 1.0  # how long a pipe is still waited for when the program is gone


class Pipe:
    """Our end of a program's stdin, stdout or stderr.

    A process that left the program's group, such as ssh's master connection, may hold the other end open
    for ever; so the pipe is given up once `abandoned` is set and it has been silent for LINGER_S.
    """

    def __init__(self, stream: IO[bytes] | None, abandoned: threading.Event) -> None:
        assert stream is not None
        self._stream = stream
        self._abandoned = abandoned

    def widen(self) -> None:
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def read(self, size: int) -> bytes:
        """Some bytes, up to `size`; b"" at the end, and when the pipe was given up."""
        return os.read(self._stream.fileno(), size) if self._wait_for(select.POLLIN) else b""

    def write(self, chunk: bytes) -> None:
        """All of the chunk. Raises BrokenPipeError when nobody reads it, also when the pipe was given up."""
        os.set_blocking(self._stream.fileno(), False)
        view = memoryview(chunk)
        while view:
            if not self._wait_for(select.POLLOUT):
                raise BrokenPipeError
            view = view[self._stream.write(view) or 0 :]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.close()

    def _wait_for(self, event: int) -> bool:
        poll = select.poll()
        poll.register(self._stream.fileno(), event)
        while not poll.poll(LINGER_S * 1000):
            if self._abandoned.is_set():
                return False
        return True


class Tail:
    """The end of what comes out of a pipe, drained by a thread: a full pipe would stop the program.

    `heard` is told each line as it comes, on that thread, and must not raise.
    """

    def __init__(self, pipe: Pipe, heard: Callable[[str], None] | None = None) -> None:
        self._pipe = pipe
        self._heard = heard
        self._line = b""
        self._bytes = b""
        self._cut = False
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def join(self, seconds: float | None = None) -> None:
        """Wait for the pipe's end."""
        self._thread.join(seconds)

    def text(self, redact: Callable[[str], str]) -> str:
        """About the last TAIL_BYTES, redacted."""
        text = redact(self._bytes.decode(errors="replace"))
        # A cut may leave the rest of a secret, of several lines too, which nobody would know as one:
        # so twice as much is kept, and the half that began at the cut is not shown.
        return text[len(text) // 2 :].partition("\n")[2] if self._cut else text[-TAIL_BYTES:]

    def _drain(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while chunk := self._pipe.read(TAIL_BYTES):
                whole = self._bytes + chunk
                self._cut = self._cut or len(whole) > _KEPT_BYTES
                self._bytes = whole[-_KEPT_BYTES:]
                self._tell(chunk)
            self._tell(b"\n" if self._line else b"")
        self._pipe.close()

    def _tell(self, chunk: bytes) -> None:
        if self._heard:
            *lines, rest = (self._line + chunk).split(b"\n")
            self._line = rest[:TAIL_BYTES]
            for line in lines:
                self._heard(line.decode(errors="replace"))
