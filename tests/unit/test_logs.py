"""What is logged comes out as lines for people or as JSON, in the zone's time and without secrets."""

import io
import json
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backupctl.events import Finished, NotReloaded, Started, Warned
from backupctl.logs import About, Format, Logs, configure
from backupctl.logs.console import console
from backupctl.logs.rendering import Background
from backupctl.model import Outcome, Trigger
from backupctl.redact import Redactor
from tests.unit.runs import WHEN, run

ZONE = ZoneInfo("America/Sao_Paulo")
STARTED = Started("shop", "r1", Trigger.MANUAL, None, WHEN, "shopdb on db1", "/backups")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def logging_to(stream: io.StringIO, form: Format = "auto", level: int = logging.INFO) -> Iterator[Logs]:
    with configure(form, zone=ZONE, redact=Redactor(["hunter2"]), level=level, stream=stream) as logs:
        logs.take(about={"shop": About("postgres", "shopdb", "offsite")}, redact=Redactor(), environment="Production")
        yield logs


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def documents(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_without_a_terminal_each_line_is_json(out: io.StringIO) -> None:
    with logging_to(out) as logs:
        logs.hear(STARTED)
        logs.hear(Finished("shop", run("r1", Outcome.FAILED)))
    started, finished = documents(out)
    assert list(started)[:6] == ["time", "level", "event", "message", "job", "run_id"]
    assert datetime.fromisoformat(started["time"]).utcoffset() == ZONE.utcoffset(datetime.now())  # noqa: DTZ005 -- no summer time there
    assert started["time"][-6:] == "-03:00"
    wanted = {"level": "error", "event": "finished", "job": "shop", "run_id": "r1", "engine": "postgres"}
    wanted |= {"database": "shopdb", "storage": "offsite", "outcome": "failed", "environment": "Production"}
    assert finished.items() >= wanted.items()
    assert finished["message"] == "shop: failed: the server went away"
    assert (finished["duration"], finished["hint"]) == (10.0, "look at it")
    assert "template" not in finished


def test_on_a_terminal_it_is_for_people_in_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with logging_to(terminal) as logs:
        logs.hear(Finished("shop", run("r1", Outcome.FAILED)))
    assert "\033[31merror   \033[0m shop: failed: the server went away\033[2m  run_id=r1\033[0m" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n    hint: look at it\n")


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    terminal = Terminal()
    with logging_to(terminal) as logs:
        logs.hear(STARTED)
    assert "\033" not in terminal.getvalue()
    assert terminal.getvalue().endswith("-03:00 info     shop: shopdb on db1 to /backups  run_id=r1\n")


def test_either_format_can_be_asked_for(out: io.StringIO) -> None:
    with logging_to(out, "text") as logs:
        logs.hear(STARTED)
    assert "info     shop: shopdb" in out.getvalue()
    terminal = Terminal()
    with logging_to(terminal, "json") as logs:
        logs.hear(STARTED)
    assert documents(terminal)[0]["job"] == "shop"


def test_what_a_server_says_cannot_look_like_a_line_of_ours_nor_steer_the_terminal(out: io.StringIO) -> None:
    with logging_to(out, "text") as logs:
        logs.hear(Warned("shop", "no\n2026-01-01T00:00:00-03:00 info     shop: succeeded\r\x1b[2J"))
    lines = out.getvalue().splitlines()
    assert lines[1:] == ["    2026-01-01T00:00:00-03:00 info     shop: succeeded", "    \\x1b[2J"]


def test_the_problems_of_a_file_stand_beneath(out: io.StringIO) -> None:
    with logging_to(out, "text") as logs:
        logs.hear(NotReloaded(_refused()))
    assert out.getvalue().endswith("the jobs go on as before\n    hint: mend it\n    jobs.yaml:3:1: jobs: is bad\n")


def _refused() -> Any:
    from backupctl.config import InvalidFile
    from backupctl.config.problems import Problem

    fields = {"file": "jobs.yaml", "line": 3, "column": 1, "path": "jobs", "message": "is bad"}
    known = {name: fields.get(name) for name in Problem.__dataclass_fields__}
    error = InvalidFile(known["file"], [Problem(**known)])  # type: ignore[arg-type]
    error.hint = "mend it"
    return error


def test_libraries_are_heard_from_warnings_on_and_what_they_say_in_a_run_belongs_to_it(out: io.StringIO) -> None:
    with logging_to(out) as logs:
        logging.getLogger("botocore.retries").warning("odd: %s", {"a": 1})
        logging.getLogger("botocore.retries").info("chatter")
        logs.hear(STARTED)
        logging.getLogger("sqlalchemy").warning("within")
        logs.hear(Finished("shop", run("r1")))
        logging.getLogger("schedule").warning("after")
    before, _, within, _, after = documents(out)
    assert before.items() >= {"event": "log", "message": "odd: {'a': 1}", "logger": "botocore.retries"}.items()
    assert within.items() >= {"message": "within", "job": "shop", "run_id": "r1"}.items()
    assert "job" not in before.keys() | after.keys()


def test_the_signed_requests_of_a_library_are_not_logged_whatever_is_asked_for(out: io.StringIO) -> None:
    with logging_to(out, level=logging.DEBUG):
        logging.getLogger("botocore.auth").debug("AWS4-HMAC-SHA256")
        logging.getLogger("botocore").info("found credentials")
        logging.getLogger("backupctl.runner").debug("ours")
    assert [document["message"] for document in documents(out)] == ["found credentials", "ours"]


def _raise() -> None:
    raise ValueError("password=hunter2")


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_in_a_traceback_a_value_or_a_library_s_words(form: Format, out: io.StringIO) -> None:
    with logging_to(out, form) as logs:
        try:
            _raise()
        except ValueError:
            logging.getLogger("backupctl.runner").exception("job %s: %s", "shop", "hunter2")
        logging.getLogger("botocore").error("%(a)s", {"a": {"key": ["aHVudGVyMg=="]}})
        logs.hear(Warned("shop", "pg_dump said hunt\n    er2"))
        logs.take(about={}, redact=Redactor(["newer secret"]))
        logs.hear(Warned("shop", "hunter2, newer secret"))
    written = out.getvalue()
    assert "Traceback" in written
    assert "password=***" in written
    assert "***, ***" in written
    for leak in ("hunter2", "aHVudGVyMg", "er2", "newer secret"):
        assert leak not in written


def test_a_bug_in_a_thread_and_a_warning_of_python_are_logged(out: io.StringIO) -> None:
    with logging_to(out):
        thread = threading.Thread(target=_raise, name="worker")
        thread.start()
        thread.join()
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            logging.captureWarnings(capture=True)
            warnings.warn("old: hunter2", stacklevel=1)
    bug, warning = documents(out)
    assert bug["message"] == "a bug in backupctl ended the thread worker"
    assert bug["exception"].endswith("ValueError: password=***")
    assert (warning["level"], warning["logger"]) == ("warning", "py.warnings")
    assert "old: ***" in warning["message"]


def test_a_record_that_cannot_be_written_is_said_without_what_it_held(out: io.StringIO) -> None:
    with logging_to(out):
        logging.getLogger("botocore").error("%d", "hunter2")
    assert out.getvalue() == "a log record of botocore could not be written\n"


def test_the_journal_is_told_the_priority_of_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    status = os.fstat(write)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    with os.fdopen(read, encoding="utf-8") as reader, os.fdopen(write, "w", encoding="utf-8") as stream:
        handler = console(stream, "text", Background(ZONE, Redactor(), "Development"))
        handler.handle(logging.LogRecord("x", logging.ERROR, "", 0, "one\ntwo", (), None))
        stream.flush()
        assert reader.readline().startswith("<3>20")
        assert reader.readline() == "<3>    two  logger=x\n"


def test_the_process_s_logging_is_left_as_it_was(out: io.StringIO) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, threading.excepthook, warnings.showwarning)
    with logging_to(out):
        assert root.handlers != before[0]
    assert (root.handlers, root.level, threading.excepthook, warnings.showwarning) == before


def test_without_a_console_nothing_is_written_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with configure(zone=ZONE, redact=Redactor()) as logs:
        logs.hear(Finished("shop", run("r1", Outcome.FAILED)))
        logging.getLogger("backupctl.runner").warning("something that logging's last resort would show")
    assert capfd.readouterr().err == ""
