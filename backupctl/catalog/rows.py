"""What the catalog writes of a run and reads back, as statements of one transaction."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Row as Record
from sqlalchemy.sql.elements import ColumnElement

from backupctl.catalog.tables import RUNS, SCHEDULES
from backupctl.events import Run, Started
from backupctl.model import Outcome, Trigger

GOOD = frozenset({Outcome.SUCCEEDED})
"""Outcomes that leave a backup of all there is; a partial one lacks some database's."""

CUT_OFF = "the process ended in the middle of the run"
CUT_OFF_HINT = "it was killed, or the machine went down; nothing half-stored is listed, and the next run starts afresh"


@dataclass(frozen=True)
class Row:
    """One run. `outcome` is None while it goes on; `finished_at` is None too when nobody saw the end.

    `dumped` and `stored` are the bytes of all its artifacts, None where there are none or nobody knows.
    """

    run_id: str
    job: str
    trigger: Trigger
    due_at: datetime | None
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None
    error: str | None
    hint: str | None
    dumped: int | None
    stored: int | None
    backup_id: str | None
    """Where the run made a single backup."""
    host: str
    backups: int | None = None
    """How many it made; None where none, or where an older version wrote it down."""


@dataclass(frozen=True)
class Bounds:
    """How many runs are remembered: of a job, and of all together. Every job's newest run and newest success stay."""

    a_job: int = 1_000
    together: int = 100_000
    trimmed_every: int = 500
    """Trimming reads the whole table (0.2 s at 100,000 rows), so it is done once in so many runs."""


def begin(connection: Connection, event: Started, host: str, bounds: Bounds) -> None:
    """Write down that a run begins. It has its job's lock, so what was unfinished before it was cut off."""
    cut_off(connection, event.job)
    values = {"trigger": event.trigger, "due_at": event.due_at, "started_at": event.started_at}
    _add(connection, {"run_id": event.run_id, "job": event.job, "host": host, **values}, bounds)


def finish(connection: Connection, run: Run, host: str, bounds: Bounds) -> None:
    """Write down how a run ended, also one whose beginning was not recorded: one that was skipped never began."""
    values = {
        "finished_at": run.finished_at,
        "outcome": run.outcome,
        "error": run.error,
        "hint": run.hint,
        **_stored(run),
    }
    # Whoever takes the lock between a run's end and this very moment holds it for cut off: the end itself knows better.
    if connection.execute(update(RUNS).where(RUNS.c.run_id == run.run_id).values(**values)).rowcount:
        return
    began = {"trigger": run.trigger, "due_at": run.due_at, "started_at": run.started_at}
    _add(connection, {"run_id": run.run_id, "job": run.job, "host": host, **began, **values}, bounds)


def cut_off(connection: Connection, job: str) -> None:
    """Say of the job's unfinished runs that nobody saw their end; only for the holder of the job's lock."""
    connection.execute(
        update(RUNS)
        .where(RUNS.c.job == job, RUNS.c.outcome.is_(None))
        .values(outcome=Outcome.INTERRUPTED, error=CUT_OFF, hint=CUT_OFF_HINT)
    )


def unfinished_jobs(connection: Connection) -> list[str]:
    found = connection.execute(select(RUNS.c.job).where(RUNS.c.outcome.is_(None)).distinct().order_by(RUNS.c.job))
    return [str(record.job) for record in found]


def newest(connection: Connection, job: str | None, limit: int | None, since: datetime | None) -> list[Row]:
    """The newest first."""
    statement = select(RUNS).order_by(RUNS.c.seq.desc()).limit(limit)
    if job is not None:
        statement = statement.where(_is(job))
    if since is not None:
        statement = statement.where(RUNS.c.started_at >= since)
    return [_row(record) for record in connection.execute(statement)]


def newest_of_each(connection: Connection, outcomes: Collection[Outcome]) -> dict[str, Row]:
    """Each job's newest run with one of the outcomes."""
    named = RUNS.c.outcome.in_(outcomes)
    statement = select(RUNS).where(RUNS.c.seq.in_(select(func.max(RUNS.c.seq)).where(named).group_by(RUNS.c.job)))
    return {record.job: _row(record) for record in connection.execute(statement)}


