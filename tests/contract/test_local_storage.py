"""What a folder of this machine does beyond what every storage must."""

import io
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupctl.errors import EngineError, StorageError
from backupctl.storages.local import LocalOptions, LocalStorage
from tests.contract.storage_sources import METADATA, Failing, die, noise


def storage_at(path: Path) -> LocalStorage:
    return LocalStorage(LocalOptions(type="local", path=path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "srv" / "backups"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    point = tmp_path / "small"
    point.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", point], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


def test_a_full_disk_is_an_error_that_leaves_nothing(small_disk: Path) -> None:
    storage = storage_at(small_disk)
    with pytest.raises(StorageError, match="no space left") as caught:
        storage.put("shop/20260102/shop.sql", io.BytesIO(noise(5 << 20)), metadata=METADATA)
    assert caught.value.hint
    assert str(small_disk) in caught.value.hint
    assert list(small_disk.iterdir()) == []


def test_the_folder_is_made_for_its_owner_alone(folder: Path) -> None:
    storage_at(folder).put("shop/20260102/shop.sql", io.BytesIO(b"data"), metadata=METADATA)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, *sorted(folder.rglob("*")))]
    assert modes == [0o700, 0o700, 0o700, 0o600]


def test_a_failed_put_removes_the_folders_that_it_made(folder: Path) -> None:
    with pytest.raises(EngineError):
        storage_at(folder).put("shop/20260102/shop.sql", Failing(3 << 20, die), metadata=METADATA)
    assert not folder.parent.exists()


def test_a_failed_put_keeps_the_folders_of_others(folder: Path) -> None:
    storage = storage_at(folder)
    storage.put("shop/20260101/shop.sql", io.BytesIO(b"data"), metadata=METADATA)
    with pytest.raises(EngineError):
        storage.put("shop/20260102/shop.sql", Failing(3 << 20, die), metadata=METADATA)
    assert sorted(path.name for path in (folder / "shop").iterdir()) == ["20260101"]


def test_a_file_that_is_being_written_is_not_listed(folder: Path) -> None:
    storage = storage_at(folder)
    seen: list[list[str]] = []

    def look() -> None:
        seen.append([path.name for path in folder.rglob("*") if path.is_file()])
        seen.append([entry.key for entry in storage.list("")])

    storage.put("shop.sql", Failing(1000, look), metadata=METADATA)
    (temporary,), listed = seen[:2]
    assert temporary.startswith(".")
    assert temporary.endswith(".partial")
    assert listed == []
    assert [entry.key for entry in storage.list("")] == ["shop.sql"]


def test_deleting_the_last_file_of_a_day_removes_its_folder(folder: Path) -> None:
    storage = storage_at(folder)
    for day in ("20260101", "20260102"):
        storage.put(f"shop/{day}/shop.sql", io.BytesIO(b"data"), metadata=METADATA)
    storage.delete("shop/20260101/shop.sql")
    assert [path.name for path in (folder / "shop").iterdir()] == ["20260102"]
    storage.delete("shop/20260102/shop.sql")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "key", ["../out.sql", "a/../../out.sql", "/etc/out.sql", "a//b", "", "a/", "./a", "a\0b", ".x.partial"]
)
def test_a_key_that_is_no_place_below_the_folder_is_refused(folder: Path, key: str) -> None:
    storage = storage_at(folder)
    with pytest.raises(StorageError):
        storage.put(key, io.BytesIO(b"data"), metadata=METADATA)
    with pytest.raises(StorageError):
        storage.open(key)
    with pytest.raises(StorageError):
        storage.delete(key)
    assert not folder.exists()


def test_symbolic_links_are_not_followed_out(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(outside)
    (folder / "file").symlink_to(outside / "secret")
    storage = storage_at(folder)
    assert list(storage.list("")) == []
    for key in ("link/secret", "file"):
        with pytest.raises(StorageError):
            storage.open(key)
    with pytest.raises(StorageError):
        storage.put("link/new", io.BytesIO(b"data"), metadata=METADATA)
    with pytest.raises(StorageError):
        storage.delete("link/secret")
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_folder_that_is_itself_a_link_is_used(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    folder.parent.mkdir()
    folder.symlink_to(real)
    storage = storage_at(folder)
    storage.check()
    storage.put("shop/shop.sql", io.BytesIO(b"data"), metadata=METADATA)
    assert [entry.key for entry in storage.list("shop/")] == ["shop/shop.sql"]


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    storage = storage_at(tmp_path / "taken")
    with pytest.raises(StorageError, match="not a folder"):
        storage.check()
    with pytest.raises(StorageError):
        list(storage.list(""))
    with pytest.raises(StorageError):
        storage.put("shop.sql", io.BytesIO(b"data"), metadata=METADATA)


def test_a_name_that_is_too_long_for_the_file_system_is_an_error_that_leaves_nothing(folder: Path) -> None:
    with pytest.raises(StorageError, match="too long") as caught:
        storage_at(folder).put(f"shop/{'x' * 300}.sql", io.BytesIO(b"data"), metadata=METADATA)
    assert caught.value.hint
    assert not folder.exists()


AS_NOBODY = """
import io, os, sys
from pathlib import Path
from backupctl.errors import StorageError
from backupctl.storages.local import LocalOptions, LocalStorage
storage = LocalStorage(LocalOptions(type="local", path=Path(sys.argv[1])))
os.setuid(65534)
for attempt in (storage.check, lambda: list(storage.list("")), lambda: storage.put("a", io.BytesIO(b"x"), metadata={})):
    try:
        attempt()
    except StorageError as error:
        print(error, "|", error.hint)
"""


def test_a_folder_without_the_rights_to_it_is_an_error_that_says_so(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, name], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert "permission denied" in line
        assert "let the user that backupctl runs as" in line


def test_names_that_are_not_text_are_passed_over(folder: Path) -> None:
    storage = storage_at(folder)
    storage.put("shop.sql", io.BytesIO(b"data"), metadata=METADATA)
    (folder / os.fsdecode(b"\xff.sql")).write_bytes(b"")
    assert [entry.key for entry in storage.list("")] == ["shop.sql"]


def test_only_a_temporary_file_of_ours_is_unfinished(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    ours = ".0123456789abcdef-01234567.partial"
    names = [ours, ".download.partial", "0123456789abcdef-01234567.partial", ".0123456789ABCDEF-01234567.partial"]
    for place in (folder / "app" / "20260101", folder / "app_prod", elsewhere):
        place.mkdir(parents=True)
        for name in names:
            (place / name).write_bytes(b"12345")
    (folder / "app" / "linked").symlink_to(elsewhere)
    (folder / "app" / ".0123456789abcdef-76543210.partial").symlink_to(elsewhere / ours)
    storage = storage_at(folder)
    (left,) = storage.unfinished("app/")
    assert (left.place, left.key, left.size) == (f"app/20260101/{ours}", None, 5)
    storage.remove_unfinished(left)
    assert sorted(path.name for path in (folder / "app" / "20260101").iterdir()) == sorted(names[1:])
    assert (elsewhere / ours).exists()


def test_removing_the_last_unfinished_file_of_a_day_removes_its_folder(folder: Path) -> None:
    (folder / "app" / "20260101").mkdir(parents=True)
    (folder / "app" / "20260101" / ".0123456789abcdef-01234567.partial").touch()
    storage = storage_at(folder)
    (left,) = storage.unfinished("app/")
    storage.remove_unfinished(left)
    assert list(folder.iterdir()) == []
