"""Streams that the tests of the storages put: good ones, and ones that break off."""

import random
from collections.abc import Callable

from backupctl.errors import EngineError
from backupctl.stream import Reader

PART = 8 << 20
METADATA = {"job": "shop", "database": "ação 🐘 100%", "time-zone": "America/Sao_Paulo"}


class Failing:
    """Gives `size` bytes, then does what a dump tool's reader does when the tool died."""

    def __init__(self, size: int, fail: Callable[[], None]) -> None:
        self.left = size
        self._fail = fail

    def read(self, size: int, /) -> bytes:
        chunk = bytes(min(size, self.left))
        self.left -= len(chunk)
        if len(chunk) < size:
            self._fail()
        return chunk

    def close(self) -> None:
        pass


def die() -> None:
    raise EngineError("pg_dump ended with exit code 3")


def interrupt() -> None:
    raise KeyboardInterrupt


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def read_all(reader: Reader, *, step: int = 1 << 20) -> bytes:
    chunks = []
    while chunk := reader.read(step):
        chunks.append(chunk)
    reader.close()
    return b"".join(chunks)
