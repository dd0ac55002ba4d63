"""The file's text, and how a line of it may be quoted: with no secret in it."""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backupctl.config.interpolate import is_reference
from backupctl.config.problems import InvalidFile, Problem
from backupctl.config.schema import known_keys
from backupctl.config.tree import Fault, Mapping, Node, Scalar, Sequence, Unreadable
from backupctl.errors import ConfigError
from backupctl.redact import MASK

_SECRET = r"pass|pwd|secret|token|key|credential"  # noqa: S105 -- what a secret's field is called
_SECRET_KEY = re.compile(rf"{_SECRET}|^(?:pw|env|notify|ping)$", re.IGNORECASE)
_NAMED = rf"(?:{_SECRET}|\bpw\b)[\w-]*[\"']?\s*[:=]\s*"
# Where values are known, this is for comments and arguments (`--password=...`); else all the rest of the line goes.
_SECRET_WORD = re.compile(rf"{_NAMED}(?P<value>(?:\$\{{[^}}]*\}}|[^\s,}}\]])+)", re.IGNORECASE)
_SECRET_REST = re.compile(rf"{_NAMED}(?P<value>\S.*)", re.IGNORECASE)
_BEGINNINGS = " \t-?{[}],:"
_FIRST_KEY = re.compile(rf"[{re.escape(_BEGINNINGS)}]*[\"']?(?P<key>[\w-]+)[\"']?\s*:\s*")
_USERINFO = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_Span = tuple[int, int]


@dataclass(frozen=True)
class Source:
    """The jobs file as it is on disk."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> "Source":
        """Raises ConfigError when there is nothing to read, InvalidFile when it is not UTF-8."""
        try:
            data = path.read_bytes()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigError(f"the file {path} cannot be read: {reason}") from error
        try:
            # A byte order mark is what Windows editors put before UTF-8; it says nothing.
            return cls(path, data.removeprefix(codecs.BOM_UTF8).decode())
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start)
            column = error.start - (data.rfind(b"\n", 0, error.start) + 1)
            problem = Problem(path, line + 1, column + 1, "", "the file is not UTF-8 text", "save it as UTF-8")
            raise InvalidFile(path, [problem]) from None

    def invalid(self, root: Node, faults: Iterable[Fault]) -> InvalidFile:
        """The error that shows these faults of a file that was parsed."""
        places = Places(root)
        lines = self._lines()
        faults = list(faults)
        masked = _masked_spans(root, lines, {id(fault.node) for fault in faults if fault.conceals})
        problems: dict[tuple[int, int, str, str], Problem] = {}
        for fault in faults:
            path = ".".join(part for part in (places.path(fault.node), fault.child) if part)
            key = (fault.node.line, fault.node.column, path, fault.message)
            problems.setdefault(key, self._problem(fault, path, lines, masked, _SECRET_WORD))
        return InvalidFile(self.path, problems.values())

    def unreadable(self, error: Unreadable) -> InvalidFile:
        """The error that shows why the text cannot be parsed."""
        lines = self._lines()
        number = error.fault.node.line
        line = lines[number] if number < len(lines) else ""
        begun = error.begun_on_line
        if begun is not None and begun != number and begun < len(lines) and _SECRET_REST.search(lines[begun]):
            shown = 0
        else:
            shown = _shown_part(line)
        masked = {number: [(shown, len(line.rstrip()))]}
        return InvalidFile(self.path, [self._problem(error.fault, "", lines, masked, _SECRET_REST)])

    def _lines(self) -> list[str]:
        return self.text.splitlines() or [""]

    def _problem(
        self, fault: Fault, path: str, lines: list[str], masked: dict[int, list[_Span]], secret: re.Pattern[str]
    ) -> Problem:
        node = fault.node
        line = lines[node.line] if node.line < len(lines) else ""
        end = node.end_column if node.end_line == node.line else len(line.rstrip())
        hidden = [*masked.get(node.line, []), *_spotted(line, secret)]
        shown, span = mask(line, hidden, (node.column, max(end, node.column + 1)))
        return Problem(self.path, node.line + 1, node.column + 1, path, fault.message, fault.hint, shown, span)


class Places:
    """Which path, in the user's words, a node has."""

    def __init__(self, root: Node) -> None:
        self._paths: dict[int, str] = {}
        self._enter(root, "")

    def path(self, node: Node) -> str:
        return self._paths.get(id(node), "")

    def _enter(self, node: Node, path: str) -> None:
        if id(node) in self._paths:
            return
        self._paths[id(node)] = path
        if isinstance(node, Mapping):
            for key, value in node.pairs():
                below = ".".join(part for part in (path, key.text) if part)
                self._paths.setdefault(id(key), below)
                self._enter(value, below)
        elif isinstance(node, Sequence):
            for index, item in enumerate(node.items):
                name = _job_name(item) if path == "jobs" else None
                self._enter(item, f"{path}[{name or index}]")


