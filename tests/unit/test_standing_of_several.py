"""How a job with several databases stands: as the one whose newest backup is the oldest."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from backupctl.cancel import Cancellation
from backupctl.catalog import Catalog
from backupctl.engines import ENGINES
from backupctl.errors import EngineError
from backupctl.events import to_all
from backupctl.model import Outcome, Trigger
from backupctl.process import Session
from backupctl.redact import Redactor
from backupctl.retention import Retention
from backupctl.runner import Request, Runner
from backupctl.standing import Standing
from backupctl.survey import survey
from backupctl.vigil import Vigil
from tests.unit.folders import FolderEngine, Place


class Watched(Place):
    """Its runs are remembered, and a vigil hears of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.catalog = Catalog.open(folder / "catalog.sqlite", warn=print, clock=self.clock)
        self.vigil = Vigil(self.catalog, self.clock)
        listener = to_all(self.events.append, self.catalog.hear, self.vigil.hear)
        self.runner = Runner(self.state, Redactor(), listener, self.clock)
        self.vigil.watch([self.job], Redactor())

    def standing(self) -> Standing:
        """As `status` says it; the vigil, once it has looked, says the same."""
        (standing,) = survey([self.job], self.catalog, Redactor(), self.now)
        while (name := self.vigil._next()) is not None:
            self.vigil._look(name)
        (seen,) = self.vigil.standings()
        assert _in_short(seen) == _in_short(standing)
        return standing


def _in_short(standing: Standing) -> tuple[str, bool, bool]:
    """To the minute: the catalog goes by when the run began, the storage by when its first backup did."""
    return str(standing.last_good_at)[:16], standing.stale, standing.failing


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setitem(ENGINES, "folder", FolderEngine)
    return Watched(tmp_path)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Databases that cannot be backed up."""
    names: list[str] = []

    def opening(name: str, session: Session) -> None:
        if name in names:
            raise EngineError("no", transient=True)

    monkeypatch.setattr(FolderEngine, "opening", opening)
    return names


def test_the_last_good_backup_is_the_oldest_of_the_newest_of_each(place: Watched, refused: list[str]) -> None:
    place.make("a", "b")
    first = place.run()
    refused.append("a")
    for _ in range(3):
        assert place.run().outcome is Outcome.PARTIAL
    standing = place.standing()
    assert (standing.last_good_at, standing.stale, standing.failing) == (first.manifests[0].started_at, True, True)
    refused.clear()
    last = place.run()
    assert place.standing().last_good_at == last.manifests[0].started_at
    assert place.standing().is_well


def test_one_that_has_gone_from_the_server_is_not_waited_for(place: Watched) -> None:
    place.make("a", "gone")
    place.run()
    (place.databases / "gone").unlink()
    for _ in range(4):
        run = place.run()
    assert place.standing().last_good_at == run.manifests[0].started_at
    assert place.standing().is_well


def test_one_that_has_come_and_cannot_be_backed_up_makes_the_job_fail_and_loses_nothing(
    place: Watched, refused: list[str]
) -> None:
    place.make("a")
    first = place.run()
    place.make("new")
    refused.append("new")
    place.run()
    standing = place.standing()
    assert (standing.last_good_at, standing.failing, standing.note) == (first.manifests[0].started_at, True, None)


def test_a_job_that_never_had_all_its_databases_has_no_good_backup(place: Watched, refused: list[str]) -> None:
    place.make("a", "b")
    refused.append("b")
    place.run()
    standing = place.standing()
    assert (standing.last_good_at, standing.failing) == (None, True)


def test_a_retry_of_some_makes_the_job_well_as_of_the_first_attempt(place: Watched, refused: list[str]) -> None:
    place.make("a", "b")
    refused.append("b")
    first = place.run()
    refused.clear()
    place.now += timedelta(minutes=10)
    request = Request(place.job, Trigger.RETRY, attempt=2, only=frozenset(first.failures))
    retry = place.runner.run(request, Cancellation())
    assert retry.outcome is Outcome.SUCCEEDED
    standing = place.standing()
    assert (standing.last_good_at, standing.is_well, standing.note) == (first.manifests[0].started_at, True, None)


def test_a_backup_from_the_future_does_not_stand_for_newer_ones(place: Watched, refused: list[str]) -> None:
    place.make("a", "b")
    first = place.run()
    place.now += timedelta(days=400)
    place.run()
    place.now -= timedelta(days=400)
    refused.append("a")
    place.run()
    assert place.standing().last_good_at == first.manifests[0].started_at


def test_a_name_that_was_never_there_is_no_backup_that_was_lost(place: Watched) -> None:
    place.make("a")
    first = place.run()
    place.choose("a", "nosuch")
    place.job = replace(place.job, retention=Retention(keep_last=1))
    place.run()
    standing = place.standing()
    assert (standing.failing, standing.stale, standing.note) == (True, False, None)
    assert standing.last_good_at == first.started_at


def test_backups_that_somebody_deleted_are_missed_at_once(place: Watched) -> None:
    place.make("a", "b")
    place.run()
    shutil.rmtree(place.storage)
    place.storage.mkdir()
    (standing,) = survey([place.job], place.catalog, Redactor(), place.now)
    assert (standing.stale, standing.last_good_at) == (True, None)
    assert "that the storage does not list" in str(standing.note)
