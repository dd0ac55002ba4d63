"""What every storage must do, shown against a folder and against two S3 servers of different makes."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backupctl.cancel import Cancellation
from backupctl.errors import CancelledError, EngineError, StorageError
from backupctl.storages import STORAGES
from backupctl.storages.base import Storage
from tests.contract.storage_sources import METADATA, PART, Failing, die, interrupt, noise, read_all
from tests.parts.s3 import S3Server

SIZES = {"nothing": 0, "a byte": 1, "a part less one": PART - 1, "a part": PART, "a part and one": PART + 1}


@dataclass(frozen=True)
class Place:
    """A storage under test, and a way to see what it left behind."""

    storage: Storage
    server: S3Server | None
    folder: Path

    def key(self, name: str) -> str:
        return self.storage.prefix + name

    def names(self, prefix: str = "") -> list[str]:
        return [entry.key.removeprefix(self.storage.prefix) for entry in self.storage.list(self.key(prefix))]

    def leftovers(self) -> list[str]:
        """Everything there that is not a finished object."""
        if self.server:
            return [key for key in open_uploads(self.server) if key.startswith(self.storage.prefix)]
        listed = {entry.key for entry in self.storage.list("")}
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))
        return [name for name in found if not any(key == name or key.startswith(f"{name}/") for key in listed)]

    def fill(self, names: list[str]) -> None:
        """Store a byte under each name, in the quickest way."""
        if self.server:
            client, bucket = self.server.client(), self.server.bucket
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda name: client.put_object(Bucket=bucket, Key=self.key(name), Body=b"x"), names))
            return
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")


def open_uploads(server: S3Server) -> list[str]:
    try:
        return server.open_uploads()
    except server.client().exceptions.NoSuchUpload:  # rclone's way to say that there never was one
        return []


@pytest.fixture(params=["local", "weed", "rclone", "r2"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "local":
        folder = tmp_path / "backups"
        options = STORAGES["local"].Options.model_validate({"type": "local", "path": str(folder)})
        yield Place(STORAGES["local"](options), None, folder)
        return
    server: S3Server = request.getfixturevalue("rclone_server" if request.param == "rclone" else "weed_server")
    kind = "r2" if request.param == "r2" else "s3"
    options = STORAGES[kind].Options.model_validate(
        {
            "type": kind,
            "endpoint_url": server.endpoint_url,
            "bucket": server.bucket,
            "prefix": f"contract-{os.urandom(4).hex()}",
            "access_key_id": server.access_key_id,
            "secret_access_key": server.secret_access_key,
        }
    )
    yield Place(STORAGES[kind](options), server, tmp_path)


@pytest.mark.parametrize("size", [pytest.param(size, id=name) for name, size in SIZES.items()])
def test_what_is_put_comes_back_byte_for_byte(place: Place, size: int) -> None:
    data = noise(size)
    key = place.key("shop/20260102/shop.sql")
    assert place.storage.put(key, io.BytesIO(data), metadata=METADATA) == size
    assert [(entry.key, entry.size) for entry in place.storage.list(key)] == [(key, size)]
    assert read_all(place.storage.open(key)) == data
    assert place.leftovers() == []


def test_many_parts_come_back_in_their_order(place: Place) -> None:
    data = noise(5 * PART + 12345)
    key = place.key("shop/big.sql.zst")
    assert place.storage.put(key, io.BytesIO(data), metadata=METADATA, size_estimate=len(data)) == len(data)
    assert read_all(place.storage.open(key), step=3_000_001) == data
    assert place.leftovers() == []


def test_a_reader_gives_exactly_the_bytes_asked_for_until_the_end(place: Place) -> None:
    key = place.key("shop/shop.sql")
    place.storage.put(key, io.BytesIO(noise(3_000_000)), metadata={})
    reader = place.storage.open(key)
    assert [len(reader.read(1_000_001)) for _ in range(4)] == [1_000_001, 1_000_001, 999_998, 0]
    reader.close()


@pytest.mark.parametrize("name", ["ação/20260102/数据 库+x=1&y#z?.sql", "job/100%25_d\N{COMBINING ACUTE ACCENT}.sql"])
def test_a_key_with_any_letters_is_stored_listed_read_and_deleted(place: Place, name: str) -> None:
    key = place.key(name)
    place.storage.put(key, io.BytesIO(b"data"), metadata=METADATA)
    assert place.names() == [name]
    assert place.names(name) == [name]
    assert read_all(place.storage.open(key)) == b"data"
    place.storage.delete(key)
    assert place.names() == []


@pytest.mark.parametrize("size", [1 << 20, PART + (1 << 20), 4 * PART], ids=["first part", "second part", "fifth part"])
def test_nothing_is_stored_when_the_producer_dies(place: Place, size: int) -> None:
    with pytest.raises(EngineError, match="exit code 3"):
        place.storage.put(place.key("shop/20260102/shop.sql"), Failing(size, die), metadata=METADATA)
    assert place.names() == []
    assert place.leftovers() == []


@pytest.mark.parametrize("size", [1 << 20, 3 * PART], ids=["first part", "later part"])
def test_nothing_is_stored_when_the_user_interrupts(place: Place, size: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        place.storage.put(place.key("shop/shop.sql"), Failing(size, interrupt), metadata=METADATA)
    assert place.names() == []
    assert place.leftovers() == []


@pytest.mark.parametrize("size", [1 << 20, 3 * PART], ids=["first part", "later part"])
def test_nothing_is_stored_when_the_run_is_cancelled(place: Place, size: int) -> None:
    cancel = Cancellation()
    with pytest.raises(CancelledError):
        place.storage.put(place.key("shop/shop.sql"), Failing(size, cancel.request), metadata=METADATA, cancel=cancel)
    assert place.names() == []
    assert place.leftovers() == []


def test_a_run_that_is_already_cancelled_stores_nothing(place: Place) -> None:
    cancel = Cancellation()
    cancel.request()
    with pytest.raises(CancelledError):
        place.storage.put(place.key("shop/shop.sql"), io.BytesIO(b"data"), metadata=METADATA, cancel=cancel)
    assert place.names() == []
    assert place.leftovers() == []


def test_a_failed_put_leaves_the_object_that_was_there(place: Place) -> None:
    key = place.key("shop/shop.sql")
    place.storage.put(key, io.BytesIO(b"the old one"), metadata=METADATA)
    with pytest.raises(EngineError):
        place.storage.put(key, Failing(2 * PART, die), metadata=METADATA)
    assert read_all(place.storage.open(key)) == b"the old one"
    assert place.leftovers() == []


def test_a_second_put_replaces_the_first(place: Place) -> None:
    key = place.key("shop/shop.sql")
    place.storage.put(key, io.BytesIO(noise(PART + 5)), metadata=METADATA)
    place.storage.put(key, io.BytesIO(b"the new one"), metadata=METADATA)
    assert read_all(place.storage.open(key)) == b"the new one"
    assert place.names() == ["shop/shop.sql"]


def test_a_job_whose_name_begins_with_another_ones_is_kept_apart(place: Place) -> None:
    place.fill(["app/a.sql", "app_prod/a.sql", "app.old/a.sql", "apple"])
    assert place.names("app/") == ["app/a.sql"]
    assert place.names("app_prod/") == ["app_prod/a.sql"]
    assert place.names("app") == ["app.old/a.sql", "app/a.sql", "app_prod/a.sql", "apple"]


def test_more_keys_than_a_page_of_a_listing_are_all_listed_in_order(place: Place) -> None:
    names = [f"shop/{number % 7}/{number:05}.sql" for number in range(1050)]
    place.fill(names)
    assert place.names() == sorted(names)


def test_a_listing_of_nothing_is_empty(place: Place) -> None:
    assert place.names("nobody/") == []


def test_a_listed_time_has_an_offset(place: Place) -> None:
    place.fill(["shop/shop.sql"])
    (entry,) = place.storage.list(place.key("shop/"))
    assert entry.modified.utcoffset() is not None


def test_opening_what_is_not_there_is_an_error_that_names_it(place: Place) -> None:
    with pytest.raises(StorageError, match=r"shop/gone\.sql") as caught:
        place.storage.open(place.key("shop/gone.sql"))
    assert caught.value.hint


def test_deleting_what_is_not_there_is_no_error(place: Place) -> None:
    place.storage.delete(place.key("shop/gone.sql"))
    assert place.names() == []


def test_puts_at_the_same_time_do_not_mix(place: Place) -> None:
    contents = {f"job-{number}/20260102/dump.sql": noise(PART + number) for number in range(4)}

    def put(name: str) -> int:
        return place.storage.put(place.key(name), io.BytesIO(contents[name]), metadata=METADATA)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(put, contents)) == [len(data) for data in contents.values()]
    assert {name: read_all(place.storage.open(place.key(name))) for name in place.names()} == contents


def test_check_finds_a_usable_place_and_leaves_nothing_in_it(place: Place) -> None:
    place.storage.check()
    assert place.names() == []
    assert place.leftovers() == []


def test_the_location_names_the_place_and_no_secret(place: Place) -> None:
    location = place.storage.location
    if place.server is None:
        assert location == str(place.folder)
    else:
        assert place.server.bucket in location
        assert place.storage.prefix in location
        assert f"127.0.0.1:{place.server.port}" in location
        assert place.server.secret_access_key not in location


MEASURE = r"""
import json, re, sys
from pathlib import Path
from backupctl.storages import STORAGES

