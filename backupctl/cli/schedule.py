"""`next`: when jobs will run."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from backupctl import config
from backupctl.cli import render
from backupctl.cli.given import FileOption, JsonOption, OptionalJobArgument, file_of
from backupctl.config import Job
from backupctl.errors import UsageError
from backupctl.timetable import Timetable

_COUNT_OF_ONE, _COUNT_OF_ALL, _MOST = 5, 1, 10_000
# Before 1970 clocks differ by odd seconds; the last year leaves room to look 50 years ahead.
_YEARS = range(1970, 9900)

CountOption = Annotated[
    int | None,
    typer.Option(
        "--count", "-n", metavar="N", min=1, max=_MOST, help="How many times of each job. [default: 5, or 1 of all]"
    ),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="After this ISO time, in the job's zone or with an offset, not now."),
]


def register(app: typer.Typer) -> None:
    app.command("next")(next_runs)


def next_runs(
    ctx: typer.Context,
    name: OptionalJobArgument = None,
    count: CountOption = None,
    since: FromOption = None,
    as_json: JsonOption = False,
    file: FileOption = None,
) -> None:
    """Show when a job, or each enabled one, will run next.

    Times are given in the job's zone and in UTC, with what a clock change does to them. No secret is needed.
    """
    begin = _time(since) if since else datetime.now(UTC)
    # No option of a storage or a database is looked at, so what lacks a variable may be left out.
    configuration = config.load(file_of(ctx, file), jobs=None if name is None else [name], schedule_only=True)
    jobs = [job for job in configuration.jobs if job.enabled or name is not None]
    each = count or (_COUNT_OF_ALL if name is None else _COUNT_OF_ONE)
    found = sorted((run for job in jobs for run in _runs(job, begin, each)), key=lambda run: run.at_utc)
    for job in jobs:
        if not job.enabled:
            render.note(f"{job.name} is disabled: it would run then, but is not run by itself")
    if as_json:
        render.json_document([run.as_json() for run in found])
    elif found:
        render.table(("JOB", "LOCAL TIME", "ZONE", "UTC", "NOTE"), (run.row() for run in found))
    if not jobs:
        render.note("there are no enabled jobs")


@dataclass(frozen=True)
class _Run:
    """A run to come."""

    job: Job
    timetable: Timetable
    at: datetime

    @property
    def at_utc(self) -> datetime:
        return self.at.astimezone(UTC)

    def as_json(self) -> dict[str, Any]:
        return {"job": self.job.name, "at_utc": self.at_utc.isoformat(), "at_local": self.at.isoformat()}

    def row(self) -> tuple[str, ...]:
        local, utc = f"{self.at:%Y-%m-%d %H:%M:%S %z}", f"{self.at_utc:%Y-%m-%d %H:%M:%S}"
        return self.job.name, local, self.job.timezone, utc, "; ".join(self._notes()) or "-"

    def _notes(self) -> Iterator[str]:
        if not self.job.enabled:
            yield "disabled"
        if said := self.timetable.clock_change(self.at):
            yield said
        if self.timetable.delay:
            yield f"{render.human_duration(self.timetable.delay.total_seconds())} of jitter"


def _runs(job: Job, begin: datetime, count: int) -> Iterator[_Run]:
    timetable = Timetable.of(job.name, job.cron, job.timezone, job.jitter)
    since = begin if begin.tzinfo else begin.replace(tzinfo=ZoneInfo(job.timezone))
    return (_Run(job, timetable, due) for due in islice(timetable.upcoming(since), count))


def _time(text: str) -> datetime:
    """An ISO time, with or without an offset. Raises UsageError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time", hint="write it as 2026-03-29T01:30, or as 2026-03-29T01:30+02:00"
        ) from None
    if time.year not in _YEARS:
        raise UsageError(f"the year {time.year} is too far away", hint=f"give one from {_YEARS[0]} to {_YEARS[-1]}")
    return time
