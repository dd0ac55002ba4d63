"""Takes the secrets out of a text before anybody sees it."""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORT = 4


class Redactor:
    """Replaces every known secret, also as a tool may show it: quoted, escaped, percent-encoded, in base64."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        shapes = {shape for secret in secrets if secret for shape in _shapes(secret)}
        # The longest first, so that a secret which contains another one goes as a whole.
        longest_first = sorted(shapes, key=lambda shape: (-len(shape), shape))
        self._pattern = re.compile("|".join(map(_pattern, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


def _pattern(shape: str) -> str:
    # Masked within every word, a secret of one or two letters would make a riddle of all messages, and be its answer.
    return rf"(?<!\w){re.escape(shape)}(?!\w)" if len(shape) < _SHORT else re.escape(shape)


def _shapes(secret: str) -> set[str]:
    data = secret.encode(errors="surrogateescape")
    percent = {quote(data, safe=""), quote(data), quote_plus(data)}
    encoded = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    return {
        secret,
        *percent,
        *(re.sub("%..", lambda code: code[0].lower(), shape) for shape in percent),
        *encoded,
        *(shape.rstrip("=") for shape in encoded),
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        secret.replace("'", "''"),  # SQL
        re.sub(r"([\\'])", r"\\\1", secret),  # a libpq connection string
        re.sub(r"([\\:])", r"\\\1", secret),  # a passfile
    }
