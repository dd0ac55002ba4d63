"""The command: its subcommands, and the one place where an error becomes a line and an exit code."""

import logging
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from backupctl import __version__
from backupctl.cli import (
    accepting,
    backups,
    bugs,
    configuring,
    health,
    looking_back,
    notifying,
    pruning,
    render,
    restoring,
    running,
    schedule,
    serving,
    streams,
)
from backupctl.cli.given import FileOption
from backupctl.config import InvalidFile
from backupctl.errors import BackupctlError, ExitCode
from backupctl.signals import STOPS, after_one

app = typer.Typer(
    name="backupctl",
    help="Backs up many databases from one YAML file, and tells the truth about every backup.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    configuring,
    running,
    backups,
    looking_back,
    restoring,
    pruning,
    serving,
    schedule,
    health,
    notifying,
    accepting,
):
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
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _as_interrupt)
    out = streams.guard()
    code = _run()
    sys.stdout.flush()
    if out.lost:
        render.error(f"the output could not be written: {out.lost}")
        code = code or ExitCode.RUN_FAILED
    sys.exit(code)


def _run() -> int:
    """Run the command; returns its exit code."""
    try:
        app(prog_name="backupctl")
    except SystemExit as ended:
        if _was_interrupted(ended):
            render.error("interrupted")
        return int(ended.code or ExitCode.OK)
    except InvalidFile as error:
        render.problems(error.problems)
        render.error(error.message, error.hint)
        return error.exit_code
    except BackupctlError as error:
        render.error(error.message, error.hint)
        return error.exit_code
    except Exception as error:
        _report_bug(error)
        return ExitCode.BUG
    return ExitCode.OK


def _was_interrupted(ended: SystemExit) -> bool:
    # typer (0.29) takes a KeyboardInterrupt for itself, and makes an exit with code 130 of it.
    return ended.__context__ is not None and isinstance(ended.__context__.__cause__, KeyboardInterrupt)


def _as_interrupt(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, after_one(number))
    raise KeyboardInterrupt


def _report_bug(error: Exception) -> None:
    redact = bugs.redactor_for(error)
    if "--debug" in sys.argv:
        sys.stderr.write(redact("".join(traceback.format_exception(error))))
    render.error(
        redact(f"a bug in backupctl: {type(error).__name__}: {error}"),
        hint=None if "--debug" in sys.argv else "run `backupctl --debug …` for the traceback, and report it",
    )
