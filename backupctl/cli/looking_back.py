"""`history` and `status`: what became of the runs, and whether every job has a backup that is young enough."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from backupctl import config
from backupctl.cli import render
from backupctl.cli.given import FileOption, JsonOption, OptionalJobArgument, file_of
from backupctl.cli.remembering import catalog_of
from backupctl.config import Config, Job
from backupctl.config.values import unknown_job
from backupctl.errors import ExitCode
from backupctl.standing import Standing
from backupctl.state import StateFolder
from backupctl.survey import survey

if TYPE_CHECKING:
    from backupctl.catalog import Catalog, Row

_COUNT, _MOST = 20, 100_000


def register(app: typer.Typer) -> None:
    app.command("history")(history)
    app.command("status")(status)


def history(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="JOB", help="A job, also one that the file has no more; without, all.")
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=_MOST, metavar="N", help="Show so many runs.")
    ] = _COUNT,
    as_json: JsonOption = False,
    file: FileOption = None,
) -> None:
    """Show past runs, the newest first.

    They are what this machine remembers in state_dir; `list` shows the backups themselves.
    """
    configuration = config.load(file_of(ctx, file), schedule_only=True)
    catalog = _catalog(configuration)
    rows = catalog.history(name, limit=count)
    names = [job.name for job in configuration.jobs]
    if name is not None and not rows and name not in names and not catalog.problem:
        raise unknown_job(name, names)
    if as_json:
        render.json_document([_run_as_json(row) for row in rows])
    elif rows:
        _run_table(rows, configuration)
    elif not catalog.problem:
        render.note("no runs are recorded yet")
    raise typer.Exit(ExitCode.RUN_FAILED if catalog.problem else ExitCode.OK)


def _catalog(configuration: Config) -> "Catalog":
    """The catalog, in which no run that was cut off is left to look as if it still went."""
    state = StateFolder(configuration.state_dir)
    catalog = catalog_of(state)
    catalog.settle(state.holding)
    return catalog


def _run_as_json(row: "Row") -> dict[str, Any]:
    return {
        "run_id": row.run_id,
        "job": row.job,
        "trigger": row.trigger.value,
        "due_at": _iso(row.due_at),
        "started_at": _iso(row.started_at),
        "finished_at": _iso(row.finished_at),
        "outcome": row.outcome and row.outcome.value,
        "backup_id": row.backup_id,
        "backups": row.backups,
        "error": row.error,
        "hint": row.hint,
    }


def _run_table(rows: Sequence["Row"], configuration: Config) -> None:
    zones = {job.name: job.timezone for job in configuration.jobs}
    render.table(
        ("JOB", "STARTED", "TRIGGER", "OUTCOME", "TOOK", "STORED", "BACKUP", "ERROR"),
        [_run_cells(row, zones.get(row.job, configuration.timezone)) for row in rows],
        right=("TOOK", "STORED"),
    )


def _run_cells(row: "Row", zone: str) -> tuple[str, ...]:
    took = (row.finished_at - row.started_at).total_seconds() if row.finished_at else None
    return (
        row.job,
        _local(row.started_at, zone),
        row.trigger.value,
        row.outcome.value if row.outcome else "running",
        "-" if took is None else render.human_duration(took),
        "-" if row.stored is None else render.human_size(row.stored),
        row.backup_id or (f"{row.backups} databases" if row.backups else "-"),
        row.error or "-",
    )


def status(
    ctx: typer.Context, name: OptionalJobArgument = None, as_json: JsonOption = False, file: FileOption = None
) -> None:
    """Show how every job stands: its last good backup, its last run, its next.

    A job is stale when its newest good backup is older than max_age, or than twice the longest time between two of
    its runs in a year; where it has several databases, it goes by the one that was left behind. It is failing when its
    last run failed, left a database out or was cut off, or when its storage cannot be read.

    Exit: 0 all is well, 1 a job is stale or failing, or what became of the runs is not known.
    """
    configuration = config.load(file_of(ctx, file), jobs=None if name is None else [name], database=False)
    now = datetime.now(UTC)
    catalog = _catalog(configuration)
    standings = survey(configuration.jobs, catalog, configuration.redactor, now)
    if as_json:
        render.json_document([_standing_as_json(standing) for standing in standings])
        for standing in standings:
            if standing.note:
                render.warn(f"{standing.job}: {standing.note}")
    else:
        _standing_table(standings, {job.name: job for job in configuration.jobs})
    # Without the catalog nobody knows how the last runs ended: runs that fail for the same full disk are not in it.
    well = not catalog.problem and all(standing.is_well for standing in standings)
    raise typer.Exit(ExitCode.OK if well else ExitCode.RUN_FAILED)


def _standing_as_json(standing: Standing) -> dict[str, Any]:
    return {
        "job": standing.job,
        "last_good_at": _iso(standing.last_good_at),
        "age_s": None if standing.age is None else round(standing.age.total_seconds()),
        "last_outcome": standing.last_outcome and standing.last_outcome.value,
        "next_run_at": _iso(standing.next_run_at),
        "stale": standing.stale,
        "failing": standing.failing,
    }


def _standing_table(standings: Sequence[Standing], jobs: Mapping[str, Job]) -> None:
    if not standings:
        render.note("the file has no jobs")
        return
    columns = ["JOB", "STATUS", "LAST GOOD", "AGE", "LAST RUN", "NEXT RUN"]
    if any(standing.note for standing in standings):
        columns.append("NOTE")
    cells = [_standing_cells(standing, jobs[standing.job].timezone) for standing in standings]
    render.table(columns, [row[: len(columns)] for row in cells], right=("AGE",))


def _standing_cells(standing: Standing, zone: str) -> tuple[str, ...]:
    return (
        standing.job,
        _in_a_word(standing),
        "never" if standing.last_good_at is None else _minute(standing.last_good_at, zone),
        "-" if standing.age is None else render.human_age(standing.age.total_seconds()),
        standing.last_outcome.value if standing.last_outcome else "-",
        "-" if standing.next_run_at is None else _minute(standing.next_run_at, zone),
        standing.note or "-",
    )


def _in_a_word(standing: Standing) -> str:
    if not standing.enabled:
        return "disabled"
    wrong = [word for word, holds in (("stale", standing.stale), ("failing", standing.failing)) if holds]
    return ", ".join(wrong) or "ok"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _local(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %z}"


def _minute(moment: datetime, zone: str) -> str:
    """Without seconds: a line a job is to fit a terminal of 80 columns."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %z}"
