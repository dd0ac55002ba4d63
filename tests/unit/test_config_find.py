"""Where the jobs file is looked for."""

from pathlib import Path

import pytest

from backupctl.config import find_file
from backupctl.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BACKUPCTL_CONFIG", raising=False)
    return tmp_path


def test_the_named_file_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("named.yaml", "environment.yaml", "jobs.yaml"):
        (folder / name).touch()
    monkeypatch.setenv("BACKUPCTL_CONFIG", "environment.yaml")
    assert find_file(Path("named.yaml")) == Path("named.yaml")
    assert find_file(None) == Path("environment.yaml")
    monkeypatch.delenv("BACKUPCTL_CONFIG")
    assert find_file(None) == Path("jobs.yaml")


def test_a_named_file_that_is_not_there_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "jobs.yaml").touch()
    with pytest.raises(UsageError, match=r"no file other.yaml, which -f names"):
        find_file(Path("other.yaml"))
    monkeypatch.setenv("BACKUPCTL_CONFIG", "gone.yaml")
    with pytest.raises(UsageError, match=r"no file gone.yaml, which \$BACKUPCTL_CONFIG names"):
        find_file(None)


@pytest.mark.skipif(Path("/etc/backupctl/jobs.yaml").exists(), reason="this machine has a jobs file of its own")
def test_without_any_file_the_hint_is_init(folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_file(None)
    assert caught.value.hint is not None
    assert "backupctl init" in caught.value.hint