class Zeros:
    left = 200 << 20
    def read(self, size):
        chunk = bytes(min(size, self.left))
        self.left -= len(chunk)
        return chunk
    def close(self):
        pass

given = json.load(sys.stdin)
kind = STORAGES[given["options"]["type"]]
storage = kind(kind.Options.model_validate(given["options"]))
assert storage.put(given["key"], Zeros(), metadata={"job": "shop"}) == 200 << 20
# Not getrusage: it counts what the process was forked from.
print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_a_large_stream_goes_through_little_memory(place: Place) -> None:
    key = place.key("shop/large.sql")
    given = {"options": _options(place), "key": key}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], input=json.dumps(given), capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150
    place.storage.delete(key)


KILLED = """
import json, os, signal, sys
from backupctl.storages import STORAGES

given = json.load(sys.stdin)
kind = STORAGES[given["options"]["type"]]
storage = kind(kind.Options.model_validate(given["options"]))

class Killing:
    left = 20_000_000
    def read(self, size):
        self.left -= size
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return bytes(size)
    def close(self):
        pass

storage.put(given["key"], Killing(), metadata={})
"""


def test_what_a_killed_put_left_is_cleared_and_nothing_else_is(place: Place) -> None:
    key = place.key("shop/killed.sql")
    neighbour = place.key("shop/killed.sql.other")
    for name in (key, neighbour):
        given = json.dumps({"options": _options(place), "key": name})
        subprocess.run([sys.executable, "-c", KILLED], input=given, text=True, check=False)
    place.storage.put(key, io.BytesIO(b"finished"), metadata={})
    before = len(place.leftovers())
    assert before > 0
    place.storage.clear_unfinished(key)
    assert place.names("shop/") == ["shop/killed.sql"]
    assert 0 < len(place.leftovers()) < before
    place.storage.clear_unfinished(neighbour)
    place.storage.clear_unfinished(neighbour)
    assert place.leftovers() == []
    place.storage.delete(key)


