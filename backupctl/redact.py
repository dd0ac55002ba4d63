"""Takes the secrets out of a text before anybody sees it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache

from backupctl.disguises import shapes_of, traces_of

MASK = "***"

_FEW = 100
"""So many shapes are looked for one after the other; more of them by their first letters, all at once."""
_BEGINNING = 4


class Redactor:
    """Replaces every known secret, also as a tool may show it: escaped, encoded, broken over lines.

    A million characters take a tenth of a second with a few secrets, and about one with thousands.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset(secret for secret in secrets if secret)
        shapes = {shape for secret in self.secrets for shape in shapes_of(secret)}
        # The longest first, so that a secret which contains another one goes as a whole.
        self._shapes = sorted(shapes, key=lambda shape: (-len(shape.text), shape.text, shape.lead, shape.trail))
        self._rare = [place for place, shape in enumerate(self._shapes) if not shape.trace]
        self._traced: defaultdict[str, list[int]] = defaultdict(list)
        for place, shape in enumerate(self._shapes):
            if shape.trace:
                self._traced[shape.trace[:_BEGINNING]].append(place)

    def with_more(self, secrets: Iterable[str]) -> "Redactor":
        """One that knows these as well: after a reload, the secrets from before may still turn up."""
        more = self.secrets.union(secrets) - {""}
        return self if more == self.secrets else Redactor(more)

    def __call__(self, text: str) -> str:
        # Most texts hold no secret, which is found out without any regular expression.
        held = sorted(set(self._held(text))) if self._shapes else []
        return _any_of(tuple(self._shapes[place].pattern for place in held)).sub(MASK, text) if held else text

    def _held(self, text: str) -> Iterator[int]:
        """Where the shapes stand in our list that may be in the text, and all those that are."""
        yield from (place for place in self._rare if self._shapes[place].text in text)
        for trace in traces_of(text):
            for beginning in self._beginnings_in(trace):
                yield from (place for place in self._traced[beginning] if self._shapes[place].trace in trace)

    def _beginnings_in(self, trace: str) -> Iterable[str]:
        if len(self._traced) <= _FEW:
            return self._traced
        return self._traced.keys() & {trace[place : place + _BEGINNING] for place in range(len(trace))}


@lru_cache(maxsize=64)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(patterns))
