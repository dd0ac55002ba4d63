"""The options that several commands share, and what they mean together."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from backupctl import config

FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file", "-f", metavar="FILE", help="The jobs file. [default: $BACKUPCTL_CONFIG, ./jobs.yaml, /etc/backupctl/]"
    ),
]
LogFormat = Literal["auto", "text", "json"]
LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option("--log-format", help="The form of the log on stderr; auto: text on a terminal, JSON elsewhere."),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", metavar="NAME", help="Of a job with several databases, the one that is meant."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else there.")]
ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        envvar="BACKUPCTL_LISTEN",
        help="Where the runner tells its health and its metrics; without a host, on this machine alone.",
    ),
]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A job of the file.")]
OptionalJobArgument = Annotated[str | None, typer.Argument(metavar="JOB", help="A job of the file; without, all.")]


def file_of(ctx: typer.Context, own: Path | None) -> Path:
    """The jobs file: named after the command, before it, or found. Raises UsageError."""
    return config.find_file(own or ctx.obj)
