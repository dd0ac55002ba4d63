"""One run of a job with several databases: what stops which of them, what is said of it, and what stays stored."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from stat import S_IRWXU

import pytest

from backupctl.cancel import Cancellation
from backupctl.engines import ENGINES
from backupctl.errors import EngineError, ExitCode, StorageError, UsageError
from backupctl.events import DatabaseEnded, Ended
from backupctl.journal import Intent
from backupctl.model import Manifest, Outcome
from backupctl.pool import Limits, run_all
from backupctl.process import Session
from backupctl.retention import Retention
from backupctl.runner import Request
from backupctl.storages import STORAGES
from backupctl.storages.base import StoredObject
from backupctl.storages.local import LocalStorage
from backupctl.stream import Reader
from tests.unit.folders import FolderEngine, Opening, Place, names_of

WAIT_S = 20
Opens = Callable[[Opening], None]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setitem(ENGINES, "folder", FolderEngine)
    return Place(tmp_path)


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch) -> Opens:
    """Has something happen whenever the dump of a database begins."""
    return lambda callback: monkeypatch.setattr(FolderEngine, "opening", callback)


def refuse(*names: str, transient: bool = False) -> Opening:
    def opening(name: str, session: Session) -> None:
        if name in names:
            raise EngineError(f"no right to {name} with s3cret", hint="grant it, s3cret", transient=transient)

    return opening


def intent_of(manifest: Manifest, location: str) -> Intent:
    return Intent(location=location, manifest_key=manifest.key, keys=(manifest.dump.key,))


def test_each_database_has_an_artifact_and_a_manifest_of_its_own(place: Place) -> None:
    place.make("crm", "shop", "tmp_1")
    place.choose("*", exclude=("tmp_*",))
    run = place.run()
    assert (run.outcome, run.exit_code, names_of(run)) == (Outcome.SUCCEEDED, ExitCode.OK, ["crm", "shop"])
    assert {manifest.databases for manifest in run.manifests} == {("crm", "shop")}
    assert len({manifest.id for manifest in run.manifests}) == 2
    assert place.stored == ["crm", "shop"]
    assert [(event.database, event.manifest) for event in place.told(DatabaseEnded)] == [
        (manifest.database, manifest) for manifest in run.manifests
    ]
    assert run.manifest is None


def test_a_name_that_the_server_lacks_fails_alone(place: Place) -> None:
    place.make("crm")
    place.choose("crm", "erp")
    run = place.run()
    assert (run.outcome, run.exit_code, names_of(run)) == (Outcome.PARTIAL, ExitCode.RUN_FAILED, ["crm"])
    assert run.error == "1 of 2 databases has no backup: erp: there is no database erp on the server"
    assert run.failures == {"erp": "there is no database erp on the server"}
    assert not run.transient


def test_one_that_fails_stops_no_other_and_its_error_shows_no_secret(place: Place, opening: Opens) -> None:
    place.make("a", "b", "c")
    opening(refuse("b"))
    run = place.run()
    assert (run.outcome, names_of(run), place.stored) == (Outcome.PARTIAL, ["a", "c"], ["a", "c"])
    assert (run.failures, run.hint) == ({"b": "no right to b with ***"}, "grant it, ***")
    (failed,) = (event for event in place.told(DatabaseEnded) if event.manifest is None)
    assert (failed.database, failed.error, failed.hint) == ("b", "no right to b with ***", "grant it, ***")


def test_where_no_database_has_a_backup_the_run_has_failed(place: Place, opening: Opens) -> None:
    place.make("a", "b")
    opening(refuse("a", "b"))
    run = place.run()
    assert (run.outcome, run.manifests, list(run.failures)) == (Outcome.FAILED, (), ["a", "b"])


def test_a_server_that_shows_no_database_is_no_success(place: Place) -> None:
    run = place.run()
    assert run.outcome is Outcome.FAILED
    assert run.error == "none of the server's 0 databases is one of *"


def test_a_bug_with_one_is_said_as_a_bug_and_stops_no_other(
    place: Place, opening: Opens, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(name: str, session: Session) -> None:
        if name == "a":
            raise RuntimeError("with s3cret")

    place.make("a", "b")
    opening(break_down)
    run = place.run()
    assert (run.outcome, run.exit_code, names_of(run)) == (Outcome.PARTIAL, ExitCode.BUG, ["b"])
    assert run.failures == {"a": "a bug in backupctl: RuntimeError: with ***"}
    assert [record.exc_info is not None for record in caplog.records] == [True]


@pytest.mark.parametrize(("parallel", "at_once"), [(1, 1), (2, 2)])
def test_so_many_are_dumped_at_once_as_parallel_says(place: Place, opening: Opens, parallel: int, at_once: int) -> None:
    met, lock, now, most = threading.Barrier(at_once), threading.Lock(), 0, 0

    def meet(name: str, session: Session) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        met.wait(WAIT_S)  # with one alone, two never meet
        with lock:
            now -= 1
        assert (session.scratch / "the same name for each").read_text() == name

    place.make("a", "b", "c", "d")
    place.choose("*", parallel=parallel)
    opening(meet)
    assert (place.run().outcome, most) == (Outcome.SUCCEEDED, at_once)


def test_databases_that_have_gone_and_come_are_said_once(place: Place) -> None:
    place.make("a", "b")
    assert (place.run().gone, place.warnings) == ((), [])
    (place.databases / "a").unlink()
    place.make("c")
    run = place.run()
    assert (run.outcome, run.gone, run.drift) == (Outcome.SUCCEEDED, ("a",), ("database a is gone from the server",))
    assert place.warnings == ["database a is gone from the server", "database c is new: it is backed up from now on"]
    assert (place.run().gone, place.warnings) == ((), [])


def test_one_that_the_server_never_had_has_not_gone(place: Place) -> None:
    place.make("a")
    place.choose("*", "nosuch")
    assert place.run().outcome is Outcome.PARTIAL
    place.choose("*")
    assert (place.run().gone, place.warnings) == ((), [])


def test_one_that_is_left_out_from_now_on_has_not_gone(place: Place) -> None:
    place.make("a", "b")
    place.run()
    place.choose("*", exclude=("a",))
    assert (place.run().gone, place.warnings) == ((), [])


def test_one_that_could_not_be_backed_up_has_not_come_anew_the_next_time(place: Place, opening: Opens) -> None:
    place.make("a", "b")
    opening(refuse("b"))
    place.run()
    opening(lambda name, session: None)
    assert (place.run().outcome, place.warnings) == (Outcome.SUCCEEDED, [])


def test_a_key_that_may_not_read_backs_up_and_says_nothing_of_what_has_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WriteOnly(LocalStorage):
        def open(self, key: str) -> Reader:
            raise StorageError("access denied")

    place.make("a", "b")
    place.run()
    (place.databases / "a").unlink()
    monkeypatch.setitem(STORAGES, "local", WriteOnly)
    run = place.run()
    assert (run.outcome, run.gone, place.warnings) == (Outcome.SUCCEEDED, (), [])


@pytest.mark.parametrize(("names", "said"), [(("*",), ["ask for more"]), (("a",), [])])
def test_that_there_may_be_more_databases_is_said_of_patterns(
    place: Place, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], said: list[str]
) -> None:
    monkeypatch.setattr(FolderEngine, "hidden", "ask for more")
    place.make("a")
    place.choose(*names)
    place.run()
    assert place.warnings == said


def test_a_retry_is_of_those_that_failed_and_the_last_word_of_all(place: Place, opening: Opens) -> None:
    place.make("a", "b", "gone")
    place.run()
    (place.databases / "gone").unlink()
    opened: list[str] = []

    def refuse_once(name: str, session: Session) -> None:
        opened.append(name)
        if opened.count("b") == 1 and name == "b":
            raise EngineError("the server is starting up", transient=True)

    opening(refuse_once)
    place.events.clear()
    place.job = replace(place.job, retries=1, retry_delay=0)
    (run,) = run_all([Request(place.job)], place.runner, Limits(1, 1), place.events.append)
    assert opened == ["a", "b", "b"]
    assert (run.outcome, names_of(run), run.failures) == (Outcome.SUCCEEDED, ["a", "b"], {})
    assert run.gone == ("gone",)
    assert [event.run for event in place.told(Ended)] == [run]
    assert place.stored == ["a", "a", "b", "b", "gone"]


def test_one_that_fails_for_good_keeps_no_other_from_its_retry_and_stays_a_failure(
    place: Place, opening: Opens
) -> None:
    opened: list[str] = []

    def refuse_once(name: str, session: Session) -> None:
        opened.append(name)
        if name == "a" or (name == "b" and opened.count("b") == 1):
            raise EngineError("no", transient=name == "b")

    place.make("a", "b", "c")
    opening(refuse_once)
    place.job = replace(place.job, retries=3, retry_delay=0)
    (run,) = run_all([Request(place.job)], place.runner, Limits(1, 1), place.events.append)
    assert opened == ["a", "b", "c", "a", "b"]
    assert (run.outcome, names_of(run), run.failures) == (Outcome.PARTIAL, ["b", "c"], {"a": "no"})
    assert run.error == "1 of 3 databases has no backup: a: no"


def test_a_retry_that_makes_no_backup_leaves_the_run_partial(place: Place, opening: Opens) -> None:
    place.make("a", "b")
    opening(refuse("b", transient=True))
    place.job = replace(place.job, retries=1, retry_delay=0)
    (run,) = run_all([Request(place.job)], place.runner, Limits(1, 1), place.events.append)
    assert (run.outcome, names_of(run), list(run.failures)) == (Outcome.PARTIAL, ["a"], ["b"])


def test_a_run_that_is_cancelled_keeps_what_is_stored_and_says_what_is_not(place: Place, opening: Opens) -> None:
    cancel = Cancellation()

    def stop(name: str, session: Session) -> None:
        if name == "b":
            cancel.request()
            session.cancel.check()

    place.make("a", "b", "c")
    opening(stop)
    run = place.run(cancel)
    assert (run.outcome, run.exit_code) == (Outcome.CANCELLED, ExitCode.INTERRUPTED)
    assert (names_of(run), place.stored) == (["a"], ["a"])
    assert run.failures == dict.fromkeys(("b", "c"), "the run was ended before it had a backup")
    assert [event.database for event in place.told(DatabaseEnded)] == ["a"]


def test_a_cancellation_that_comes_after_the_last_backup_takes_nothing_back(place: Place, opening: Opens) -> None:
    cancel = Cancellation()
    place.make("a")
    place.run()
    place.runner = replace(
        place.runner,
        listener=lambda event: cancel.request() if isinstance(event, DatabaseEnded) else None,
    )
    assert place.run(cancel).outcome is Outcome.SUCCEEDED


def test_a_run_that_is_out_of_time_is_partial_and_says_what_is_not_stored(place: Place, opening: Opens) -> None:
    place.make("a", "b", "c")
    opening(lambda name, session: session.cancel.wait(WAIT_S) if name == "b" else None)
    place.job = replace(place.job, timeout=1)
    run = place.run()
    assert (run.outcome, run.exit_code, names_of(run)) == (Outcome.PARTIAL, ExitCode.RUN_FAILED, ["a"])
    assert run.error == "the run took longer than its timeout of 1s, and was ended"
    assert list(run.failures) == ["b", "c"]
    assert not run.transient


def test_drift_is_of_the_database_that_lost_something_and_holds_its_backups_alone(place: Place) -> None:
    place.make("crm", "crm_1", content="orders 5000\ncustomers 5000\n")
    place.run()
    place.make("crm", content="customers 5000\n")
    place.job = replace(place.job, retention=Retention(keep_last=1))
    run = place.run()
    assert run.drift == ("crm: table orders (5,000 rows) is gone",)
    assert place.stored == ["crm", "crm", "crm_1"]
    place.run()
    (newest, *_) = drifted = place.repository.listing().drifted
    assert {manifest.database for manifest in drifted} == {"crm"}
    place.repository.accept(newest, place.now)
    assert place.run().drift == ()
    assert place.stored == ["crm", "crm_1"]


def test_accepting_the_drift_of_one_database_accepts_no_other(place: Place) -> None:
    place.make("crm", "crm_1", "Crm", content="orders 5000\ncustomers 5000\n")
    place.run()
    place.make("crm", "crm_1", "Crm", content="customers 5000\n")
    run = place.run()
    assert len(run.drift) == 3
    place.repository.accept(run.manifests[1], place.now)
    assert sorted(manifest.database for manifest in place.repository.listing().drifted) == ["Crm", "crm_1"]


def test_retention_counts_per_database_and_keeps_the_last_of_one_that_has_gone(place: Place) -> None:
    place.make("crm", "crm_1", "gone")
    place.run()
    (place.databases / "gone").unlink()
    place.job = replace(place.job, retention=Retention(keep_last=2))
    for _ in range(3):
        place.run()
    assert place.stored == ["crm", "crm", "crm_1", "crm_1", "gone"]


def test_the_storage_is_listed_as_often_for_many_databases_as_for_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []

    class Counting(LocalStorage):
        def list(self, prefix: str) -> Iterator[StoredObject]:
            listed.append(prefix)
            return super().list(prefix)

    monkeypatch.setitem(STORAGES, "local", Counting)
    place.make(*(f"db{number}" for number in range(12)))
    place.run()
    assert place.run().outcome is Outcome.SUCCEEDED
    assert listed == ["all/"] * 2


def test_a_dry_run_looks_at_each_database_and_names_the_one_that_fails(place: Place) -> None:
    place.make("a", "b")
    assert list(place.runner.rehearse(place.job, Cancellation())) == ["a", "b"]
    place.choose("a", "nosuch")
    with pytest.raises(EngineError, match="there is no database nosuch"):
        place.runner.rehearse(place.job, Cancellation())
    assert not place.storage.exists()


def test_after_is_told_which_databases_have_a_backup_and_which_have_not(place: Place, opening: Opens) -> None:
    seen, script = place.databases.parent / "seen", place.databases.parent / "after"
    script.write_text(
        f'#!/bin/sh\nenv | grep -A1 "^BACKUPCTL_[OBDF]" > {seen}; echo "$BACKUPCTL_BACKUP_IDS" >> {seen}\n'
    )
    script.chmod(S_IRWXU)
    place.make("a", "b c", "d", "e f")
    opening(refuse("b c", "d"))
    place.job = replace(place.job, after=(str(script),))
    run = place.run()
    told = seen.read_text()
    assert "BACKUPCTL_OUTCOME=partial\n" in told
    assert "BACKUPCTL_DATABASES=a\ne f\n" in told
    assert "BACKUPCTL_FAILED_DATABASES=b c\nd\n" in told
    assert told.endswith("".join(f"{manifest.id}\n" for manifest in run.manifests))


def test_what_a_killed_run_of_several_left_is_cleared_by_the_next(place: Place) -> None:
    place.make("a", "b")
    run = place.run()
    for manifest in run.manifests:  # as if it had been killed before the manifests were stored
        (place.storage / manifest.key).unlink()
        place.state.journal("all").add(intent_of(manifest, place.repository.location))
    assert len(place.repository.listing().unnamed) == 2
    assert place.run().outcome is Outcome.SUCCEEDED
    assert not place.repository.listing().unnamed
    assert place.stored == ["a", "b"]
    assert place.state.journal("all").intents() == ()


def test_the_newest_backup_of_a_job_with_several_is_asked_for_by_its_database(place: Place, opening: Opens) -> None:
    place.make("crm", "erp")
    opening(refuse("erp"))
    first = place.run()
    with pytest.raises(UsageError, match=r"of 2 databases: crm, erp"):
        place.repository.find("latest", now=place.now, warn=print)
    opening(lambda name, session: None)
    second = place.run()
    for wanted, at in (("latest", None), (first.manifests[0].id, None), ("latest", first.finished_at)):
        found = place.repository.find(wanted, now=place.now, warn=print, at=at, database="crm").manifest
        assert found == (second if at is None and wanted == "latest" else first).manifests[0]
    with pytest.raises(UsageError, match="no backup of a database shop") as caught:
        place.repository.find("latest", now=place.now, warn=print, database="shop")
    assert caught.value.hint == "there are backups of crm, erp"
    newest = place.repository.newest_of_each(now=place.now, warn=print)
    assert tuple(backup.manifest for backup in newest) == second.manifests


def test_an_id_that_two_databases_drew_at_once_needs_the_database(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda count: "abc123")
    place.runner = replace(place.runner, clock=lambda: place.now)
    place.make("crm", "erp")
    crm, erp = place.run().manifests
    assert crm.id == erp.id
    with pytest.raises(UsageError, match="2 databases: crm, erp"):
        place.repository.find(crm.id, now=place.now, warn=print)
    assert place.repository.find(crm.id, now=place.now, warn=print, database="erp").manifest == erp
