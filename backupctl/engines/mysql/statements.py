"""Changes what must be changed in a dump on its way into a database: the lines that begin a statement, never a row."""

import re
from collections.abc import Callable

from backupctl.engines.mysql.options import Flavour
from backupctl.engines.mysql.sql import identifier
from backupctl.stream import CHUNK, Reader

Edit = Callable[[bytes], bytes]

_DELIMITER = b"DELIMITER "
_PLAIN = b"DELIMITER ;\n"
_END = b";;\n"
_INTERESTING = (
    _DELIMITER,
    b"CREATE DEFINER=",
    b"/*!50003 CREATE*/ ",
    b"/*!50003 SET ",
    b"/*!50106 CREATE*/ ",
    b"/*!50013 ",
    b"/*!50001 ",
    b"/*!50002 WITH ",
    b"ALTER DATABASE ",
    b"  `",  # a column of CREATE TABLE
    b") ENGINE=",
    b"/*!999999\\-",
    b"/*M!999999\\-",
)
_BEGINS = re.compile(rb"\n(?=" + b"|".join(map(re.escape, _INTERESTING)) + rb")")
_LONGEST = max(map(len, _INTERESTING))
_QUOTED = rb"(?:`(?:[^`]|``)*`|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")"  # the last: made with ANSI_QUOTES
_DEFINER = re.compile(rb"\bDEFINER=" + _QUOTED + rb"(?:@" + _QUOTED + rb")?[ ]?")
_MADE_WITH_DEFINER = (b"CREATE DEFINER=", b"/*!50003 CREATE*/ /*!50017 ", b"/*!50106 CREATE*/ /*!50117 ", b"/*!50013 ")
_SANDBOX = (b"/*!999999\\-", b"/*M!999999\\-")
_VIEW = b"/*!50001 VIEW "
_STRING = rb"'(?:[^'\\]|\\.|'')*'"
_COLUMN = b"  `"
_FOREIGN_COLLATION: dict[Flavour, re.Pattern[bytes]] = {
    "mariadb": re.compile(_STRING + rb"|\butf8mb4_(?:\w+_)?0900_(?P<kind>\w+)"),
    "mysql": re.compile(_STRING + rb"|\butf8mb4_uca1400_(?P<kind>\w+)"),
}
_ONLY_MARIADBS_MODE = re.compile(rb",?NO_AUTO_CREATE_USER")
_ALTER = b"ALTER DATABASE "


class Edited:
    """Passes a dump through, with edits applied to each line that begins a statement and may need one.

    Both vendors' clients write a line break in a value as `\\n`, so no line of a row begins as these do.
    Between `DELIMITER ;;` and `DELIMITER ;` stand bodies, of which only the first line is looked at.
    """

    def __init__(self, source: Reader, edits: list[Edit], *, ending: Callable[[], bytes] = bytes) -> None:
        self._source = source
        self._edits = edits
        self._ending = ending
        self._out = bytearray()
        self._line = b""
        self._passing = False
        self._in_bodies = False
        self._at_start = True
        self._ended = False

    def read(self, size: int, /) -> bytes:
        while len(self._out) < size and not self._ended:
            chunk = self._source.read(CHUNK)
            self._ended = not chunk
            self._take(chunk)
            if self._ended:
                self._out += self._ending()
        taken = bytes(self._out[:size])
        del self._out[:size]
        return taken

    def close(self) -> None:
        self._source.close()

    def _take(self, chunk: bytes) -> None:
        text = self._line + chunk
        whole = text.rfind(b"\n") + 1
        self._lines(text[:whole])
        rest = self._line = text[whole:]
        if self._ended:
            self._out += rest if self._passing else self._edited(rest)
        elif len(rest) >= _LONGEST and (self._passing or not rest.startswith(_INTERESTING)):
            # A row may be as long as a gigabyte: it is not held back for its end, of which two letters tell enough.
            self._out += rest[:-2]
            self._line = rest[-2:]
            self._passing = True

    def _lines(self, text: bytes) -> None:
        position = 0
        while position < len(text):
            if not (self._passing or self._in_bodies or text.startswith(_INTERESTING, position)):
                # Of rows there may be a hundred thousand a MiB: none is looked at by itself.
                found = _BEGINS.search(text, position)
                end = found.end() if found else len(text)
                self._out += text[position:end]
            else:
                end = text.index(b"\n", position) + 1
                self._out += self._seen(text[position:end])
            position = end

    def _seen(self, line: bytes) -> bytes:
        passing, self._passing = self._passing, False
        if passing:
            self._at_start = not self._in_bodies or line.endswith(_END)
            return line
        edited = self._edited(line)
        if self._at_start and line.startswith(_DELIMITER):
            self._in_bodies = line != _PLAIN
            self._at_start = True
        else:
            self._at_start = not self._in_bodies or line.endswith(_END)
        return edited

    def _edited(self, line: bytes) -> bytes:
        if self._at_start and line.startswith(_INTERESTING):
            for edit in self._edits:
                line = edit(line)
        return line


