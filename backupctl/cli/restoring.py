"""`restore`: put a backup into a database, or write its dump to a file."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO
from zoneinfo import ZoneInfo

import typer

from backupctl import config
from backupctl.cli import render
from backupctl.cli.given import DatabaseOption, FileOption, JobArgument, file_of
from backupctl.config import Job
from backupctl.engines import ENGINES
from backupctl.engines.base import Restore
from backupctl.errors import BackupctlError, IntegrityError, UsageError
from backupctl.model import DUMP_ROLE, STRIPE_ROLE, Manifest
from backupctl.process import Session
from backupctl.repository import LATEST, Repository
from backupctl.state import StateFolder
from backupctl.stream import CHUNK, Reader, Watch
from backupctl.wiring import engine_of, repository_of, storage_of

_STDOUT = "-"


def register(app: typer.Typer) -> None:
    app.command("restore")(restore)


def restore(
    ctx: typer.Context,
    name: JobArgument,
    wanted: Annotated[
        str, typer.Argument(metavar="BACKUP", help="An id, a unique beginning of one, or latest.")
    ] = LATEST,
    into: Annotated[
        str | None,
        typer.Option("--into", metavar="DATABASE", help="The database to restore into, made when it is not there."),
    ] = None,
    to_file: Annotated[
        str | None, typer.Option("--to-file", metavar="PATH", help="Write the plain dump to a new file, - for stdout.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="The newest backup begun at or before this ISO time.")
    ] = None,
    database: DatabaseOption = None,
    clean: Annotated[
        bool, typer.Option("--clean", help="Replace a database that is not empty. Asks, unless --yes.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    create_roles: Annotated[
        bool, typer.Option("--create-roles", help="Make the roles that the backup names and the server lacks.")
    ] = False,
    owner: Annotated[
        bool, typer.Option("--owner/--no-owner", help="--no-owner: all belongs to the restoring user; no grants.")
    ] = True,
    check: Annotated[
        bool, typer.Option("--check", help="Have the server check what came back (SQL Server: DBCC CHECKDB).")
    ] = False,
    other_flavour: Annotated[
        bool, typer.Option("--other-flavour", help="Try a backup of MySQL in MariaDB, or the other way round.")
    ] = False,
    host: Annotated[str | None, typer.Option("--host", metavar="HOST", help="Another server.")] = None,
    port: Annotated[int | None, typer.Option("--port", metavar="PORT", help="Its port.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="USER", help="Another user.")] = None,
    password_env: Annotated[
        str | None, typer.Option("--password-env", metavar="VARIABLE", help="Variable with that user's password.")
    ] = None,
    file: FileOption = None,
) -> None:
    """Restore a backup into a database, or into a file.

    Its sums are checked on the way, and a backup that does not match them is not restored.
    Exit: 0 restored, 1 failed, 2 refused, 3 the backup does not check out.
    """
    if (into is None) == (to_file is None):
        what = "it is not said where to restore to" if into is None else "--into and --to-file were both given"
        raise UsageError(what, hint="give --into DATABASE or --to-file PATH")
    if at is not None and wanted != LATEST:
        raise UsageError("a backup and --at were both given", hint="give one of the two")
    overrides = _overrides(host=host, port=port, user=user, password_env=password_env)
    if to_file is not None and (overrides or clean or create_roles or other_flavour or check or not owner):
        raise UsageError(
            "--to-file writes the dump as it is stored, and asks no server",
            hint="of the options leave only BACKUP, --at and --to-file",
        )
    path = file_of(ctx, file)
    configuration = config.load(path, jobs=[name], database=into is not None, overrides={name: overrides})
    job = configuration.job(name)
    _refuse_strange_options(job, overrides)
    if check and not ENGINES[job.database.type].checks_restored:
        raise UsageError(f"a {job.database.type} database has no check of that kind", hint="leave --check out")
    with _redacted(configuration.redactor):
        repository = repository_of(job, storage_of(job))
        backup = repository.find(
            wanted,
            now=datetime.now(UTC),
            warn=lambda text: render.warn(f"{name}: {text}"),
            at=_moment(at, job) if at else None,
            database=database,
        )
        if backup.problem:
            raise IntegrityError(
                f"backup {backup.manifest.id} of job {name} is damaged: {backup.problem}",
                hint=f"`backupctl list {name}` shows the backups that are whole",
            )
        with render.Bars() as bars:
            if to_file is not None:
                _write_out(repository, backup.manifest, to_file, bars)
                if to_file != _STDOUT:
                    bars.note(f"{name}: wrote the dump of {backup.manifest.id} to {to_file}")
                return
            assert into is not None
            with StateFolder(configuration.state_dir).working() as scratch:
                request = Restore(
                    manifest=backup.manifest,
                    open=lambda role: _watched(repository, backup.manifest, role, bars),
                    into=into,
                    clean=clean,
                    owner=owner,
                    create_roles=create_roles,
                    check=check,
                    other_flavour=other_flavour,
                    confirm=lambda text: yes or _confirm(bars, text),
                    say=lambda text: bars.note(f"{name}: {text}"),
                )
                bars.note(f"{name}: restoring {backup.manifest.id} into {into}")
                _engine_restore(job, request, Session(scratch, redact=configuration.redactor, say=request.say))
    render.say(f"{name}: restored {backup.manifest.id} into {into}")


def _engine_restore(job: Job, request: Restore, session: Session) -> None:
    relative = request.manifest.engine in ENGINES[job.database.type].also_restores
    if request.manifest.engine != job.database.type and not (relative and request.other_flavour):
        raise UsageError(
            f"backup {request.manifest.id} was made by {request.manifest.engine}, and the job is {job.database.type}",
            hint="--other-flavour tries it all the same"
            if relative
            else "restore with a job of that type, or write the dump out with --to-file",
        )
    engine_of(job, session).restore(request)


def _overrides(*, host: str | None, port: int | None, user: str | None, password_env: str | None) -> dict[str, str]:
    """What stands in the place of the file's own text, as the file would have it."""
    if password_env is not None and password_env not in os.environ:
        raise UsageError(
            f"the variable {password_env}, which --password-env names, is not set",
            hint="export it with the password; the option takes the variable's name",
        )
    given = {
        "host": host and host.replace("$", "$$"),
        "port": None if port is None else str(port),
        "user": user and user.replace("$", "$$"),
        "password": None if password_env is None else f"${{{password_env}}}",
    }
    return {key: value for key, value in given.items() if value is not None}


