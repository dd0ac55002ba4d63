"""Validates the assembled data, and leaves out what is not needed and cannot be resolved."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backupctl.config.assemble import Assembly
from backupctl.config.schema import JobsFile
from backupctl.config.source import is_secret
from backupctl.config.translate import Location, fault_of
from backupctl.config.tree import Fault, Mapping, Node, Scalar, Sequence
from backupctl.options import FOLDER
from backupctl.redact import MASK


@dataclass(frozen=True)
class _Place:
    """Where one of pydantic's locations is: the nearest node, the key that it lacks, the data that holds the field."""

    node: Node
    missing: str
    holder: Any


class Check:
    """One validation. `faults` holds what was found."""

    def __init__(self, assembly: Assembly, folder: Path) -> None:
        self._assembly = assembly
        self._context = {FOLDER: folder}
        self._kept = list(range(len(assembly.jobs)))
        self._job_ids = {id(job) for job in assembly.jobs}
        self._dropped: dict[tuple[int, str], Node] = {}
        self.faults: list[Fault] = []

    def model(self) -> JobsFile | None:
        """The validated file, or None and `faults`."""
        while True:
            try:
                return JobsFile.model_validate(self._assembly.data, context=self._context)
            except ValidationError as error:
                if not self._made_smaller(error):
                    return None

    def _made_smaller(self, error: ValidationError) -> bool:
        """Leave out what only a missing variable makes wrong; False when something else is wrong, too."""
        locations: list[Location] = []
        for one in error.errors(include_url=False, include_input=False):
            place = self._place(one["loc"])
            if self._is_for_a_missing_variable(one["type"], one["loc"], place):
                locations.append(one["loc"])
            elif not self._is_spoiled(one["type"], place.node):
                self.faults.append(self._fault(dict(one), place))
        if self.faults or self._assembly.faults or not locations:
            return False
        return self._left_out(locations)

    def _is_for_a_missing_variable(self, kind: str, location: Location, place: _Place) -> bool:
        if id(place.node) in self._assembly.spoiled:
            return False
        return id(place.node) in self._assembly.unresolved or (
            kind == "missing" and (id(place.node), str(location[-1])) in self._dropped
        )

    def _left_out(self, locations: list[Location]) -> bool:
        """Whether nothing that is needed was among them."""
        wholes: set[tuple[str, int | str]] = set()
        for location in locations:
            place = self._place(location)
            key = location[-1]
            if isinstance(place.holder, dict) and key in place.holder and key != "type":
                self._dropped[id(self._place(location[:-1]).node), str(key)] = place.node
                del place.holder[key]
            elif self._can_go(location):
                wholes.add((str(location[0]), location[1]))
            else:
                self._assembly.insist(self._dropped.get((id(place.node), str(key)), place.node))
                return False
        self._remove(wholes)
        return True

    def _can_go(self, location: Location) -> bool:
        match location:
            case ("storages", str(name), *_):
                return name in self._assembly.optional_storages
            case ("jobs", int(index), *_):
                return self._kept[index] in self._assembly.optional_jobs
            case ("defaults", _, *_):
                return True
            case _:
                return False

    def _remove(self, wholes: set[tuple[str, int | str]]) -> None:
        data = self._assembly.data
        storages = {key for section, key in wholes if section == "storages"}
        # Only jobs that may go, too, use a storage that may: a disabled one.
        users = {index for index, job in enumerate(data["jobs"]) if _storage_name(job) in storages}
        indices = sorted(users | {index for _, index in wholes if isinstance(index, int)}, reverse=True)
        for index in indices:  # from the end, since each removal moves those behind it
            del data["jobs"][index], self._kept[index]
        for section, key in wholes:
            if isinstance(key, str):
                del data[section][key]

    def _is_spoiled(self, kind: str, node: Node) -> bool:
        spoiled = self._assembly.spoiled
        if id(node) in spoiled:
            return True
        # What is said of a mapping as a whole may only come from a value in it that is missing.
        return kind == "value_error" and any(id(scalar) in spoiled for scalar in _scalars(node))

    def _fault(self, error: dict[str, Any], place: _Place) -> Fault:
        field = next((step for step in reversed(error["loc"]) if isinstance(step, str)), "")
        written = [
            self._assembly.written[id(node)] for node in _scalars(place.node) if id(node) in self._assembly.written
        ]
        if is_secret(field) and isinstance(place.node, Scalar) and place.node.text:
            written.append((place.node.text, MASK))
        hide = dict(sorted((pair for pair in written if pair[0]), key=lambda pair: -len(pair[0])))
        node = self._key(error["loc"]) if error["type"] == "extra_forbidden" else place.node
        return fault_of(error, node, place.missing, place.holder, hide)

    def _key(self, location: Location) -> Node:
        """The key itself, where the location is that of its value."""
        parent, name = self._place(location[:-1]).node, str(location[-1])
        if not isinstance(parent, Mapping):
            return parent
        if name not in parent.entries and isinstance(defaults := self._assembly.root.get("defaults"), Mapping):
            parent = defaults
        return parent.entries[name][0]

    def _place(self, location: Location) -> _Place:
        steps = list(location)
        node: Node = self._assembly.root
        holder: Any = None
        data: Any = self._assembly.data
        while steps:
            step = steps[0]
            below = self._below(node, step)
            if below is None:
                break
            holder, data = data, _part(data, step)
            node = below
            steps.pop(0)
        missing = str(steps[0]) if steps and isinstance(node, Mapping) else ""
        return _Place(node, missing, data if steps else holder)

    def _below(self, node: Node, step: int | str) -> Node | None:
        if isinstance(node, Sequence) and isinstance(step, int):
            if node is self._assembly.root.get("jobs"):
                return self._assembly.jobs[self._kept[step]]
            return node.items[step]
        if isinstance(node, Mapping) and isinstance(step, str):
            return node.get(step) or self._default(node, step)
        return None

    def _default(self, node: Mapping, key: str) -> Node | None:
        defaults = self._assembly.root.get("defaults")
        return defaults.get(key) if id(node) in self._job_ids and isinstance(defaults, Mapping) else None


def _part(data: Any, step: int | str) -> Any:
    try:
        return data[step]
    except (KeyError, IndexError, TypeError):
        return None


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _scalars(item)
    elif isinstance(node, Mapping):
        for _, value in node.entries.values():
            yield from _scalars(value)


def _storage_name(job: Any) -> str | None:
    name = job.get("storage") if isinstance(job, dict) else None
    return name if isinstance(name, str) else None
