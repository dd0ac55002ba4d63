"""How `sqlcmd` prints a result set."""

from collections.abc import Iterator

from tests.parts.sqlcmd.arguments import Arguments
from tests.parts.sqlcmd.odbc import Column, Rows

_NUMBERS = {4: 11, 5: 6, -6: 3, -5: 20, 8: 24, -7: 3}
"""ODBC's type of a number, and the width that it is shown in, to the right."""
_BINARY = (-2, -3, -4)


def lines_of(rows: Rows, arguments: Arguments) -> Iterator[str]:
    """The header, unless it is switched off, and the rows."""
    if arguments.headers != -1:
        yield _line([_cell(one.name, one, arguments, header=True) for one in rows.columns], arguments)
        yield _line(
            ["-" * (len(one.name) or 1 if arguments.trims else _width(one, arguments)) for one in rows.columns],
            arguments,
        )
    for row in rows.rows:
        yield _line([_cell(_text(v, c), c, arguments) for v, c in zip(row, rows.columns, strict=True)], arguments)


def _text(value: str | None, column: Column) -> str:
    if value is None:
        return "NULL"
    return f"0x{value}" if column.kind in _BINARY else value


def _line(cells: list[str], arguments: Arguments) -> str:
    line = arguments.separator.join(cells)
    width = arguments.width or len(line) or 1
    return "\n".join(line[at : at + width] for at in range(0, len(line), width))


def _cell(text: str, column: Column, arguments: Arguments, *, header: bool = False) -> str:
    if arguments.trims:
        is_long = column.size in (0, 0x7FFFFFFF)  # a type without a limit
        return (text[: arguments.variable_width] if is_long else text).rstrip()
    width = _width(column, arguments)
    if column.kind in _NUMBERS and not header:
        return text.rjust(width)
    return text[:width].ljust(width)


def _width(column: Column, arguments: Arguments) -> int:
    """As wide as the type, or the name; a type without a limit is cut at -y's width."""
    if column.kind in _NUMBERS:
        return max(_NUMBERS[column.kind], len(column.name))
    limit = arguments.variable_width if column.size in (0, 0x7FFFFFFF) or column.size > 8000 else arguments.fixed_width
    size = column.size or limit
    return max(min(size, limit) if limit else size, len(column.name))