def answered(connection: Connection) -> dict[str, datetime]:
    """Up to when each job's due times are answered for: by the newest run that was carried out, or made one up.

    A run that was cancelled or cut off is still to be made up for, once; a manual one stands for what was due before
    it if it left a backup. It goes by the newest run, not the newest time: a clock that was years ahead for a day would
    win for years.
    """
    done = RUNS.c.outcome.in_([*GOOD, Outcome.PARTIAL, Outcome.FAILED, Outcome.SKIPPED])
    made_up = and_(RUNS.c.trigger == Trigger.CATCH_UP, RUNS.c.outcome.is_distinct_from(Outcome.CANCELLED))
    scheduled = and_(RUNS.c.due_at.is_not(None), or_(done, made_up))
    manual = and_(RUNS.c.due_at.is_(None), RUNS.c.outcome.in_(GOOD))
    newest = select(func.max(RUNS.c.seq)).where(or_(scheduled, manual)).group_by(RUNS.c.job)
    statement = select(RUNS.c.job, RUNS.c.due_at, RUNS.c.started_at).where(RUNS.c.seq.in_(newest))
    return {record.job: record.due_at or record.started_at for record in connection.execute(statement)}


def first_known(connection: Connection, schedules: Mapping[str, tuple[str, str]], now: datetime) -> dict[str, datetime]:
    """Since when each job is known with its expression and zone; from now on where that is news."""
    known = {record.job: record for record in connection.execute(select(SCHEDULES))}
    news = {
        job: schedule
        for job, schedule in schedules.items()
        if job not in known or (known[job].expression, known[job].zone) != schedule
    }
    _remember(connection, news.items(), now)
    return {job: now if job in news else known[job].since for job in schedules}


def _remember(connection: Connection, news: Iterable[tuple[str, tuple[str, str]]], now: datetime) -> None:
    values = [{"job": job, "expression": expression, "zone": zone, "since": now} for job, (expression, zone) in news]
    if values:
        statement = sqlite.insert(SCHEDULES)
        changed = {name: statement.excluded[name] for name in ("expression", "zone", "since")}
        connection.execute(statement.on_conflict_do_update(index_elements=["job"], set_=changed), values)


def _add(connection: Connection, values: Mapping[str, Any], bounds: Bounds) -> None:
    added = connection.execute(insert(RUNS).values(**values)).inserted_primary_key
    if added and added.seq % bounds.trimmed_every == 0:
        trim(connection, bounds)


def trim(connection: Connection, bounds: Bounds) -> None:
    """Forget the oldest runs beyond the bounds."""
    place = func.row_number().over(partition_by=RUNS.c.job, order_by=RUNS.c.seq.desc()).label("place")
    placed = select(RUNS.c.seq, place).subquery()
    too_many_of_a_job = select(placed.c.seq).where(placed.c.place > bounds.a_job)
    oldest_kept = select(RUNS.c.seq).order_by(RUNS.c.seq.desc()).limit(1).offset(bounds.together - 1).scalar_subquery()
    newest_runs = select(func.max(RUNS.c.seq)).group_by(RUNS.c.job)
    newest_good = newest_runs.where(RUNS.c.outcome.in_(GOOD))
    beyond = or_(RUNS.c.seq < oldest_kept, RUNS.c.seq.in_(too_many_of_a_job))
    precious = or_(RUNS.c.outcome.is_(None), RUNS.c.seq.in_(newest_runs), RUNS.c.seq.in_(newest_good))
    connection.execute(delete(RUNS).where(and_(beyond, ~precious)))


def _is(job: str) -> ColumnElement[bool]:
    return RUNS.c.job == job


def _stored(run: Run) -> dict[str, Any]:
    if not run.manifests:
        return {}
    return {
        "backup_id": run.manifest.id if run.manifest else None,
        "backups": len(run.manifests),
        "dumped": run.dumped,
        "stored": run.stored,
    }


def _row(record: Record[Any]) -> Row:
    values = dict(record._mapping)
    del values["seq"]
    return Row(**values)
