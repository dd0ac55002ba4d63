"""The `database` of type command: which programs, what they are given, what their dump must be like."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from backupctl.engines.base import EngineOptions, server_named
from backupctl.engines.command.ending import compiled
from backupctl.options import Command, Secret, Size

OURS = "BACKUPCTL_"
"""What the names of the variables begin with that backupctl itself sets."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,16}){1,3}", re.ASCII)
# A storage's listing tells by them what is no artifact.
_TAKEN = (".manifest.json", ".accepted.json")


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("the name of a variable is made of letters, digits and '_', and begins with no digit")
    if name.startswith(OURS):
        raise ValueError(f"variables that begin with {OURS} are set by backupctl itself")
    return name


def _value(secret: Secret) -> Secret:
    if "\0" in secret.get_secret_value():
        raise ValueError("a variable has no NUL character in it")
    return secret


def _suffix(text: str) -> str:
    if not _SUFFIX.fullmatch(text):
        raise ValueError("a suffix begins with a dot and has letters and digits, such as .tar; up to three such parts")
    if text.casefold().endswith(_TAKEN):
        raise ValueError(f"{' and '.join(_TAKEN)} are the endings of what backupctl itself writes")
    return text


def _end_marker(text: str) -> str:
    compiled(text)
    return text


class CommandOptions(EngineOptions):
    """Any database that a program can dump to its stdout."""

    type: Literal["command"] = "command"
    name: str | None = Field(
        default=None, min_length=1, description="What its artifacts are called; by default the program's name"
    )
    host: str | None = Field(
        default=None, min_length=1, description="The server it is on, so that not too many jobs dump it at once"
    )
    dump: Command = Field(description="The program whose stdout is the dump, and its arguments; no shell is involved")
    restore: Command | None = Field(
        default=None, description="The program that reads a dump on stdin; $BACKUPCTL_INTO has the target of --into"
    )
    version: Command | None = Field(default=None, description="Prints the server's version on its first line")
    estimate: Command | None = Field(default=None, description="Prints about how many bytes the dump will have")
    env: dict[Annotated[str, AfterValidator(_variable)], Annotated[Secret, AfterValidator(_value)]] = Field(
        default={}, description="Variables for the programs; their values are masked in all messages"
    )
    suffix: Annotated[str, AfterValidator(_suffix)] = Field(default=".dump", description="How the artifacts' names end")
    end_marker: Annotated[str, AfterValidator(_end_marker)] | None = Field(
        default=None, description="A regular expression that is found in the last 1024 bytes of every whole dump"
    )
    min_size: Size = Field(default=1, ge=1, description="A dump of fewer bytes is none, such as 10KiB")

    @property
    def server(self) -> str | None:
        return server_named(self.host) if self.host else None

    @property
    def title(self) -> str:
        return self.name or Path(self.dump[0]).name

    @property
    def variables(self) -> dict[str, str]:
        """What the programs are given beside the few variables that every child process has."""
        secrets = {name: value.get_secret_value() for name, value in self.env.items()}
        return secrets | {f"{OURS}DATABASE": self.title}
