"""What the runner knows of its jobs: what it sees on the storages counts for more than what it remembers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from backupctl.config import Job
from backupctl.engines.sqlite import SqliteOptions
from backupctl.model import Outcome
from backupctl.redact import Redactor
from backupctl.standing import Standing
from backupctl.storages import STORAGES
from backupctl.storages.base import StoredObject
from backupctl.storages.local import LocalOptions, LocalStorage
from backupctl.vigil import Vigil
from tests.unit.runs import WHEN, Told, run, whole

WAIT_S = 20


def storage(folder: Path) -> LocalOptions:
    return LocalOptions(type="local", path=folder)


class Place:
    """A vigil over one job, which the catalog remembers a backup of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = Told(folder)
        whole(self.told.catalog, run("one", Outcome.SUCCEEDED))
        self.vigil = Vigil(self.told.catalog, lambda: WHEN + timedelta(hours=1))
        database = SqliteOptions(type="sqlite", path=folder / "shop.db")
        self.job = Job("shop", database, storage(folder / "there"), "there", "0 3 * * *", "UTC")

    def watch(self, job: Job) -> None:
        self.vigil.watch([job], Redactor())

    @property
    def standing(self) -> Standing:
        return next(standing for standing in self.vigil.standings() if standing.job == "shop")

    def until(self, condition: Callable[[Standing], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition(self.standing):
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.vigil.stop()


def test_what_is_remembered_is_believed_at_first(place: Place) -> None:
    place.watch(place.job)
    assert (place.standing.last_good_at, place.standing.is_well) == (WHEN, True)


def test_a_job_that_got_another_storage_is_looked_at_there(place: Place) -> None:
    place.watch(place.job)
    place.vigil.start()
    place.watch(replace(place.job, storage=storage(place.folder / "empty")))
    place.until(lambda standing: standing.stale)


def test_a_backup_that_was_seen_to_be_gone_is_not_believed_in_again_when_the_file_is_read_again(place: Place) -> None:
    place.watch(place.job)
    place.vigil.start()
    moved = replace(place.job, storage=storage(place.folder / "empty"))
    place.watch(moved)
    place.until(lambda standing: standing.stale)
    place.watch(moved)
    assert place.standing.stale


def test_a_bug_with_one_storage_does_not_end_the_looking(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(LocalStorage):
        def list(self, prefix: str) -> Iterator[StoredObject]:
            if "broken" in self.location:
                raise RuntimeError("a bug")
            return super().list(prefix)

    monkeypatch.setitem(STORAGES, "local", Broken)
    place.watch(place.job)
    broken = replace(place.job, name="broken", storage=storage(place.folder / "broken"))
    place.vigil.watch([broken, replace(place.job, storage=storage(place.folder / "empty"))], Redactor())
    place.vigil.start()
    place.until(lambda standing: standing.stale)
