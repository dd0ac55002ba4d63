"""The catalog remembers every run, from several threads and processes, within its bounds."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from backupctl.catalog import Catalog, rows
from backupctl.catalog.rows import Bounds
from backupctl.catalog.tables import MIGRATIONS, RUNS, SCHEDULES, VERSION
from backupctl.model import Outcome, Trigger
from backupctl.state import StateFolder
from tests.unit.runs import WHEN, Told, begin, end, run, whole

DAY = timedelta(days=1)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    made = Told(tmp_path / "state")
    yield made
    assert made.warnings == []


def _sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def test_a_run_is_a_row_with_all_that_is_known_of_it(told: Told) -> None:
    due = WHEN - timedelta(seconds=3)
    whole(told.catalog, run("one", trigger=Trigger.SCHEDULE, due_at=due))
    (row,) = told.catalog.history()
    assert row == rows.Row(
        run_id="one",
        job="shop",
        trigger=Trigger.SCHEDULE,
        due_at=due,
        started_at=WHEN,
        finished_at=WHEN + timedelta(seconds=10),
        outcome=Outcome.SUCCEEDED,
        error=None,
        hint=None,
        dumped=3000,
        stored=300,
        backup_id="one",
        host=os.uname().nodename,
        backups=1,
    )
    assert row.started_at.utcoffset() == timedelta(0)


def test_a_run_that_has_not_ended_has_no_outcome(told: Told) -> None:
    begin(told.catalog, run("one"))
    (row,) = told.catalog.history()
    assert (row.outcome, row.finished_at) == (None, None)
    assert told.catalog.jobs_with_unfinished() == ["shop"]
    assert told.catalog.last_runs() == {}


def test_a_run_that_never_began_is_a_row_all_the_same(told: Told) -> None:
    end(told.catalog, run("one", Outcome.SKIPPED))
    (row,) = told.catalog.history()
    assert (row.outcome, row.error, row.hint) == (Outcome.SKIPPED, "the server went away", "look at it")


def test_history_is_newest_first_of_one_job_or_of_all_and_no_longer_than_asked_for(told: Told) -> None:
    for number in range(4):
        # A clock that was set back does not change what came after what.
        whole(told.catalog, run(f"r{number}", job="shop" if number % 2 else "wiki", at=WHEN - number * DAY))
    assert [row.run_id for row in told.catalog.history()] == ["r3", "r2", "r1", "r0"]
    assert [row.run_id for row in told.catalog.history(limit=2)] == ["r3", "r2"]
    assert [row.run_id for row in told.catalog.history("wiki")] == ["r2", "r0"]
    assert told.catalog.history("nosuch") == []


def test_the_last_run_is_the_newest_that_ended_and_was_not_skipped(told: Told) -> None:
    whole(told.catalog, run("good"))
    whole(told.catalog, run("bad", Outcome.FAILED))
    end(told.catalog, run("skipped", Outcome.SKIPPED))
    begin(told.catalog, run("going"))
    assert told.catalog.last_runs()["shop"].run_id == "bad"
    assert told.catalog.last_success()["shop"].run_id == "good"


def test_a_run_that_was_cut_off_is_marked_by_the_next_one_of_its_job(told: Told) -> None:
    begin(told.catalog, run("killed"))
    begin(told.catalog, run("other", job="wiki"))
    begin(told.catalog, run("next"))
    other, killed = told.catalog.history("wiki")[0], told.catalog.history("shop")[1]
    assert (killed.outcome, killed.error) == (Outcome.INTERRUPTED, "the process ended in the middle of the run")
    assert killed.finished_at is None
    assert killed.hint
    assert other.outcome is None


def test_an_end_that_is_heard_late_is_what_counts(told: Told) -> None:
    begin(told.catalog, run("slow"))
    told.catalog.cut_off("shop")
    end(told.catalog, run("slow"))
    (row,) = told.catalog.history()
    assert (row.outcome, row.error, row.hint) == (Outcome.SUCCEEDED, None, None)


def test_a_text_that_is_no_unicode_is_recorded_as_its_bytes(told: Told) -> None:
    name = os.fsdecode(b"caf\xe9.db")
    whole(told.catalog, replace(run("one", Outcome.FAILED), error=f"there is no {name}", hint=name))
    (row,) = told.catalog.history()
    assert (row.error, row.hint) == (r"there is no caf\udce9.db", r"caf\udce9.db")


HOLDER = """
import sys, time
from pathlib import Path
from backupctl.state import StateFolder
from tests.unit.runs import Told, begin, run
folder = Path(sys.argv[1])
with StateFolder(folder).running("shop"):
    begin(Told(folder).catalog, run("held"))
    print("held", flush=True)
    time.sleep(600)
