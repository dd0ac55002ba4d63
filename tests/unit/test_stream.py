"""The stages of the data path: exact, bounded, and without an end where there is no success."""

import gzip
import hashlib
import io
import random
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backupctl.errors import IntegrityError
from backupctl.stream import (
    CHUNK,
    TAIL,
    Algorithm,
    Compression,
    Expected,
    Reader,
    TailCheck,
    Tap,
    Verified,
    Watch,
    compress,
    decompress,
)
from tests.parts.missing import SKIP_PREFIX

ALGORITHMS: list[Algorithm] = list(get_args(Algorithm))
COMPRESSED: list[Algorithm] = ["zstd", "gzip"]
PLAIN = b"INSERT INTO t VALUES (1, 'some words', 3.5);\n" * 40


class Bytes:
    """An honest source."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.closed = False

    def read(self, size: int, /) -> bytes:
        return self._data.read(size)

    def close(self) -> None:
        self.closed = True


class Failing(Bytes):
    """Gives all of its bytes, and fails where an honest source ends."""

    def read(self, size: int, /) -> bytes:
        chunk = super().read(size)
        if len(chunk) < size:
            raise OSError("the producer died")
        return chunk


class Endless(Bytes):
    """As many bytes of one kind as are wanted, without having them."""

    def __init__(self, size: int) -> None:
        super().__init__(b"")
        self._left = size

    def read(self, size: int, /) -> bytes:
        given_out = min(size, self._left)
        self._left -= given_out
        return bytes(given_out)


def read_all(reader: Reader, size: int = 1000) -> bytes:
    return b"".join(iter(lambda: reader.read(size), b""))


def packed(data: bytes, algorithm: Algorithm, *, level: int = 0) -> bytes:
    return read_all(compress(Bytes(data), Compression(algorithm=algorithm, level=level, threads=1)))


def unpacked(data: bytes, algorithm: str) -> bytes:
    return read_all(decompress(Bytes(data), algorithm))


def verified(data: bytes, expected: bytes) -> Verified:
    return Verified(Bytes(data), Expected("the dump", len(expected), hashlib.sha256(expected).hexdigest()))


def never(_: bytes) -> None:
    raise IntegrityError("the dump has no end")


STAGES: dict[str, Callable[[Reader], Reader]] = {
    "tap": Tap,
    "watch": lambda source: Watch(source, lambda _: None),
    "tail check": lambda source: TailCheck(source, lambda _: None),
    "verified": lambda source: Verified(source, Expected("the dump", None, None)),
    "zstd": lambda source: decompress(compress(source, Compression(threads=2)), "zstd"),
    "gzip": lambda source: decompress(compress(source, Compression(algorithm="gzip", level=1)), "gzip"),
    "none": lambda source: decompress(compress(source, Compression(algorithm="none")), "none"),
}
every_stage = pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())


@every_stage
@settings(max_examples=30, deadline=None)
@given(
    seed=st.binary(min_size=1, max_size=300),
    times=st.sampled_from([0, 1, 2, 999, 8192]),
    asked=st.lists(st.one_of(st.integers(1, 5000), st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1])), max_size=8),
)
def test_a_stage_gives_exactly_what_was_asked_for_until_the_end(
    stage: Callable[[Reader], Reader], seed: bytes, times: int, asked: list[int]
) -> None:
    data = seed * times
    reader, place = stage(Bytes(data)), 0
    for size in [*asked, len(data) + 1]:
        assert reader.read(size) == data[place : place + size]
        place += size
    assert [reader.read(1), reader.read(1)] == [b"", b""]


@every_stage
def test_a_stage_never_ends_when_its_source_failed(stage: Callable[[Reader], Reader]) -> None:
    reader = stage(Failing(PLAIN))
    with pytest.raises(OSError, match="the producer died"):
        read_all(reader)
    with pytest.raises(OSError, match="the producer died"):
        read_all(reader)


@every_stage
def test_closing_a_stage_closes_its_source(stage: Callable[[Reader], Reader]) -> None:
    source = Bytes(PLAIN)
    stage(source).close()
    assert source.closed


# Measuring


def test_a_tap_knows_size_and_sum() -> None:
    tap = Tap(Bytes(PLAIN))
    read_all(tap)
    assert (tap.size, tap.sha256) == (len(PLAIN), hashlib.sha256(PLAIN).hexdigest())


def test_a_watch_can_stop_the_stream_by_raising() -> None:
    def seen(size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Watch(Bytes(PLAIN), seen).read(1)


@pytest.mark.parametrize("size", [0, 1, TAIL - 1, TAIL, TAIL + 1, 5 * TAIL])
@pytest.mark.parametrize("step", [1, TAIL - 1, TAIL, 3 * TAIL])
def test_the_check_sees_the_last_kib_once(size: int, step: int) -> None:
    data = random.Random(size).randbytes(size)
    tails: list[bytes] = []
    assert read_all(TailCheck(Bytes(data), tails.append), step) == data
    assert tails == [data[-TAIL:]]


@pytest.mark.parametrize("step", [1, 7, len(PLAIN) - 1, len(PLAIN), len(PLAIN) + 1])
def test_a_dump_without_its_end_is_an_error_again_and_again(step: int) -> None:
    reader = TailCheck(Bytes(PLAIN), never)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="the dump has no end"):
            read_all(reader, step)


# Verifying


@pytest.mark.parametrize("step", [1, 7, len(PLAIN), 10 * len(PLAIN)])
def test_what_is_as_the_manifest_says_passes_whole(step: int) -> None:
    assert read_all(verified(PLAIN, PLAIN), step) == PLAIN


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (PLAIN[:-1] + b"\t", "the dump was altered: its sha256 is not the one in the manifest"),
        (b"i" + PLAIN[1:], "the dump was altered: its sha256 is not the one in the manifest"),
        (PLAIN[:-1], f"the dump has {len(PLAIN) - 1} bytes where the manifest says {len(PLAIN)} bytes"),
        (b"", f"the dump has 0 bytes where the manifest says {len(PLAIN)} bytes"),
        (PLAIN + b"\n", f"the dump has more where the manifest says {len(PLAIN)} bytes"),
    ],
    ids=["last byte", "first byte", "cut", "empty", "longer"],
)
@pytest.mark.parametrize("step", [1, 7, 999, len(PLAIN) - 1, len(PLAIN), len(PLAIN) + 1, 10 * len(PLAIN)])
def test_of_what_was_altered_the_last_byte_is_never_given_out(stored: bytes, message: str, step: int) -> None:
    reader = Tap(verified(stored, PLAIN))
    for _ in range(3):
        with pytest.raises(IntegrityError, match=message):
            read_all(reader, step)
    assert reader.size < max(len(stored), 1)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_order_of_reads_gets_the_last_byte_out_of_an_altered_stream(data: st.DataObject) -> None:
    stored = data.draw(st.binary(min_size=1, max_size=50))
    reader, released = verified(stored, stored + b"more"), b""
    for size in data.draw(st.lists(st.integers(1, 60), max_size=30)):
        try:
            released += reader.read(size)
        except IntegrityError:
            continue
    assert len(released) < len(stored)


def test_a_stream_that_is_too_long_is_left_at_once() -> None:
    source = Endless(1 << 40)
    reader = Verified(source, Expected("the dump", 100, None))
    with pytest.raises(IntegrityError, match="the dump has more where the manifest says 100 bytes"):
        reader.read(10)


def test_what_the_manifest_does_not_know_is_not_asked_for() -> None:
    assert read_all(Verified(Bytes(PLAIN), Expected("the dump", None, None))) == PLAIN


# Compressing


@pytest.mark.parametrize(
    ("algorithm", "tool"), [("zstd", ["zstd", "-dc"]), ("gzip", ["gzip", "-dc"])], ids=["zstd", "gzip"]
)
def test_the_everyday_tool_reads_it(algorithm: Algorithm, tool: list[str]) -> None:
    if not shutil.which(tool[0]):
        pytest.skip(f"{SKIP_PREFIX}{tool[0]}: not installed")
    data = random.Random(1).randbytes(3 * CHUNK) + PLAIN * 100
    done = subprocess.run(tool, input=packed(data, algorithm), capture_output=True, check=True)
    assert done.stdout == data


def test_threads_change_nothing_that_a_reader_sees() -> None:
    data = PLAIN * 3000
    frames = [read_all(compress(Bytes(data), Compression(threads=threads))) for threads in (1, 2, 4)]
    assert [unpacked(frame, "zstd") for frame in frames] == [data] * 3


@pytest.mark.parametrize("algorithm", COMPRESSED)
def test_a_higher_level_makes_it_smaller(algorithm: Algorithm) -> None:
    text = b"".join(b"%d,%d;" % (n, n * n % 1013) for n in range(20000))
    assert len(packed(text, algorithm, level=9)) < len(packed(text, algorithm, level=1)) < len(text) / 2


@pytest.mark.parametrize(("algorithm", "level"), [("zstd", 20), ("gzip", 10), ("none", 1), ("zstd", -1)])
def test_a_level_that_there_is_not_is_refused(algorithm: Algorithm, level: int) -> None:
    with pytest.raises(ValidationError, match="level"):
        Compression(algorithm=algorithm, level=level)


def test_an_unknown_compression_of_a_stored_backup_is_named() -> None:
    with pytest.raises(IntegrityError, match="compressed with lzma") as caught:
        decompress(Bytes(b""), "lzma")
    assert caught.value.hint == "it was written by a newer backupctl"


# Decompressing what was cut, altered, joined, or made to burst


@pytest.mark.parametrize("algorithm", COMPRESSED)
def test_a_stream_cut_anywhere_is_an_error(algorithm: Algorithm) -> None:
    whole = packed(PLAIN, algorithm)
    for length in range(len(whole)):
        with pytest.raises(IntegrityError):
            unpacked(whole[:length], algorithm)


@pytest.mark.parametrize("algorithm", COMPRESSED)
def test_a_byte_altered_anywhere_is_an_error_or_changes_nothing(algorithm: Algorithm) -> None:
    whole = packed(PLAIN, algorithm)
    for place in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            altered = whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :]
            try:
                found = unpacked(altered, algorithm)
            except IntegrityError:
                continue
            assert found == PLAIN, place  # such as the time in a gzip header


@pytest.mark.parametrize("algorithm", COMPRESSED)
def test_frames_one_after_the_other_are_one_stream(algorithm: Algorithm) -> None:
    frames = [packed(b"a" * 70_000, algorithm), packed(b"", algorithm), packed(b"b", algorithm)]
    assert unpacked(b"".join(frames), algorithm) == b"a" * 70_000 + b"b"


@pytest.mark.parametrize("algorithm", COMPRESSED)
def test_a_second_frame_that_was_cut_is_an_error(algorithm: Algorithm) -> None:
    first, second = packed(PLAIN, algorithm), packed(PLAIN, algorithm)
    for length in range(1, len(second)):
        with pytest.raises(IntegrityError):
            unpacked(first + second[:length], algorithm)


@pytest.mark.parametrize("algorithm", COMPRESSED)
def test_something_else_after_the_end_is_an_error(algorithm: Algorithm) -> None:
    with pytest.raises(IntegrityError, match=f"the artifact is not valid {algorithm}"):
        unpacked(packed(PLAIN, algorithm) + b"this is no frame at all", algorithm)


def test_a_skippable_frame_of_zstd_is_skipped() -> None:
    skippable = bytes.fromhex("502a4d18") + (5).to_bytes(4, "little") + b"notes"
    assert unpacked(skippable + packed(PLAIN, "zstd") + skippable, "zstd") == PLAIN


def test_a_gzip_of_somebody_else_is_read() -> None:
    assert unpacked(gzip.compress(PLAIN, mtime=1), "gzip") == PLAIN


def test_a_zstd_frame_that_wants_gigabytes_of_window_is_refused() -> None:
    frame = bytes.fromhex("28b52ffd") + b"\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(IntegrityError, match="not valid zstd"):
        unpacked(frame, "zstd")


@pytest.mark.parametrize("algorithm", COMPRESSED)
def test_a_small_artifact_that_holds_a_lot_is_given_out_in_bounded_memory(algorithm: Algorithm) -> None:
    size = 64 * CHUNK
    bomb = read_all(compress(Endless(size), Compression(algorithm=algorithm, threads=1)), CHUNK)
    assert len(bomb) < size / 500
    tracemalloc.start()
    try:
        reader, total = decompress(Bytes(bomb), algorithm), 0
        while chunk := reader.read(100_000):
            total += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == size
    assert peak < 6 * CHUNK


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_large_dump_is_compressed_in_bounded_memory(algorithm: Algorithm) -> None:
    tracemalloc.start()
    try:
        reader = Tap(compress(Endless(64 * CHUNK), Compression(algorithm=algorithm, threads=1)))
        while reader.read(8 * CHUNK):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * CHUNK
