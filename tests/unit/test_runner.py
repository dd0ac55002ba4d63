"""One run of one job with a real database: its own commands, its time limit, and what is told of it."""

import socket
import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from stat import S_IRWXU
from textwrap import dedent
from typing import NoReturn

import pytest
from pydantic import SecretStr

from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.engines.command import CommandOptions
from backupctl.engines.sqlite import SqliteOptions
from backupctl.errors import ExitCode
from backupctl.events import Event, Finished, Started, Warned, to_all
from backupctl.journal import Intent
from backupctl.model import Outcome, Trigger
from backupctl.redact import Redactor
from backupctl.retention import Retention
from backupctl.runner import Request, Runner
from backupctl.state import StateFolder
from backupctl.storages import STORAGES
from backupctl.storages.base import StoredObject
from backupctl.storages.local import LocalOptions, LocalStorage
from backupctl.storages.s3 import S3Storage
from backupctl.storages.s3.options import S3Options


class Place:
    """A folder with a database, a storage, and commands for the hooks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.state = StateFolder(folder / "state")
        self.runner = Runner(self.state, Redactor(["s3cret"]), self.events.append)
        with closing(sqlite3.connect(folder / "shop.db")) as db, db:
            db.execute("CREATE TABLE t (id)")
        database = SqliteOptions(type="sqlite", path=folder / "shop.db")
        storage = LocalOptions(type="local", path=folder / "backups")
        self.job = Job("shop", database, storage, "disk", "0 3 * * *", "UTC")

    def command(self, name: str, script: str) -> tuple[str, ...]:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{dedent(script)}")
        path.chmod(S_IRWXU)
        return (str(path), "an argument", "$HOME; exit 3")

    @property
    def stored(self) -> list[Path]:
        return [path for path in (self.folder / "backups").rglob("*") if path.is_file()]

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Warned)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_run_carries_why_and_when_it_was_wanted(place: Place) -> None:
    run = place.runner.run(Request(place.job, Trigger.CATCH_UP), Cancellation())
    begun = next(event for event in place.events if isinstance(event, Started))
    assert (run.outcome, run.trigger) == (Outcome.SUCCEEDED, Trigger.CATCH_UP)
    assert (begun.run_id, begun.trigger, begun.started_at) == (run.run_id, Trigger.CATCH_UP, run.started_at)
    assert place.events[-1] == Finished("shop", run)


def test_the_commands_get_their_arguments_as_written_and_the_facts_of_the_run(place: Place) -> None:
    seen = place.folder / "seen"
    job = replace(
        place.job,
        before=place.command("before", f'echo "before $# $2 $BACKUPCTL_JOB ${{BACKUPCTL_OUTCOME-none}}" >> {seen}'),
        after=place.command("after", f'echo "after $BACKUPCTL_OUTCOME $BACKUPCTL_BACKUP_ID $BACKUPCTL_SIZE" >> {seen}'),
    )
    run = place.runner.run(Request(job), Cancellation())
    assert run.manifest
    assert seen.read_text().splitlines() == [
        "before 2 $HOME; exit 3 shop none",
        f"after succeeded {run.manifest.id} {run.manifest.dump.size}",
    ]


def test_a_command_does_not_see_our_environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_JOBS_PASSWORD", "s3cret")
    seen = place.folder / "seen"
    place.runner.run(Request(replace(place.job, before=place.command("before", f"env > {seen}"))), Cancellation())
    assert "BACKUPCTL_JOB=shop" in seen.read_text()
    assert "s3cret" not in seen.read_text()


def test_a_failing_before_stops_the_run_and_after_sees_it(place: Place) -> None:
    seen = place.folder / "seen"
    job = replace(
        place.job,
        before=place.command("before", "echo no maintenance with s3cret >&2; exit 7"),
        after=place.command("after", f'echo "$BACKUPCTL_OUTCOME: $BACKUPCTL_ERROR" >> {seen}'),
    )
    run = place.runner.run(Request(job), Cancellation())
    assert (run.outcome, run.exit_code, run.transient) == (Outcome.FAILED, ExitCode.RUN_FAILED, False)
    told = "the command in `before` failed: before ended with exit code 7: no maintenance with ***"
    assert run.error == told
    assert seen.read_text() == f"failed: {told}\n"
    assert not place.stored


def test_a_failing_after_is_a_warning_and_the_backup_stands(place: Place) -> None:
    run = place.runner.run(Request(replace(place.job, after=place.command("after", "exit 1"))), Cancellation())
    assert run.outcome is Outcome.SUCCEEDED
    assert place.warnings == ["the command in `after` failed: after ended with exit code 1"]


def test_a_command_that_is_not_there_is_named(place: Place) -> None:
    run = place.runner.run(Request(replace(place.job, before=("/nowhere/hook",))), Cancellation())
    assert run.error == "the command in `before` failed: the program /nowhere/hook is not installed"


def test_a_command_that_hangs_is_ended(place: Place) -> None:
    job = replace(place.job, before=place.command("before", "exec sleep 600"), hook_timeout=1)
    run = place.runner.run(Request(job), Cancellation())
    assert run.error == "the command in `before` failed: before did not answer within 1 s"


def test_a_command_is_over_when_it_has_ended_whatever_it_left_running(place: Place) -> None:
    before = place.command("before", f"sleep 60 & echo $! > {place.folder}/left")
    run = place.runner.run(Request(replace(place.job, before=before, hook_timeout=20)), Cancellation())
    assert run.outcome is Outcome.SUCCEEDED
    assert not Path(f"/proc/{int((place.folder / 'left').read_text())}/exe").exists()


def test_however_much_a_command_prints_the_end_of_it_is_what_is_kept(place: Place) -> None:
    after = place.command("after", "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo the reason; exit 1")
    tracemalloc.start()
    try:
        place.runner.run(Request(replace(place.job, after=after)), Cancellation())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "the reason" in place.warnings[0]
    assert most < 5_000_000


def test_after_runs_also_when_the_run_was_cancelled(place: Place) -> None:
    seen, cancel = place.folder / "seen", Cancellation()
    place.runner = replace(
        place.runner, listener=lambda event: cancel.request() if isinstance(event, Started) else None
    )
    job = replace(place.job, after=place.command("after", f'echo "$BACKUPCTL_OUTCOME" >> {seen}'))
    run = place.runner.run(Request(job), cancel)
    assert run.outcome is Outcome.CANCELLED
    assert seen.read_text() == "cancelled\n"


def test_a_run_that_takes_longer_than_its_timeout_has_failed_and_stored_nothing(place: Place) -> None:
    job = replace(place.job, before=place.command("before", "exec sleep 600"), timeout=1)
    run = place.runner.run(Request(job), Cancellation())
    assert (run.outcome, run.exit_code) == (Outcome.FAILED, ExitCode.RUN_FAILED)
    assert run.error == "the run took longer than its timeout of 1s, and was ended"
    assert not place.stored


def test_a_timeout_ends_a_run_whose_storage_never_answers(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        keys = {"access_key_id": "AKIAKEY", "secret_access_key": SecretStr("s3cret")}
        storage = S3Options.model_validate({"type": "s3", "endpoint_url": endpoint, "bucket": "bkt", **keys})
        intent = Intent(location=S3Storage(storage).location, manifest_key="shop/a", keys=("shop/b",))
        for left in ((), (intent,)):
            for one in left:
                place.state.journal("shop").add(one)
            run = place.runner.run(Request(replace(place.job, storage=storage, timeout=1)), Cancellation())
            assert run.outcome is Outcome.FAILED
            assert "took longer than its timeout of 1s" in str(run.error)


def test_a_bug_after_the_backup_is_a_warning_and_the_run_ends(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(LocalStorage):
        def list(self, prefix: str) -> Iterator[StoredObject]:
            raise RuntimeError("s3cret bug")

    monkeypatch.setitem(STORAGES, "local", Broken)
    job = replace(place.job, retention=Retention(keep_last=1), max_shrink=0)
    run = place.runner.run(Request(job), Cancellation())
    assert (run.outcome, place.events[-1]) == (Outcome.SUCCEEDED, Finished("shop", run))
    assert place.warnings == ["a bug in backupctl: RuntimeError: *** bug"]


def test_a_bug_with_the_state_folder_is_the_runs_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(StateFolder):
        def holding(self, job: str) -> NoReturn:
            raise RuntimeError("a bug")

    run = replace(place.runner, state=Broken(place.folder)).run(Request(place.job), Cancellation())
    assert (run.outcome, run.exit_code, place.events) == (Outcome.FAILED, ExitCode.BUG, [Finished("shop", run)])


def test_a_skipped_run_is_told_of_as_any_other(place: Place) -> None:
    run = place.runner.skip(Request(place.job), "the job's last run still goes", "wait")
    assert (run.outcome, run.exit_code, run.error) == (Outcome.SKIPPED, ExitCode.BUSY, "the job's last run still goes")
    assert place.events == [Finished("shop", run)]


def test_a_listener_that_fails_neither_stops_the_run_nor_the_others(place: Place) -> None:
    def fail(event: Event) -> None:
        raise OSError("the listener has no room")

    place.runner = replace(place.runner, listener=to_all(fail, place.events.append))
    assert place.runner.run(Request(place.job), Cancellation()).outcome is Outcome.SUCCEEDED
    assert isinstance(place.events[-1], Finished)


def test_the_end_of_what_the_tool_said_stands_in_the_run_without_secrets(place: Place) -> None:
    said = "; ".join(f"echo line {number} >&2" for number in range(9))
    dump = ("sh", "-c", f"{said}; echo token s3cret >&2; exit 3")
    run = place.runner.run(
        Request(replace(place.job, database=CommandOptions(type="command", dump=dump))), Cancellation()
    )
    assert run.outcome is Outcome.FAILED
    assert run.output.splitlines()[::9] == ["line 0", "token ***"]


def test_a_failure_that_no_tool_is_behind_has_no_output(place: Place) -> None:
    (place.folder / "shop.db").unlink()
    assert place.runner.run(Request(place.job), Cancellation()).output == ""
