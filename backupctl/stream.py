"""The stages between an engine and a storage: pull-based readers, each wrapping the one before."""

import hashlib
import os
import sys
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field, model_validator

from backupctl.errors import IntegrityError
from backupctl.options import Options

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK = 1 << 20
TAIL = 1 << 10

Algorithm = Literal["zstd", "gzip", "none"]
SUFFIXES: dict[str, str] = {"zstd": ".zst", "gzip": ".gz", "none": ""}
_DEFAULT_LEVELS = {"zstd": 3, "gzip": 6, "none": 0}
_MAX_LEVELS = {"zstd": 19, "gzip": 9, "none": 0}
# A dump comes out of one process at 100 to 400 MB/s, which four cores compress at level 3 with room to spare;
# every further worker costs some 10 MB of memory.
_MOST_THREADS = 4
# What one worker compresses at a time. zstd's own choice at level 3 is 8 MiB, which holds some 30 MB more memory
# with two workers; measured, the artifact is 1 to 2 % larger.
_JOB_SIZE = 2 << 20


class Reader(Protocol):
    """Bytes that are pulled. The end is reached only when everything before it succeeded."""

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes until the end, then b"". Raises instead of ending when the producer failed."""

    def close(self) -> None:
        """Let go of what is behind the reader, finished or not."""


class Compression(Options):
    """How a dump is compressed. `level` 0 is the algorithm's usual one, `threads` 0 one a core, four at most."""

    algorithm: Algorithm = "zstd"
    level: int = Field(default=0, ge=0)
    threads: int = Field(default=0, ge=0, le=64)

    @model_validator(mode="after")
    def _level_fits(self) -> "Compression":
        most = _MAX_LEVELS[self.algorithm]
        if self.level > most:
            raise ValueError(f"{self.algorithm} has levels up to {most}")
        return self

    @property
    def suffix(self) -> str:
        return SUFFIXES[self.algorithm]

    @property
    def effective_level(self) -> int:
        return self.level or _DEFAULT_LEVELS[self.algorithm]

    @property
    def effective_threads(self) -> int:
        return self.threads or min(os.cpu_count() or 1, _MOST_THREADS)


class Tap:
    """Passes bytes through, and knows how many they were and their sha256."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._sha256 = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._sha256.update(chunk)
        self.size += len(chunk)
        return chunk

    def close(self) -> None:
        self._source.close()


class Watch:
    """Passes bytes through and tells `seen` how many came by: for progress, and to stop by raising."""

    def __init__(self, source: Reader, seen: Callable[[int], None]) -> None:
        self._source = source
        self._seen = seen

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._seen(len(chunk))
        return chunk

    def close(self) -> None:
        self._source.close()


class TailCheck:
    """Passes bytes through, and at the end has `check` look at the last KiB: it raises when that is no end."""

    def __init__(self, source: Reader, check: Callable[[bytes], None]) -> None:
        self._source = source
        self._check = check
        self._tail = b""
        self._ended = False

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        self._tail = (self._tail + chunk[-TAIL:])[-TAIL:]
        if len(chunk) < size and not self._ended:
            self._check(self._tail)
            self._ended = True
        return chunk

    def close(self) -> None:
        self._source.close()


class Spool:
    """Reads a private temporary file that an engine had to write first; closing removes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")

    def read(self, size: int, /) -> bytes:
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Expected:
    """What a manifest says of a stream; None where it does not say."""

    what: str
    size: int | None
    sha256: str | None


class Verified:
    """Passes bytes through, the last of them only once the whole is what the manifest says it is.

    Whoever reads it never sees the end of a stream that was altered or cut, so a database tool
    that commits at the end of its input does not.
    """

    def __init__(self, source: Reader, expected: Expected) -> None:
        self._tap = Tap(source)
        self._expected = expected
        self._held = b""
        self._checked = False

    def read(self, size: int, /) -> bytes:
        while len(self._held) <= size and not self._checked:
            chunk = self._tap.read(max(size, CHUNK))
            self._held += chunk
            if not chunk or self._is_too_long():
                self._check()
        chunk, self._held = self._held[:size], self._held[size:]
        return chunk

    def close(self) -> None:
        self._tap.close()

    def _is_too_long(self) -> bool:
        """Known before the end: what was put there instead may be a thousand times as long."""
        return self._expected.size is not None and self._tap.size > self._expected.size

    def _check(self) -> None:
        want, tap = self._expected, self._tap
        if want.size is not None and tap.size != want.size:
            found = "more" if tap.size > want.size else f"{tap.size} bytes"
            raise IntegrityError(f"{want.what} has {found} where the manifest says {want.size} bytes")
        if want.sha256 is not None and tap.sha256 != want.sha256:
            raise IntegrityError(f"{want.what} was altered: its sha256 is not the one in the manifest")
        self._checked = True


