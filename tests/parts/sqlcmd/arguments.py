"""The command lines of both families of `sqlcmd`: the one over ODBC, and the one written in Go."""

from collections.abc import Sequence
from dataclasses import dataclass, field


class UsageError(Exception):
    """What the tool says of a command line that it does not take."""


@dataclass
class Arguments:
    """What was asked for; the defaults are the tool's."""

    server: str = ""
    user: str = ""
    password: str | None = None
    trusted: bool = False
    database: str = ""
    inputs: list[str] = field(default_factory=list)
    output: str = ""
    query: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    login_timeout: int = 8
    query_timeout: int = 0
    exits_on_error: bool = False
    severity_level: int | None = None
    error_level: int = 0
    to_stderr: int | None = None
    substitutes: bool = True
    quoted_identifiers: bool = False
    headers: int = 0
    trims: bool = False
    separator: str = " "
    width: int = 80
    """Where a line is wrapped; 0: nowhere, which is the default of the tool in Go."""
    width_is_set: bool = False
    fixed_width: int = 0
    variable_width: int = 256
    encrypt: str = ""
    trusts_certificate: bool = False
    terminator: str = "GO"
    shows_help: bool = False
    shows_version: bool = False


_TEXT = {
    "S": "server",
    "U": "user",
    "P": "password",
    "d": "database",
    "o": "output",
    "Q": "query",
    "s": "separator",
    "c": "terminator",
}
_NUMBER = {
    "l": ("login_timeout", 0, 65534),
    "t": ("query_timeout", 0, 65534),
    "V": ("severity_level", -1, 25),
    "m": ("error_level", -1, 25),
    "h": ("headers", -1, 2147483647),
    "w": ("width", 9, 65535),
    "y": ("variable_width", 0, 8000),
    "Y": ("fixed_width", 0, 8000),
}
_FLAG = {
    "E": ("trusted", True),
    "b": ("exits_on_error", True),
    "x": ("substitutes", False),
    "I": ("quoted_identifiers", True),
    "W": ("trims", True),
    "C": ("trusts_certificate", True),
    "?": ("shows_help", True),
}
_IGNORED_FLAGS = "eugRMA"
_IGNORED_TEXT = "HaKfF"
_ENCRYPT = {"": "Mandatory", "s": "Strict", "m": "Mandatory", "o": "Optional"}
_GO_ENCRYPT = {
    "true": "Mandatory",
    "mandatory": "Mandatory",
    "m": "Mandatory",
    "strict": "Strict",
    "s": "Strict",
    "false": "Optional",
    "optional": "Optional",
    "o": "Optional",
    "disable": "Optional",
    "no": "Optional",
    "yes": "Mandatory",
}
GO_LONG = {
    "server": "S",
    "user-name": "U",
    "database-name": "d",
    "input-file": "i",
    "output-file": "o",
    "query": "Q",
    "login-timeout": "l",
    "login-timeOut": "l",
    "query-timeout": "t",
    "exit-on-error": "b",
    "error-severity-level": "V",
    "error-level": "m",
    "errors-to-stderr": "r",
    "disable-variable-substitution": "x",
    "enable-quoted-identifiers": "I",
    "headers": "h",
    "trim-spaces": "W",
    "column-separator": "s",
    "screen-width": "w",
    "encrypt-connection": "N",
    "trust-server-certificate": "C",
    "use-trusted-connection": "E",
    "batch-terminator": "c",
    "variables": "v",
    "help": "?",
}


def parse(words: Sequence[str], *, go: bool, modes: bool = True) -> Arguments:
    """`modes`: -N says how much is encrypted. Raises UsageError."""
    reader = _Reader(list(words), go=go, modes=modes)
    found = reader.read()
    if found.query is not None and found.inputs:
        raise UsageError("The i and the -Q/-q options are mutually exclusive.")
    if found.trusted and (found.user or found.password):
        raise UsageError("The -E and the -U/-P options are mutually exclusive.")
    return found


