"""What stdout and stderr do when what is written to them arrives nowhere: never end the work, nor hide its outcome."""

import errno
import io
import os
import sys
from typing import Any, TextIO

# The reader went away, as `head` does, or there never was one (`>&-`): it wants no more, and nobody need be told.
_UNWANTED = (errno.EPIPE, errno.EBADF)


class Output(io.RawIOBase):
    """A file descriptor to which writing always succeeds. `lost` says why something did not arrive that should have."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.lost: str | None = None

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any, /) -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            if error.errno not in _UNWANTED:
                self.lost = os.strerror(error.errno or 0).lower()
            return len(data)


def guard() -> Output:
    """Make `sys.stdout` and `sys.stderr` never raise; returns what stdout became.

    A terminal that went away or a full disk behind stderr must not fail a backup. A character that the
    encoding lacks is shown by its number.
    """
    for descriptor in (0, 1, 2):
        _occupy(descriptor)
    sys.stderr = _text(Output(2), sys.stderr, by_line=True)
    out = Output(1)
    sys.stdout = _text(out, sys.stdout, by_line=out.isatty())
    return out


def _occupy(descriptor: int) -> None:
    """Where there is none, the next file that is opened would get its number, and with it what we print."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDONLY)  # gets the lowest free number, which is this one; writing to it fails


def _text(output: Output, before: TextIO | None, *, by_line: bool) -> TextIO:
    encoding = before.encoding if before else "utf-8"
    buffered = io.BufferedWriter(output)
    return io.TextIOWrapper(buffered, encoding=encoding, errors="backslashreplace", line_buffering=by_line)
