"""Counts the rows that a plain dump holds for each table: those of its COPY statements."""

import re
from collections.abc import Callable, Mapping

from backupctl.engines.counting import Tally, UncountableError
from backupctl.model import Unit

# pg_dump begins a statement, or a line that is for psql alone, at the start of its line, and writes no comments but
# those that begin with dashes.
# Each of these begins with a letter of its own, without which the search for them is twenty times as slow.
_TOKEN = re.compile(rb"\n(?:COPY |INSERT INTO |\\)|--|\"|'|\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$")
_ESCAPING = re.compile(rb"(?<![\w$\x80-\xff])[eE]'")
_IN_WORD = re.compile(rb"[\w$\x80-\xff]\$")
_ESCAPED_QUOTE = re.compile(rb"\\.|''|'", re.DOTALL)
_NAME = rb"(?:\"(?:[^\"]|\"\")*+\"|[^\s\".(;]+)"
_COPY = re.compile(
    rb"\nCOPY (?:(?P<schema>" + _NAME + rb")\.)?(?P<table>" + _NAME + rb") "
    rb"(?:\((?:[^()\"]|\"(?:[^\"]|\"\")*+\")*+\))? FROM stdin;\n"
)
# A row never begins with `\.`, and a line break in a value is written as `\n`.
_END = re.compile(rb"\n\\\.\n")
_END_LENGTH = 4
_LONGEST_LINE = 8 << 20
_KEEPS_QUOTES = re.compile(r'[."\x00-\x1f]')


class CopyCounter:
    """Rows by table, of the format that pg_dump writes for psql.

    Names are as in the dump, `schema.table`, without quotes where they are not needed to tell the two apart.
    Rows that come as INSERT are not counted: UncountableError.
    """

    unit: Unit = "rows"

    def __init__(self) -> None:
        self._tally = Tally()
        self._held = b"\n"
        self._table: str | None = None
        self._closing: Callable[[bytes, int, int], int] | None = None

    def feed(self, chunk: bytes, /) -> None:
        text = self._held + chunk
        at: int | None = 0
        while at is not None:
            at = self._sql(text, at) if self._table is None else self._rows(text, at, self._table)
        if len(self._held) > _LONGEST_LINE:
            raise UncountableError

    def end(self) -> Mapping[str, int]:
        if self._table is not None or self._closing or self._held != b"\n":
            raise UncountableError
        return self._tally.numbers

    def _rows(self, text: bytes, at: int, table: str) -> int | None:
        # The quick look for any backslash at all spares the slower search.
        found = _END.search(text, at) if b"\\" in text else None
        stop = found.start() if found else max(at, len(text) - _END_LENGTH + 1)
        self._tally.add(table, _line_breaks(text[at:stop]))
        if found:
            self._table = None
            return found.end() - 1
        self._held = text[stop:]
        return None

    def _sql(self, text: bytes, at: int) -> int | None:
        """Goes over whole lines: no token but a string goes over the end of one."""
        limit = text.rfind(b"\n") + 1
        while at < limit:
            if self._closing:
                at = self._closing(text, at, limit)
                continue
            token = _TOKEN.search(text, at, limit)
            if not token:
                break
            if token[0] == b"\nCOPY ":
                return self._copy(text, token.start())
            at = self._take(token[0], text, token.start())
        # A line break stays, for a statement may begin after it.
        self._held = text[limit if self._closing else max(limit - 1, 0) :]
        return None

    def _copy(self, text: bytes, at: int) -> int | None:
        statement = _COPY.match(text, at)
        if not statement:
            self._held = text[at:]
            return None
        schema, table = statement["schema"], statement["table"]
        self._table = f"{_shown(schema)}.{_shown(table)}" if schema else _shown(table)
        self._tally.add(self._table, 0)
        return statement.end() - 1

    def _take(self, token: bytes, text: bytes, at: int) -> int:
        if token == b"\nINSERT INTO ":
            raise UncountableError
        if token in (b"--", b"\n\\"):
            return text.index(b"\n", at + 1)
        if token.startswith(b"$") and _IN_WORD.match(text, at - 1):
            return at + 1
        if token == b"'" and _ESCAPING.match(text, at - 1):
            self._closing = self._close_escaped
        else:
            self._closing = lambda text, start, limit: self._close_at(token, text, start, limit)
        return at + len(token)

    def _close_at(self, closing: bytes, text: bytes, at: int, limit: int) -> int:
        # A doubled quote closes and opens again, which comes to the same.
        found = text.find(closing, at, limit)
        if found < 0:
            return limit
        self._closing = None
        return found + len(closing)

    def _close_escaped(self, text: bytes, at: int, limit: int) -> int:
        for found in _ESCAPED_QUOTE.finditer(text, at, limit):
            if found[0] == b"'":
                self._closing = None
                return found.end()
        return limit


def _line_breaks(text: bytes) -> int:
    # Unless they are near each other, taking them out is several times as fast as counting (CPython 3.11).
    if text.count(b"\n", 0, 4096) > 128:
        return text.count(b"\n")
    return len(text) - len(text.replace(b"\n", b""))


def _shown(name: bytes) -> str:
    shown = name.decode(errors="backslashreplace")
    plain = shown[1:-1] if shown.startswith('"') else shown
    return shown if _KEEPS_QUOTES.search(plain) else plain
