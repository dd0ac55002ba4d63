"""Reads YAML into nodes that know their place, strictly: every scalar as it is written, nothing guessed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import yaml

MAX_DEPTH = 100
MAX_SIZE = 2_000_000
"""Nodes of the file with every alias written out: some hundred thousand are ten thousand jobs."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TEXT_TAG = "tag:yaml.org,2002:str"
_QUOTE_IT = 'quote the value: "..."'
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True, eq=False)
class Node:
    """A place in the file. Lines and columns count from 0; the end is the place after the last character."""

    line: int
    column: int
    end_line: int
    end_column: int
    size: int = 1


N = TypeVar("N", bound="Node")


@dataclass(slots=True, eq=False)
class Scalar(Node):
    """A text, or None where nothing, `~` or `null` is written."""

    text: str | None = None


@dataclass(slots=True, eq=False)
class Sequence(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping(Node):
    """Keys and values; `refused` holds those that are refused, duplicates above all."""

    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)
    refused: list[tuple[Scalar, Node]] = field(default_factory=list)

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry[1] if entry else None

    def pairs(self) -> Iterator[tuple[Scalar, Node]]:
        yield from self.entries.values()
        yield from self.refused


@dataclass(frozen=True)
class Fault:
    """A mistake at a node. `child` is the key below it that is not there; `conceals` hides an unknown key's value."""

    node: Node
    message: str
    hint: str | None = None
    child: str = ""
    conceals: bool = False


class Unreadable(Exception):  # noqa: N818 -- it says what the text is
    """the text is not YAML that can be read any further"""

    def __init__(self, fault: Fault, also_masked: int | None = None) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.begun_on_line = also_masked
        """The line on which what is broken began."""


def compose(text: str) -> tuple[Node | None, list[Fault]]:
    """The text's root, None for an empty one, and what is wrong with it. Raises Unreadable."""
    composer = _Composer(text)
    try:
        root = composer.document()
    except yaml.MarkedYAMLError as error:
        raise _broken(error, text) from None
    except yaml.reader.ReaderError as error:
        raise _bad_character(error, text) from None
    return root, composer.faults


