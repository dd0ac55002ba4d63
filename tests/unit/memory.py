"""Backups of a made-up database, on a storage that is a dictionary."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from zoneinfo import ZoneInfo

from backupctl.cancel import Cancellation
from backupctl.errors import StorageError
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
        self.refused: set[str] = set()
        """Keys that may not be deleted."""
        self.deletes_before_open: set[str] = set()
        """Keys that another host deletes just before they are opened."""

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
        if key in self.deletes_before_open:
            del self.objects[key]
        if key not in self.objects:
            raise StorageError(f"there is no {key}")
        return BytesIO(self.objects[key])

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield StoredObject(key, len(self.objects[key]), WHEN)

    def delete(self, key: str) -> None:
        if key in self.refused:
            raise StorageError(f"cannot delete {key}: the store answers AccessDenied", hint="let the key delete")
        self.objects.pop(key, None)

    def clear_unfinished(self, key: str) -> None:
        self.left = [left for left in self.left if left.key != key]

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        yield from (left for left in self.left if left.place.startswith(prefix))

    def remove_unfinished(self, left: Unfinished) -> None:
        self.left.remove(left)


def repository_of(storage: Storage, job: str = "app", zone: str = "UTC") -> Repository:
    return Repository(job, storage, ZoneInfo(zone))


def back_up(repository: Repository, *, job: str = "app", at: datetime = WHEN, compression: str = "zstd") -> Manifest:
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
    manifest = manifest_of(str(backup_id), job, at, artifact, compression)
    repository.commit(manifest)
    return manifest


def manifest_of(backup_id: str, job: str, at: datetime, artifact: Artifact, compression: str) -> Manifest:
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
