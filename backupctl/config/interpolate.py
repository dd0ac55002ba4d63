"""Puts variables and files into a scalar, once: what comes out is never looked at again."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)"
    r"|\{(?:file:(?P<file>[^}]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<how>:[-?])(?P<rest>[^}]*))?)\}"
    r"|(?P<broken>\{))"
)
_PURE = re.compile(r"\$\{(?:file:[^}]+|[A-Za-z_][A-Za-z0-9_]*)\}")
_MAX_FILE = 1 << 20


class Missing(Exception):  # noqa: N818 -- it says what a value is
    """a reference that nothing stands for"""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def is_reference(text: str) -> bool:
    """Whether the text is a bare `${...}`: it names a secret and holds none."""
    return _PURE.fullmatch(text) is not None


@dataclass
class Interpolation:
    """The variables and the folder that references are looked up in. A file is read once."""

    environ: Mapping[str, str]
    folder: Path
    used: dict[str, str] = field(default_factory=dict)
    """What was put in so far, by the name of its variable or the path of its file."""
    _files: dict[str, str] = field(default_factory=dict)

    def expand(self, text: str) -> tuple[str, list[Missing]]:
        """The text with every reference replaced; with any missing, the text as it was and what is missing."""
        if "$" not in text:
            return text, []
        missing: list[Missing] = []
        expanded = _REFERENCE.sub(self._replacing(missing), text)
        return (text if missing else expanded), missing

    def _replacing(self, missing: list[Missing]) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            try:
                return self._value(match)
            except Missing as found:
                missing.append(found)
                return ""

        return replace

    def _value(self, match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["broken"]:
            raise Missing("this ${ begins no reference", "write ${NAME}, ${NAME:-default}, or $${ for the characters")
        name = match["file"] or match["name"]
        value = self._file(name) if match["file"] else self._variable(name, match["how"], match["rest"] or "")
        self.used[name] = value
        return value

    def _variable(self, name: str, how: str | None, rest: str) -> str:
        if "${" in rest:
            raise Missing(f"the default of {name} holds another reference", "a default is plain text")
        value = self.environ.get(name)
        if how == ":-":
            return value or rest
        if how == ":?" and not value:
            raise Missing(f"the variable {name} is not set: {rest}" if rest else f"the variable {name} is not set")
        if value is None:
            raise Missing(f"the variable {name} is not set", "set it in the environment that backupctl runs in")
        return value

    def _file(self, path: str) -> str:
        if path not in self._files:
            self._files[path] = self._read(path)
        return self._files[path]

    def _read(self, path: str) -> str:
        try:
            with (self.folder / Path(path).expanduser()).open("rb") as file:
                data = file.read(_MAX_FILE + 1)
            text = data.decode()
        except (OSError, RuntimeError, ValueError) as error:
            reason = (error.strerror or "").lower() if isinstance(error, OSError) else "it is not UTF-8 text"
            raise Missing(f"the file {path} cannot be read: {reason}") from None
        if len(data) > _MAX_FILE:
            raise Missing(f"the file {path} is too large for a value")
        return text.removesuffix("\n").removesuffix("\r")
