"""Reads the devices and the WITH lists of BACKUP and RESTORE, and refuses what the grammar has not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.parts.mssql.errors import failure
from tests.parts.mssql.tokens import Tokens

MAX_DEVICES = 64
MAX_DEVICE_NAME = 259

Lookup = Callable[[str], Any]
"""What a variable of the batch holds."""


@dataclass(frozen=True)
class Device:
    """A backup device: `kind` DISK or URL."""

    kind: str
    name: str


@dataclass(frozen=True)
class Given:
    """The options of a statement, and the files that it moves."""

    options: Mapping[str, Any] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return name in self.options

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.options.get(name, otherwise)


FLAG, NUMBER, TEXT, STATS, LIST, MOVE = "flag", "number", "text", "stats", "list", "move"

_COMMON = {
    "BLOCKSIZE": NUMBER,
    "BUFFERCOUNT": NUMBER,
    "MAXTRANSFERSIZE": NUMBER,
    "CHECKSUM": FLAG,
    "NO_CHECKSUM": FLAG,
    "STOP_ON_ERROR": FLAG,
    "CONTINUE_AFTER_ERROR": FLAG,
    "CREDENTIAL": TEXT,
    "MEDIANAME": TEXT,
    "REWIND": FLAG,
    "NOREWIND": FLAG,
    "UNLOAD": FLAG,
    "NOUNLOAD": FLAG,
    "STATS": STATS,
}
BACKUP_OPTIONS = _COMMON | {
    "COPY_ONLY": FLAG,
    "DIFFERENTIAL": FLAG,
    "COMPRESSION": LIST,
    "NO_COMPRESSION": FLAG,
    "DESCRIPTION": TEXT,
    "NAME": TEXT,
    "EXPIREDATE": TEXT,
    "RETAINDAYS": NUMBER,
    "INIT": FLAG,
    "NOINIT": FLAG,
    "SKIP": FLAG,
    "NOSKIP": FLAG,
    "FORMAT": FLAG,
    "NOFORMAT": FLAG,
    "MEDIADESCRIPTION": TEXT,
    "RESTART": FLAG,
    "FILE_SNAPSHOT": FLAG,
    "ENCRYPTION": LIST,
    "BACKUP_OPTIONS": TEXT,
    # So the examples of the S3 page spell it, beside the other one.
    "BACKUP_OPTION": TEXT,
}
RESTORE_OPTIONS = _COMMON | {
    "FILE": NUMBER,
    "MOVE": MOVE,
    "REPLACE": FLAG,
    "RECOVERY": FLAG,
    "NORECOVERY": FLAG,
    "STANDBY": TEXT,
    "RESTART": FLAG,
    "RESTRICTED_USER": FLAG,
    "KEEP_REPLICATION": FLAG,
    "LOADHISTORY": FLAG,
    "PARTIAL": FLAG,
    "RESTORE_OPTIONS": TEXT,
    "RESTORE_OPTION": TEXT,
}

_CONFLICTS = (
    ("INIT", "NOINIT"),
    ("FORMAT", "NOFORMAT"),
    ("SKIP", "NOSKIP"),
    ("CHECKSUM", "NO_CHECKSUM"),
    ("COMPRESSION", "NO_COMPRESSION"),
    ("STOP_ON_ERROR", "CONTINUE_AFTER_ERROR"),
    ("RECOVERY", "NORECOVERY"),
    ("RECOVERY", "STANDBY"),
    ("NORECOVERY", "STANDBY"),
    ("REWIND", "NOREWIND"),
    ("UNLOAD", "NOUNLOAD"),
    ("FORMAT", "NOINIT"),
)


def read_devices(tokens: Tokens, lookup: Lookup) -> list[Device]:
    """`DISK = '…' | URL = '…'`, with commas. Raises SqlError 102, 3057 or 3205."""
    devices = [_device(tokens, lookup)]
    while tokens.accept(","):
        devices.append(_device(tokens, lookup))
    if len(devices) > MAX_DEVICES:
        raise failure(3205)
    return devices


def _device(tokens: Tokens, lookup: Lookup) -> Device:
    kind = tokens.word()
    if kind not in ("DISK", "URL"):
        raise tokens.error()
    tokens.take()
    tokens.expect("=")
    name = read_text(tokens, lookup)
    if len(name) > MAX_DEVICE_NAME:
        raise failure(3057)
    return Device(kind, name)


def read_text(tokens: Tokens, lookup: Lookup) -> str:
    """A string, or a variable. Raises SqlError."""
    token = tokens.peek()
    if token is None or token.kind not in ("string", "variable"):
        raise tokens.error()
    tokens.take()
    return str(lookup(token.value)) if token.kind == "variable" else token.value


def read_name(tokens: Tokens, lookup: Lookup) -> str:
    """An identifier, or a variable that holds one."""
    token = tokens.peek()
    if token is not None and token.kind == "variable":
        return read_text(tokens, lookup)
    return tokens.name()


def read_options(tokens: Tokens, known: Mapping[str, str], statement: str, lookup: Lookup) -> Given:
    """A WITH list, or none. Raises SqlError 102, 155, 3031."""
    options: dict[str, Any] = {}
    moves: dict[str, str] = {}
    if not tokens.accept("WITH"):
        return Given()
    while True:
        word = tokens.word()
        if word not in known:
            token = tokens.peek()
            raise failure(155, token.text, statement) if token and token.kind == "word" else tokens.error()
        tokens.take()
        if known[word] == MOVE:
            _read_move(tokens, moves, lookup)
        elif word in options:
            raise failure(3031, word.lower(), word.lower())
        else:
            options[word] = _value(tokens, known[word], lookup)
        if not tokens.accept(","):
            break
    _refuse_conflicts(options)
    return Given(options, moves)


def _read_move(tokens: Tokens, moves: dict[str, str], lookup: Lookup) -> None:
    logical = read_text(tokens, lookup)
    tokens.expect("TO")
    moves[logical] = read_text(tokens, lookup)


def _value(tokens: Tokens, kind: str, lookup: Lookup) -> Any:
    if kind == FLAG:
        return True
    if kind == STATS:
        return _number(tokens) if tokens.accept("=") else 10
    if kind == LIST:
        return _list(tokens)
    tokens.expect("=")
    return _number(tokens) if kind == NUMBER else read_text(tokens, lookup)


def _number(tokens: Tokens) -> int:
    token = tokens.peek()
    if token is None or token.kind != "number":
        raise tokens.error()
    return int(tokens.take().value)


def _list(tokens: Tokens) -> dict[str, str]:
    """`(ALGORITHM = AES_256, SERVER CERTIFICATE = name)`, or nothing."""
    found: dict[str, str] = {}
    if not tokens.accept("("):
        return found
    while True:
        words = [tokens.name().upper()]
        while not tokens.accept("="):
            words.append(tokens.name().upper())
        found[" ".join(words)] = tokens.name()
        if tokens.accept(")"):
            return found
        tokens.expect(",")


def _refuse_conflicts(options: Mapping[str, Any]) -> None:
    for one, other in _CONFLICTS:
        if one in options and other in options:
            raise failure(3031, one.lower(), other.lower())