class _Reader:
    def __init__(self, words: list[str], *, go: bool, modes: bool) -> None:
        self._words = words
        self._go = go
        self._modes = modes
        self._widths: set[str] = set()
        self._found = Arguments()

    def read(self) -> Arguments:
        while self._words:
            word = self._words.pop(0)
            if self._go and word.startswith("--"):
                self._long(word[2:])
            elif word.startswith(("-", "/")) and len(word) > 1:
                self._option(word[1], word[2:])
            else:
                raise UsageError(f"'{word}': Unknown Option. Enter '-?' for help.")
        if self._found.trims and self._widths and not self._go:
            raise UsageError("The -W and -y/-Y options are mutually exclusive.")
        if self._go and not self._found.width_is_set:
            self._found.width = 0
        return self._found

    def _long(self, word: str) -> None:
        name, equals, value = word.partition("=")
        if name == "version":
            self._found.shows_version = True
        elif name not in GO_LONG:
            raise UsageError(f"'--{name}': Unknown Option. Enter '-?' for help.")
        elif GO_LONG[name] in _FLAG:
            setattr(self._found, *_FLAG[GO_LONG[name]])
        else:
            self._option(GO_LONG[name], value if equals else self._words.pop(0))

    def _option(self, letter: str, value: str) -> None:
        if letter in _FLAG:
            setattr(self._found, *_FLAG[letter])
            if value:  # flags may stand in one word, as -bI
                self._option(value[0], value[1:])
        elif letter in _TEXT:
            setattr(self._found, _TEXT[letter], self._value(letter, value))
        elif letter in _NUMBER:
            self._number(letter, self._value(letter, value))
        elif letter in _IGNORED_TEXT:
            self._value(letter, value)
        elif letter not in _IGNORED_FLAGS:
            self._special(letter, value)

    def _special(self, letter: str, value: str) -> None:
        if letter == "r":
            self._found.to_stderr = self._redirection(value)
        elif letter == "N":
            self._found.encrypt = self._encryption(value)
        elif letter == "i":
            self._found.inputs += self._value(letter, value).split(",")
        elif letter == "v":
            self._variables(value)
        else:
            raise UsageError(f"'-{letter}': Unknown Option. Enter '-?' for help.")

    def _value(self, letter: str, value: str) -> str:
        if value:
            return value
        if not self._words:
            raise UsageError(f"'-{letter}': Missing argument. Enter '-?' for help.")
        return self._words.pop(0)

    def _redirection(self, value: str) -> int:
        if not value and self._words and self._words[0] in ("0", "1"):
            value = self._words.pop(0)
        if value not in ("", "0", "1"):
            raise UsageError(f"'-r {value}': Unexpected argument. Argument value has to be 0 or 1.")
        return int(value or 0)

    def _encryption(self, value: str) -> str:
        known = _GO_ENCRYPT if self._go else _ENCRYPT
        if self._go and not value:
            value = self._words.pop(0) if self._words and not self._words[0].startswith("-") else "true"
        if value.lower() not in known or (value and not self._modes):
            raise UsageError(f"'-N {value}': Unexpected argument.")
        return known[value.lower()]

    def _number(self, letter: str, value: str) -> None:
        name, least, most = _NUMBER[letter]
        if not value.removeprefix("-").isdigit() or not least <= int(value) <= most:
            raise UsageError(f"'-{letter} {value}': value must be between {least} and {most}.")
        setattr(self._found, name, int(value))
        self._found.width_is_set = self._found.width_is_set or letter == "w"
        self._widths |= {letter} & {"y", "Y"}

    def _variables(self, value: str) -> None:
        words = [value] if value else []
        while self._words and not self._words[0].startswith("-"):
            words.append(self._words.pop(0))
        for word in words:
            name, equals, text = word.partition("=")
            if not equals:
                raise UsageError(f"'{word}': Invalid variable.")
            self._found.variables[name.upper()] = text