"""


def test_only_a_run_whose_process_is_gone_is_marked_as_cut_off(tmp_path: Path) -> None:
    told, state = Told(tmp_path), StateFolder(tmp_path)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        begin(told.catalog, run("gone", job="wiki"))
        told.catalog.settle(state.holding)
        outcomes = {row.job: row.outcome for row in told.catalog.history()}
        holder.send_signal(signal.SIGKILL)
    assert outcomes == {"shop": None, "wiki": Outcome.INTERRUPTED}
    told.catalog.settle(state.holding)
    assert told.catalog.last_runs()["shop"].outcome is Outcome.INTERRUPTED


def test_a_job_is_known_since_its_schedule_last_changed(told: Told) -> None:
    daily, hourly = ("0 3 * * *", "UTC"), ("0 * * * *", "UTC")
    assert told.catalog.first_known({"a": daily, "b": daily}, WHEN) == {"a": WHEN, "b": WHEN}
    later = WHEN + DAY
    schedules = {"a": daily, "b": hourly, "c": ("0 3 * * *", "Asia/Tokyo")}
    assert told.catalog.first_known(schedules, later) == {"a": WHEN, "b": later, "c": later}
    schedules["c"] = daily
    assert told.catalog.first_known(schedules, later + DAY) == {"a": WHEN, "b": later, "c": later + DAY}


@pytest.mark.parametrize(
    ("outcome", "trigger", "counts"),
    [
        (Outcome.SUCCEEDED, Trigger.SCHEDULE, True),
        (Outcome.FAILED, Trigger.SCHEDULE, True),
        (Outcome.SKIPPED, Trigger.SCHEDULE, True),
        (Outcome.CANCELLED, Trigger.SCHEDULE, False),
        (Outcome.CANCELLED, Trigger.CATCH_UP, False),
        (Outcome.FAILED, Trigger.MANUAL, False),
    ],
)
def test_due_times_are_answered_for_by_what_was_carried_out_and_made_up_for_once(
    told: Told, outcome: Outcome, trigger: Trigger, counts: bool
) -> None:
    due = None if trigger is Trigger.MANUAL else WHEN
    before = WHEN - DAY
    whole(told.catalog, run("before", trigger=Trigger.SCHEDULE, due_at=before))
    whole(told.catalog, run("one", outcome, trigger=trigger, due_at=due, at=WHEN + DAY))
    assert told.catalog.answered() == {"shop": WHEN if counts else before}


def test_a_manual_backup_answers_for_what_was_due_before_it(told: Told) -> None:
    whole(told.catalog, run("one", at=WHEN))
    assert told.catalog.answered() == {"shop": WHEN}


def test_the_oldest_are_forgotten_but_for_each_jobs_newest_run_and_newest_success(tmp_path: Path) -> None:
    bounds = Bounds(a_job=5, together=12, trimmed_every=10)
    catalog = Catalog.open(tmp_path / "catalog.sqlite", warn=pytest.fail, bounds=bounds)
    whole(catalog, run("quiet", job="quiet"))
    whole(catalog, run("good"))
    for number in range(28):
        whole(catalog, run(f"r{number}", Outcome.FAILED, job="shop" if number < 20 else f"job{number % 3}"))
    kept = [row.run_id for row in catalog.history()]
    assert kept[-2:] == ["good", "quiet"]
    assert len(kept) <= bounds.together + 2 + bounds.trimmed_every
    assert len(catalog.history("shop")) == 1 + 5 - 1  # the newest success is beyond the newest five
    assert kept[0] == "r27"


def test_a_run_that_goes_on_is_not_forgotten(tmp_path: Path) -> None:
    bounds = Bounds(a_job=2, together=2, trimmed_every=1)
    catalog = Catalog.open(tmp_path / "catalog.sqlite", warn=pytest.fail, bounds=bounds)
    begin(catalog, run("long"))
    for number in range(5):
        end(catalog, run(f"r{number}", Outcome.SKIPPED))
    end(catalog, run("long"))
    assert "long" in [row.run_id for row in catalog.history()]


def _tell(folder: Path, name: str, count: int) -> None:
    told = Told(folder)
    for number in range(count):
        whole(told.catalog, run(f"{name}-{number}", job=name))
    if told.warnings:
        sys.exit(str(told.warnings))


def test_many_threads_and_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_tell, args=(tmp_path, f"p{number}", 5)) for number in range(2)]
    threads = [threading.Thread(target=_tell, args=(tmp_path, f"t{number}", 5)) for number in range(6)]
    workers: list[SpawnProcess | threading.Thread] = [*processes, *threads]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [process.exitcode for process in processes] == [0, 0]
    written = Told(tmp_path).catalog.history()
    assert len(written) == 8 * 5
    assert all(row.outcome is Outcome.SUCCEEDED for row in written)


def test_only_its_owner_may_read_it_and_nothing_is_left_beside_it(told: Told) -> None:
    whole(told.catalog, run("one"))
    assert told.path.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in told.path.parent.iterdir()} == {"catalog.sqlite", "catalog.lock"}
    with closing(sqlite3.connect(told.path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_who_only_reads_makes_no_file(told: Told) -> None:
    assert told.catalog.history() == []
    assert told.catalog.problem is None
    assert not told.path.parent.exists()


def test_a_catalog_of_an_earlier_version_is_brought_up_to_date(told: Told) -> None:
    told.path.parent.mkdir()
    _sql(
        told.path,
        *MIGRATIONS[0],
        'INSERT INTO runs (run_id, job, "trigger", started_at, outcome, host)'
        " VALUES ('old', 'shop', 'manual', '2026-01-01T00:00:00.000000+00:00', 'failed', 'here')",
        "PRAGMA user_version = 1",
    )
    schedule = ("0 3 * * *", "UTC")
    assert told.catalog.first_known({"shop": schedule}, WHEN) == {"shop": WHEN}
    assert [row.run_id for row in told.catalog.history()] == ["old"]
    with closing(sqlite3.connect(told.path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_the_tables_have_the_columns_that_the_migrations_make(tmp_path: Path) -> None:
    path = tmp_path / "made.sqlite"
    _sql(path, *(statement for statements in MIGRATIONS for statement in statements))
    with closing(sqlite3.connect(path)) as db:
        for table in (RUNS, SCHEDULES):
            made = [(name, bool(needed)) for _, name, _, needed, *_ in db.execute(f"PRAGMA table_info({table.name})")]
            assert [name for name, _ in made] == [column.name for column in table.columns]
            assert all(
                needed != column.nullable or column.primary_key
                for (_, needed), column in zip(made, table.columns, strict=True)
            )