class _Compressor(Protocol):
    def feed(self, chunk: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class _Zstd:
    def __init__(self, compression: Compression) -> None:
        workers = compression.effective_threads
        self._zstd = zstd.ZstdCompressor(
            options={
                zstd.CompressionParameter.compression_level: compression.effective_level,
                zstd.CompressionParameter.checksum_flag: 1,  # `zstd -t` then proves the content, without a manifest
                zstd.CompressionParameter.nb_workers: workers if workers > 1 else 0,
                zstd.CompressionParameter.job_size: _JOB_SIZE if workers > 1 else 0,
            }
        )

    def feed(self, chunk: bytes) -> bytes:
        return self._zstd.compress(chunk)

    def end(self) -> bytes:
        return self._zstd.flush()


class _Gzip:
    def __init__(self, compression: Compression) -> None:
        self._zlib = zlib.compressobj(compression.effective_level, zlib.DEFLATED, wbits=31)

    def feed(self, chunk: bytes) -> bytes:
        return self._zlib.compress(chunk)

    def end(self) -> bytes:
        return self._zlib.flush()


class _Compressed:
    def __init__(self, source: Reader, compressor: _Compressor) -> None:
        self._source = source
        self._compressor = compressor
        self._buffer = _Buffer()
        self._ended = False

    def read(self, size: int, /) -> bytes:
        while self._buffer.size < size and not self._ended:
            chunk = self._source.read(CHUNK)
            self._ended = not chunk
            self._buffer.add(self._compressor.feed(chunk) if chunk else self._compressor.end())
        return self._buffer.take(size)

    def close(self) -> None:
        self._source.close()


class _Decompressor(Protocol):
    """One frame of a compressed stream, given out a bounded piece at a time: a MiB may hold gigabytes."""

    def decompress(self, data: bytes, max_length: int) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...


class _GunzipMember:
    """zlib's decompressor in the shape of the standard library's newer ones."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._full = False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._full = len(out) == max_length  # then zlib may hold more, though it wants nothing
        return out

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._zlib.unconsumed_tail)


class _Decompressed:
    """Reads frame after frame, as `zstd -d` and `gzip -d` do (RFC 8878, 3; RFC 1952, 2.2)."""

    def __init__(self, source: Reader, algorithm: str, frame: Callable[[], _Decompressor]) -> None:
        self._source = source
        self._algorithm = algorithm
        self._new_frame = frame
        self._frame = frame()
        self._buffer = _Buffer()
        self._ended = False

    def read(self, size: int, /) -> bytes:
        while self._buffer.size < size and not self._ended:
            self._pull()
        return self._buffer.take(size)

    def close(self) -> None:
        self._source.close()

    def _pull(self) -> None:
        data = b""
        if self._frame.eof:
            data = self._frame.unused_data or self._source.read(CHUNK)
            if not data:
                self._ended = True
                return
            self._frame = self._new_frame()
        elif self._frame.needs_input:
            data = self._source.read(CHUNK)
            if not data:
                raise IntegrityError(f"the artifact ends in the middle of its {self._algorithm} data")
        try:
            self._buffer.add(self._frame.decompress(data, CHUNK))
        except (zstd.ZstdError, zlib.error) as error:
            raise IntegrityError(f"the artifact is not valid {self._algorithm}: {error}") from error


class _Buffer:
    """Bytes on their way from chunks of one size to chunks of another."""

    def __init__(self) -> None:
        self._chunks: deque[memoryview] = deque()
        self.size = 0

    def add(self, chunk: bytes) -> None:
        if chunk:
            self._chunks.append(memoryview(chunk))
            self.size += len(chunk)

    def take(self, size: int) -> bytes:
        taken: list[memoryview] = []
        missing = min(size, self.size)
        self.size -= missing
        while missing:
            chunk = self._chunks.popleft()
            taken.append(chunk[:missing])
            if len(chunk) > missing:
                self._chunks.appendleft(chunk[missing:])
            missing -= len(taken[-1])
        return b"".join(taken)


def compress(source: Reader, compression: Compression) -> Reader:
    """The source, compressed into a format that the everyday tools read (RFC 8878, RFC 1952)."""
    match compression.algorithm:
        case "zstd":
            return _Compressed(source, _Zstd(compression))
        case "gzip":
            return _Compressed(source, _Gzip(compression))
        case "none":
            return source


def decompress(source: Reader, algorithm: str) -> Reader:
    """The source as it was before `compress`. A cut or damaged one raises IntegrityError instead of ending."""
    match algorithm:
        case "zstd":
            return _Decompressed(source, algorithm, zstd.ZstdDecompressor)
        case "gzip":
            return _Decompressed(source, algorithm, _GunzipMember)
        case "none":
            return source
        case _:
            raise IntegrityError(
                f"the backup is compressed with {algorithm}, which this version does not know",
                hint="it was written by a newer backupctl",
            )