def _refuse_strange_options(job: Job, overrides: dict[str, str]) -> None:
    strange = sorted(set(overrides) - ENGINES[job.database.type].connection_options)
    if strange:
        raise UsageError(f"a {job.database.type} database has no {', '.join(strange)}", hint="leave these options out")


def _moment(text: str, job: Job) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{text} is not an ISO time", hint="write 2026-01-31T03:30, with an offset if it is not in the job's zone"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(job.timezone))


def _confirm(bars: render.Bars, text: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("--clean asks before it replaces anything, and nobody can answer here", hint="add --yes")
    with bars.asking():
        bars.warn(text)
        try:
            return typer.confirm("Go on?", default=False, err=True)
        except typer.Abort:  # Ctrl-C, or the end of the input
            raise KeyboardInterrupt from None


def _watched(repository: Repository, manifest: Manifest, role: str, bars: render.Bars) -> Reader:
    artifact = manifest.artifact(role)
    bars.begin(role, total=artifact.dump_size if artifact else None)
    return Watch(repository.open_dump(manifest, role), lambda count: bars.advance(role, count))


def _write_out(repository: Repository, manifest: Manifest, to_file: str, bars: render.Bars) -> None:
    stripes = [one.key for one in manifest.artifacts if one.role == DUMP_ROLE or one.role.startswith(STRIPE_ROLE)]
    if len(stripes) > 1:
        raise UsageError(
            f"backup {manifest.id} is striped over {len(stripes)} objects, which make no single file",
            hint=f"copy each of them, and name all to RESTORE DATABASE: {', '.join(stripes)}",
        )
    with _destination(to_file) as out, closing(_watched(repository, manifest, "dump", bars)) as dump:
        while chunk := dump.read(CHUNK):
            out.write(chunk)


@contextmanager
def _destination(to_file: str) -> Iterator[BinaryIO]:
    """A file that appears under its name only when it is whole; stdout can only be cut short."""
    if to_file == _STDOUT:
        with _explained("stdout"), os.fdopen(1, "wb", closefd=False) as out:
            yield out
        return
    path = Path(to_file)
    partial = path.parent / f".{secrets.token_hex(8)}.partial"
    try:
        with _explained(str(path)):
            if path.exists():
                raise UsageError(f"{path} is there already", hint="remove it, or name another file")
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            partial.rename(path)
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def _explained(place: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise BackupctlError(
            f"{place} was closed before the end of the dump: what was read of it is not whole"
        ) from error
    except OSError as error:
        raise BackupctlError(f"{place} could not be written: {(error.strerror or str(error)).lower()}") from error


@contextmanager
def _redacted(redact: Callable[[str], str]) -> Iterator[None]:
    try:
        yield
    except BackupctlError as error:
        error.args = (redact(error.message),)
        error.hint = error.hint and redact(error.hint)
        raise
