"""`accept`: somebody has looked at what is missing from a backup, and it is as it should be."""

from datetime import UTC, datetime

import typer

from backupctl import config
from backupctl.cli import render
from backupctl.cli.given import DatabaseOption, FileOption, JobArgument, file_of
from backupctl.events import told_of
from backupctl.wiring import repository_of, storage_of


def register(app: typer.Typer) -> None:
    app.command("accept")(accept)


def accept(ctx: typer.Context, name: JobArgument, database: DatabaseOption = None, file: FileOption = None) -> None:
    """Accept that a job's newest backup holds much less than those before it.

    Until then retention removes none of that database's backups. What comes after is held against the accepted one.
    """
    configuration = config.load(file_of(ctx, file), jobs=[name], database=False)
    job = configuration.job(name)
    repository = repository_of(job, storage_of(job))
    drifted = [one for one in repository.listing().drifted if database in (None, one.database)]
    if not drifted:
        render.note(f"{name}: there is nothing to accept")
        return
    for manifest in reversed(drifted):
        for sentence in manifest.drift:
            render.note(f"{manifest.id}: {configuration.redactor(told_of(manifest, sentence))}")
    newest = {manifest.database: manifest for manifest in reversed(drifted)}
    for manifest in newest.values():
        repository.accept(manifest, datetime.now(UTC))
        render.say(f"{name}: {manifest.id} is accepted; what retention held is removed after the next run")
