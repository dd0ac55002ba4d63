"""Counts what a dump holds for each table: the bytes of its INSERT statements, or the rows that are in them."""

import re
from collections.abc import Callable, Mapping

from backupctl.engines.counting import Tally, UncountableError
from backupctl.model import Unit

# Both vendors' clients begin a statement at the start of its line, and write a line break in a value as `\n`.
_BEGINS = re.compile(rb"\n(?:CREATE TABLE |INSERT |REPLACE |DELIMITER ;;)")
_BEGINNING = len(b"\nCREATE TABLE ")
_NAME = rb"(?:`(?:[^`]|``)*+`|\"(?:[^\"]|\"\")*+\")"  # the second: --compatible=ansi
_STATEMENT = re.compile(
    rb"\n(?:CREATE TABLE (?P<made>" + _NAME + rb")[^`\"]"
    rb"|(?:INSERT|REPLACE) +(?:(?:DELAYED|IGNORE) +)*INTO (?P<into>" + _NAME + rb") "
    rb"(?:\((?:[^()`\"]|" + _NAME + rb")*+\) )?VALUES(?=\s)"
    rb"|DELIMITER ;;)"
)
_END = re.compile(rb";\n")
# Rows of two tables never follow each other at once: a comment is between them.
_END_OF_ALL = re.compile(rb";\n(?!INSERT |REPLACE )")
_AFTER_END = len(b"REPLACE ")
_END_OF_BODIES = b";;\nDELIMITER ;\n"
_LONGEST_BEGINNING = 1 << 20
_BUT_QUOTES_AND_PARENTHESES = bytes(set(range(256)) - set(b"'("))


class InsertCounter:
    """Bytes by table, or with `exact` rows by table, of what mysqldump and mariadb-dump write."""

    def __init__(self, *, exact: bool) -> None:
        self.unit: Unit = "rows" if exact else "bytes"
        self._tally = Tally()
        self._held = b"\n"
        self._table = ""
        self._values = _Rows() if exact else _Bytes()
        self._end = _END if exact else _END_OF_ALL
        self._step: Callable[[bytes, int], int | None] = self._outside

    def feed(self, chunk: bytes, /) -> None:
        text = self._held + chunk
        at: int | None = 0
        while at is not None:
            at = self._step(text, at)
        if len(self._held) > _LONGEST_BEGINNING:
            raise UncountableError

    def end(self) -> Mapping[str, int]:
        self.feed(b"\n" * _AFTER_END)  # what follows the last statement is then known
        if self._step != self._outside or _BEGINS.search(self._held):
            raise UncountableError
        return self._tally.numbers

    def _outside(self, text: bytes, at: int) -> int | None:
        found = _BEGINS.search(text, at)
        if not found:
            self._held = text[max(at, len(text) - _BEGINNING + 1) :]
            return None
        statement = _STATEMENT.match(text, found.start())
        if not statement:
            self._held = text[found.start() :]
            return None
        if statement["made"]:
            self._tally.add(_unquoted(statement["made"]), 0)
        elif statement["into"]:
            self._table = _unquoted(statement["into"])
            self._tally.add(self._table, self._values.begin(len(statement[0]) - 1))
            self._step = self._inside
        else:
            self._step = self._bodies
        return statement.end()

    def _inside(self, text: bytes, at: int) -> int | None:
        found = self._end.search(text, at) if b";" in text else None
        if found and found.end() + _AFTER_END <= len(text):
            self._tally.add(self._table, self._values.take(text[at : found.end()]))
            self._values.end()
            self._step = self._outside
            return found.end() - 1
        stop = found.start() if found else max(at, len(text) - 1)
        stop -= self._values.undecided(text[at:stop])
        self._tally.add(self._table, self._values.take(text[at:stop]))
        self._held = text[stop:]
        return None

    def _bodies(self, text: bytes, at: int) -> int | None:
        """Triggers, routines and events: what stands in them begins no statement of the dump."""
        found = text.find(_END_OF_BODIES, at)
        if found < 0:
            self._held = text[max(at, len(text) - len(_END_OF_BODIES) + 1) :]
            return None
        self._step = self._outside
        return found + len(_END_OF_BODIES) - 1


class _Bytes:
    """Measures statements by their length."""

    def begin(self, length: int) -> int:
        return length

    def take(self, text: bytes) -> int:
        return len(text)

    def undecided(self, text: bytes) -> int:
        return 0

    def end(self) -> None:
        """There is nothing to be wrong."""


class _Rows(_Bytes):
    """Counts the parentheses that open outside of strings: each begins a row."""

    def __init__(self) -> None:
        self._in_string = False

    def begin(self, length: int) -> int:
        return 0

    def take(self, text: bytes) -> int:
        if b"\\" in text:
            text = text.replace(b"\\\\", b"").replace(b"\\'", b"")
        # Two quotes side by side change nothing for what is around them.
        left = text.translate(None, _BUT_QUOTES_AND_PARENTHESES).replace(b"''", b"").split(b"'")
        rows = sum(part.count(b"(") for part in left[self._in_string :: 2])
        self._in_string ^= len(left) % 2 == 0
        return rows

    def undecided(self, text: bytes) -> int:
        """Whether the text ends in a backslash that belongs to what comes."""
        return (len(text) - len(text.rstrip(b"\\"))) % 2

    def end(self) -> None:
        if self._in_string:
            raise UncountableError


def _unquoted(name: bytes) -> str:
    quote = name[:1]
    return name[1:-1].replace(quote * 2, quote).decode(errors="backslashreplace")
