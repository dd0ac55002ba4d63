"""Writes an event in the compact log event format, as Seq takes it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zlib import crc32

from backupctl.logs.templates import renamed

EVENT_MOST = 128 * 1024
"""Seq refuses events of more than 256 KiB by default, and from 2025.1 on it counts what the template grows to with
its values (datalust/seq-tickets#2365): each may be there twice."""

_CUT_LEAST = 1024
_LEVELS = {"debug": "Debug", "info": "Information", "warning": "Warning", "error": "Error", "critical": "Fatal"}


def line_of(template: str, values: Mapping[str, Any], *, time: datetime, level: str) -> str:
    """One event as one line, without the line's end. `exception` among the values is the traceback.

    Raises nothing for what values may be: what JSON lacks becomes text, and what is too long is cut.
    """
    event: dict[str, Any] = {"@t": time.isoformat(), "@mt": renamed(template, property_name)}
    return _fitting(event | _rest(values, level))


def line_of_text(text: str, kind: str, values: Mapping[str, Any], *, time: datetime, level: str) -> str:
    """One event of a library, which knows no templates. Texts of one kind are of one type in Seq."""
    event = {"@t": time.isoformat(), "@m": text, "@i": f"{crc32(kind.encode(errors='replace')):08x}"}
    return _fitting(event | _rest(values, level))


def property_name(name: str) -> str:
    """The name in Seq of one of our values: RunId for run_id."""
    return "".join(word.capitalize() for word in name.split("_"))


def _rest(values: Mapping[str, Any], level: str) -> dict[str, Any]:
    rest: dict[str, Any] = {"@l": _LEVELS.get(level, "Information")}
    for name, value in values.items():
        if name == "exception":
            rest["@x"] = value
        else:
            rest[property_name(name)] = value
    return rest


def _fitting(event: dict[str, Any]) -> str:
    line = _json(event)
    most = EVENT_MOST
    while len(line) > EVENT_MOST and most > _CUT_LEAST:
        most //= 2
        line = _json({name: _cut(value, most) for name, value in event.items()})
    return line.decode()


def _cut(value: Any, most: int) -> Any:
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]} [... {len(value) - most} more characters]"
    if isinstance(value, list):
        text = [str(one) for one in value]
        return value if sum(map(len, text)) <= most else _cut("; ".join(text), most)
    return value


def _json(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), default=str).encode(errors="replace")
