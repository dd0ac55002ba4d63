"""No secret is left in a text, however a tool wrote it down."""

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupctl.redact import MASK, Redactor

NASTY = "p:a\\ss'w#\"%40 é+/?"


def test_a_secret_is_masked_wherever_it_stands() -> None:
    assert Redactor(["hunter2"])("hunter2: wrong password hunter2hunter2") == "***: wrong password ******"


@pytest.mark.parametrize(
    "written",
    [
        NASTY,
        quote(NASTY),
        quote(NASTY, safe=""),
        re.sub("%..", lambda code: code[0].lower(), quote(NASTY, safe="")),
        quote_plus(NASTY),
        repr(NASTY),
        ascii(NASTY),
        json.dumps(NASTY),
        json.dumps(NASTY, ensure_ascii=False),
        "'" + NASTY.replace("'", "''") + "'",
        "password='" + NASTY.replace("\\", "\\\\").replace("'", "\\'") + "'",
        "host:5432:*:user:" + NASTY.replace("\\", "\\\\").replace(":", "\\:"),
        base64.b64encode(NASTY.encode()).decode(),
        base64.b64encode(NASTY.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(NASTY.encode()).decode(),
    ],
)
def test_a_secret_is_masked_in_every_way_that_a_tool_writes_it(written: str) -> None:
    masked = Redactor([NASTY])(f"before {written} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert set(masked.removeprefix("before ").removesuffix(" after")) <= set("*'\"pasword=ht:5432user")
    assert MASK in masked
    assert "40" not in masked


def test_a_secret_that_contains_another_one_goes_as_a_whole() -> None:
    assert Redactor(["pass", "pass-and-more"])("pass-and-more, pass") == "***, ***"


def test_a_very_short_secret_is_masked_only_where_it_stands_alone() -> None:
    redact = Redactor(["a", "db1"])
    assert redact('password=a, "a", user:a@db1') == 'password=***, "***", user:***@***'
    assert redact("the database db12 of backupctl") == "the database db12 of backupctl"


def test_a_text_without_a_secret_stays_as_it_is() -> None:
    text = "nothing to hide * + ( %41"
    assert Redactor()(text) == Redactor(["", "hunter2"])(text) == text


def test_a_secret_of_the_masks_own_characters_does_no_harm() -> None:
    assert Redactor(["*", "hunter2"])("hunter2 and *") == "*** and ***"


@given(secrets=st.lists(st.text(min_size=1, max_size=8), max_size=4), before=st.text(max_size=20))
def test_no_secret_survives(secrets: list[str], before: str) -> None:
    redact = Redactor(secrets)
    for secret in secrets:
        assert set(redact(secret)) == {"*"}
        assert redact(before + "\n" + secret).endswith("*")
