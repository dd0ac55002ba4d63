"""Keys, listing and finding: what counts as a backup."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest

from backupctl.cancel import Cancellation
from backupctl.errors import IntegrityError, StorageError, UsageError
from backupctl.model import Artifact, BackupId, Manifest
from backupctl.repository import Repository
from backupctl.storages.base import Storage, StoredObject, Unfinished
from backupctl.stream import Compression, Reader, Tap

WHEN = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)


class MemoryStorage(Storage):
    """A storage of the contract's shape that holds everything in a dictionary."""

    prefix = "backups/"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.left: list[Unfinished] = []

    @property
    def location(self) -> str:
        return "memory"

    def check(self) -> None:
        """Always there."""

    def put(
        self,
        key: str,
        source: Reader,
        *,
        metadata: Mapping[str, str],
        size_estimate: int | None = None,
        cancel: Cancellation | None = None,
    ) -> int:
        self.objects[key] = source.read(1 << 30)
        return len(self.objects[key])

    def open(self, key: str) -> Reader:
        if key not in self.objects:
            raise StorageError(f"there is no {key}")
        return BytesIO(self.objects[key])

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield StoredObject(key, len(self.objects[key]), WHEN)

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def clear_unfinished(self, key: str) -> None:
        self.left = [left for left in self.left if left.key != key]

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        yield from (left for left in self.left if left.place.startswith(prefix))

    def remove_unfinished(self, left: Unfinished) -> None:
        self.left.remove(left)


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


def _repository(storage: Storage, job: str = "app", zone: str = "UTC") -> Repository:
    return Repository(job, storage, ZoneInfo(zone))


def _backup(repository: Repository, *, job: str = "app", at: datetime = WHEN, compression: str = "zstd") -> Manifest:
    backup_id = BackupId.new(at)
    settings = Compression.model_validate({"algorithm": compression})
    artifact = repository.put(
        "dump",
        repository.artifact_key(backup_id, "shop", ".sql" + settings.suffix),
        Tap(BytesIO(b"CREATE TABLE t;\n" * 1000)),
        settings,
        metadata={},
        size_estimate=None,
        seen=lambda _: None,
        cancel=Cancellation(),
    )
    manifest = _manifest(str(backup_id), job, at, artifact, compression)
    repository.commit(manifest)
    return manifest


def _manifest(backup_id: str, job: str, at: datetime, artifact: Artifact, compression: str) -> Manifest:
    return Manifest(
        id=backup_id,
        job=job,
        engine="postgres",
        database="shop",
        server_version="16.1",
        client="pg_dump 16.1",
        host="here",
        started_at=at,
        finished_at=at,
        timezone="UTC",
        format="plain",
        compression=compression,
        artifacts=(artifact,),
        tool="tests",
    )


def test_a_key_has_the_jobs_local_date_and_time_with_its_offset(storage: MemoryStorage) -> None:
    repository = _repository(storage, zone="Asia/Kathmandu")
    key = repository.artifact_key(BackupId(WHEN, "abc123"), "shop", ".sql.zst")
    assert key == "backups/app/20260201/shop_20260201T051500+0545_abc123.sql.zst"


def test_the_repeated_hour_of_a_clock_change_gives_two_keys(storage: MemoryStorage) -> None:
    repository = _repository(storage, zone="Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    keys = {repository.artifact_key(BackupId(at, "abc123"), "x", "") for at in (first, first + timedelta(hours=1))}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("database", "expected"),
    [("a b", "a%20b"), ("a/../b", "a%2F..%2Fb"), ("käse", "k%C3%A4se"), ("t~", "t%7E"), ("..", "..")],
)
def test_a_database_name_is_percent_encoded_in_the_key(storage: MemoryStorage, database: str, expected: str) -> None:
    key = _repository(storage).artifact_key(BackupId(WHEN, "abc123"), database, ".sql")
    assert key == f"backups/app/20260131/{expected}_20260131T233000+0000_abc123.sql"


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_what_was_put_is_read_back(storage: MemoryStorage, compression: str) -> None:
    repository = _repository(storage)
    manifest = _backup(repository, compression=compression)
    with closing(repository.open_dump(manifest)) as dump:
        assert dump.read(1 << 20) == b"CREATE TABLE t;\n" * 1000


def test_the_newest_is_listed_first(storage: MemoryStorage) -> None:
    repository = _repository(storage)
    old = _backup(repository, at=WHEN - timedelta(days=1))
    new = _backup(repository)
    assert [manifest.id for manifest in repository.listing().good] == [new.id, old.id]


