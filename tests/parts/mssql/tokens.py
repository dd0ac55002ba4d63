"""Takes a Transact-SQL batch apart into words, names, strings and symbols, and says what is near an error."""

import re
from dataclasses import dataclass

from tests.parts.mssql.errors import SqlError, failure

_PATTERN = re.compile(
    r"""(?P<space>[\s\ufeff]+|--[^\n]*)
    |(?P<string>[Nn]?'(?:[^']|'')*')
    |(?P<bracket>\[(?:[^\]]|\]\])*\])
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<hex>0[xX][0-9A-Fa-f]*)
    |(?P<number>\d+(?:\.\d*)?|\.\d+)
    |(?P<variable>@@?[\w#$@]+)
    |(?P<word>[^\W\d][\w#$@]*|\#\#?\w+)
    |(?P<symbol><>|<=|>=|!=|\|\||::|[-+*/%=<>(),.;&|^~!:])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """One token: `value` without its quoting; where its source begins and ends."""

    kind: str
    text: str
    value: str
    begin: int
    end: int

    @property
    def word(self) -> str:
        """The keyword that this may be; a quoted name is none."""
        return self.text.upper() if self.kind in ("word", "symbol") else ""

    @property
    def is_name(self) -> bool:
        return self.kind in ("word", "bracket", "quoted")


def tokenize(source: str, *, quoted_identifiers: bool) -> list[Token]:
    """Raises SqlError 105, 113 or 102."""
    found = []
    at = 0
    while at < len(source):
        if source.startswith("/*", at):
            at = _end_of_comment(source, at)
            continue
        match = _PATTERN.match(source, at)
        if match is None:
            raise _unreadable(source, at)
        if match.lastgroup != "space":
            found.append(_token(match, quoted_identifiers=quoted_identifiers))
        at = match.end()
    return found


def _token(match: re.Match[str], *, quoted_identifiers: bool) -> Token:
    kind, text = str(match.lastgroup), match.group()
    value = text
    if kind == "string":
        value = text[text.index("'") + 1 : -1].replace("''", "'")
    elif kind == "bracket":
        value = text[1:-1].replace("]]", "]")
    elif kind == "quoted":
        value = text[1:-1].replace('""', '"')
        # With QUOTED_IDENTIFIER OFF, sqlcmd's default without -I, double quotes make a string.
        kind = "quoted" if quoted_identifiers else "string"
    return Token(kind, text, value, match.start(), match.end())


def _end_of_comment(source: str, at: int) -> int:
    """Comments nest in Transact-SQL."""
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(source, at):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    raise failure(113)


def _unreadable(source: str, at: int) -> SqlError:
    if source[at] in "'\"[" or source[at : at + 2] in ("N'", "n'"):
        return failure(105, source[at + 1 :][:128])
    return failure(102, source[at])


class Tokens:
    """The tokens of a batch, read one after the other."""

    def __init__(self, source: str, *, quoted_identifiers: bool = True) -> None:
        self.source = source
        self._tokens = tokenize(source, quoted_identifiers=quoted_identifiers)
        self._at = 0

    def peek(self, ahead: int = 0) -> Token | None:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else None

    def word(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return token.word if token else ""

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            raise self.error()
        self._at += 1
        return token

    def accept(self, *words: str) -> bool:
        """Take these words if they are all next."""
        if any(self.word(at) != word for at, word in enumerate(words)):
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        for word in words:
            if not self.accept(word):
                raise self.error()

    def name(self) -> str:
        """An identifier, in any quoting."""
        token = self.peek()
        if token is None or not token.is_name:
            raise self.error()
        self._at += 1
        return token.value

    def text_between(self, begin: Token, end: Token | None) -> str:
        """The source from a token up to another one, or to the batch's end."""
        return self.source[begin.begin : end.begin if end else len(self.source)].strip()

    def error(self) -> SqlError:
        """What is near the next token, as the server says it."""
        token = self.peek() or (self._tokens[-1] if self._tokens else None)
        if token is None:
            return failure(102, "")
        if token.word in RESERVED and self.peek() is not None:
            return failure(156, token.text)
        return failure(102, token.value)


RESERVED = frozenset(
    (
        *("ALTER", "BACKUP", "BEGIN", "CREATE", "DATABASE", "DECLARE", "DROP", "ELSE", "END", "EXEC", "EXECUTE"),
        *("FROM", "IF", "INSERT", "ORDER", "RESTORE", "SELECT", "SET", "TO", "UNION", "USE", "VALUES", "WHERE"),
        "WITH",
    )
)
