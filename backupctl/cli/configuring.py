"""`validate`, `schema` and `init`: the jobs file itself."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from backupctl import config, cron
from backupctl.cli import render
from backupctl.cli.given import FileOption, JsonOption, file_of
from backupctl.config import Config, InvalidFile, Job, starter
from backupctl.errors import ConfigError, ExitCode, UsageError
from backupctl.options import written
from backupctl.process import Session
from backupctl.timetable import Timetable
from backupctl.wiring import engine_of, storage_of

_DEFAULT_OUTPUT = Path("jobs.yaml")


def register(app: typer.Typer) -> None:
    app.command("validate")(validate)
    app.command("schema")(schema)
    app.command("init")(init)


def validate(ctx: typer.Context, as_json: JsonOption = False, file: FileOption = None) -> None:
    """Check the jobs file, and show its jobs or every mistake in it."""
    path = file_of(ctx, file)
    try:
        configuration = config.load(path)
    except InvalidFile as error:
        if not as_json:
            raise
        render.json_document({"ok": False, "jobs": [], "problems": [problem.as_json() for problem in error.problems]})
        raise typer.Exit(ExitCode.USAGE) from None
    for text in (*_nobody_told(configuration), *_kept_for_ever(configuration), *_kept_by_age(configuration)):
        render.note(text)
    now = datetime.now(UTC)
    if as_json:
        jobs = [_as_json(job, now) for job in configuration.jobs]
        render.json_document({"ok": True, "jobs": jobs, "problems": []})
    else:
        _table(configuration, now)


def _nobody_told(configuration: Config) -> Iterator[str]:
    """Whom the file names in vain, and which jobs fail in silence: nobody may be left believing otherwise."""
    if configuration.email is None and any(job.recipients for job in configuration.jobs):
        yield "note: there are recipients, but the file has no email section to mail from: nobody is mailed"
    silent = [job.name for job in configuration.jobs if job.enabled and not _is_told_of(job, configuration)]
    if len(silent) == 1:
        yield f"note: nobody is told when job {silent[0]} fails"
    elif silent:
        yield f"note: nobody is told when {len(silent)} of the jobs fail"
    if configuration.digest and configuration.email is None:
        yield "note: there is a digest, but no email section to mail it from: nobody gets it"


def _is_told_of(job: Job, configuration: Config) -> bool:
    mailed = configuration.email is not None and bool(job.recipients)
    return job.ping is not None or ("failure" in job.notify_on and (mailed or bool(job.notify)))


def _kept_for_ever(configuration: Config) -> Iterator[str]:
    """A file without a policy is no mistake, but a bucket that fills up should be no surprise."""
    names = [job.name for job in configuration.jobs if job.retention is None]
    if len(names) == 1:
        yield f"note: job {names[0]} has no retention policy: all of its backups are kept"
    elif names:
        yield f"note: {len(names)} jobs have no retention policy: all of their backups are kept"


def _kept_by_age(configuration: Config) -> Iterator[str]:
    """Age is counted from the newest: after a rest, or a run while the clock was wrong, that one is all there is."""
    for job in configuration.jobs:
        if job.retention and list(job.retention.model_dump(exclude_none=True)) == ["keep_within"]:
            age = written(job.retention.keep_within or 0)
            yield (
                f"note: job {job.name} keeps by age alone: a backup that is made {age} after the one before it leaves"
                " nothing but itself; a keep_last beside keep_within prevents that"
            )


def _table(configuration: Config, now: datetime) -> None:
    if not configuration.jobs:
        render.note("the file is valid, and has no jobs")
        return
    columns = ("JOB", "ENGINE", "DATABASE", "STORAGE", "WHEN", "NEXT", "RECIPIENTS")
    render.table(columns, (_row(job, now) for job in configuration.jobs))


def _row(job: Job, now: datetime) -> tuple[str, ...]:
    upcoming = _next(job, now)
    return (
        job.name,
        job.database.type,
        _database(job),
        f"{job.storage_name}: {storage_of(job).location}",
        cron.describe(job.cron),
        f"{upcoming:%Y-%m-%d %H:%M} {job.timezone}" if upcoming else "never: disabled",
        ", ".join(job.recipients) or "-",
    )


def _as_json(job: Job, now: datetime) -> dict[str, Any]:
    upcoming = _next(job, now)
    return {
        "job": job.name,
        "enabled": job.enabled,
        "engine": job.database.type,
        "database": _database(job),
        "storage": job.storage_name,
        "location": storage_of(job).location,
        "cron": job.cron,
        "timezone": job.timezone,
        "next_run_at": upcoming.isoformat() if upcoming else None,
        "recipients": list(job.recipients),
        "retention": job.retention and job.retention.model_dump(exclude_none=True),
        "tags": list(job.tags),
    }


def _database(job: Job) -> str:
    # No process is started to name a database: the session is never used.
    return engine_of(job, Session(Path())).target


def _next(job: Job, now: datetime) -> datetime | None:
    return Timetable.of(job.name, job.cron, job.timezone, job.jitter).after(now) if job.enabled else None


def schema() -> None:
    """Print the JSON Schema of the jobs file, for editors."""
    render.json_document(config.json_schema())


def init(
    ctx: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="What to write. [default: jobs.yaml]")
    ] = None,
    from_env: Annotated[
        Path | None, typer.Option("--from-env", metavar="ENV", help="Make one job of a single-database .env file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file when it is there.")] = False,
) -> None:
    """Write a first jobs file, with comments.

    With --from-env it is made of the environment file of a single-database backup.
    """
    path = output or ctx.obj or _DEFAULT_OUTPUT
    if from_env is None:
        _write(path, starter.STARTER, force=force)
        render.say(f"wrote {path}; edit it, then run: backupctl -f {path} validate")
        return
    variables = starter.read_env(from_env)
    draft = starter.from_env(variables)
    _write(path, draft.text, force=force)
    for text in draft.notes:
        render.note(text)
    _warn_of_problems(path, draft, variables)
    render.say(f"wrote {path}; set {', '.join(draft.references) or 'nothing'} in the environment that runs it")


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(
            f"{path} is there already", hint="name another file with -o, or replace it with --force"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error


def _warn_of_problems(path: Path, draft: starter.Draft, variables: dict[str, str]) -> None:
    environ = dict.fromkeys(draft.references, "unset") | variables
    try:
        config.load(path, environ=environ)
    except InvalidFile as error:
        render.problems(error.problems)
        render.warn(f"{path} is written, but {error.message.removeprefix(f'{path} ')} to be solved first")
    except ConfigError as error:
        render.warn(error.message)
