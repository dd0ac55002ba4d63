"""Takes the secrets out of a text before anybody sees it."""

import base64
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"


class Redactor:
    """Replaces every known secret, also when a tool percent-encoded it or wrote it in base64."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        shapes = {shape for secret in secrets if secret for shape in _shapes(secret)}
        # The longest first, so that a secret which contains another one goes as a whole.
        self._shapes = sorted(shapes, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for shape in self._shapes:
            text = text.replace(shape, MASK)
        return text


def _shapes(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
        encoded,
        encoded.rstrip("="),
    }
