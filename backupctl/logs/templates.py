"""Message templates: `{name}` is a hole for a value, `{{` and `}}` are braces."""

import re
from collections.abc import Callable, Mapping
from typing import Any

_HOLE = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}")


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """The sentence. Every hole has its value, and one that were to have none does not keep the rest from being said."""
    return _HOLE.sub(lambda match: str(values.get(match[1], "?")) if match[1] else match[0][0], template)


def renamed(template: str, name_of: Callable[[str], str]) -> str:
    """The template with other names in its holes, and its braces as they are."""
    return _HOLE.sub(lambda match: f"{{{name_of(match[1])}}}" if match[1] else match[0], template)
