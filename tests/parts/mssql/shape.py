"""The rows of a view, with its columns in their order."""

from collections.abc import Sequence
from typing import Any

Content = tuple[Sequence[str], Sequence[Sequence[Any]]]
Row = dict[str, Any]


def shaped(columns: str, rows: Sequence[Row]) -> list[Row]:
    """The rows behind one that has the view's columns alone."""
    names = columns.split()
    return [dict.fromkeys(names), *({name: row.get(name) for name in names} for row in rows)]
