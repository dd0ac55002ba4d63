"""The folder that a SQL Server and backupctl share: what is cleared out of it, and what never is."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from backupctl.engines.mssql.folder import Folder
from backupctl.engines.mssql.options import MssqlOptions

KILLED = """
import os, signal, sys
from pathlib import Path
from backupctl.engines.mssql.folder import Folder
file = Folder("/backup", Path(sys.argv[1]), sys.argv[2]).new_file()
file.path.write_bytes(b"TAPE half of a backup")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return _folder(tmp_path, "shop")


def _folder(place: Path, name: str) -> Folder:
    options = MssqlOptions(
        type="mssql", user="sa", password=SecretStr("x"), name=name, server_dir=r"D:\Backup", local_dir=place
    )
    found = Folder.of(options, "sql1:1433")
    assert found
    return found


def _killed(folder: Folder) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(folder.local_dir), folder.mark], check=False)
    assert any(path.suffix == ".bak" for path in folder.local_dir.iterdir())


def _clear(folder: Folder) -> list[str]:
    said: list[str] = []
    folder.clear(said.append)
    return said


def test_what_a_killed_run_left_is_removed(folder: Folder) -> None:
    _killed(folder)
    assert _clear(folder) == []
    assert list(folder.local_dir.iterdir()) == []


def test_what_another_run_is_at_work_with_is_left_alone(folder: Folder) -> None:
    at_work = folder.new_file()
    at_work.path.write_bytes(b"TAPE")
    assert _clear(folder) == []
    assert at_work.path.exists()
    at_work.remove(lambda _: None)
    assert list(folder.local_dir.iterdir()) == []


def test_what_belongs_to_another_database_or_to_nobody_here_is_left_alone(folder: Folder) -> None:
    _killed(_folder(folder.local_dir, "shop2"))
    foreign = folder.local_dir / f"{folder.mark}a1.bak"
    foreign.write_bytes(b"a backup that somebody keeps under such a name")
    before = sorted(folder.local_dir.iterdir())
    assert _clear(folder) == []
    assert sorted(folder.local_dir.iterdir()) == before


def test_a_file_has_the_servers_name_for_the_server(folder: Folder) -> None:
    file = folder.new_file()
    assert file.as_server_sees == rf"D:\Backup\{file.path.name}"
    file.remove(lambda _: None)


def test_what_cannot_be_removed_is_said_and_known_to_a_later_run(folder: Folder) -> None:
    file = folder.new_file()
    file.path.mkdir()  # which no unlink takes away
    said: list[str] = []
    file.remove(said.append, patience_s=0)
    assert str(file.path) in said[0]
    file.path.rmdir()
    file.path.write_bytes(b"TAPE")
    assert _clear(folder) == []
    assert list(folder.local_dir.iterdir()) == []
