"""The state folder keeps runs apart, and nothing that is not needed any more."""

from pathlib import Path

import pytest

from backupctl.errors import BusyError
from backupctl.state import StateFolder


def test_a_job_that_is_running_is_busy_until_it_has_ended(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with state.running("shop"):
        with pytest.raises(BusyError), StateFolder(tmp_path).running("shop"):
            pass
        with state.running("other"):
            pass
    with state.running("shop"):
        pass


def test_a_folder_for_work_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    with StateFolder(tmp_path).working() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "server.pgpass").write_text("secret")
    assert list((tmp_path / "work").iterdir()) == []


def test_what_killed_work_left_goes_and_what_others_work_in_stays(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with state.working() as others:
        (others / "precious").write_text("")
        killed = tmp_path / "work" / "abandoned"
        killed.mkdir()
        (killed / "server.pgpass").write_text("secret")
        killed.with_suffix(".lock").touch()
        with state.working():
            assert not killed.exists()
            assert not killed.with_suffix(".lock").exists()
            assert (others / "precious").exists()
