"""What a job has on its storage, held against what its manifests say."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from backupctl.keys import Keys, in_key
from backupctl.model import Manifest
from backupctl.storages.base import StoredObject


@dataclass(frozen=True)
class Backup:
    """A manifest as it was found on the storage; `problem` says why it is not a backup, None that it is one."""

    manifest: Manifest
    problem: str | None = None


@dataclass(frozen=True)
class Listing:
    """What a job has on its storage, the newest first, and the keys of manifests that could not be read.

    `unnamed` are finished objects that look like artifacts of the job and belong to no manifest.
    """

    backups: tuple[Backup, ...]
    unreadable: Mapping[str, str]
    unnamed: tuple[StoredObject, ...] = ()
    accepted: Mapping[str, str] = field(default_factory=dict)
    """Of each database, as its keys name it, the id of the newest backup whose drift somebody accepted."""

    @property
    def drifted(self) -> tuple[Manifest, ...]:
        """Good backups that hold much less than those before them, and that nobody has accepted; the newest first."""
        return tuple(
            manifest
            for manifest in self.good
            if manifest.drift and manifest.id > self.accepted.get(in_key(manifest.database), "")
        )

    def whole_at(self, now: datetime) -> tuple[datetime, ...]:
        """When the job had a good backup of all its databases; where it has several, the newest such moment alone.

        They are those of the newest run: one that has gone from the server since is not waited for. While one that has
        come has no backup yet, they are those of the newest run before it. What is from the future is passed over.
        """
        good = self._trusted(now)
        if not good or not good[0].databases:
            return tuple(manifest.started_at for manifest in good)
        oldest = {manifest.database: place for place, manifest in enumerate(good)}
        for place, manifest in enumerate(good):
            wanted = manifest.databases or (manifest.database,)
            if all(oldest.get(database, -1) >= place for database in wanted):
                newest = {one.database: one.started_at for one in reversed(good[place:])}
                return (min(newest[database] for database in wanted),)
        return ()

    def newest_of_several(self, now: datetime) -> datetime | None:
        """When the newest good backup of any of several databases began; None where the job has one."""
        newest = next(iter(self._trusted(now)), None)
        return newest.started_at if newest and newest.databases else None

    def _trusted(self, now: datetime) -> list[Manifest]:
        return [manifest for manifest in self.good if not manifest.is_from_the_future(now)]

    @property
    def good(self) -> tuple[Manifest, ...]:
        """Backups whose artifacts are all there with the sizes that their manifests say."""
        return tuple(backup.manifest for backup in self.backups if backup.problem is None)


@dataclass(frozen=True)
class Stored:
    """What a job has on its storage, by its keys alone."""

    objects: Mapping[str, StoredObject]
    manifests: Mapping[str | None, Sequence[str]]
    """Keys of manifests, the newest first: of each database, as keys name it, and under None of all."""
    accepted: Mapping[str, str]
    """As in a Listing."""

    @classmethod
    def of(cls, found: Iterable[StoredObject], keys: Keys) -> Self:
        objects = {one.key: one for one in found}
        manifests: defaultdict[str | None, list[str]] = defaultdict(list)
        for one in sorted(objects.values(), key=lambda one: one.modified, reverse=True):
            if keys.is_manifest(one.key):
                manifests[None].append(one.key)
                manifests[keys.database(one.key)].append(one.key)
        return cls(objects, manifests, keys.accepted(objects))

    def newest(self, count: int, database: str | None) -> Sequence[str]:
        """The keys of the newest manifests, of one database or of all."""
        return self.manifests.get(None if database is None else in_key(database), ())[:count]


def problem_of(manifest: Manifest, objects: Mapping[str, StoredObject]) -> str | None:
    """Why this is no backup, by what is stored; None: it is one."""
    for artifact in manifest.artifacts:
        stored = objects.get(artifact.key)
        if stored is None:
            return f"its artifact {artifact.key} is not there"
        if stored.size != artifact.size:
            return f"its artifact {artifact.key} has {stored.size} bytes where the manifest says {artifact.size}"
    return None
