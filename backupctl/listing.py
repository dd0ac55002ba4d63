"""What a job has on its storage, held against what its manifests say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from backupctl.keys import in_key
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

    @property
    def whole_at(self) -> tuple[datetime, ...]:
        """When the job had a good backup of all its databases; where it has several, the newest such moment alone.

        They are those of the newest run: one that has gone from the server since is not waited for.
        """
        good = self.good
        if not good or not good[0].databases:
            return tuple(manifest.started_at for manifest in good)
        newest = {manifest.database: manifest.started_at for manifest in reversed(good)}
        moments = [newest.get(database) for database in good[0].databases]
        known = [moment for moment in moments if moment is not None]
        return (min(known),) if len(known) == len(moments) else ()

    @property
    def good(self) -> tuple[Manifest, ...]:
        """Backups whose artifacts are all there with the sizes that their manifests say."""
        return tuple(backup.manifest for backup in self.backups if backup.problem is None)


def problem_of(manifest: Manifest, objects: Mapping[str, StoredObject]) -> str | None:
    """Why this is no backup, by what is stored; None: it is one."""
    for artifact in manifest.artifacts:
        stored = objects.get(artifact.key)
        if stored is None:
            return f"its artifact {artifact.key} is not there"
        if stored.size != artifact.size:
            return f"its artifact {artifact.key} has {stored.size} bytes where the manifest says {artifact.size}"
    return None
