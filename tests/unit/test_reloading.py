"""When the jobs file is read again: whatever changed in it or around it, and never half of a change."""

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from backupctl.config import Config, load
from backupctl.errors import BackupctlError
from backupctl.reloading import Reloader, signature_of

WAIT_S = 20


class Place:
    """A jobs file, and a reloader whose reading the test holds up."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "jobs.yaml"
        self.done: Queue[None] = Queue()
        self.gate = threading.Event()
        self.gate.set()
        self.reads = 0
        self.bug: Exception | None = None
        self.write(4)
        self.reloader = Reloader(self.file, signature_of(self.file), self._load, lambda: self.done.put(None))

    def write(self, workers: int) -> None:
        self.file.write_text(f"version: 1\nworkers: {workers}\njobs: []\n")

    def _load(self) -> Config:
        self.reads += 1
        if self.bug:
            raise self.bug
        read = load(self.file)
        assert self.gate.wait(WAIT_S)
        return read

    def taken(self) -> Config | BackupctlError | None:
        """What the next reading gives."""
        self.done.get(timeout=WAIT_S)
        return self.reloader.take()

    def looked(self) -> bool:
        """Whether two looks begin to read it."""
        before = self.reads
        self.reloader.look()
        self.reloader.look()
        if self.reads == before and not self.reloader.is_restless:
            return False
        self.taken()
        return True


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.gate.set()


def test_a_file_that_stays_as_it_is_is_not_read_again(place: Place) -> None:
    assert not place.looked()


def test_a_file_that_was_changed_while_the_runner_began_is_read_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    read_as = signature_of(place.file)
    place.write(40)
    place.reloader = Reloader(place.file, read_as, place._load, lambda: place.done.put(None))
    assert place.looked()


def test_a_file_that_another_one_takes_the_place_of_is_read_again(place: Place) -> None:
    new = place.file.with_suffix(".new")
    new.write_text(place.file.read_text())
    new.replace(place.file)
    assert place.looked()


def test_a_link_that_points_elsewhere_is_followed(place: Place) -> None:
    # As Kubernetes swaps a mounted ConfigMap: the file is a link through a folder that is a link.
    root = place.file.parent
    for name in ("one", "two"):
        (root / name).mkdir()
        (root / name / "jobs.yaml").write_text(place.file.read_text())
    (root / "data").symlink_to("one")
    place.file.unlink()
    place.file.symlink_to("data/jobs.yaml")
    assert place.looked()
    (root / "data.new").symlink_to("two")
    (root / "data.new").replace(root / "data")
    assert place.looked()


def test_a_file_that_is_opened_to_the_runner_is_read_again(place: Place) -> None:
    place.file.chmod(0o600)
    assert place.looked()


def test_a_file_that_was_deleted_and_is_back_is_read_again(place: Place) -> None:
    text = place.file.read_text()
    place.file.unlink()
    assert place.looked()
    place.file.write_text(text)
    assert place.looked()


def test_a_reload_that_is_asked_for_while_the_file_is_read_is_done_afterwards(place: Place) -> None:
    place.gate.clear()
    place.reloader.reload()
    for _ in range(100):
        place.reloader.reload()
    place.gate.set()
    assert isinstance(place.taken(), Config)
    assert isinstance(place.taken(), Config)
    assert place.reloader.take() is None
    assert place.reads == 2


def test_a_bug_in_reading_is_not_taken_for_the_file_before_it(place: Place) -> None:
    place.reloader.reload()
    assert isinstance(place.taken(), Config)
    place.bug = RecursionError("deep")
    place.reloader.reload()
    assert "RecursionError" in str(place.taken())
