"""`run-once`: back jobs up now."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from backupctl import config
from backupctl.cancel import Cancellation
from backupctl.cli import render
from backupctl.cli.given import FileOption, JsonOption, LogFormat, LogFormatOption, file_of
from backupctl.cli.watching import watcher
from backupctl.config import Config, Job
from backupctl.engines.base import DirectPart, Part, Preflight
from backupctl.errors import BackupctlError, ExitCode, UsageError
from backupctl.events import Run, told_of
from backupctl.pool import Limits, run_all
from backupctl.runner import Request, Runner
from backupctl.state import StateFolder
from backupctl.wiring import storage_of


def register(app: typer.Typer) -> None:
    app.command("run-once")(run_once)


def run_once(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="JOB", help="The jobs to run.")] = None,
    all_jobs: Annotated[bool, typer.Option("--all", help="Run every enabled job.")] = False,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Run the enabled jobs that have this tag.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at database and storage, say what a run would do, change nothing.")
    ] = False,
    log_format: LogFormatOption = None,
    as_json: JsonOption = False,
    file: FileOption = None,
) -> None:
    """Back up one or more jobs now.

    Exit: 0 all succeeded, 1 one failed, 2 usage or configuration, 4 the job is already running, 130 interrupted.
    """
    path = file_of(ctx, file)
    configuration, jobs = _chosen(path, names or [], all_jobs=all_jobs, tags=tags or [])
    state = StateFolder(configuration.state_dir)
    if dry_run:
        raise typer.Exit(_rehearse(Runner(state, configuration.redactor, lambda _: None), jobs, as_json=as_json))
    runs = _told(path, configuration, jobs, state, log_format)
    if as_json:
        render.json_document([_as_json(run) for run in runs])
    else:
        _closing_table(runs)
    raise typer.Exit(exit_code([run.exit_code for run in runs]))


def _told(
    path: Path, configuration: Config, jobs: Sequence[Job], state: StateFolder, log: LogFormat | None
) -> list[Run]:
    """Run the jobs; everybody has been told of them, as far as can be, when this returns."""
    # Imported late: what it stands on takes a while, and no other command pays for it.
    from backupctl.cli.telling import Telling

    limits = Limits(configuration.workers, configuration.max_per_host)
    with ExitStack() as stack:
        shown = None if log else stack.enter_context(watcher())
        telling = stack.enter_context(
            Telling(path, configuration, log=log, shown=shown, warn=None if log else render.warn)
        )
        telling.begin(configuration)
        runner = Runner(state, configuration.redactor, telling.hear)
        runs = run_all([Request(job) for job in jobs], runner, limits, telling.hear)
        left = telling.send(configuration)
    if left:
        render.note(f"{left} message{'' if left == 1 else 's'} could not be sent yet; the next run sends what is left")
    return runs


def _chosen(path: Path, names: Sequence[str], *, all_jobs: bool, tags: Sequence[str]) -> tuple[Config, list[Job]]:
    given = sum(map(bool, (names, all_jobs, tags)))
    if given != 1:
        what = "jobs were named in more than one way" if given else "no jobs were named"
        raise UsageError(what, hint="name jobs, or give --all, or --tag TAG; one of the three")
    if names:
        configuration = config.load(path, jobs=names, telling=True)
        return configuration, [configuration.job(name) for name in dict.fromkeys(names)]
    configuration = config.load(path)
    jobs = [job for job in configuration.jobs if job.enabled and (all_jobs or set(tags) & set(job.tags))]
    if not jobs:
        raise UsageError(
            f"no enabled job has the tag {' or '.join(tags)}" if tags else "no job is enabled",
            hint="`backupctl validate` shows the jobs",
        )
    return configuration, jobs


def _rehearse(runner: Runner, jobs: Sequence[Job], *, as_json: bool) -> ExitCode:
    codes: list[ExitCode] = []
    documents: list[dict[str, Any]] = []
    for job in jobs:
        about = {"job": job.name, "location": storage_of(job).location}
        try:
            plans = runner.rehearse(job, Cancellation())
        except BackupctlError as error:
            codes.append(error.exit_code)
            problem, hint = runner.redact(error.message), error.hint and runner.redact(error.hint)
            documents.append(about | {"database": None, "error": problem, "hint": hint})
            if not as_json:
                render.error(f"{job.name}: {problem}", hint)
            continue
        for database, plan in plans.items():
            documents.append(about | {"database": database, "error": None, "hint": None} | _plan(runner, job, plan))
            if not as_json:
                _say_plan(documents[-1], f"{job.name}/{database}" if len(plans) > 1 else job.name)
    if as_json:
        render.json_document(documents)
    return exit_code(codes)


def _plan(runner: Runner, job: Job, plan: Preflight) -> dict[str, Any]:
    return {
        "server_version": plan.server_version,
        "client": plan.client,
        "compression": job.compression.algorithm,
        "artifacts": [
            *(_part_as_json(direct, direct.suffixes[0]) for direct in plan.direct),
            *(_part_as_json(part, part.suffix) for part in plan.parts),
        ],
        "warnings": [runner.redact(warning) for warning in plan.warnings],
    }


def _part_as_json(part: Part | DirectPart, suffix: str) -> dict[str, Any]:
    return {"role": part.role, "suffix": suffix, "size_estimate": part.size_estimate}


def _say_plan(plan: dict[str, Any], name: str) -> None:
    server = f", server {plan['server_version']}" if plan["server_version"] else ""
    for part in plan["artifacts"]:
        estimate = part["size_estimate"]
        about = f", about {render.human_size(estimate)} before compression" if estimate is not None else ""
        render.say(
            f"{name}: would store {part['role']} ({part['suffix']}, {plan['compression']}) in {plan['location']}"
            f" with {plan['client']}{server}{about}"
        )
    for warning in plan["warnings"]:
        render.warn(f"{name}: {warning}")


def _closing_table(runs: Sequence[Run]) -> None:
    render.table(
        ("JOB", "OUTCOME", "BACKUP", "DUMPED", "STORED", "TOOK", "WHERE"),
        [_row(run) for run in runs],
        right=("DUMPED", "STORED", "TOOK"),
    )


def _row(run: Run) -> tuple[str, ...]:
    took = render.human_duration(run.seconds)
    if run.stored is None:
        return (run.job, run.outcome.value, "-", "-", "-", took, run.location)
    backup = run.manifest.id if run.manifest else f"{len(run.manifests)} databases"
    dumped = "?" if run.dumped is None else render.human_size(run.dumped)
    return (run.job, run.outcome.value, backup, dumped, render.human_size(run.stored), took, run.location)


def _as_json(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "job": run.job,
        "outcome": run.outcome.value,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat(),
        "backup_id": run.manifest.id if run.manifest else None,
        "location": run.location,
        "backups": {manifest.database: manifest.id for manifest in run.manifests},
        "failures": dict(run.failures),
        "dump_size": run.dumped,
        "size": run.stored,
        "warnings": [told_of(manifest, text) for manifest in run.manifests for text in manifest.warnings],
        "error": run.error,
        "hint": run.hint,
    }


def exit_code(codes: Sequence[ExitCode]) -> ExitCode:
    """One code for all: an interruption or a bug is said as such, else what all failures have in common, else 1."""
    wrong = {code for code in codes if code != ExitCode.OK}
    for loudest in (ExitCode.INTERRUPTED, ExitCode.BUG):
        if loudest in wrong:
            return loudest
    return wrong.pop() if len(wrong) == 1 else ExitCode.RUN_FAILED if wrong else ExitCode.OK
