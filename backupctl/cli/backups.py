"""`list` and `verify`: what is on the storage, and whether it is what its manifest says."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from backupctl import config
from backupctl.cli import render
from backupctl.cli.given import DatabaseOption, FileOption, JobArgument, JsonOption, OptionalJobArgument, file_of
from backupctl.config import Config, Job
from backupctl.errors import BackupctlError, ExitCode, IntegrityError, StorageError, UsageError
from backupctl.listing import Backup, Listing
from backupctl.model import DUMP_ROLE, Manifest
from backupctl.process import Session
from backupctl.repository import LATEST, Repository
from backupctl.state import StateFolder
from backupctl.stream import CHUNK, Reader, Tap, Watch
from backupctl.wiring import engine_of, repository_of, storage_of


def register(app: typer.Typer) -> None:
    app.command("list")(list_backups)
    app.command("verify")(verify)


def list_backups(
    ctx: typer.Context, name: OptionalJobArgument = None, as_json: JsonOption = False, file: FileOption = None
) -> None:
    """List the backups that are on the storages.

    Only those that are whole are shown, and only those can be restored. Those that a wrong clock dated in the
    future come last: they are not what `latest` means. Without JOB, a disabled job whose storage cannot be asked is
    a warning.
    """
    path = file_of(ctx, file)
    configuration = config.load(path, jobs=None if name is None else [name], database=False)
    lacking = {} if name else _lacking(path, [job.name for job in configuration.jobs if not job.enabled])
    now = datetime.now(UTC)
    found: list[tuple[Job, Manifest]] = []
    problems: list[ExitCode] = []
    for job in configuration.jobs:
        try:
            listing = _listing(job, lacking.get(job.name))
        except BackupctlError as error:
            by_itself = job.enabled or name is not None
            problems.append(error.exit_code if by_itself else ExitCode.OK)
            _tell(job, configuration.redactor(error.message), error.hint, by_itself=by_itself)
            continue
        found += [(job, manifest) for manifest in sorted(listing.good, key=lambda one: one.is_from_the_future(now))]
        _warn_of_damage(job, listing)
    if as_json:
        render.json_document([manifest.model_dump(mode="json") for _, manifest in found])
    elif found:
        _table(found, now)
    elif not problems:
        render.note("there are no backups yet")
    raise typer.Exit(next((code for code in reversed(problems) if code), ExitCode.OK))


def _lacking(path: Path, disabled: Sequence[str]) -> dict[str, str]:
    """What disabled jobs lack for their storages to be asked, by job: all jobs are read without insisting on it."""
    if not disabled:
        return {}
    try:
        config.load(path, jobs=disabled, database=False)
    except config.InvalidFile as error:
        if len(disabled) == 1:
            return {disabled[0]: "; ".join(problem.message for problem in error.problems)}
        half = len(disabled) // 2
        return _lacking(path, disabled[:half]) | _lacking(path, disabled[half:])
    return {}


def _listing(job: Job, lacking: str | None) -> Listing:
    if lacking:
        raise UsageError(lacking)
    return repository_of(job, storage_of(job)).listing()


def _tell(job: Job, problem: str, hint: str | None, *, by_itself: bool) -> None:
    """Of a storage that cannot be listed; one of a job that is disabled may be gone for good reason."""
    if by_itself:
        render.error(f"{job.name}: {problem}", hint)
    else:
        render.warn(f"{job.name}: disabled, and its backups are not listed: {problem}")


def _warn_of_damage(job: Job, listing: Listing) -> None:
    for backup in listing.backups:
        if backup.problem:
            render.warn(f"{job.name}: {backup.manifest.id} is not listed: {backup.problem}")
    for problem in listing.unreadable.values():
        render.warn(f"{job.name}: {problem}")


def _table(found: list[tuple[Job, Manifest]], now: datetime) -> None:
    rows = []
    for job, manifest in found:
        dump = manifest.dump
        started_at = manifest.started_at.astimezone(ZoneInfo(job.timezone))
        rows.append(
            (
                job.name,
                manifest.id,
                f"{started_at:%Y-%m-%d %H:%M:%S %z}",
                _age(manifest, now),
                "?" if dump.dump_size is None else render.human_size(dump.dump_size),
                render.human_size(dump.size),
                f"{dump.dump_size / dump.size:.1f}x" if dump.dump_size and dump.size else "-",
                manifest.engine,
                manifest.server_version,
                manifest.database,
                str(len(manifest.warnings) or "-"),
            )
        )
    columns = ("JOB", "BACKUP", "TIME", "AGE", "DUMP", "STORED", "RATIO", "ENGINE", "SERVER", "DATABASE", "WARNINGS")
    render.table(columns, rows, right=("AGE", "DUMP", "STORED", "RATIO", "WARNINGS"))


def _age(manifest: Manifest, now: datetime) -> str:
    if manifest.is_from_the_future(now):
        return "in the future"
    return render.human_age((now - manifest.started_at).total_seconds())


@dataclass(frozen=True)
class _Verdict:
    id: str
    job: str
    ok: bool
    problem: str | None
    database: str = ""
    """Where the job has several."""

    @property
    def name(self) -> str:
        return f"{self.id} ({self.database})" if self.database else self.id

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "job": self.job, "ok": self.ok, "problem": self.problem}


def verify(
    ctx: typer.Context,
    name: JobArgument,
    wanted: Annotated[
        str, typer.Argument(metavar="BACKUP", help="An id, a unique beginning of one, or latest.")
    ] = LATEST,
    every: Annotated[bool, typer.Option("--all", help="Verify every backup of the job.")] = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
    file: FileOption = None,
) -> None:
    """Read a backup back in full and check it.

    Sizes and sha256 of both sides are compared, and the engine reads all of the dump. Of a job with several databases
    `latest` is the newest of each, unless --database names one.

    Exit: 0 it checks out, 3 it does not.
    """
    if every and wanted != LATEST:
        raise UsageError("a backup and --all were both given", hint="give one of the two")
    path = file_of(ctx, file)
    configuration = config.load(path, jobs=[name], database=False)
    job = configuration.job(name)
    repository = repository_of(job, storage_of(job))
    verdicts: list[_Verdict] = []
    if every:
        listing = repository.listing()
        backups = [one for one in listing.backups if database in (None, one.manifest.database)]
        verdicts += [_Verdict(key, job.name, ok=False, problem=why) for key, why in listing.unreadable.items()]
    else:
        backups = _wanted(repository, wanted, database, lambda text: render.warn(f"{name}: {text}"))
    verdicts = [_verdict(configuration, job, repository, backup) for backup in backups] + verdicts
    _show(verdicts, as_json=as_json)
    raise typer.Exit(ExitCode.OK if all(verdict.ok for verdict in verdicts) else ExitCode.INTEGRITY)


def _wanted(repository: Repository, wanted: str, database: str | None, warn: Callable[[str], None]) -> list[Backup]:
    now = datetime.now(UTC)
    if wanted == LATEST and database is None:
        return repository.newest_of_each(now=now, warn=warn)
    return [repository.find(wanted, now=now, warn=warn, database=database)]


def _show(verdicts: list[_Verdict], *, as_json: bool) -> None:
    if as_json:
        render.json_document([verdict.as_json() for verdict in verdicts])
        return
    if not verdicts:
        render.note("there are no backups yet")
    for verdict in verdicts:
        if verdict.ok:
            render.say(f"{verdict.job}: {verdict.name} checks out")
        else:
            render.error(f"{verdict.job}: {verdict.name} does not check out: {verdict.problem}")


def _verdict(configuration: Config, job: Job, repository: Repository, backup: Backup) -> _Verdict:
    manifest = backup.manifest
    database = manifest.database if manifest.databases else ""
    try:
        if backup.problem:
            raise IntegrityError(backup.problem)
        with StateFolder(configuration.state_dir).working() as scratch, render.Bars() as bars:
            _read_back(job, repository, manifest, Session(scratch, redact=configuration.redactor), bars)
    except IntegrityError as error:
        problem = configuration.redactor(error.message)
        return _Verdict(manifest.id, job.name, ok=False, problem=problem, database=database)
    return _Verdict(manifest.id, job.name, ok=True, problem=None, database=database)


def _read_back(job: Job, repository: Repository, manifest: Manifest, session: Session, bars: render.Bars) -> None:
    bars.begin(manifest.id, total=sum(artifact.dump_size or artifact.size for artifact in manifest.artifacts))
    read: dict[str, Tap] = {}
    for artifact in manifest.artifacts:
        with closing(repository.open_dump(manifest, artifact.role)) as dump:
            read[artifact.role] = Tap(dump)
            watched: Reader = Watch(read[artifact.role], lambda count: bars.advance(manifest.id, count))
            if artifact.role == DUMP_ROLE and manifest.engine == job.database.type:
                engine_of(job, session).check_dump(
                    manifest, watched, say=lambda text: bars.note(f"{job.name}: {manifest.id}: {text}")
                )
            # What the engine's reader left over has a sum too.
            while watched.read(CHUNK):
                pass
    if manifest.engine != job.database.type:
        bars.note(
            f"{job.name}: {manifest.id} was made by {manifest.engine}, and the job is {job.database.type} now:"
            " its sums were checked, its content was not"
        )
    if any(artifact.sha256 is None for artifact in manifest.artifacts):
        _note_sums(job, repository, manifest, read, bars)
    bars.end(manifest.id)


def _note_sums(
    job: Job, repository: Repository, manifest: Manifest, read: Mapping[str, Tap], bars: render.Bars
) -> None:
    """What the server stored by itself had no sums yet: from now on it is held against these."""
    sums = {role: (tap.size, tap.sha256) for role, tap in read.items()}
    try:
        repository.note_sums(manifest, sums)
    except StorageError as error:
        bars.warn(f"{job.name}: {manifest.id}: its sums could not be written down: {error.message}")
    else:
        bars.note(f"{job.name}: {manifest.id}: its sums are written down, for what comes to be checked later")
