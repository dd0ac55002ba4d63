"""The backups of one job on its storage: their keys, their commit, their listing, and reading them back."""

import json
import platform
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from io import BytesIO
from zoneinfo import ZoneInfo

from backupctl.beside import each
from backupctl.cancel import Cancellation
from backupctl.errors import IntegrityError, StorageError, UsageError
from backupctl.journal import Intent
from backupctl.keys import Keys, in_key, last_part
from backupctl.listing import Backup, Listing, Stored, problem_of
from backupctl.model import DUMP_ROLE, MANIFEST_SUFFIX, Artifact, BackupId, Manifest
from backupctl.storages.base import Storage, StoredObject, Unfinished
from backupctl.stream import Compression, Expected, Reader, Tap, Verified, Watch, compress, decompress

LATEST = "latest"
_MANIFEST_READERS = 8
_MANIFEST_MOST_BYTES = 16 << 20


class Repository:
    """One job's corner of its storage."""

    def __init__(self, job: str, storage: Storage, zone: ZoneInfo) -> None:
        self._job = job
        self._storage = storage
        self._keys = Keys(f"{storage.prefix}{job}/", zone)

    @property
    def location(self) -> str:
        """Where the storage is, for people."""
        return self._storage.location

    @property
    def folder(self) -> str:
        """What the keys of this job begin with, and no other job's."""
        return self._keys.folder

    def artifact_key(self, backup_id: BackupId, database: str, suffix: str) -> str:
        """The key that DESIGN promises; date and time in the job's zone, with its offset."""
        return self._keys.artifact(backup_id, database, suffix)

    def put(
        self,
        role: str,
        key: str,
        dump: Tap,
        compression: Compression,
        *,
        metadata: Mapping[str, str],
        size_estimate: int | None,
        seen: Callable[[int], None],
        cancel: Cancellation,
    ) -> Artifact:
        """Compress a dump and store it; `seen` is told of the bytes sent. Raises what the stages raise."""
        sent = Tap(Watch(compress(dump, compression), seen))
        self._storage.put(key, sent, metadata=metadata, size_estimate=size_estimate, cancel=cancel)
        return Artifact(
            role=role,
            key=key,
            size=sent.size,
            sha256=sent.sha256,
            dump_size=dump.size,
            dump_sha256=dump.sha256,
        )

    def commit(self, manifest: Manifest) -> None:
        """Store the manifest: from here on there is a backup."""
        self._storage.put(manifest.key, BytesIO(manifest.to_json()), metadata={"job": self._job})

    def note_sums(self, manifest: Manifest, sums: Mapping[str, tuple[int, str]]) -> None:
        """Put sizes and sums of artifacts that were stored as they are, by their roles, where there were none.

        Raises StorageError.
        """
        known = tuple(
            artifact
            if artifact.sha256 is not None or artifact.role not in sums
            else artifact.model_copy(
                update=dict(zip(("dump_size", "dump_sha256"), sums[artifact.role], strict=True))
                | {"sha256": sums[artifact.role][1]}
            )
            for artifact in manifest.artifacts
        )
        self.commit(manifest.model_copy(update={"artifacts": known}))

    def discard(self, artifacts: tuple[Artifact, ...]) -> None:
        """Take back artifacts that no manifest will name. A key without the right to delete leaves them: no backup."""
        for artifact in artifacts:
            try:
                self._storage.delete(artifact.key)
            except StorageError:
                continue

    def found(self, role: str, key: str) -> Artifact:
        """An artifact that another program has stored, as the storage lists it: its sums are not known.

        Raises StorageError.
        """
        stored = next((one for one in self._storage.list(key) if one.key == key), None)
        if stored is None:
            raise StorageError(
                f"{key} is not there, though the server says that it stored it",
                hint="the server may have reached another store than backupctl does: compare the endpoints",
            )
        return Artifact(role=role, key=key, size=stored.size, sha256=None, dump_size=None, dump_sha256=None)

    def take_back(self, keys: Iterable[str]) -> None:
        """Remove what a program that failed has stored of these, finished or not, as far as our key has the right."""
        for key in keys:
            with suppress(StorageError):
                self._storage.clear_unfinished(key)
                self._storage.delete(key)

    def clear(self, intent: Intent) -> None:
        """Remove what a run that was killed left, unless it had come to its manifest. Raises StorageError."""
        if self._is_there(intent.manifest_key):
            return
        for key in (*intent.keys, intent.manifest_key):
            self._storage.clear_unfinished(key)
            # A key without the right to delete is not made to try in vain.
            if self._is_there(key):
                self._storage.delete(key)

    def _is_there(self, key: str) -> bool:
        return any(found.key == key for found in self._storage.list(key))

    def listing(self) -> Listing:
        """Everything that this job's manifests say, held against what is stored. Raises StorageError."""
        objects = {found.key: found for found in self._storage.list(self.folder)}
        keys = [key for key in objects if key.endswith(MANIFEST_SUFFIX)]
        read = each(self._read_manifest, keys, _MANIFEST_READERS)
        found = [manifest for manifest in read if isinstance(manifest, Manifest)]
        backups = [Backup(manifest, problem_of(manifest, objects)) for manifest in found]
        backups.sort(key=lambda backup: (backup.manifest.started_at, backup.manifest.id), reverse=True)
        unreadable = {key: problem for key, problem in zip(keys, read, strict=True) if isinstance(problem, str)}
        return Listing(
            tuple(backups),
            unreadable,
            tuple(self._unnamed(objects.values(), found, keys)),
            self._keys.accepted(objects),
        )

    def stored(self) -> Stored:
        """What there is now, for `recent`; no manifest is read. Raises StorageError."""
        return Stored.of(self._storage.list(self.folder), self._keys)

    def recent(self, stored: Stored, count: int, database: str | None = None) -> tuple[Manifest, ...]:
        """The newest whole backups, so many at most, as what a new one is to be held against: of one database, or all.

        What is older than a backup whose drift was accepted is left out, and its own drift is emptied. Raises
        StorageError.
        """
        read = each(self._read_manifest, stored.newest(count, database), _MANIFEST_READERS)
        objects, accepted = stored.objects, stored.accepted
        return tuple(
            one.model_copy(update={"drift": ()}) if one.id == accepted.get(in_key(one.database)) else one
            for one in read
            if isinstance(one, Manifest)
            and problem_of(one, objects) is None
            and one.id >= accepted.get(in_key(one.database), "")
        )

    def accept(self, manifest: Manifest, now: datetime) -> None:
        """Write down that somebody has looked at a backup's drift and found it right. Raises StorageError."""
        before = self._keys.acceptances([found.key for found in self._storage.list(self.folder)], manifest.database)
        key = self._keys.acceptance(manifest)
        document = {"accepted": manifest.id, "at": now.isoformat(timespec="seconds"), "host": platform.node()}
        self._storage.put(key, BytesIO(json.dumps(document).encode() + b"\n"), metadata={"job": self._job})
        for older in before:
            if older != key:
                self._storage.delete(older)

    def _unnamed(
        self, objects: Iterable[StoredObject], manifests: Iterable[Manifest], keys: Iterable[str]
    ) -> Iterator[StoredObject]:
        """Objects that nothing speaks for: a manifest by name, or one that cannot be read by lying beside them."""
        named = {artifact.key for manifest in manifests for artifact in manifest.artifacts}
        stems = {self._keys.stem(key) for key in keys}
        for found in objects:
            stem = self._keys.stem(found.key)
            if stem and stem not in stems and found.key not in named:
                yield found

    def unfinished(self) -> Iterator[Unfinished]:
        """Puts of this job, of any host, that have not ended or were killed. Raises StorageError."""
        for left in self._storage.unfinished(self.folder):
            if left.key is None or self._keys.stem(left.key):
                yield left

    def remove(self, manifest: Manifest, *, spare: Collection[str] = ()) -> None:
        """Delete a backup: its artifacts, but for keys in `spare`, then its manifest. Raises StorageError.

        Whatever interrupts it leaves the manifest, so that it is known, and finished another time.
        """
        artifacts = [artifact.key for artifact in manifest.artifacts if artifact.key not in spare]
        keys = (*artifacts, manifest.key)
        if not all(key.startswith(self.folder) for key in keys):
            raise StorageError(f"backup {manifest.id} names what is not below {self.folder}, and is left alone")
        for key in keys:
            self._storage.delete(key)

    def remove_orphan(self, orphan: StoredObject | Unfinished) -> None:
        """Delete an object of `Listing.unnamed`, or what `unfinished` gave. Raises StorageError."""
        if isinstance(orphan, Unfinished):
            self._storage.remove_unfinished(orphan)
        else:
            self._storage.delete(orphan.key)

    def find(
        self,
        wanted: str,
        *,
        now: datetime,
        warn: Callable[[str], None],
        at: datetime | None = None,
        database: str | None = None,
    ) -> Backup:
        """The backup that an id, a unique beginning of one, or `latest` means; with `at` the newest not after it.

        `latest` and `at` only ever mean a good backup that is not from the future: what is passed over is warned of.
        Where the job has several databases they need one. An id may name any. Raises UsageError.
        """
        listing = self.listing()
        if at is not None or wanted == LATEST:
            good = [manifest for manifest in listing.good if at is None or manifest.started_at <= at]
            which = "that is whole" if at is None else f"before {at}"
            return self._newest(self._of_one(good, database), now, which, warn)
        matches = [
            backup
            for backup in listing.backups
            if backup.manifest.id.startswith(wanted) and database in (None, backup.manifest.database)
        ]
        found = list(dict.fromkeys(backup.manifest.id for backup in matches))
        if len(found) == 1:  # of copies that somebody made by hand, one that is whole
            self._refuse_several({backup.manifest.database for backup in matches})
            return next((backup for backup in matches if backup.problem is None), matches[0])
        hint = f"`backupctl list {self._job}` shows their ids"
        if found:
            ids = ", ".join(found[:5])
            raise UsageError(f"{wanted} is the beginning of {len(found)} backups: {ids}", hint="give more of the id")
        raise UsageError(f"job {self._job} has no backup {wanted} on {self._storage.location}", hint=hint)

    def newest_of_each(self, *, now: datetime, warn: Callable[[str], None]) -> list[Backup]:
        """What `latest` means for each database that the job has backups of. Raises StorageError, UsageError."""
        good = self.listing().good
        if not good or not good[0].databases:
            return [self._newest(good, now, "that is whole", warn)]
        databases = sorted({manifest.database for manifest in good})
        return [self._newest(self._of_one(good, database), now, "that is whole", warn) for database in databases]

    def _of_one(self, good: Sequence[Manifest], database: str | None) -> Sequence[Manifest]:
        """Those of the database; without one, all, unless the job has several."""
        names = sorted({manifest.database for manifest in good})
        if database is None:
            if good and good[0].databases:
                # Where the others have no backup yet, the only one that has may not be the one that is meant.
                self._refuse_several({*names, *good[0].databases})
            return good
        if good and database not in names:
            raise UsageError(
                f"job {self._job} has no backup of a database {database} on {self._storage.location}",
                hint=f"there are backups of {', '.join(names)}",
            )
        return [manifest for manifest in good if manifest.database == database]

    def _refuse_several(self, databases: Collection[str]) -> None:
        if len(databases) > 1:
            raise UsageError(
                f"job {self._job} has backups of {len(databases)} databases: {', '.join(sorted(databases))}",
                hint="say which with --database NAME",
            )

    def open_dump(self, manifest: Manifest, role: str = DUMP_ROLE) -> Reader:
        """Read an artifact back, decompressed; ends only if both sums of the manifest hold. Raises IntegrityError."""
        artifact = manifest.artifact(role)
        if artifact is None:
            raise UsageError(f"backup {manifest.id} has no artifact with the role {role}")
        stored = Verified(
            self._storage.open(artifact.key), Expected(f"artifact {artifact.key}", artifact.size, artifact.sha256)
        )
        dump = Expected(f"the dump in {artifact.key}", artifact.dump_size, artifact.dump_sha256)
        return Verified(decompress(stored, manifest.compression), dump)

    def _newest(self, good: Sequence[Manifest], now: datetime, which: str, warn: Callable[[str], None]) -> Backup:
        trusted = [manifest for manifest in good if not manifest.is_from_the_future(now)]
        ahead = len(good) - len(trusted)
        if ahead:
            others = f", and {ahead - 1} more" if ahead > 1 else ""
            warn(
                f"{good[0].id}{others}: passed over, since it starts in the future: a clock is wrong, this machine's or"
                f" that of {good[0].host}; its id still names it"
            )
        if not trusted:
            raise UsageError(
                f"job {self._job} has no backup {which} on {self._storage.location}",
                hint=f"`backupctl list {self._job}` shows what there is",
            )
        return Backup(trusted[0])

    def _read_manifest(self, key: str) -> Manifest | str | None:
        """The manifest, or why it cannot be read; None when it was deleted since it was listed."""
        try:
            with closing(self._storage.open(key)) as reader:
                manifest = Manifest.from_json(reader.read(_MANIFEST_MOST_BYTES), key=key)
        except IntegrityError as error:
            return f"{error.message}: {error.hint}" if error.hint else error.message
        except StorageError:
            if self._is_there(key):
                raise
            return None
        if manifest.job != self._job or last_part(manifest.key) != last_part(key):
            return f"the manifest {key} belongs to another place: it names {manifest.dump.key} of job {manifest.job}"
        return _moved(manifest, key)


def _moved(manifest: Manifest, key: str) -> Manifest:
    """The manifest as it reads where it was found: backups may be copied, to another prefix or to a disk."""
    was, now = (place.removesuffix(last_part(place)) for place in (manifest.key, key))
    artifacts = tuple(
        artifact.model_copy(update={"key": now + artifact.key.removeprefix(was)}) for artifact in manifest.artifacts
    )
    return manifest.model_copy(update={"artifacts": artifacts})