def without_definer(line: bytes) -> bytes:
    """Leaves out who a routine, view, trigger or event is defined by: it is then whoever restores it."""
    if not line.startswith(_MADE_WITH_DEFINER):
        return line
    return _DEFINER.sub(b"", line, count=1)


def without_sandbox(line: bytes) -> bytes:
    """Leaves out mariadb-dump's first line, which is an error to clients that do not know it."""
    return b"" if line.startswith(_SANDBOX) else line


def translated(target: Flavour) -> Edit:
    """Puts the nearest in the place of collations and modes that are the other flavour's alone."""

    def translate(line: bytes) -> bytes:
        if target == "mysql" and line.startswith(b"/*!50003 SET sql_mode "):
            return _ONLY_MARIADBS_MODE.sub(b"", line)
        return _FOREIGN_COLLATION[target].sub(_nearest, line)

    return translate


def _nearest(found: "re.Match[bytes]") -> bytes:
    if found[0].startswith(b"'"):
        return found[0]
    case_insensitive = found["kind"] == b"ai_ci"
    if b"_0900_" in found[0]:
        return b"utf8mb4_unicode_520_ci" if case_insensitive else b"utf8mb4_bin"
    return b"utf8mb4_0900_ai_ci" if case_insensitive else b"utf8mb4_0900_as_cs"


class ViewChecks:
    """An edit that makes views without their CHECK OPTION first, and with it when all views are there.

    The clients put a table of constants in the place of each view until its turn comes, in the order of the names;
    a view with CHECK OPTION on one that comes later is then refused (error 1368; both products).
    """

    def __init__(self) -> None:
        self._view = b""
        self._checked: list[bytes] = []

    def __call__(self, line: bytes) -> bytes:
        if line.startswith(b"/*!50002 WITH "):
            self._checked.append(self._view.replace(b"\n/*!50001 CREATE ", b"\n/*!50001 CREATE OR REPLACE ", 1) + line)
            return b";\n"
        if line.startswith((b"/*!50001 ", b"/*!50013 ")):
            self._view = line if line.startswith(b"/*!50001 DROP VIEW ") else self._view + line
        return line

    def ending(self) -> bytes:
        """What makes them again."""
        return b"".join(self._checked)


def renamed(source: str, target: str) -> Edit:
    """Where a dump names its own database, names another.

    That is where routines were made under other collations (ALTER DATABASE); in MariaDB (10.11) also in columns
    whose default is a sequence, and in views whose definer is not there: there the name is left out.
    """
    old, new = identifier(source).encode(), identifier(target).encode()
    in_default = re.compile(_STRING + rb"|(?<=val\()" + re.escape(old) + rb"\.(?=`)")
    in_view = re.compile(_STRING + rb"|" + re.escape(old) + rb"\.(?=`(?:[^`]|``)*`\.`)")

    def rename(line: bytes) -> bytes:
        if line.startswith(_ALTER + old):
            return _ALTER + new + line[len(_ALTER + old) :]
        if line.startswith(_COLUMN):
            return in_default.sub(_string_alone, line)
        return in_view.sub(_string_alone, line) if line.startswith(_VIEW) else line

    return rename


def _string_alone(found: "re.Match[bytes]") -> bytes:
    return found[0] if found[0].startswith(b"'") else b""
