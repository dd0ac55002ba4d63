"""A script as `sqlcmd` reads it: batches between GO lines, with its variables filled in."""

import re
from collections.abc import Iterator, Mapping

from tests.parts.sqlcmd.arguments import Arguments

_VARIABLE = re.compile(r"\$\(([^()\s]+)\)")
_COMMAND = re.compile(r"^(?::|!!)")


class ScriptError(Exception):
    """What the tool says of a script before the server sees it."""


def batches(text: str, arguments: Arguments, environment: Mapping[str, str]) -> Iterator[str]:
    """Each batch, as the server gets it. Raises ScriptError."""
    go = re.compile(rf"^\s*{re.escape(arguments.terminator)}(?:\s+(\d+))?\s*(?:--.*)?$", re.IGNORECASE)
    lines: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        ended = go.match(line)
        if ended:
            if "".join(lines).strip():
                for _ in range(int(ended.group(1) or 1)):
                    yield "\n".join(lines)
            lines = []
        elif _COMMAND.match(line):
            raise ScriptError(f"Sqlcmd: Error: Syntax error at line {number} near command '{line.split()[0]}'.")
        else:
            lines.append(_filled(line, arguments, environment))
    if "".join(lines).strip():
        yield "\n".join(lines)


def _filled(line: str, arguments: Arguments, environment: Mapping[str, str]) -> str:
    if not arguments.substitutes:
        return line
    known = {name.upper(): value for name, value in environment.items()} | arguments.variables

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name.upper() not in known:
            raise ScriptError(f"'{name}' scripting variable not defined.")
        return known[name.upper()]

    return _VARIABLE.sub(value, line)
