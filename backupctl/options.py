"""What every option model of the file shares: strictness, and the field types that YAML has no word for."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo

FOLDER = "folder"
"""Key of the validation context: the folder that relative paths start at."""

_SIZE = re.compile(r"(\d+)\s*([KMGT]?i?B)", re.IGNORECASE)
_SIZE_UNITS = {unit: 1024**power for power, unit in enumerate(["B", "KIB", "MIB", "GIB", "TIB"])} | {
    unit: 1000**power for power, unit in enumerate(["KB", "MB", "GB", "TB"], start=1)
}
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%|0(?:\.0)?")
_WHOLE = 100.0
_DURATION = re.compile(r"(\d+)\s*([smhd])")
_DURATION_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION_MOST_S = 36_500 * 86400  # times are counted with it, and they end with the year 9999


class Options(BaseModel):
    """A part of the file: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


def _absolute(path: Path, info: ValidationInfo) -> Path:
    if "\0" in str(path):
        raise ValueError("a path has no NUL character in it")
    folder = (info.context or {}).get(FOLDER, Path.cwd())
    try:
        return Path(folder) / path.expanduser()
    except RuntimeError:
        raise ValueError(f"there is no home folder for {path.parts[0]}") from None


def _size(value: object) -> object:
    if isinstance(value, int):
        return value
    match = _SIZE.fullmatch(str(value).strip())
    if not match:
        raise ValueError("a size is a number with a unit, such as 8MiB")
    return int(match[1]) * _SIZE_UNITS[match[2].upper()]


def _duration(value: object) -> object:
    if isinstance(value, int):
        return value
    match = _DURATION.fullmatch(str(value).strip())
    if not match:
        raise ValueError("a duration is a number with a unit, such as 90s, 15m, 2h or 1d")
    seconds = int(match[1]) * _DURATION_UNITS[match[2]]
    if seconds > _DURATION_MOST_S:
        raise ValueError(f"a duration is at most {written(_DURATION_MOST_S)}")
    return seconds


def written(seconds: int) -> str:
    """A duration as the file has it: 2h, 90s."""
    units = {unit: length for unit, length in _DURATION_UNITS.items() if seconds % length == 0 and seconds >= length}
    unit = max(units, key=lambda one: units[one], default="s")
    return f"{seconds // _DURATION_UNITS[unit]}{unit}"


FilePath = Annotated[Path, AfterValidator(_absolute)]
"""A path; a relative one starts at the file's folder, `~` is the user's home."""

Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=str)]
"""Bytes, written `8MiB`."""

Duration = Annotated[int, BeforeValidator(_duration, json_schema_input_type=str)]
"""Seconds, written `90s`, `15m`, `2h`, `1d`."""


def _share(value: object) -> object:
    if isinstance(value, float):
        return value
    match = _PERCENT.fullmatch(str(value).strip())
    if not match or float(match[1] or 0) > _WHOLE:
        raise ValueError("a share is a percentage from 0% to 100%, such as 50%")
    return float(match[1] or 0) / _WHOLE


Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=str)]
"""A part of one, written `50%`."""


def _argument(text: str) -> str:
    if "\0" in text:
        raise ValueError("an argument of a program has no NUL character in it")
    return text


def _named(argv: tuple[str, ...]) -> tuple[str, ...]:
    if not Path(argv[0]).name:
        raise ValueError("the first word of a command is the name of its program")
    return argv


Command = Annotated[tuple[Annotated[str, AfterValidator(_argument)], ...], Field(min_length=1), AfterValidator(_named)]
"""A program and its arguments; no shell takes it apart."""

Secret = SecretStr
"""A value that is never shown; its text is masked wherever it turns up."""