def _killed(place: Place, name: str) -> str:
    key = place.key(name)
    given = json.dumps({"options": _options(place), "key": key})
    subprocess.run([sys.executable, "-c", KILLED], input=given, text=True, check=False)
    return key


def test_what_killed_puts_left_is_told_and_removed_one_by_one(place: Place) -> None:
    begun_at = datetime.now(UTC)
    first, _, other = (_killed(place, name) for name in ("app/1.sql", "app/2.sql", "app_prod/1.sql"))
    place.storage.put(first, io.BytesIO(b"finished"), metadata={})
    found = list(place.storage.unfinished(place.key("app/")))
    assert len(found) == 2
    for left in found:
        assert left.place.startswith(place.key("app/"))
        assert left.key in (left.place, None)
        # A store's clock shows whole seconds.
        assert timedelta(seconds=-2) < left.started_at - begun_at < timedelta(seconds=60)
    place.storage.remove_unfinished(found[0])
    assert list(place.storage.unfinished(place.key("app/"))) == found[1:]
    place.storage.remove_unfinished(found[0])
    place.storage.remove_unfinished(found[1])
    assert list(place.storage.unfinished(place.key("app/"))) == []
    assert place.names() == ["app/1.sql"]
    place.storage.clear_unfinished(other)
    assert place.leftovers() == []
    place.storage.delete(first)


def test_where_nothing_was_left_nothing_is_unfinished(place: Place) -> None:
    place.storage.put(place.key("app/1.sql"), io.BytesIO(b"finished"), metadata={})
    assert list(place.storage.unfinished(place.key("app/"))) == []
    assert list(place.storage.unfinished(place.key("nobody/"))) == []
    place.storage.delete(place.key("app/1.sql"))


def _options(place: Place) -> dict[str, str]:
    if place.server is None:
        return {"type": "local", "path": str(place.folder)}
    return {
        "type": "s3",
        "endpoint_url": place.server.endpoint_url,
        "bucket": place.server.bucket,
        "prefix": place.storage.prefix,
        "access_key_id": place.server.access_key_id,
        "secret_access_key": place.server.secret_access_key,
    }
