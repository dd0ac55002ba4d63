"""Keys, listing and finding: what counts as a backup."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from backupctl.errors import IntegrityError, StorageError, UsageError
from backupctl.listing import Backup
from backupctl.model import Artifact, BackupId
from backupctl.repository import Repository
from backupctl.storages.base import Unfinished
from backupctl.stream import Reader
from tests.unit.memory import WHEN, MemoryStorage, back_up, repository_of


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


def find(
    repository: Repository,
    wanted: str,
    *,
    at: datetime | None = None,
    now: datetime = WHEN,
    warn: Callable[[str], None] = lambda _: None,
) -> Backup:
    return repository.find(wanted, now=now, warn=warn, at=at)


def test_a_key_has_the_jobs_local_date_and_time_with_its_offset(storage: MemoryStorage) -> None:
    repository = repository_of(storage, zone="Asia/Kathmandu")
    key = repository.artifact_key(BackupId(WHEN, "abc123"), "shop", ".sql.zst")
    assert key == "backups/app/20260201/shop_20260201T051500+0545_abc123.sql.zst"


def test_the_repeated_hour_of_a_clock_change_gives_two_keys(storage: MemoryStorage) -> None:
    repository = repository_of(storage, zone="Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    keys = {repository.artifact_key(BackupId(at, "abc123"), "x", "") for at in (first, first + timedelta(hours=1))}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("database", "expected"),
    [("a b", "a%20b"), ("a/../b", "a%2F..%2Fb"), ("käse", "k%C3%A4se"), ("t~", "t%7E"), ("..", "..")],
)
def test_a_database_name_is_percent_encoded_in_the_key(storage: MemoryStorage, database: str, expected: str) -> None:
    key = repository_of(storage).artifact_key(BackupId(WHEN, "abc123"), database, ".sql")
    assert key == f"backups/app/20260131/{expected}_20260131T233000+0000_abc123.sql"


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_what_was_put_is_read_back(storage: MemoryStorage, compression: str) -> None:
    repository = repository_of(storage)
    manifest = back_up(repository, compression=compression)
    with closing(repository.open_dump(manifest)) as dump:
        assert dump.read(1 << 20) == b"CREATE TABLE t;\n" * 1000


def test_the_newest_is_listed_first(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    old = back_up(repository, at=WHEN - timedelta(days=1))
    new = back_up(repository)
    assert [manifest.id for manifest in repository.listing().good] == [new.id, old.id]


def test_a_job_whose_name_begins_alike_is_not_listed(storage: MemoryStorage) -> None:
    back_up(repository_of(storage, "app_prod"), job="app_prod")
    assert repository_of(storage, "app").listing().backups == ()


def test_an_artifact_without_a_manifest_is_noback_up(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    manifest = back_up(repository)
    storage.delete(manifest.key)
    assert repository.listing().backups == ()


def test_a_manifest_without_its_artifact_is_noback_up(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    manifest = back_up(repository)
    storage.delete(manifest.dump.key)
    listing = repository.listing()
    assert listing.good == ()
    assert "is not there" in str(listing.backups[0].problem)


def test_an_artifact_of_another_size_is_noback_up(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    manifest = back_up(repository)
    storage.objects[manifest.dump.key] += b"x"
    listing = repository.listing()
    assert listing.good == ()
    assert "where the manifest says" in str(listing.backups[0].problem)


@pytest.mark.parametrize("at", [0, 30, -1])
def test_every_altered_byte_of_an_artifact_is_found(storage: MemoryStorage, at: int) -> None:
    repository = repository_of(storage)
    manifest = back_up(repository)
    data = bytearray(storage.objects[manifest.dump.key])
    data[at] ^= 1
    storage.objects[manifest.dump.key] = bytes(data)
    with pytest.raises(IntegrityError), closing(repository.open_dump(manifest)) as dump:
        dump.read(1 << 20)


@pytest.mark.parametrize("text", [b"", b"{", b'{"manifest": 2}', b"[]", b"\xff"])
def test_a_manifest_that_cannot_be_read_is_told_and_hides_no_other(storage: MemoryStorage, text: bytes) -> None:
    repository = repository_of(storage)
    manifest = back_up(repository)
    storage.objects["backups/app/20260131/other.sql.manifest.json"] = text
    listing = repository.listing()
    assert [good.id for good in listing.good] == [manifest.id]
    (told,) = listing.unreadable.items()
    assert told[0] == "backups/app/20260131/other.sql.manifest.json"
    assert told[1].endswith(": it was altered, or written by a newer backupctl")


def test_a_manifest_that_was_copied_elsewhere_is_noback_up(storage: MemoryStorage) -> None:
    manifest = back_up(repository_of(storage))
    other = "backups/other/20260131/" + manifest.key.rpartition("/")[2]
    storage.objects[other] = storage.objects[manifest.key]
    listing = repository_of(storage, "other").listing()
    assert listing.backups == ()
    assert "belongs to another place" in listing.unreadable[other]


def test_backups_that_were_copied_to_another_prefix_are_restored_from_there(storage: MemoryStorage) -> None:
    manifest = back_up(repository_of(storage))
    copy = MemoryStorage()
    copy.prefix = "elsewhere/"
    copy.objects = {key.replace("backups/", "elsewhere/"): data for key, data in storage.objects.items()}
    repository = repository_of(copy)
    (found,) = repository.listing().good
    assert found.id == manifest.id
    with closing(repository.open_dump(found)) as dump:
        assert dump.read(1 << 20) == b"CREATE TABLE t;\n" * 1000


def test_a_backup_is_found_by_a_unique_beginning_of_its_id(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    old = back_up(repository, at=WHEN - timedelta(days=1))
    new = back_up(repository)
    assert find(repository, old.id[:8]).manifest == old
    assert find(repository, "latest").manifest == new
    with pytest.raises(UsageError, match="is the beginning of 2 backups"):
        find(repository, "2026")
    with pytest.raises(UsageError, match="has no backup 1999"):
        find(repository, "1999")


def test_a_copy_beside_the_original_is_the_same_backup(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    manifest = back_up(repository)
    for key in (manifest.key, manifest.dump.key):
        storage.objects[key.replace("/20260131/", "/copy/")] = storage.objects[key]
    assert len(repository.listing().good) == 2
    del storage.objects[manifest.dump.key]
    found = find(repository, manifest.id)
    assert (found.problem, found.manifest.dump.key) == (None, manifest.dump.key.replace("/20260131/", "/copy/"))


def test_latest_never_means_a_damagedback_up(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    old = back_up(repository, at=WHEN - timedelta(days=1))
    new = back_up(repository)
    storage.delete(new.dump.key)
    assert find(repository, "latest").manifest == old
    assert find(repository, new.id).problem


def test_latest_passes_over_what_starts_in_the_future_and_says_so(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    good = back_up(repository)
    ahead = back_up(repository, at=WHEN + timedelta(days=1))
    warnings: list[str] = []
    now = WHEN + timedelta(days=1) - timedelta(minutes=5, seconds=1)
    assert find(repository, "latest", now=now, warn=warnings.append).manifest == good
    assert find(repository, "latest", now=now, at=ahead.started_at, warn=warnings.append).manifest == good
    assert [warning.split(":")[0] for warning in warnings] == [ahead.id] * 2
    assert find(repository, "latest", now=now + timedelta(seconds=1), warn=warnings.append).manifest == ahead
    assert find(repository, ahead.id, now=now, warn=warnings.append).manifest == ahead
    assert find(repository, "latest", now=now, at=WHEN, warn=warnings.append).manifest == good
    assert len(warnings) == 2


def test_where_all_backups_start_in_the_future_none_is_the_latest(storage: MemoryStorage) -> None:
    made = [back_up(repository_of(storage), at=WHEN - timedelta(days=days)) for days in range(3)]
    warnings: list[str] = []
    with pytest.raises(UsageError, match="has no backup that is whole"):
        find(repository_of(storage), "latest", now=datetime(1970, 1, 1, tzinfo=UTC), warn=warnings.append)
    (warning,) = warnings
    assert warning.startswith(f"{made[0].id}, and 2 more: passed over")


def test_a_moment_means_the_newest_backup_not_after_it(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    old = back_up(repository, at=WHEN - timedelta(days=1))
    back_up(repository)
    assert find(repository, "latest", at=WHEN - timedelta(seconds=1)).manifest == old
    with pytest.raises(UsageError, match="before"):
        find(repository, "latest", at=WHEN - timedelta(days=2))


def test_a_removal_takes_the_manifest_last(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    manifest = back_up(repository)
    storage.refused = {manifest.dump.key}
    with pytest.raises(StorageError):
        repository.remove(manifest)
    assert repository.listing().good == (manifest,)
    storage.refused = {manifest.key}
    with pytest.raises(StorageError):
        repository.remove(manifest)
    (half,) = repository.listing().backups
    assert "is not there" in str(half.problem)
    storage.refused = set()
    repository.remove(half.manifest)
    repository.remove(half.manifest)
    assert storage.objects == {}


def test_a_removal_spares_what_another_backup_needs(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    manifest = back_up(repository)
    repository.remove(manifest, spare={manifest.dump.key})
    assert list(storage.objects) == [manifest.dump.key]


def test_a_manifest_that_names_what_is_not_the_jobs_is_left_alone(storage: MemoryStorage) -> None:
    victim = back_up(repository_of(storage, "app_prod"), job="app_prod")
    repository = repository_of(storage, "app")
    manifest = back_up(repository)
    stolen = Artifact(role="globals", key=victim.dump.key, size=1, sha256=None, dump_size=None, dump_sha256=None)
    altered = manifest.model_copy(update={"artifacts": (*manifest.artifacts, stolen)})
    with pytest.raises(StorageError, match="is not below backups/app/"):
        repository.remove(altered)
    assert len(storage.objects) == 4


def test_a_manifest_on_the_storage_cannot_reach_out_of_its_folder(storage: MemoryStorage) -> None:
    victim = back_up(repository_of(storage, "app_prod"), job="app_prod")
    repository = repository_of(storage, "app")
    manifest = back_up(repository)
    stolen = Artifact(role="globals", key=victim.dump.key, size=1, sha256=None, dump_size=None, dump_sha256=None)
    repository.commit(manifest.model_copy(update={"artifacts": (*manifest.artifacts, stolen)}))
    (found,) = repository.listing().backups
    repository.remove(found.manifest)
    assert sorted(storage.objects) == [victim.dump.key, victim.key]


@pytest.mark.parametrize(
    "name",
    [
        "app/20260131/shop_20260131T233000+0000_abc123.sql.zst",
        "app/20260131/a%20b.c_d_20260131T233000-0330_abc123.globals.sql",
        "app/20260131/x_20260131T233000+0000_abc123.sqlite",
    ],
)
def test_an_artifact_that_no_manifest_names_is_found(storage: MemoryStorage, name: str) -> None:
    storage.objects["backups/" + name] = b"x"
    assert [found.key for found in repository_of(storage).listing().unnamed] == ["backups/" + name]


@pytest.mark.parametrize(
    "name",
    [
        "app/notes.txt",
        "app/20260131/notes.txt",
        "app/20260131/shop.sql.zst",
        "app/20260131/shop_20260131T233000+0000_ABC123.sql.zst",
        "app/20260131/shop_20260131T233000_abc123.sql.zst",
        "app/20260131/shop_20260131T233000+0000_abc123",
        "app/20260131/deeper/shop_20260131T233000+0000_abc123.sql",
        "app/old/20260131/shop_20260131T233000+0000_abc123.sql",
        "app_prod/20260131/shop_20260131T233000+0000_abc123.sql",
        "app/20260131/shop_20260131T233000+0000_abc123.sql.manifest.json",
    ],
)
def test_what_does_not_look_like_an_artifact_of_the_job_is_nothing_of_ours(storage: MemoryStorage, name: str) -> None:
    storage.objects["backups/" + name] = b"x"
    assert repository_of(storage).listing().unnamed == ()


def test_what_an_unreadable_manifest_may_name_is_not_unnamed(storage: MemoryStorage) -> None:
    beginning = "backups/app/20260131/shop_20260131T233000+0000_abc123"
    for ending in (".sql.zst", ".globals.sql.zst", ".sql.zst.manifest.json"):
        storage.objects[beginning + ending] = b"?"
    assert repository_of(storage).listing().unnamed == ()


def test_only_unfinished_uploads_of_the_jobs_own_keys_are_told(storage: MemoryStorage) -> None:
    keys = ["app/20260131/x_20260131T233000+0000_abc123.sql", "app/other.bin", "app_prod/20260131/x.sql"]
    storage.left = [Unfinished("backups/" + key, "backups/" + key, "id", WHEN, None) for key in keys]
    storage.left.append(Unfinished("backups/app/20260131/.tmp", None, "", WHEN, 5))
    repository = repository_of(storage)
    found = list(repository.unfinished())
    assert found == [storage.left[0], storage.left[3]]
    for left in found:
        repository.remove_orphan(left)
    assert [left.key for left in storage.left] == ["backups/app/other.bin", "backups/app_prod/20260131/x.sql"]


def test_a_manifest_that_goes_while_it_is_listed_hides_no_other(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    staying = back_up(repository)
    going = back_up(repository, at=WHEN - timedelta(days=1))
    storage.deletes_before_open = {going.key}
    listing = repository.listing()
    assert [backup.manifest.id for backup in listing.backups] == [staying.id]
    assert listing.unreadable == {}


def test_a_manifest_that_the_storage_does_not_give_is_an_error(storage: MemoryStorage) -> None:
    class Closed(MemoryStorage):
        def open(self, key: str) -> Reader:
            raise StorageError(f"{key} may not be read")

    repository = repository_of(Closed())
    back_up(repository)
    with pytest.raises(StorageError, match="may not be read"):
        repository.listing()
