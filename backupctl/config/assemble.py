"""Turns the file's nodes into plain data: variables put in, defaults taken, only what is needed insisted on."""

from collections.abc import Collection
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from typing import Any

from backupctl.config.families import UNRESOLVED
from backupctl.config.interpolate import Interpolation, Missing
from backupctl.config.problems import nearest
from backupctl.config.tree import MAX_SIZE, Fault, Mapping, Node, Scalar, Sequence
from backupctl.engines.base import EngineOptions
from backupctl.options import Options
from backupctl.storages.base import StorageOptions

_FALSE = frozenset({"0", "off", "f", "false", "n", "no"})
_MAY_BE_EMPTY = frozenset({"email", "seq", "storages", "defaults"})
_TELLING = frozenset({"email", "seq", "recipients", "notify", "ping"})
"""What only a run needs: who is told of it, and how."""

_NEEDED_BY_NO_SCHEDULE = frozenset({"email", "seq", "environment"})
_SCHEDULE = frozenset({"name", "cron", "timezone", "jitter", "catch_up", "max_age", "enabled"})
_UNRESOLVED: Dict[str, Options] = {
    "database": EngineOptions(type=UNRESOLVED),
    "storage": StorageOptions(type=UNRESOLVED),
}
_NO_VALUE = "there is no value here"
_NO_VALUE_HINT = 'a value that begins with # must be quoted; write "" for an empty text, or leave the key out'
_NO_VALUE_HINTS = {"retention": "write `retention: all` to keep every backup, or leave the key out"}

Overrides = Dict[str, Dict[str, str]]


@dataclass(frozen=True)
class Wanted:
    """Which jobs are asked for (None: all), and whether their databases, who is told, or only schedules are needed."""

    jobs: Collection[str] | None = None
    database: bool = True
    telling: bool = True
    schedule_only: bool = False
    overrides: Overrides = field(default_factory=dict)


