"""Says in the user's words what pydantic found: the place in the file, what is wrong, what to write instead."""

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import available_timezones

from pydantic import BaseModel

from backupctl.config import families
from backupctl.config.problems import nearest
from backupctl.config.schema import Defaults, Email, JobEntry, JobsFile, Seq
from backupctl.config.source import without_secrets
from backupctl.config.tree import Fault, Node, Scalar
from backupctl.config.tree import Mapping as MappingNode
from backupctl.engines import ENGINES
from backupctl.retention import Retention
from backupctl.storages import STORAGES
from backupctl.stream import Compression

Location = tuple[int | str, ...]

_NUMBER = "this must be a whole number"
_FRACTION = "this must be a number"
_LIST = "this must be a list"
_KEYS = "this must be a mapping of keys to values"
_MESSAGES = {
    "int_parsing": _NUMBER,
    "int_type": _NUMBER,
    "int_from_float": _NUMBER,
    "int_parsing_size": _NUMBER,
    "float_parsing": _FRACTION,
    "float_type": _FRACTION,
    "bool_parsing": "this must be true or false",
    "bool_type": "this must be true or false",
    "string_type": "this must be a text",
    "string_too_short": "this must not be empty",
    "path_type": "this must be a path",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "frozen_set_type": _LIST,
    "model_type": _KEYS,
    "model_attributes_type": _KEYS,
    "dict_type": _KEYS,
    "mapping_type": _KEYS,
    families.NO_MAPPING: _KEYS,
}
_BOUNDS = {
    "greater_than_equal": ("this must be at least {}", "ge"),
    "greater_than": ("this must be more than {}", "gt"),
    "less_than_equal": ("this must be at most {}", "le"),
    "less_than": ("this must be less than {}", "lt"),
    "string_too_long": ("this must have at most {} characters", "max_length"),
    "too_short": ("this list must have at least {}", "min_length"),
    "too_long": ("this list must have at most {}", "max_length"),
}


def fault_of(error: Mapping[str, Any], node: Node, missing: str, data: Any, written: Mapping[str, str]) -> Fault:
    """The fault for one of pydantic's errors at a node.

    `missing` is the key that the node lacks, `data` what holds the error's field, `written` maps values
    that came out of `${...}` to what the file has, so that none is repeated.
    """
    kind, location = error["type"], error["loc"]
    if kind == "extra_forbidden":
        return _unknown_key(location, node, data)
    if kind == "missing":
        return Fault(node, f"the key {location[-1]!r} is missing", _missing_hint(location), child=missing)
    if kind == families.UNKNOWN_TYPE:
        return _unknown_type(error["ctx"], node)
    message = _message(kind, error)
    for value, text in written.items():
        message = message.replace(value, text)
    return Fault(node, message, _hint(kind, location, error, node), child=missing)


def _message(kind: str, error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    if kind in _BOUNDS:
        text, bound = _BOUNDS[kind]
        return text.format(context[bound])
    if kind in ("literal_error", "enum"):
        return f"this must be {context['expected']}"
    if kind in ("value_error", "assertion_error"):
        return without_secrets(str(context["error"])).rstrip(".")
    said: str = error["msg"]
    return said[:1].lower() + said[1:].rstrip(".")


def _hint(kind: str, location: Location, error: Mapping[str, Any], node: Node) -> str | None:
    text = node.text if isinstance(node, Scalar) else None
    field = location[-1] if location else None
    if kind == "string_type" and isinstance(node, MappingNode):
        return 'quote a text that holds { or ": "'
    if kind in ("tuple_type", "list_type") and text is not None:
        return "write a list: [one, two]"
    if kind == "literal_error" and text:
        return _did_you_mean(text, error["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", "))
    if field == "timezone" and text:
        return _did_you_mean(text, available_timezones()) or "zones are named as in America/Sao_Paulo or UTC"
    if field == "cron":
        return 'minute hour day month weekday, such as "30 3 * * *" for 03:30 every day'
    return None


def _did_you_mean(text: str, known: Iterable[str]) -> str | None:
    near = nearest(text, known)
    return f"did you mean {near}?" if near else None


def _missing_hint(location: Location) -> str | None:
    if location[-1] == "storage":
        return "name one of the file's storages, here or in defaults"
    if location == ("version",):
        return "begin the file with: version: 1"
    return None


def _unknown_type(context: Mapping[str, Any], node: Node) -> Fault:
    text = node.text or "" if isinstance(node, Scalar) else ""
    hint = _did_you_mean(text, context["known"]) or f"the types are: {', '.join(context['known'])}"
    return Fault(node, f"there is no {context['what']} type {text!r}", hint)


def _unknown_key(location: Location, node: Node, data: Any) -> Fault:
    key = str(location[-1])
    model = _model_at(location[:-1], data)
    known = _keys_of(model) if model else []
    hint = _did_you_mean(key, known) or (f"the keys are: {', '.join(known)}" if known else None)
    return Fault(node, f"the key {key!r} is unknown here", hint, conceals=True)


def _keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(location: Location, data: Any) -> type[BaseModel] | None:
    """The model of the mapping at this place; `data` is that mapping."""
    kind = data.get("type") if isinstance(data, dict) else None
    match location:
        case ():
            return JobsFile
        case ("email",):
            return Email
        case ("seq",):
            return Seq
        case ("defaults",):
            return Defaults
        case ("jobs", int()):
            return JobEntry
        case (*_, "database") if kind in ENGINES:
            return ENGINES[kind].Options
        case ("storages", _) | (*_, "storage") if kind in STORAGES:
            return STORAGES[kind].Options
        case (*_, "compression"):
            return Compression
        case (*_, "retention"):
            return Retention
        case _:
            return None