class _Composer:
    """Builds nodes from the parser's events: its own composer (PyYAML 6) crashes the process on deep nesting."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, Node | None] = {}
        self._anchored: dict[str, Node] = {}
        self._used: set[str] = set()
        self.faults: list[Fault] = []

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise Unreadable(Fault(_node(event), "the file has more than one document", "remove the line ---"))
                root = self._node(next(self._events), 0)
        self._complain_of_unused_anchors()
        return None if isinstance(root, Scalar) and root.text is None else root

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        assert isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise Unreadable(Fault(_node(event), f"the file is nested deeper than {MAX_DEPTH} levels"))
        if event.anchor:
            self._anchors[event.anchor] = None
        node = self._made(event, depth)
        if node.size > MAX_SIZE:
            raise Unreadable(Fault(node, "the file's aliases make it too large", "write out what they stand for"))
        if event.anchor:
            self._anchors[event.anchor] = node
            self._anchored[event.anchor] = node
        return node

    def _made(self, event: yaml.NodeEvent, depth: int) -> Node:
        tag = getattr(event, "tag", None)
        if tag not in (None, "!", _TEXT_TAG):
            self.faults.append(Fault(_node(event), "a YAML tag (!...) has no meaning here", _QUOTE_IT))
        if isinstance(event, yaml.ScalarEvent):
            scalar = _at(Scalar, event)
            plain = event.implicit[0] and tag is None
            scalar.text = None if plain and event.value in _NULLS else event.value
            return scalar
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth)
        return self._sequence(event, depth)

    def _aliased(self, event: yaml.AliasEvent) -> Node:
        name = event.anchor
        if name not in self._anchors:
            hint = f"a value that begins with * must be quoted, such as a cron expression; {_QUOTE_IT}"
            raise Unreadable(Fault(_node(event), "to YAML this is an alias, and nothing has its name", hint))
        node = self._anchors[name]
        if node is None:
            raise Unreadable(Fault(_node(event), "the alias stands for something that it is itself a part of"))
        self._used.add(name)
        return node

    def _sequence(self, start: yaml.Event, depth: int) -> Sequence:
        node = _at(Sequence, start)
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                _ends(node, event)
                break
            item = self._node(event, depth + 1)
            node.items.append(item)
            node.size += item.size
        return node

    def _mapping(self, start: yaml.Event, depth: int) -> Mapping:
        node = _at(Mapping, start)
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                _ends(node, event)
                break
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            node.size += value.size + 1
            self._enter(node, key, value)
        return node

    def _enter(self, mapping: Mapping, key: Node, value: Node) -> None:
        if not isinstance(key, Scalar) or key.text is None:
            self._refuse(mapping, key, value, "a key must be a word", _QUOTE_IT)
        elif key.text == "<<":
            self._refuse(mapping, key, value, "merge keys (<<) are not read", "put what jobs share into defaults")
        elif key.text in mapping.entries:
            first = mapping.entries[key.text][0].line + 1
            mapping.refused.append((key, value))
            self.faults.append(Fault(key, f"the key {key.text!r} is there twice", f"it is on line {first} already"))
        else:
            mapping.entries[key.text] = (key, value)

    def _refuse(self, mapping: Mapping, key: Node, value: Node, message: str, hint: str) -> None:
        word = Scalar(key.line, key.column, key.end_line, key.end_column, text="")
        mapping.refused.append((word, value))
        self.faults.append(Fault(word, message, hint, conceals=True))

    def _complain_of_unused_anchors(self) -> None:
        for name, node in self._anchored.items():
            if name not in self._used:
                hint = f"a value that begins with & must be quoted; {_QUOTE_IT}"
                self.faults.append(Fault(node, "to YAML the word after & is an anchor, and nothing refers to it", hint))


def _at(kind: type[N], event: yaml.Event) -> N:
    begin, end = event.start_mark, event.end_mark
    assert begin is not None
    assert end is not None
    return kind(begin.line, begin.column, end.line, end.column)


def _node(event: yaml.Event) -> Node:
    return _at(Node, event)


def _ends(node: Node, event: yaml.Event) -> None:
    assert event.end_mark is not None
    node.end_line, node.end_column = event.end_mark.line, event.end_mark.column


def _broken(error: yaml.MarkedYAMLError, text: str) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    begun = error.context_mark.line if error.context_mark else None
    lines = text.splitlines() or [""]
    if line >= len(lines):
        line, column = len(lines) - 1, len(lines[-1])
    said = ", ".join(part for part in (error.context, error.problem) if part)
    node = Node(line, column, line, column + 1)
    return Unreadable(Fault(node, f"this is not valid YAML: {said}", _advice(said, lines[line], column)), begun)


def _advice(said: str, line: str, column: int) -> str | None:
    character = line[column : column + 1]
    if "alias" in said or "anchor" in said:
        return f"a value that begins with * or & must be quoted, such as a cron expression; {_QUOTE_IT}"
    if "\t" in line[: column + 1] or "tab" in said:
        return "indent with spaces, not with tabs"
    if "cannot start any token" in said and character in "@`%":
        return f"a value that begins with {character} must be quoted; {_QUOTE_IT}"
    if "mapping values are not allowed" in said:
        return f"a value that holds ': ' must be quoted, and keys of one mapping are indented alike; {_QUOTE_IT}"
    if "unexpected end" in said and "quoted" in said:
        return "a quote is opened and not closed"
    return None


def _bad_character(error: yaml.reader.ReaderError, text: str) -> Unreadable:
    before = text[: error.position]
    line = before.count("\n")
    column = len(before) - (before.rfind("\n") + 1)
    node = Node(line, column, line, column + 1)
    return Unreadable(
        Fault(node, "the file holds a control character", "remove it, or write it as an escape in quotes")
    )