@dataclass
class Assembly:
    """The plain data, and for each part of it the node that it came from."""

    root: Mapping
    data: dict[str, Any] = field(default_factory=dict)
    jobs: list[Mapping | Node] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Every job's name, asked for or not."""
    faults: list[Fault] = field(default_factory=list)
    unresolved: dict[int, list[Missing]] = field(default_factory=dict)
    """Scalars, by their node's id, that hold a reference which nothing stands for."""
    spoiled: set[int] = field(default_factory=set)
    """Nodes that have a fault already."""
    written: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Value and written text of each scalar that had a reference."""
    optional_jobs: set[int] = field(default_factory=set)
    optional_storages: set[str] = field(default_factory=set)

    def insist(self, node: Node) -> None:
        """Make faults of what is missing at an unresolved node."""
        self.spoiled.add(id(node))
        self.faults += [Fault(node, found.message, found.hint) for found in self.unresolved[id(node)]]


def assemble(root: Mapping, interpolation: Interpolation, wanted: Wanted) -> Assembly:
    """Everything of the file that is asked for, ready to be validated."""
    return _Assembler(root, interpolation, wanted).assembled()


class _Assembler:
    def __init__(self, root: Mapping, interpolation: Interpolation, wanted: Wanted) -> None:
        self._root = root
        self._interpolation = interpolation
        self._wanted = wanted
        self._out = Assembly(root)
        defaults = root.get("defaults")
        self._defaults = defaults if isinstance(defaults, Mapping) else _nothing(root)
        self._storages_used: set[str] = set()

    def assembled(self) -> Assembly:
        self._jobs()
        self._storages()
        for key, (_, node) in self._root.entries.items():
            if key not in ("jobs", "storages"):
                self._section(key, node)
        return self._out

    def _section(self, key: str, node: Node) -> None:
        if _is_empty(node) and key in _MAY_BE_EMPTY:
            return
        may_go = self._may_go(key)
        value = self._plain(node, strict=key != "defaults" and not may_go)
        if not (may_go and self._is_unresolved(node)):
            self._out.data[key] = value

    def _may_go(self, section: str) -> bool:
        if self._wanted.schedule_only:
            return section in _NEEDED_BY_NO_SCHEDULE
        return section in _TELLING and not self._wanted.telling

    def _jobs(self) -> None:
        node = self._root.get("jobs")
        if not isinstance(node, Sequence):
            if node is not None:
                self._out.data["jobs"] = self._plain(node, strict=True)
            return
        self._out.data["jobs"] = []
        # Defaults are written out for every job: an alias bomb may hide in the product.
        if self._defaults.size * len(node.items) > MAX_SIZE and self._defaults.size > MAX_SIZE // 100:
            self._out.faults.append(Fault(self._defaults, "the defaults are too large for so many jobs"))
            return
        first_lines: dict[str, int] = {}
        for item in node.items:
            if self._is_chosen(item, first_lines):
                self._job(item)

    def _is_chosen(self, item: Node, first_lines: dict[str, int]) -> bool:
        """Whether the job is asked for; takes note of its name."""
        name_node = item.get("name") if isinstance(item, Mapping) else None
        if not isinstance(name_node, Scalar) or name_node.text is None:
            return self._wanted.jobs is None
        name, _ = self._interpolation.expand(name_node.text)
        if name in first_lines:
            hint = f"the other one is on line {first_lines[name]}"
            self._out.faults.append(Fault(name_node, f"the job name {name_node.text!r} is there twice", hint))
        first_lines.setdefault(name, name_node.line + 1)
        self._out.names.append(name)
        return self._wanted.jobs is None or name in self._wanted.jobs

    def _job(self, item: Node) -> None:
        index = len(self._out.jobs)
        if not isinstance(item, Mapping):
            self._out.jobs.append(item)
            self._out.data["jobs"].append(self._plain(item, strict=True))
            return
        item = self._overridden(item)
        self._out.jobs.append(item)
        needed = self._wanted.jobs is not None or self._is_enabled(item)
        if not needed:
            self._out.optional_jobs.add(index)
        entries = {**self._defaults.entries, **item.entries}
        plain = {
            key: self._plain(value, strict=needed and self._is_needed(key), key=key)
            for key, (_, value) in entries.items()
        }
        self._leave_out(plain, entries)
        self._out.data["jobs"].append(plain)
        self._storage_of(entries.get("storage"), needed=needed and not self._wanted.schedule_only)

    def _is_needed(self, key: str) -> bool:
        """Whether a job's key must be resolved."""
        if self._wanted.schedule_only:
            return key in _SCHEDULE
        return (self._wanted.database or key != "database") and (self._wanted.telling or key not in _TELLING)

    def _may_be_left_out(self, key: str) -> bool:
        if self._wanted.schedule_only:
            return key not in _SCHEDULE
        return key in _TELLING and not self._wanted.telling

    def _leave_out(self, plain: dict[str, Any], entries: dict[str, tuple[Scalar, Node]]) -> None:
        """Take out of a job what lacks a variable and is not needed: by its schedule, or while nobody is told."""
        for key, (_, node) in entries.items():
            if self._may_be_left_out(key) and self._is_unresolved(node):
                del plain[key]
                if key in _UNRESOLVED:
                    plain[key] = _UNRESOLVED[key]

    def _is_enabled(self, item: Mapping) -> bool:
        node = item.get("enabled") or self._defaults.get("enabled")
        if not isinstance(node, Scalar) or node.text is None:
            return True
        return self._interpolation.expand(node.text)[0].casefold() not in _FALSE

    def _overridden(self, item: Mapping) -> Mapping:
        name = item.get("name")
        changes = self._wanted.overrides.get(name.text or "", {}) if isinstance(name, Scalar) else {}
        database = item.get("database") or self._defaults.get("database")
        if not changes or not isinstance(database, Mapping):
            return item
        entries = dict(database.entries)
        for key, text in changes.items():
            place = entries[key][1] if key in entries else database
            entries[key] = (_scalar_at(place, key), _scalar_at(place, text))
        changed = _copy(database, entries)
        return _copy(item, {**item.entries, "database": (_scalar_at(database, "database"), changed)})

    def _storage_of(self, entry: tuple[Scalar, Node] | None, *, needed: bool) -> None:
        if entry is None or not isinstance(entry[1], Scalar) or entry[1].text is None:
            return
        name, missing = self._interpolation.expand(entry[1].text)
        if missing:
            return
        if needed:
            self._storages_used.add(name)
        storages = self._root.get("storages")
        known = storages.entries if isinstance(storages, Mapping) else {}
        if name not in known:
            self._out.faults.append(_unknown_storage(entry[1], list(known)))

    def _storages(self) -> None:
        node = self._root.get("storages")
        if node is None or _is_empty(node):
            return
        if not isinstance(node, Mapping):
            self._out.data["storages"] = self._plain(node, strict=True)
            return
        self._out.data["storages"] = {}
        for name, (_, value) in node.entries.items():
            used = name in self._storages_used
            if used or self._wanted.jobs is None or self._wanted.schedule_only:
                plain = self._plain(value, strict=used)
                lacking = self._wanted.schedule_only and self._is_unresolved(value)
                self._out.data["storages"][name] = _UNRESOLVED["storage"] if lacking else plain
            if not used:
                self._out.optional_storages.add(name)

    def _plain(self, node: Node, *, strict: bool, key: str = "") -> Any:
        if isinstance(node, Mapping):
            return {key: self._plain(value, strict=strict, key=key) for key, (_, value) in node.entries.items()}
        if isinstance(node, Sequence):
            return [self._plain(item, strict=strict) for item in node.items]
        assert isinstance(node, Scalar)
        return self._value(node, strict=strict, key=key)

    def _value(self, node: Scalar, *, strict: bool, key: str) -> str | None:
        if node.text is None:
            self._no_value(node, key)
            return None
        value, missing = self._interpolation.expand(node.text)
        if missing:
            self._out.unresolved[id(node)] = missing
            if strict and id(node) not in self._out.spoiled:
                self._out.insist(node)
        elif value != node.text:
            self._out.written[id(node)] = (value, node.text)
        return value

    def _is_unresolved(self, node: Node) -> bool:
        if isinstance(node, Mapping):
            return any(self._is_unresolved(value) for _, value in node.entries.values())
        if isinstance(node, Sequence):
            return any(map(self._is_unresolved, node.items))
        return id(node) in self._out.unresolved

    def _no_value(self, node: Scalar, key: str) -> None:
        if id(node) not in self._out.spoiled:
            self._out.spoiled.add(id(node))
            self._out.faults.append(Fault(node, _NO_VALUE, _NO_VALUE_HINTS.get(key, _NO_VALUE_HINT)))


def _unknown_storage(node: Scalar, known: list[str]) -> Fault:
    near = nearest(node.text or "", known)
    listed = f"the storages are: {', '.join(known[:20])}" if known else "the file has no storages"
    return Fault(node, f"there is no storage named {node.text!r}", f"did you mean {near}?" if near else listed)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.text is None


def _nothing(root: Node) -> Mapping:
    return Mapping(root.line, root.column, root.end_line, root.end_column)


def _scalar_at(place: Node, text: str) -> Scalar:
    return Scalar(place.line, place.column, place.end_line, place.end_column, text=text)


def _copy(mapping: Mapping, entries: dict[str, tuple[Scalar, Node]]) -> Mapping:
    return Mapping(
        mapping.line, mapping.column, mapping.end_line, mapping.end_column, entries=entries, refused=mapping.refused
    )
