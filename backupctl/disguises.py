"""Knows the ways in which a tool may write a secret down: quoted, escaped, encoded, broken over lines."""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, quote_plus, unquote, urlsplit

_SHORT = 4
_TELLING_LINE = 12
"""A line of a secret with several lines is one by itself from this length on."""

# Real line breaks, also continued with a backslash, those written out within a string, and the indent that follows.
_BREAK = r"(?:(?:\\?[\r\n]|\\[rn])(?:\\[rn]|[ \t\r\n])*)?"
_BLANKS = r"(?:\\?\s|\\[rn])*"

_BASE64_CHAR = r"[A-Za-z0-9+/_-]"
_NOT_TRACED = re.compile(r"[\s\\]+")
_WRITTEN_BREAK = re.compile(r"\\[rn]")


@dataclass(frozen=True)
class Shape:
    """One way in which a secret is written; `lead` and `trail` are patterns of what hangs on to it."""

    text: str
    lead: str = ""
    trail: str = ""

    @cached_property
    def trace(self) -> str:
        """What is in every text that holds this shape, once `traces_of` has been made of it; "" when that is little."""
        trace = _NOT_TRACED.sub("", self.text)
        return trace if len(trace) >= _SHORT else ""

    @property
    def pattern(self) -> str:
        """A regular expression for it. A short secret counts only where it stands alone, a longer one across lines."""
        if len(self.text) < _SHORT:
            # Masked within every word, a secret of one or two letters would make a riddle of all messages,
            # and be its answer.
            return rf"(?<!\w){re.escape(self.text)}(?!\w)"
        if not self.trace:
            return re.escape(self.text)
        core = self.text.strip()
        before, _, after = self.text.partition(core)
        body = _BREAK.join(_BLANKS if token.isspace() else re.escape(token) for token in re.findall(r"\s+|\S", core))
        return f"{self.lead}{_maybe(before)}{body}{_maybe(after)}{self.trail}"


def traces_of(text: str) -> list[str]:
    """The text as it is compared with the traces of shapes: without anything that may stand in a broken line."""
    traces = [_NOT_TRACED.sub("", text)]
    if _WRITTEN_BREAK.search(text):
        traces.append(_NOT_TRACED.sub("", _WRITTEN_BREAK.sub("", text)))
    return traces


def shapes_of(secret: str) -> set[Shape]:
    """Every way in which the secret, or a telling part of it, may turn up."""
    return {shape for part in (secret, *_parts(secret)) for shape in _shapes(part)}


def _maybe(text: str) -> str:
    return f"(?:{re.escape(text)})?" if text else ""


def _parts(secret: str) -> Iterator[str]:
    """What a tool may show alone: a line of a key in PEM, the password or the path of a URL."""
    lines = [line.strip() for line in secret.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _TELLING_LINE and not line.startswith("-----"))
    if "://" in secret:
        with suppress(ValueError):  # a URL with half of an IPv6 address
            yield from _parts_of_url(secret)


def _parts_of_url(secret: str) -> Iterator[str]:
    url = urlsplit(secret)
    if url.password:
        yield unquote(url.password)
    yield from (part for part in (url.path, url.query) if len(part) >= _TELLING_LINE)


def _shapes(secret: str) -> Iterator[Shape]:
    data = _bytes(secret)
    written = {secret, *_escaped(secret), *_percent(data), repr(data)[2:-1], data.decode(errors="replace")}
    if len(data) >= _SHORT:
        written |= {data.hex(), data.hex().upper()}
        yield from _within_base64(data)
    written |= _whole_base64(data)
    yield from (Shape(text) for text in written)


def _bytes(secret: str) -> bytes:
    try:
        return secret.encode(errors="surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, which no file and no environment can hold
        return secret.encode(errors="backslashreplace")


def _escaped(secret: str) -> set[str]:
    in_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        *in_json,
        *(text.replace("/", r"\/") for text in in_json),  # as PHP writes it
        secret.replace("'", "''"),  # SQL
        secret.replace("}", "}}"),  # an ODBC connection string
        re.sub(r"([\\'])", r"\\\1", secret),  # a libpq connection string
        re.sub(r"([\\'\"])", r"\\\1", secret),  # MySQL
        re.sub(r"([\\:])", r"\\\1", secret),  # a passfile
        shlex.quote(secret).removeprefix("'").removesuffix("'"),
        secret.replace("'", r"'\''"),
        html.escape(secret),
        html.escape(secret, quote=False),
        html.escape(secret, quote=False).replace('"', "&quot;").replace("'", "&apos;"),  # XML
    }


def _percent(data: bytes) -> set[str]:
    """What each kind of encoder leaves as it is differs: parts of a path, of a query, JavaScript's two functions."""
    kept = ("", "/", "!~*'()", "!$&'()*+,;=", "!$&'()*+,;=:@", "!$&'()*+,;=:@/?", ";/?:@&=+$,#!~*'()")
    texts = {quote_plus(data), *(quote(data, safe=safe) for safe in kept), "".join(f"%{byte:02X}" for byte in data)}
    return texts | {re.sub("%..", lambda code: code[0].lower(), text) for text in texts}


def _whole_base64(data: bytes) -> set[str]:
    encoded = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    return encoded | {text.rstrip("=") for text in encoded}


def _within_base64(data: bytes) -> Iterator[Shape]:
    """The secret within a longer text that was encoded, as `user:password` is for HTTP: it may begin at any bit of 24.

    The characters at its ends hold bits of its neighbours too, so they are part of no fixed text.
    """
    for offset in range(3):
        bits_before, bits = offset * 8, (offset + len(data)) * 8
        first, last = -(-bits_before // 6), bits // 6
        lead = f"(?:{_BASE64_CHAR}{_BREAK})?" if offset else ""
        trail = f"(?:{_BREAK}{_BASE64_CHAR})?" if bits % 6 else ""
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield Shape(encode(b"\0" * offset + data).decode()[first:last], lead, trail + f"(?:{_BREAK}=){{0,2}}")
