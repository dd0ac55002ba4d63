"""`notify-test`: does a message arrive?"""

from datetime import UTC, datetime

import typer

from backupctl import config
from backupctl.cli import render
from backupctl.cli.given import FileOption, OptionalJobArgument, file_of
from backupctl.errors import ExitCode, UsageError


def register(app: typer.Typer) -> None:
    app.command("notify-test")(notify_test)


def notify_test(ctx: typer.Context, name: OptionalJobArgument = None, file: FileOption = None) -> None:
    """Send a sample over each channel of a job, or of all enabled ones.

    Exit: 0 all were taken, 1 one was not.
    """
    # Imported late: what it stands on takes a while, and no other command pays for it.
    from backupctl import letters
    from backupctl.notices import channels_of, place_of
    from backupctl.notifiers.base import Notifier, NotifyError

    path = file_of(ctx, file)
    configuration = config.load(path, jobs=None if name is None else [name], telling=True)
    notifiers: dict[str, Notifier] = {}
    ways: dict[tuple[str, tuple[str, ...]], str] = {}
    for job in configuration.jobs:
        if job.enabled or name is not None:
            found = channels_of(job, configuration, notifiers)
            for way in (*found.people, *([(found.ping, ())] if found.ping else [])):
                ways.setdefault(way, job.name)
    if not ways:
        hint = "give a job `recipients` and the file an `email`, or the job `notify` or `ping`"
        raise UsageError("there is nobody to tell", hint=hint)
    code = ExitCode.OK
    for (channel, recipients), job_name in ways.items():
        message = letters.about_sample(
            place_of(path, configuration, configuration.job(job_name).timezone), name, datetime.now(UTC)
        )
        to = f" to {', '.join(recipients)}" if recipients else ""
        try:
            sent = notifiers[channel].send(message, recipients)
        except NotifyError as error:
            render.error(f"{channel}{to}: {configuration.redactor(error.message)}", error.hint)
            code = ExitCode.RUN_FAILED
            continue
        for recipient, answer in {**sent.refused, **sent.deferred}.items():
            render.error(f"{channel}: {recipient} was refused: {configuration.redactor(answer)}")
            code = ExitCode.RUN_FAILED
        render.say(f"{channel}{to}: sent")
    raise typer.Exit(code)