def _shown_part(line: str) -> int:
    """How far a line that cannot be parsed may be shown: a value only behind a key that the format knows.

    Any other text may be the rest of a secret, or stand behind a mistyped `password`.
    """
    match = _FIRST_KEY.match(line)
    if match is None:
        return len(line) - len(line.lstrip(_BEGINNINGS))
    return len(line) if match["key"] in known_keys() else match.end()


def _job_name(item: Node) -> str | None:
    name = item.get("name") if isinstance(item, Mapping) else None
    return name.text if isinstance(name, Scalar) else None


def is_secret(key: str) -> bool:
    """Whether a field of this name holds what nobody may see."""
    return _SECRET_KEY.search(key) is not None


def without_secrets(text: str) -> str:
    """The text without what follows a secret's name, as in `--password=...`."""
    return mask(text, _spotted(text, _SECRET_WORD), (0, 0))[0]


def mask(line: str, spans: Iterable[_Span], marked: _Span) -> tuple[str, _Span]:
    """The line with the spans masked, and where what was marked is in it now."""
    begin, end = marked
    for first, last in reversed(_joined(spans)):
        line = line[:first] + MASK + line[last:]
        begin, end = _moved(begin, first, last), _moved(end, first, last, end=True)
    return line, (begin, max(end, begin + 1))


def _moved(column: int, first: int, last: int, *, end: bool = False) -> int:
    if column >= last:
        return column - (last - first) + len(MASK)
    if column > first:
        return first + (len(MASK) if end else 0)
    return column


def _spotted(line: str, secret: re.Pattern[str]) -> Iterator[_Span]:
    for match in secret.finditer(line):
        if not is_reference(match["value"].strip().strip("\"'")):
            yield match.span("value")
    for match in _USERINFO.finditer(line):
        yield match.span()


def _joined(spans: Iterable[_Span]) -> list[_Span]:
    joined: list[_Span] = []
    for first, last in sorted(spans):
        if first >= last:
            continue
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _masked_spans(root: Node, lines: list[str], concealed: set[int]) -> dict[int, list[_Span]]:
    spans: dict[int, list[_Span]] = {}
    for scalar in _Secrets(concealed).below(root, inside=False):
        for line in range(scalar.line, min(scalar.end_line + 1, len(lines))):
            first = scalar.column if line == scalar.line else 0
            last = scalar.end_column if line == scalar.end_line else len(lines[line])
            spans.setdefault(line, []).append((first, last))
    return spans


class _Secrets:
    """Finds the scalars that must not be shown: below a secret's name, or below a key that is concealed."""

    def __init__(self, concealed: set[int]) -> None:
        self._concealed = concealed
        self._seen: set[tuple[int, bool]] = set()

    def below(self, node: Node, *, inside: bool) -> Iterator[Scalar]:
        if (id(node), inside) in self._seen:
            return
        self._seen.add((id(node), inside))
        if isinstance(node, Scalar):
            if inside and node.text and not is_reference(node.text):
                yield node
        elif isinstance(node, Sequence):
            for item in node.items:
                yield from self.below(item, inside=inside)
        elif isinstance(node, Mapping):
            for key, value in node.pairs():
                hidden = inside or is_secret(str(key.text)) or id(key) in self._concealed
                yield from self.below(value, inside=hidden)
