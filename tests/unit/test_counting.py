"""Counting never stands in the dump's way, and what it notes is bounded."""

from collections.abc import Mapping

import pytest

from backupctl.engines import counting
from backupctl.engines.base import Findings
from backupctl.engines.counting import NOT_COUNTED, Counting, Tally, TooManyTablesError
from backupctl.errors import IntegrityError
from backupctl.model import Unit
from backupctl.stream import TailCheck
from tests.contract.engine_members import MemoryReader, read_all

DUMP = bytes(range(256)) * 1000


class Lengths:
    """Counts the bytes of one table, and raises what it is told to, when it is told to."""

    unit: Unit = "bytes"

    def __init__(self, *, feeding: Exception | None = None, ending: Exception | None = None) -> None:
        self._raised = {"feed": feeding, "end": ending}
        self._length = 0

    def feed(self, chunk: bytes, /) -> None:
        self._length += len(chunk)
        self._raise("feed")

    def end(self) -> Mapping[str, int]:
        self._raise("end")
        return {"t": self._length}

    def _raise(self, what: str) -> None:
        error = self._raised[what]
        if error:
            raise error


def test_the_counter_sees_every_byte_once() -> None:
    counted = Counting(Lengths)
    reader = counted.of(MemoryReader(DUMP))
    assert read_all(reader) == DUMP
    assert reader.read(1) == b""
    assert counted.findings() == Findings(tables={"t": len(DUMP)}, unit="bytes")


@pytest.mark.parametrize("where", ["feeding", "ending"])
def test_a_counter_that_breaks_leaves_the_dump_whole_and_uncounted(where: str) -> None:
    counted = Counting(lambda: Lengths(**{where: ZeroDivisionError()}))
    assert read_all(counted.of(MemoryReader(DUMP))) == DUMP
    assert counted.findings() == Findings()


@pytest.mark.parametrize("where", ["feeding", "ending"])
def test_more_tables_than_a_manifest_holds_are_a_warning(where: str) -> None:
    counted = Counting(lambda: Lengths(**{where: TooManyTablesError()}))
    assert read_all(counted.of(MemoryReader(DUMP))) == DUMP
    assert counted.findings() == NOT_COUNTED
    assert NOT_COUNTED.warnings[0].startswith("the tables were not counted: there are more than 100000")


def test_without_a_counter_the_dump_goes_by_as_it_is() -> None:
    dump = MemoryReader(DUMP)
    assert Counting(None).of(dump) is dump
    assert Counting(None).findings() == Findings()


def test_a_dump_that_fails_is_not_counted() -> None:
    def refuse(tail: bytes) -> None:
        raise IntegrityError("cut")

    counted = Counting(Lengths)
    with pytest.raises(IntegrityError):
        read_all(counted.of(TailCheck(MemoryReader(DUMP), refuse)))
    assert counted.findings() == Findings()


def test_a_second_opening_counts_anew() -> None:
    counted = Counting(Lengths)
    counted.of(MemoryReader(DUMP)).read(1000)
    read_all(counted.of(MemoryReader(DUMP)))
    assert counted.findings().tables == {"t": len(DUMP)}


def test_a_tally_has_room_for_so_many_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MOST_TABLES", 2)
    tally = Tally()
    for name in ("a", "b", "a"):
        tally.add(name, 1)
    with pytest.raises(TooManyTablesError):
        tally.add("c", 1)
    assert tally.numbers == {"a": 2, "b": 1}


def test_a_tally_has_room_for_so_many_letters() -> None:
    tally = Tally()
    with pytest.raises(TooManyTablesError):
        tally.add("ü" * (1 << 20) + "a", 1)
