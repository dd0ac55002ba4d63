"""Writes log records: lines for people, JSON for machines, events for Seq; each without secrets, in the zone's time."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from structlog.contextvars import merge_contextvars
from structlog.processors import format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict

from backupctl.logs import clef
from backupctl.logs.templates import rendered
from backupctl.redact import Redactor

TEMPLATE = "template"
"""Under this key an event of ours carries the template of its sentence."""

_LIBRARY_EVENT = "log"
_FIRST = ("job", "run_id", "engine", "database", "storage")
_APART = ("hint", "problems", "exception")
"""On lines of their own, where people read."""
_AT_THE_END = ("run_id", "logger")
_INDENT = "\n    "

_STYLES = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # of sd-daemon(3)


@dataclass
class Background:
    """What holds for every line; it may change while lines are written."""

    zone: tzinfo
    redact: Redactor
    environment: str


@dataclass(frozen=True)
class Line:
    """A record, ready to be written. `template` is None for a library's; `kind` is what its texts have in common."""

    time: datetime
    level: str
    event: str
    message: str
    template: str | None
    kind: str
    values: Mapping[str, Any]


Writer = Callable[[Line], str]


def formatter(background: Background, write: Writer) -> logging.Formatter:
    """Makes a text of a record of ours or of a library's."""

    def finish(_logger: object, _method: str, event: EventDict) -> str:
        return write(_line(event, background))

    return ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars], processors=[format_exc_info, finish], use_get_message=True
    )


def _line(event: EventDict, background: Background) -> Line:
    record: logging.LogRecord = event.pop("_record")
    event.pop("_from_structlog")
    event.pop("stack_info", None)
    text, template = str(event.pop("event")), event.pop(TEMPLATE, None)
    values = {name: _plain(value, background) for name, value in event.items() if value is not None}
    if template is None:
        values["logger"] = record.name
    return Line(
        time=datetime.fromtimestamp(record.created, UTC).astimezone(background.zone),
        level=record.levelname.lower(),
        event=text if template else _LIBRARY_EVENT,
        message=rendered(template, values) if template else background.redact(text),
        template=template,
        kind=str(record.msg),
        values=values | {"environment": background.environment},
    )


def _plain(value: Any, background: Background) -> Any:
    """The value as JSON has it, without secrets."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.astimezone(background.zone).isoformat(timespec="seconds")
    if isinstance(value, Mapping):
        return {background.redact(str(name)): _plain(one, background) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, background) for one in value]
    return background.redact(str(value))


def as_json(line: Line) -> str:
    """For machines: what Loki, Elasticsearch and their like take without being told anything."""
    head = {
        "time": line.time.isoformat(timespec="milliseconds"),
        "level": line.level,
        "event": line.event,
        "message": line.message,
    }
    first = {name: line.values[name] for name in _FIRST if name in line.values}
    return json.dumps(head | first | {name: line.values[name] for name in line.values}, ensure_ascii=False)


def as_text(line: Line, *, coloured: bool) -> str:
    """For people: a sentence, and what belongs to it beneath."""
    paint = _paint if coloured else _unpainted
    time = paint(line.time.isoformat(timespec="seconds"), "2")
    level = paint(f"{line.level:8}", _STYLES.get(line.level, "0"))
    pairs = "".join(f"  {name}={line.values[name]}" for name in _AT_THE_END if name in line.values)
    below = "".join(_below(name, line.values[name]) for name in _APART if name in line.values)
    return f"{time} {level} {_indented(line.message)}{paint(_indented(pairs), '2') if pairs else ''}{below}"


def as_clef(line: Line, extra: Mapping[str, str]) -> str:
    """For Seq."""
    values = {**line.values, **extra}
    if line.template is None:
        return clef.line_of_text(line.message, line.kind, values, time=line.time, level=line.level)
    values["event"] = line.event
    return clef.line_of(line.template, values, time=line.time, level=line.level)


def for_journal(line: Line, text: str) -> str:
    """Each line with its priority before it, which the journal takes away, so that `journalctl -p` works."""
    prefix = f"<{_PRIORITIES.get(line.level, 6)}>"
    return "\n".join(prefix + one for one in text.split("\n"))


def _below(name: str, value: Any) -> str:
    texts = value if isinstance(value, list) else [value]
    label = "hint: " if name == "hint" else ""
    return "".join(_INDENT + label + _indented(str(text)) for text in texts)


def _indented(text: str) -> str:
    """In one piece and harmless: what a server says must neither look like a line of ours nor steer the terminal."""
    lines = (
        "".join(char if char.isprintable() or char == "\t" else ascii(char)[1:-1] for char in one)
        for one in text.splitlines()
    )
    return _INDENT.join(lines)


def _paint(text: str, style: str) -> str:
    return f"\033[{style}m{text}\033[0m"


def _unpainted(text: str, _style: str) -> str:
    return text
