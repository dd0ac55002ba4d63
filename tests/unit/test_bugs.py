"""What a user is told of an error that nobody foresaw."""

import sys
from pathlib import Path

import pytest

from backupctl import cli
from backupctl.cli import bugs
from backupctl.config.interpolate import Interpolation
from tests.unit.config_files import Files

FILE = """\
    version: 1
    seq: {url: "https://seq", api_key: "${SEQ_KEY}"}
    jobs: []
    """


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def _stumble(files: Files) -> None:
    configuration = files.load(FILE, environ={"SEQ_KEY": "hunter2"})
    assert configuration.seq
    try:
        raise KeyError("hunter2")
    except KeyError as error:
        raise TypeError("hunter2 is no number") from error


def test_the_traceback_of_a_bug_holds_no_secret(
    files: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["backupctl", "--debug", "list"])
    monkeypatch.setattr(cli, "app", lambda prog_name: _stumble(files))
    assert cli._run() == 70
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "a bug in backupctl: TypeError: *** is no number" in told
    assert "KeyError: '***'" in told
    assert "hunter2" not in told


def test_a_bug_in_reading_the_file_holds_nothing_that_was_put_in(tmp_path: Path) -> None:
    interpolation = Interpolation({}, tmp_path, {"DB_PASSWORD": "hunter2"})
    with pytest.raises(ValueError, match="hunter2") as caught:
        _stumble_over(interpolation)
    assert bugs.redactor_for(caught.value)(str(caught.value)) == "{'DB_PASSWORD': '***'}"


def _stumble_over(interpolation: Interpolation) -> None:
    raise ValueError(str(interpolation.used))
