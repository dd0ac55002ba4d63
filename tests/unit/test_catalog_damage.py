"""A catalog that is lost, damaged or cannot be written is replaced or done without, and never raises."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backupctl.catalog.gate import Gate
from backupctl.catalog.tables import VERSION
from backupctl.model import Outcome
from tests.unit.runs import Told, begin, end, run, whole

LONG = "x" * 1000


def _garbage(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def _cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def _torn_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def _newer(path: Path) -> None:
    _sql(path, f"PRAGMA user_version = {VERSION + 1}")


def _without_a_table(path: Path) -> None:
    _sql(path, "DROP TABLE runs")


def _without_a_column(path: Path) -> None:
    _sql(path, "ALTER TABLE runs DROP COLUMN host")


def _somebody_elses(path: Path) -> None:
    path.unlink()
    _sql(path, "CREATE TABLE customers (id)")


def _a_time_that_is_none(path: Path) -> None:
    _sql(path, "UPDATE runs SET started_at = 'yesterday'")


def _an_outcome_that_is_none(path: Path) -> None:
    _sql(path, "UPDATE runs SET outcome = 'excellent'")


def _a_text_that_is_none(path: Path) -> None:
    _sql(path, "UPDATE runs SET error = CAST(x'ff00ff' AS TEXT)")


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _sql(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


DAMAGES = [
    _garbage,
    _cut_short,
    _torn_page,
    _newer,
    _without_a_table,
    _without_a_column,
    _somebody_elses,
    _a_time_that_is_none,
    _an_outcome_that_is_none,
    _a_text_that_is_none,
    _a_folder,
]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    made = Told(tmp_path)
    for number in range(8):
        end(made.catalog, run(f"old{number}-{LONG}", Outcome.FAILED))
    return made


def _aside(told: Told) -> list[Path]:
    return [path for path in told.path.parent.glob("catalog.corrupt-*") if not path.name.endswith(("-wal", "-shm"))]


@pytest.mark.parametrize("damage", DAMAGES, ids=[damage.__name__.strip("_") for damage in DAMAGES])
def test_a_damaged_catalog_is_set_aside_with_one_warning_and_recording_goes_on(
    told: Told, damage: Callable[[Path], None]
) -> None:
    damage(told.path)
    told.catalog.history()
    whole(told.catalog, run("new"))
    assert [row.run_id for row in told.catalog.history()] == ["new"]
    (warning,) = told.warnings
    (aside,) = _aside(told)
    assert "a new one was begun" in warning
    assert str(aside) in warning
    assert told.catalog.problem is None


def test_only_the_newest_damaged_catalog_is_kept(tmp_path: Path, told: Told) -> None:
    older = tmp_path / "catalog.corrupt-20200101T000000Z.sqlite"
    for ending in ("", "-wal"):
        older.with_name(older.name + ending).touch()
    _garbage(told.path)
    whole(told.catalog, run("new"))
    assert [path.name for path in _aside(told)] == ["catalog.corrupt-20260301T033000Z.sqlite"]
    assert not older.with_name(older.name + "-wal").exists()


def test_an_empty_file_becomes_a_catalog(told: Told) -> None:
    told.path.write_bytes(b"")
    whole(told.catalog, run("new"))
    assert [row.run_id for row in told.catalog.history()] == ["new"]


def test_a_catalog_that_was_deleted_is_begun_anew_while_the_process_goes_on(told: Told) -> None:
    begin(told.catalog, run("going"))
    told.path.unlink()
    end(told.catalog, run("going"))
    assert [row.outcome for row in told.catalog.history()] == [Outcome.SUCCEEDED]
    assert told.warnings == []


def test_a_log_that_outlived_its_database_is_not_taken_for_the_new_ones(told: Told) -> None:
    log = told.path.with_name("catalog.sqlite-wal")
    with closing(sqlite3.connect(told.path)) as db:
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("UPDATE runs SET error = 'from the old log'")
        db.commit()
        kept = log.read_bytes()
    told.path.unlink()
    log.write_bytes(kept)
    whole(told.catalog, run("new"))
    assert [row.run_id for row in told.catalog.history()] == ["new"]
    assert told.warnings == []


def test_two_that_find_the_damage_at_once_replace_it_once(told: Told) -> None:
    other = Told(told.path.parent)
    _garbage(told.path)
    whole(told.catalog, run("mine"))
    whole(other.catalog, run("theirs"))
    assert {row.run_id for row in told.catalog.history()} == {"mine", "theirs"}
    assert len(told.warnings + other.warnings) == 1


def test_a_folder_that_cannot_be_made_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    told = Told(tmp_path / "state")
    for number in range(3):
        whole(told.catalog, run(f"r{number}"))
    (warning,) = told.warnings
    assert "cannot be used: not a directory; runs are not recorded" in warning
    assert told.catalog.problem
    assert told.catalog.history() == []
    assert told.catalog.last_runs() == told.catalog.answered() == {}


def test_a_catalog_that_others_hold_for_too_long_is_done_without(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backupctl.catalog.file._PATIENCE_S", 0.01)
    impatient = Told(told.path.parent)
    with Gate(told.path.with_suffix(".lock"), 1.0).alone():
        whole(impatient.catalog, run("lost"))
    whole(impatient.catalog, run("kept"))
    with closing(sqlite3.connect(told.path)) as db:
        db.execute("BEGIN IMMEDIATE")
        whole(impatient.catalog, run("lost too"))
    assert ["held by another process" in warning for warning in impatient.warnings] == [True, False]
    assert "locked" in impatient.warnings[1]
    assert impatient.catalog.history()[0].run_id == "kept"


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB, with a function's worth of room left once it was filled."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


def test_on_a_full_disk_nothing_is_recorded_and_nothing_is_lost(full_disk: Path) -> None:
    told = Told(full_disk)
    whole(told.catalog, run("before"))
    filler = _fill(full_disk)
    for number in range(3):
        whole(told.catalog, run(f"lost{number}"))
    assert len(told.warnings) == 1
    assert "runs are not recorded" in told.warnings[0]
    filler.unlink()
    whole(told.catalog, run("after"))
    assert [row.run_id for row in told.catalog.history()] == ["after", "before"]
    assert _aside(told) == []
    assert len(told.warnings) == 1


def test_on_a_disk_that_was_full_from_the_beginning_there_is_one_warning_and_no_rubbish(full_disk: Path) -> None:
    filler = _fill(full_disk)
    told = Told(full_disk)
    for number in range(3):
        whole(told.catalog, run(f"lost{number}"))
    assert len(told.warnings) == 1
    assert {path.name for path in full_disk.iterdir()} - {"catalog.lock"} == {"filler"}
    filler.unlink()


def test_a_disk_that_became_read_only_is_one_warning(full_disk: Path) -> None:
    told = Told(full_disk)
    whole(told.catalog, run("before"))
    subprocess.run(["mount", "-o", "remount,ro", str(full_disk)], check=True)
    for number in range(3):
        whole(told.catalog, run(f"lost{number}"))
    subprocess.run(["mount", "-o", "remount,rw", str(full_disk)], check=True)
    assert len(told.warnings) == 1
    assert [row.run_id for row in told.catalog.history()] == ["before"]
