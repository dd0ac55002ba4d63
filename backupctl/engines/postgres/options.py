"""What a PostgreSQL job's `database` may say."""

import re
from typing import Literal

from pydantic import Field, field_validator

from backupctl.engines.base import CountRows, ServerOptions

Format = Literal["plain", "custom"]
SUFFIXES: dict[Format, str] = {"plain": ".sql", "custom": ".dump"}

# These belong to backupctl: where the dump comes from, where it goes, and what a restore relies on.
_OURS = {
    "--clean": "c",
    "--create": "C",
    "--dbname": "d",
    "--file": "f",
    "--format": "F",
    "--host": "h",
    "--if-exists": "",
    "--jobs": "j",
    "--no-password": "w",
    "--password": "W",
    "--port": "p",
    "--username": "U",
    "--compress": "Z",
}
_LEAVING_OUT = re.compile(
    r"-[nNtTeasB]|--(schema|exclude|table|extension|data-only|schema-only|section|no-large-objects|no-blobs|filter)"
)


class PostgresOptions(ServerOptions):
    """A PostgreSQL database, dumped by pg_dump."""

    type: Literal["postgres"]
    format: Format = Field(default="plain", description="plain: SQL for psql; custom: an archive for pg_restore")
    count_rows: CountRows = Field(
        default="auto", description="Count the rows of each table, in format plain: auto, exact (the same), off"
    )

    @field_validator("extra_args")
    @classmethod
    def _not_ours(cls, arguments: tuple[str, ...]) -> tuple[str, ...]:
        for argument in arguments:
            if _is_ours(argument):
                raise ValueError(f"{argument} is chosen by backupctl")
        return arguments

    @property
    def suffix(self) -> str:
        return SUFFIXES[self.format]

    @property
    def counts(self) -> bool:
        """Whether rows are counted: an archive is not made for it."""
        return self.count_rows != "off" and self.format == "plain"

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """The extra arguments that keep a part of the database out of the dump."""
        return tuple(argument for argument in self.extra_args if _LEAVING_OUT.match(argument))


def _is_ours(argument: str) -> bool:
    if argument.startswith("--"):
        return argument.partition("=")[0] in _OURS
    return argument.startswith("-") and argument[1:2] in {short for short in _OURS.values() if short}
