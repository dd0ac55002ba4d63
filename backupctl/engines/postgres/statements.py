"""Cuts a plain dump into its statements, and leaves statements out of one while it streams by."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backupctl.stream import CHUNK, Reader

# White space, comments and psql's own commands between statements.
_GAP = re.compile(rb"(?:\s+|--[^\n]*\n?|\\[^\n]*\n?)+")
_WORD_BEFORE = rb"(?<![\w$\x80-\xff])"
_TOKEN = re.compile(
    rb"--[^\n]*|/\*|[;()\"]|"
    + _WORD_BEFORE
    + rb"[eE]'|'|"
    + _WORD_BEFORE
    + rb"\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$"
)
_TOKEN_OR_BLOCK = re.compile(
    _TOKEN.pattern + rb"|" + _WORD_BEFORE + rb"(?:begin|case|end)(?![\w$\x80-\xff])", re.IGNORECASE
)
_ROUTINE = re.compile(rb"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE)
_COPY = re.compile(rb"COPY\s[^;]*\sFROM\s+stdin\b[^;]*;", re.IGNORECASE | re.DOTALL)
# Nothing but plain literals, as in the millions of lines of a dump with --inserts: one match instead of many.
_ROW = re.compile(rb"INSERT INTO (?:[^;'\"$/eE-]++|[eE](?!')|-(?!-)|/(?!\*)|'[^']*+'|\"[^\"]*+\")*+;")
_COPY_END = b"\n\\.\n"

_ESCAPED_QUOTE = re.compile(rb"\\.|''|'", re.DOTALL)
_COMMENT_EDGE = re.compile(rb"/\*|\*/")


@dataclass(frozen=True)
class Piece:
    """A part of a dump: one statement, or what is between statements (comments, the rows of a COPY)."""

    text: bytes
    is_statement: bool


class Splitter:
    """Cuts SQL that pg_dump and pg_dumpall write. What it is fed comes out again, byte for byte.

    Semicolons in quotes, dollar quotes, comments, parentheses (rules) and BEGIN ATOMIC bodies end no statement.
    Memory is bounded by the longest statement; the rows of a COPY are passed through as they come.
    """

    def __init__(self) -> None:
        self._pending = bytearray()
        self._parts: list[bytes] = []
        self._closing: Callable[[bytes, int], int] | None = None
        self._copying = False
        self._parentheses = 0
        self._blocks = 0
        self._comments = 0

    def feed(self, data: bytes) -> Iterator[Piece]:
        """What can be told apart so far."""
        self._pending += data
        while True:
            if self._copying:
                yield from self._rows()
                if self._copying:
                    return
            # No token but a string or a comment goes over the end of a line.
            limit = self._pending.rfind(b"\n") + 1
            if not limit:
                return
            yield from self._sql(limit)
            if not self._copying:
                return

    def end(self) -> Iterator[Piece]:
        """What is left at the end of the input."""
        if not self._copying:
            yield from self._sql(len(self._pending))
        rest = b"".join(self._parts) + bytes(self._pending)
        self._parts, self._pending = [], bytearray()
        if rest:
            yield Piece(rest, is_statement=False)

    def _rows(self) -> Iterator[Piece]:
        found = self._pending.find(_COPY_END)
        self._copying = found < 0
        # The marker may be cut by the end of a chunk; the first line break is the one after the statement.
        length = len(self._pending) - len(_COPY_END) + 1 if self._copying else found + len(_COPY_END)
        if length > 0:
            yield Piece(bytes(self._pending[:length]), is_statement=False)
            del self._pending[:length]

    def _sql(self, limit: int) -> Iterator[Piece]:
        text = bytes(self._pending[:limit])
        position = 0
        while position < limit and not self._copying:
            if not self._parts:
                gap = _GAP.match(text, position)
                if gap:
                    yield Piece(gap[0], is_statement=False)
                    position = gap.end()
                    continue
                row = _ROW.match(text, position)
                if row:
                    yield Piece(row[0], is_statement=True)
                    position = row.end()
                    continue
            end = self._scan(text, position)
            self._parts.append(text[position:end])
            position = end
            if self._at_end():
                yield self._statement()
        del self._pending[:position]

    def _at_end(self) -> bool:
        return self._closing is None and not (self._parentheses or self._blocks) and self._parts[-1].endswith(b";")

    def _statement(self) -> Piece:
        statement = b"".join(self._parts)
        self._parts = []
        self._copying = _COPY.fullmatch(statement) is not None
        return Piece(statement, is_statement=True)

    def _scan(self, text: bytes, position: int) -> int:
        """Where the statement ends, or the text does."""
        first = self._parts[0] if self._parts else text[position : position + 100]
        tokens = _TOKEN_OR_BLOCK if _ROUTINE.match(first) else _TOKEN
        while position < len(text):
            if self._closing:
                position = self._closing(text, position)
                continue
            token = tokens.search(text, position)
            if not token:
                return len(text)
            position = token.end()
            self._take(token[0])
            if token[0] == b";" and not (self._parentheses or self._blocks):
                return position
        return position

    def _take(self, token: bytes) -> None:
        match token:
            case b"(":
                self._parentheses += 1
            case b")":
                self._parentheses = max(self._parentheses - 1, 0)
            case b"'" | b'"':
                self._closing = lambda text, start: self._close_at(text, start, token)
            case b"E'" | b"e'":
                self._closing = self._close_escaped
            case b"/*":
                self._comments = 1
                self._closing = self._close_comment
            case _ if token.startswith(b"$"):
                self._closing = lambda text, start: self._close_at(text, start, token)
            case _:
                self._take_block(token.lower())

    def _take_block(self, word: bytes) -> None:
        # As psql counts: CASE has an END too, but opens nothing outside of a body.
        if word == b"begin" or (word == b"case" and self._blocks):
            self._blocks += 1
        elif word == b"end" and self._blocks:
            self._blocks -= 1

    def _close_at(self, text: bytes, start: int, closing: bytes) -> int:
        # A doubled quote closes and opens again, which comes to the same.
        found = text.find(closing, start)
        if found < 0:
            return len(text)
        self._closing = None
        return found + len(closing)

    def _close_escaped(self, text: bytes, start: int) -> int:
        for match in _ESCAPED_QUOTE.finditer(text, start):
            if match[0] == b"'":
                self._closing = None
                return match.end()
        return len(text)

    def _close_comment(self, text: bytes, start: int) -> int:
        for match in _COMMENT_EDGE.finditer(text, start):
            self._comments += 1 if match[0] == b"/*" else -1
            if not self._comments:
                self._closing = None
                return match.end()
        return len(text)


class Without:
    """Passes a plain dump through, without the statements that `dropped` tells."""

    def __init__(self, source: Reader, dropped: Callable[[bytes], bool]) -> None:
        self._source = source
        self._dropped = dropped
        self._splitter = Splitter()
        self._out = bytearray()
        self._ended = False

    def read(self, size: int, /) -> bytes:
        while len(self._out) < size and not self._ended:
            chunk = self._source.read(CHUNK)
            self._ended = not chunk
            for piece in self._splitter.feed(chunk) if chunk else self._splitter.end():
                if not (piece.is_statement and self._dropped(piece.text)):
                    self._out += piece.text
        taken = bytes(self._out[:size])
        del self._out[:size]
        return taken

    def close(self) -> None:
        self._source.close()


_OWNERSHIP = re.compile(
    rb"(?:GRANT|REVOKE|ALTER\s+DEFAULT\s+PRIVILEGES|(?:SET|RESET)\s+SESSION\s+AUTHORIZATION)\b"
    rb"|ALTER\s.*\sOWNER\s+TO\s+(?:\"(?:[^\"]|\"\")*\"|[^\s\"';]+);$",
    re.DOTALL,
)
_TRANSACTION = re.compile(rb"(?:BEGIN|COMMIT);")
_UNKNOWN_BEFORE_17 = re.compile(rb"SET\s+transaction_timeout\b")
_TABLESPACE = re.compile(rb"SET\s+default_tablespace\s*=\s*[^'\s]")


def sets_ownership(statement: bytes) -> bool:
    """Whether a statement only says who owns what, or who may do what."""
    return _OWNERSHIP.match(statement) is not None


def is_transaction(statement: bytes) -> bool:
    """Whether it begins or ends a transaction, as a dump does around large objects."""
    return _TRANSACTION.fullmatch(statement) is not None


def is_unknown_before_17(statement: bytes) -> bool:
    """Whether it is a setting that pg_dump 17 and later write, also for older servers, which refuse it."""
    return _UNKNOWN_BEFORE_17.match(statement) is not None


def chooses_tablespace(statement: bytes) -> bool:
    """Whether what follows would be made in a tablespace other than the database's own."""
    return _TABLESPACE.match(statement) is not None
