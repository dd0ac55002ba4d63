"""The command: its subcommands, and the one place where an error becomes a line and an exit code."""

import logging
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from backupctl import __version__
from backupctl.cli import backups, configuring, render, restoring, running
from backupctl.cli.given import FileOption
from backupctl.config import InvalidFile
from backupctl.errors import BackupctlError, ExitCode

app = typer.Typer(
    name="backupctl",
    help="Backs up many databases from one YAML file, and tells the truth about every backup.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (configuring, running, backups, restoring):
    group.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        render.say(f"backupctl {__version__}")
        raise typer.Exit


@app.callback()
def _before_the_command(
    ctx: typer.Context,
    file: FileOption = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and what the libraries log.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    ctx.obj = file
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if debug else logging.CRITICAL)


def main() -> None:
    """Run the command that was typed, and exit."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        app(prog_name="backupctl")
    except InvalidFile as error:
        render.problems(error.problems)
        render.error(error.message, error.hint)
        sys.exit(error.exit_code)
    except BackupctlError as error:
        render.error(error.message, error.hint)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        render.error("interrupted")
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has read enough, as `head` does; the interpreter must not say so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.OK)
    except Exception as error:
        _report_bug(error)
        sys.exit(ExitCode.BUG)


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _report_bug(error: Exception) -> None:
    if "--debug" in sys.argv:
        traceback.print_exc()
    render.error(
        f"a bug in backupctl: {type(error).__name__}: {error}",
        hint=None if "--debug" in sys.argv else "run `backupctl --debug …` for the traceback, and report it",
    )
