"""`prune`: what the retention policies keep and why, and the removal of the rest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from backupctl import config, pruning
from backupctl.cancel import Cancellation
from backupctl.cli import render
from backupctl.cli.given import FileOption, JsonOption, OptionalJobArgument, file_of
from backupctl.cli.running import exit_code
from backupctl.config import Config, Job
from backupctl.errors import BackupctlError, ExitCode, StorageError
from backupctl.listing import Listing
from backupctl.pruning import Orphan, Removal
from backupctl.repository import Repository
from backupctl.retention import Plan
from backupctl.state import StateFolder
from backupctl.storages.base import Unfinished
from backupctl.wiring import repository_of, storage_of

_FEW = 5


def register(app: typer.Typer) -> None:
    app.command("prune")(prune)


def prune(
    ctx: typer.Context,
    name: OptionalJobArgument = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and remove nothing.")] = False,
    with_orphans: Annotated[
        bool,
        typer.Option("--orphans", help="Also what belongs to no backup, and is older than two days."),
    ] = False,
    as_json: JsonOption = False,
    file: FileOption = None,
) -> None:
    """Show what the retention policies keep, and remove the rest.

    Every backup is shown with the reason why it stays or goes. Without JOB, those of every enabled job.

    Exit: 0 all is removed that was to be, 1 something could not be, 2 usage or configuration, 4 with --orphans: the
    job is running.
    """
    path = file_of(ctx, file)
    configuration = config.load(path, jobs=None if name is None else [name], database=False)
    jobs = [job for job in configuration.jobs if job.enabled or name is not None]
    for job in configuration.jobs:
        if job not in jobs:
            render.note(f"{job.name}: disabled; it is pruned only when it is named")
    command = _Command(configuration, datetime.now(UTC), dry_run=dry_run, with_orphans=with_orphans, silent=as_json)
    reports = [command.carry_out(job) for job in jobs]
    if as_json:
        render.json_document([report.document for report in reports])
    raise typer.Exit(exit_code([report.code for report in reports]))


@dataclass(frozen=True)
class _Line:
    """A backup or an orphan, and what becomes of it."""

    name: str
    at: datetime
    size: int | None
    goes: bool
    reasons: tuple[str, ...]

    def row(self, job: Job) -> tuple[str, ...]:
        at = self.at.astimezone(ZoneInfo(job.timezone))
        size = "?" if self.size is None else render.human_size(self.size)
        plan = "remove" if self.goes else "keep"
        return (job.name, self.name, f"{at:%Y-%m-%d %H:%M:%S %z}", size, plan, ", ".join(self.reasons))

    def as_json(self, name: str, at: str, removal: Removal) -> dict[str, Any]:
        return {
            name: self.name,
            at: self.at.isoformat(),
            "size": self.size,
            "plan": "remove" if self.goes else "keep",
            "reasons": list(self.reasons),
            "removed": self.name in removal.removed,
            "problem": removal.failed.get(self.name),
        }


@dataclass
class _Report:
    """What is told of one job: its part of the JSON document, and its exit code."""

    document: dict[str, Any]
    code: ExitCode = ExitCode.OK


@dataclass(frozen=True)
class _Command:
    configuration: Config
    now: datetime
    dry_run: bool
    with_orphans: bool
    silent: bool

    def carry_out(self, job: Job) -> _Report:
        report = _Report(_document(job, dry_run=self.dry_run))
        try:
            repository = repository_of(job, storage_of(job))
            with self._locked(job):
                listing = repository.listing()
                self._backups(job, repository, listing, report)
                self._orphans(job, repository, listing, report)
        except BackupctlError as error:
            report.code = error.exit_code
            report.document |= {"error": self._redact(error.message), "hint": error.hint and self._redact(error.hint)}
            render.error(f"{job.name}: {report.document['error']}", report.document["hint"])
        return report

    @contextmanager
    def _locked(self, job: Job) -> Iterator[None]:
        """With --orphans nothing of the job runs on this machine meanwhile: what it stores belongs to no backup yet.

        Old backups need no lock, and to hold it would cost a run that comes due its turn.
        """
        if self.dry_run or not self.with_orphans:
            yield
            return
        with StateFolder(self.configuration.state_dir).running(job.name):
            yield

    def _backups(self, job: Job, repository: Repository, listing: Listing, report: _Report) -> None:
        planned = pruning.plan_of(listing, job.retention, self.now, ZoneInfo(job.timezone))
        lines = _backup_lines(listing, planned)
        for problem in listing.unreadable.values():
            render.warn(f"{job.name}: {self._redact(problem)}; it is left alone")
        if lines:
            self._show("BACKUP", job, lines)
        else:
            render.note(f"{job.name}: there are no backups yet")
        removal = Removal()
        if not self.dry_run:
            removal = pruning.remove_backups(repository, listing, planned, Cancellation())
            self._tell("backup", job, lines, removal, report)
        report.document["backups"] = [line.as_json("id", "started_at", removal) for line in lines]

    def _orphans(self, job: Job, repository: Repository, listing: Listing, report: _Report) -> None:
        try:
            found = pruning.orphans(repository, listing, self.now)
        except StorageError as error:
            if self.with_orphans:
                raise
            render.note(f"{job.name}: whether there are orphans is not known: {self._redact(error.message)}")
            return
        lines = [_orphan_line(orphan, goes=self.with_orphans) for orphan in found]
        removal = Removal()
        if not self.with_orphans:
            _mention(job, lines)
        elif lines:
            self._show("ORPHAN", job, lines)
        if self.with_orphans and not self.dry_run:
            removal = pruning.remove_orphans(repository, found, Cancellation())
            self._tell("orphan", job, lines, removal, report)
        report.document["orphans"] = [line.as_json("place", "since", removal) for line in lines]

    def _show(self, what: str, job: Job, lines: Sequence[_Line]) -> None:
        if not self.silent:
            columns = ("JOB", what, "TIME", "SIZE", "PLAN", "REASON")
            render.table(columns, [line.row(job) for line in lines], right=("SIZE",))

    def _tell(self, what: str, job: Job, lines: Sequence[_Line], removal: Removal, report: _Report) -> None:
        """What came of a removal."""
        gone = [line for line in lines if line.name in removal.removed]
        if gone and not self.silent:
            render.say(f"{job.name}: {_so_many(what, gone)} removed")
        for name, problem in islice(removal.failed.items(), _FEW):
            report.code = ExitCode.RUN_FAILED
            render.error(f"{job.name}: {what} {name} is not removed: {self._redact(problem)}")
        if (more := len(removal.failed) - _FEW) > 0:
            render.error(f"{job.name}: {more} more {what}{'s are' if more > 1 else ' is'} not removed")
        for hint in removal.hints:
            render.note(f"hint: {self._redact(hint)}")

    def _redact(self, text: str) -> str:
        return self.configuration.redactor(text)


def _document(job: Job, *, dry_run: bool) -> dict[str, Any]:
    return {
        "job": job.name,
        "location": storage_of(job).location,
        "retention": job.retention and job.retention.model_dump(exclude_none=True),
        "dry_run": dry_run,
        "backups": [],
        "orphans": [],
        "error": None,
        "hint": None,
    }


def _backup_lines(listing: Listing, planned: Plan) -> list[_Line]:
    """The newest first, as they are listed."""
    reasons = {decision.key: decision.reasons for decision in (*planned.keep, *planned.remove)}
    doomed = {decision.key for decision in planned.remove}
    return [
        _Line(
            name=manifest.id,
            at=manifest.started_at,
            size=sum(artifact.size for artifact in manifest.artifacts),
            goes=manifest.key in doomed,
            reasons=reasons[manifest.key],
        )
        for manifest in (backup.manifest for backup in listing.backups)
    ]


def _orphan_line(orphan: Orphan, *, goes: bool) -> _Line:
    place = pruning.place_of(orphan)
    if isinstance(orphan, Unfinished):
        return _Line(place, orphan.started_at, orphan.size, goes, ("an unfinished upload",))
    return _Line(place, orphan.modified, orphan.size, goes, ("no manifest names it",))


def _mention(job: Job, lines: Sequence[_Line]) -> None:
    if lines:
        render.note(
            f"{job.name}: {_so_many('orphan', lines)} there, older than two days and no part of a backup:"
            f" `backupctl prune {job.name} --orphans` removes them"
        )


def _so_many(what: str, lines: Sequence[_Line]) -> str:
    """Of one: `1 backup (3.1 MiB) is`; of several: `12 backups (40.0 MiB) are`."""
    size = render.human_size(sum(line.size or 0 for line in lines))
    return f"1 {what} ({size}) is" if len(lines) == 1 else f"{len(lines)} {what}s ({size}) are"
