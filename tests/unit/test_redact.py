"""No secret is left in a text, however a tool wrote it down."""

import base64
import html
import json
import re
import shlex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
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


@settings(deadline=None)
@given(secrets=st.lists(st.text(min_size=1, max_size=8), max_size=4), before=st.text(max_size=20))
def test_no_secret_survives(secrets: list[str], before: str) -> None:
    redact = Redactor(secrets)
    for secret in secrets:
        assert set(redact(secret)) == {"*"}
        assert redact(before + "\n" + secret).endswith("*")


BREAKS = ["\n", "\r\n", "\n  ", "\n\t", "\\\n  ", "\\n", "\\r\\n"]
SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_categories=["Cc", "Zs"]), min_size=8, max_size=40
)


def wrapped(text: str, width: int, end: str) -> str:
    return end.join(text[place : place + width] for place in range(0, len(text), width))


@pytest.mark.parametrize("end", BREAKS)
@pytest.mark.parametrize("width", [1, 3, 64, 76])
def test_a_secret_that_is_broken_over_lines_is_masked(width: int, end: str) -> None:
    secret = "9f" * 60
    encoded = base64.b64encode(b"user:" + secret.encode()).decode()
    assert Redactor([secret])(f"a {wrapped(secret, width, end)} b") == "a *** b"
    masked = Redactor([secret])(f"a {wrapped(encoded, width, end)} b")
    assert len(re.sub(r"\\[rn]|\s|\\", "", masked)) <= len("aXNlcj***b") + 1


@pytest.mark.parametrize("padding", range(4))
@settings(deadline=None, max_examples=20)
@given(secret=SECRETS, after=st.text(max_size=5))
def test_a_secret_within_a_text_in_base64_is_masked(padding: int, secret: str, after: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(b"u" * padding + secret.encode() + after.encode()).decode()
        masked = Redactor([secret])(f"Basic {encoded}.")
        assert masked.count(MASK) == 1
        kept = masked.removeprefix("Basic ").removesuffix(".").replace(MASK, "")
        assert len(kept) <= (padding + len(after.encode())) * 4 / 3 + 4
        assert encode(secret.encode()).decode()[4:-4] not in kept or len(secret.encode()) < 9


@settings(deadline=None, max_examples=30)
@given(secret=SECRETS, width=st.integers(2, 20), end=st.sampled_from(BREAKS))
def test_no_broken_secret_survives(secret: str, width: int, end: str) -> None:
    redact = Redactor([secret])
    for written in (secret, base64.b64encode(secret.encode()).decode(), secret.encode().hex(), quote(secret)):
        masked = redact(f"< {wrapped(written, width, end)} >")
        assert re.fullmatch(r"< [*\\rn\s=]+ >", masked), (written, masked)


@pytest.mark.parametrize(
    "written",
    [
        NASTY.encode().hex(),
        NASTY.encode().hex().upper(),
        repr(NASTY.encode())[2:-1],
        shlex.quote(NASTY),
        html.escape(NASTY),
        json.dumps(NASTY).replace("/", "\\/"),
        "".join(f"%{byte:02x}" for byte in NASTY.encode()),
        quote(NASTY, safe="!~*'()"),
        NASTY.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"'),
    ],
)
def test_a_secret_is_masked_as_other_tools_write_it(written: str) -> None:
    assert re.fullmatch(r"before [*'\"]+ after", Redactor([NASTY])(f"before {written} after"))


def test_a_secret_of_several_words_is_masked_where_a_line_ends_between_them() -> None:
    redact = Redactor(["correct horse battery"])
    assert redact("is correct\n    horse battery.") == redact("is correct horse\tbattery.") == "is ***."


def test_a_line_of_a_key_is_masked_alone_but_not_its_frame() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcwggSj\n-----END PRIVATE KEY-----\n"
    redact = Redactor([key])
    assert redact("> 9w0BAQEFAASCBKcwggSj") == "> ***"
    assert redact("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"
    assert redact(f"a {key}b") == redact(f"a {key.replace(chr(10), chr(92) + 'n')}b") == "a ***b"


def test_the_password_and_the_path_of_a_url_are_masked_alone() -> None:
    redact = Redactor(["https://me:pass%40word@hooks.example.com/services/T000/B000"])
    assert redact("pass@word") == "***"
    assert redact("POST /services/T000/B000 HTTP/1.1") == "POST *** HTTP/1.1"
    assert redact("connect to hooks.example.com") == "connect to hooks.example.com"
    assert Redactor(["http://[half"])("http://[half") == "***"


def test_words_that_merely_stand_near_each_other_are_no_secret() -> None:
    redact = Redactor(["token", "amen"])
    assert redact("to ken, a menu, tok\ten") == "to ken, a menu, tok\ten"


def test_a_secret_that_no_text_can_hold_does_no_harm() -> None:
    redact = Redactor(["\ud800 half", "x\udc80y-bytes"])
    assert redact("x\udc80y-bytes, x\ufffdy-bytes, x\\xexample") == "***, ***, x\\xexample"


def test_a_redactor_grows_and_keeps_what_it_knew() -> None:
    before = Redactor(["old secret"])
    after = before.with_more(["new secret", ""])
    assert after("old secret, new secret") == "***, ***"
    assert before("new secret") == "new secret"
    assert after.with_more(["new secret"]) is after


def test_of_many_secrets_each_is_masked() -> None:
    secrets = [f"secret-{number}-{number * 7919:x}" for number in range(500)]
    redact = Redactor(secrets)
    for secret in secrets[::50]:
        encoded = base64.b64encode(b"ab" + secret.encode()).decode()
        assert secret not in redact(f"a {secret} b")
        assert redact(f"Basic {encoded}").startswith("Basic YW***")


def test_a_shorter_secret_does_not_keep_a_longer_one_from_going_as_a_whole() -> None:
    assert Redactor(["abcd", "abcdefgh"])("abcd\nefgh abcd") == "*** ***"
