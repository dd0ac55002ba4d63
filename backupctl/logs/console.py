"""The console's end of the logs: what it is written on decides how."""

import logging
import os
from contextlib import suppress
from typing import TextIO

from backupctl.logs.rendering import Background, Line, Writer, as_json, as_text, for_journal, formatter


def console(stream: TextIO, form: str, background: Background) -> logging.Handler:
    """Writes records on the stream: `text`, `json`, or with `auto` text on a terminal and JSON elsewhere."""
    is_terminal = stream.isatty()
    as_lines = form == "text" or (form == "auto" and is_terminal)
    write = _text_writer(coloured=_is_coloured(is_terminal)) if as_lines else as_json
    handler = _Console(stream)
    handler.setFormatter(formatter(background, _journalled(write) if _is_journal(stream) else write))
    return handler


class _Console(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's own name
        # The library would print the traceback with all it was given, secrets included.
        with suppress(Exception):
            self.stream.write(f"a log record of {record.name} could not be written\n")


def _text_writer(*, coloured: bool) -> Writer:
    return lambda line: as_text(line, coloured=coloured)


def _journalled(write: Writer) -> Writer:
    def written(line: Line) -> str:
        return for_journal(line, write(line))

    return written


def _is_coloured(is_terminal: bool) -> bool:  # noqa: FBT001 -- what else could it be
    # https://no-color.org; a terminal that is "dumb" shows the codes themselves
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _is_journal(stream: TextIO) -> bool:
    """Does systemd's journal read it? It says so in the environment, which our children have from us as well."""
    with suppress(OSError, ValueError):
        status = os.fstat(stream.fileno())
        return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return False