def test_a_job_whose_name_begins_alike_is_not_listed(storage: MemoryStorage) -> None:
    _backup(_repository(storage, "app_prod"), job="app_prod")
    assert _repository(storage, "app").listing().backups == ()


def test_an_artifact_without_a_manifest_is_no_backup(storage: MemoryStorage) -> None:
    repository = _repository(storage)
    manifest = _backup(repository)
    storage.delete(manifest.key)
    assert repository.listing().backups == ()


def test_a_manifest_without_its_artifact_is_no_backup(storage: MemoryStorage) -> None:
    repository = _repository(storage)
    manifest = _backup(repository)
    storage.delete(manifest.dump.key)
    listing = repository.listing()
    assert listing.good == ()
    assert "is not there" in str(listing.backups[0].problem)


def test_an_artifact_of_another_size_is_no_backup(storage: MemoryStorage) -> None:
    repository = _repository(storage)
    manifest = _backup(repository)
    storage.objects[manifest.dump.key] += b"x"
    listing = repository.listing()
    assert listing.good == ()
    assert "where the manifest says" in str(listing.backups[0].problem)


@pytest.mark.parametrize("at", [0, 30, -1])
def test_every_altered_byte_of_an_artifact_is_found(storage: MemoryStorage, at: int) -> None:
    repository = _repository(storage)
    manifest = _backup(repository)
    data = bytearray(storage.objects[manifest.dump.key])
    data[at] ^= 1
    storage.objects[manifest.dump.key] = bytes(data)
    with pytest.raises(IntegrityError), closing(repository.open_dump(manifest)) as dump:
        dump.read(1 << 20)


@pytest.mark.parametrize("text", [b"", b"{", b'{"manifest": 2}', b"[]", b"\xff"])
def test_a_manifest_that_cannot_be_read_is_told_and_hides_no_other(storage: MemoryStorage, text: bytes) -> None:
    repository = _repository(storage)
    manifest = _backup(repository)
    storage.objects["backups/app/20260131/other.sql.manifest.json"] = text
    listing = repository.listing()
    assert [good.id for good in listing.good] == [manifest.id]
    assert list(listing.unreadable) == ["backups/app/20260131/other.sql.manifest.json"]


def test_a_manifest_that_was_copied_elsewhere_is_no_backup(storage: MemoryStorage) -> None:
    manifest = _backup(_repository(storage))
    other = "backups/other/20260131/" + manifest.key.rpartition("/")[2]
    storage.objects[other] = storage.objects[manifest.key]
    listing = _repository(storage, "other").listing()
    assert listing.backups == ()
    assert "belongs to another place" in listing.unreadable[other]


def test_backups_that_were_copied_to_another_prefix_are_restored_from_there(storage: MemoryStorage) -> None:
    manifest = _backup(_repository(storage))
    copy = MemoryStorage()
    copy.prefix = "elsewhere/"
    copy.objects = {key.replace("backups/", "elsewhere/"): data for key, data in storage.objects.items()}
    repository = _repository(copy)
    (found,) = repository.listing().good
    assert found.id == manifest.id
    with closing(repository.open_dump(found)) as dump:
        assert dump.read(1 << 20) == b"CREATE TABLE t;\n" * 1000


def test_a_backup_is_found_by_a_unique_beginning_of_its_id(storage: MemoryStorage) -> None:
    repository = _repository(storage)
    old = _backup(repository, at=WHEN - timedelta(days=1))
    new = _backup(repository)
    assert repository.find(old.id[:8]).manifest == old
    assert repository.find("latest").manifest == new
    with pytest.raises(UsageError, match="is the beginning of 2 backups"):
        repository.find("2026")
    with pytest.raises(UsageError, match="has no backup 1999"):
        repository.find("1999")


def test_latest_never_means_a_damaged_backup(storage: MemoryStorage) -> None:
    repository = _repository(storage)
    old = _backup(repository, at=WHEN - timedelta(days=1))
    new = _backup(repository)
    storage.delete(new.dump.key)
    assert repository.find("latest").manifest == old
    assert repository.find(new.id).problem


def test_a_moment_means_the_newest_backup_not_after_it(storage: MemoryStorage) -> None:
    repository = _repository(storage)
    old = _backup(repository, at=WHEN - timedelta(days=1))
    _backup(repository)
    assert repository.find("latest", at=WHEN - timedelta(seconds=1)).manifest == old
    with pytest.raises(UsageError, match="before"):
        repository.find("latest", at=WHEN - timedelta(days=2))
