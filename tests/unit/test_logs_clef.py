"""Events for Seq are in the compact log event format, whatever they hold."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupctl.logs.clef import line_of, line_of_text
from tests.parts.seq import EVENT_MOST, faults, message

NOW = datetime(2026, 3, 1, 3, 30, tzinfo=ZoneInfo("America/Sao_Paulo"))


def read(line: str) -> dict[str, Any]:
    assert faults(line.encode()) == []
    event: dict[str, Any] = json.loads(line)
    return event


def test_an_event_has_its_template_and_its_properties() -> None:
    line = line_of("{job}: {backup_id}, {{so}}", {"job": "shop", "backup_id": "a"}, time=NOW, level="warning")
    assert read(line) == {
        "@t": "2026-03-01T03:30:00-03:00",
        "@mt": "{Job}: {BackupId}, {{so}}",
        "@l": "Warning",
        "Job": "shop",
        "BackupId": "a",
    }
    assert message(read(line)) == "shop: a, {so}"


@pytest.mark.parametrize(
    ("level", "shown"),
    [("debug", "Debug"), ("info", "Information"), ("error", "Error"), ("critical", "Fatal"), ("odd", "Information")],
)
def test_levels_have_the_names_that_seq_has_for_them(level: str, shown: str) -> None:
    assert read(line_of("x", {}, time=NOW, level=level))["@l"] == shown


def test_a_library_s_text_is_no_template_and_its_kind_is_its_type() -> None:
    def event(text: str) -> dict[str, Any]:
        return read(line_of_text(text, "odd {x}: %s", {"exception": "Traceback"}, time=NOW, level="error"))

    one, other = event("odd {x}: 1"), event("odd {x}: 2")
    assert (one["@m"], one["@x"]) == ("odd {x}: 1", "Traceback")
    assert one["@i"] == other["@i"]


@pytest.mark.parametrize("char", ["x", "é", '"', "\0"])
def test_what_is_too_long_for_seq_is_cut_and_says_so(char: str) -> None:
    values = {"job": "shop", "error": char * 1_000_000, "problems": [char * 100] * 10_000, "exception": char * 500_000}
    event = read(line_of("{job}: failed: {error}", values, time=NOW, level="error"))
    assert event["Job"] == "shop"
    assert "more characters]" in event["Error"]
    assert event["@x"].startswith(char * 1000)


def test_half_of_a_surrogate_pair_does_no_harm() -> None:
    assert read(line_of("{a}", {"a": "x\udc80"}, time=NOW, level="info"))["A"] == "x?"


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,5}(_[a-z]{1,5})?", fullmatch=True), st.text() | st.integers() | st.booleans()
    ),
    st.text(max_size=50),
)
def test_every_event_is_well_formed(values: dict[str, Any], text: str) -> None:
    template = "".join(f"{{{name}}} " for name in values) + text.replace("{", "{{").replace("}", "}}")
    line = line_of(template, values | {"exception": text}, time=NOW, level="info")
    assert "\n" not in line
    assert len(line.encode()) < EVENT_MOST
    read(line)
