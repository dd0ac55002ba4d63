"""Tells what is suspiciously less in a new backup than in the ones before: pure functions of their manifests."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from backupctl.model import ARGUMENTS_DETAIL, Manifest, Unit

_LOOKED_AT = 5
_NAMED = 10
# "Most of its rows" is at least half of them, whatever shrinking of the whole is allowed.
_LEAST_TABLE_SHRINK = 0.5

# Less than this may go without a word: small databases and tables change by leaps.
_SIZE_FLOOR = 256 << 10
_EMPTIED_FLOOR: Mapping[Unit, int] = {"rows": 100, "bytes": 16 << 10}
_SHRUNK_FLOOR: Mapping[Unit, int] = {"rows": 1000, "bytes": 256 << 10}

# A name of SQLite may hold more digits than int() takes at once.
_DIGITS = re.compile(r"[0-9]{1,100}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def drift(new: Manifest, recent: Sequence[Manifest], *, max_shrink: float) -> tuple[str, ...]:
    """Sentences about what is much less than before; none where all is well, and for a job's first backup.

    `recent` are good backups of the job, in any order. Compared are only those before `new` of the same engine,
    database, format and extra arguments, and of them only those without a drift of their own: a loss does not become
    the measure of what follows. When someone has looked and accepts a loss, what is older than the accepted backup
    is left out of `recent`, and its own drift is emptied.

    The size of the dump is held against the median of the last five. Tables are held against the newest that was
    counted in the same unit, and must have lost half at least. A table that had hardly more in one of the last five
    (a queue) is no news, nor is it when the oldest of numbered tables is gone while the others make up for it
    (partitions). `max_shrink` is the part that may be lost without a word, 0 turns all of it off.
    """
    if not max_shrink:
        return ()
    before = _comparable(new, recent)
    counted = [old.tables for old in before if old.tables is not None and old.tables_unit == new.tables_unit]
    sentences = list(_size(new, before[:_LOOKED_AT], max_shrink))
    if new.tables is not None and new.tables_unit is not None and counted:
        comparison = _Tables(new.tables, counted[:_LOOKED_AT], new.tables_unit, max(max_shrink, _LEAST_TABLE_SHRINK))
        sentences += _summarised(comparison.losses())
    return tuple(sentences)


def _comparable(new: Manifest, recent: Sequence[Manifest]) -> list[Manifest]:
    """The newest first."""
    before = [
        old for old in recent if old.started_at < new.started_at and not old.drift and _likeness(old) == _likeness(new)
    ]
    return sorted(before, key=lambda old: (old.started_at, old.id), reverse=True)


def _likeness(manifest: Manifest) -> tuple[object, ...]:
    return manifest.engine, manifest.database, manifest.format, manifest.details.get(ARGUMENTS_DETAIL)


def _size(new: Manifest, before: Sequence[Manifest], max_shrink: float) -> Iterator[str]:
    sizes = [old.dump.dump_size for old in before if old.dump.dump_size is not None]
    size = new.dump.dump_size
    if size is None or not sizes:
        return
    usual = round(median(sizes))
    lost = usual - size
    if lost >= _SIZE_FLOOR and lost > usual * max_shrink:
        those = f"the last {len(sizes)} (median)" if len(sizes) > 1 else "the one before"
        yield f"the dump has {_bytes(size)}, {lost * 100 // usual} % less than the {_bytes(usual)} of {those}"


@dataclass(frozen=True)
class _Loss:
    """What is to be said of a table, and how much it lost, in the unit of the counts."""

    sentence: str
    lost: int


@dataclass(frozen=True)
class _Tables:
    """The tables of a backup beside those of the ones before it, the newest first."""

    new: Mapping[str, int]
    before: Sequence[Mapping[str, int]]
    unit: Unit
    max_shrink: float

    def losses(self) -> list[_Loss]:
        """The largest first."""
        families = _Families(self.new, self.before[0], self.max_shrink)
        found = [
            self._loss(table, was)
            for table, was in self.before[0].items()
            if self._is_lost(table, was) and not families.moved_on(table)
        ]
        return sorted(found, key=lambda loss: (-loss.lost, loss.sentence))

    def _is_lost(self, table: str, was: int) -> bool:
        now = self.new.get(table, 0)
        floor = _SHRUNK_FLOOR if now else _EMPTIED_FLOOR
        lost = was - now
        return lost >= floor[self.unit] and lost > was * self.max_shrink and not self._was_as_small(table)

    def _was_as_small(self, table: str) -> bool:
        """Whether it is there, and had hardly more in an earlier backup."""
        if table not in self.new:
            return False
        most = self.new[table] + _EMPTIED_FLOOR[self.unit]
        return any(table in earlier and earlier[table] <= most for earlier in self.before[1:])

    def _loss(self, table: str, was: int) -> _Loss:
        now = self.new.get(table)
        name = _printable(table)
        if now is None:
            sentence = f"table {name} ({_amount(was, self.unit)}) is gone"
        elif now == 0:
            sentence = f"table {name} is empty, it had {_amount(was, self.unit)}"
        else:
            sentence = f"table {name} has {_amount(now, self.unit)}, it had {_amount(was, self.unit)}"
        return _Loss(sentence, was - (now or 0))


class _Families:
    """Tables whose names differ in nothing but numbers, such as the partitions of a log."""

    def __init__(self, new: Mapping[str, int], before: Mapping[str, int], max_shrink: float) -> None:
        self._new = new
        self._max_shrink = max_shrink
        self._oldest: dict[str, list[int]] = {}
        self._now, self._was = _totals(new), _totals(before)
        for table in new:
            numbers = _numbers(table)
            family = _family(table)
            self._oldest[family] = min(self._oldest.get(family, numbers), numbers)

    def moved_on(self, table: str) -> bool:
        """Whether a table is gone as the oldest of its family is, while the family still has what it had."""
        family, numbers = _family(table), _numbers(table)
        if table in self._new or not numbers or family not in self._oldest:
            return False
        was, now = self._was[family], self._now[family]
        return numbers < self._oldest[family] and was - now <= was * self._max_shrink


def _totals(tables: Mapping[str, int]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for table, number in tables.items():
        totals[_family(table)] = totals.get(_family(table), 0) + number
    return totals


def _family(table: str) -> str:
    return _DIGITS.sub("#", table)


def _numbers(table: str) -> list[int]:
    return [int(digits) for digits in _DIGITS.findall(table)]


def _summarised(losses: Sequence[_Loss]) -> list[str]:
    if len(losses) <= _NAMED:
        return [loss.sentence for loss in losses]
    named = [loss.sentence for loss in losses[: _NAMED - 1]]
    return [*named, f"{len(losses) - len(named)} more tables are gone, empty or lost most of what they had"]


def _amount(number: int, unit: Unit) -> str:
    if unit == "bytes":
        return f"{_bytes(number)} of rows"
    return "1 row" if number == 1 else f"{number:,} rows"


def _bytes(number: int) -> str:
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= length:
            return f"{number / length:.1f} {unit}"
    return f"{number} bytes"


def _printable(table: str) -> str:
    """A name may hold line breaks, which end the subject of a mail and the line of a log."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), table)
