"""How the objects of one job are called on its storage, and what their names tell."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo

from backupctl.model import MANIFEST_SUFFIX, BackupId, Manifest

ACCEPTED_SUFFIX = ".accepted.json"
# A file name has at most 255 bytes, of which time, digits and suffixes take up to 60; the manifest has the whole name.
_DATABASE_MOST_CHARACTERS = 180
_DIGEST_CHARACTERS = 12
_STARTED = r"_\d{8}T\d{6}[+-]\d{4,6}_[0-9a-f]{6}"
# What `artifact` makes, below the job's folder; the stem is what all artifacts of one backup share.
_OURS = re.compile(rf"(?P<stem>\d{{8}}/(?P<database>[\w.%-]+){_STARTED})(\.[A-Za-z0-9]+)+", re.ASCII)
_ACCEPTED = re.compile(rf"(?P<database>[\w.%-]+)_(?P<id>\d{{8}}T\d{{6}}Z-[0-9a-f]{{6}}){re.escape(ACCEPTED_SUFFIX)}")


@dataclass(frozen=True)
class Keys:
    """The keys of one job: all begin with `folder`, and no other job's do."""

    folder: str
    zone: ZoneInfo

    def artifact(self, backup_id: BackupId, database: str, suffix: str) -> str:
        """The key that DESIGN promises; date and time in the job's zone, with its offset."""
        local = backup_id.started_at.astimezone(self.zone)
        name = in_key(database)
        return f"{self.folder}{local:%Y%m%d}/{name}_{local:%Y%m%dT%H%M%S%z}_{backup_id.digits}{suffix}"

    def stem(self, key: str) -> str | None:
        """What the artifacts of one backup and its manifest begin with; None for what is not a key of ours."""
        ours = self._ours(key)
        return ours and ours["stem"]

    def is_manifest(self, key: str) -> bool:
        """Whether it is called as a manifest is."""
        return key.endswith(MANIFEST_SUFFIX)

    def database(self, key: str) -> str:
        """Whose it is, as keys name it; empty for what is not a key of ours."""
        ours = self._ours(key)
        return ours["database"] if ours else ""

    def acceptance(self, manifest: Manifest) -> str:
        """Where it is written down that somebody has looked at a backup's drift."""
        return f"{self.folder}{in_key(manifest.database)}_{manifest.id}{ACCEPTED_SUFFIX}"

    def acceptances(self, keys: Iterable[str], database: str) -> list[str]:
        """Those of the keys that say so of a backup of the database."""
        name = in_key(database)
        return [key for key in keys if (found := self._acceptance(key)) and found["database"] == name]

    def accepted(self, keys: Iterable[str]) -> dict[str, str]:
        """Of each database, as keys name it, the id of the newest backup whose drift somebody accepted."""
        newest: dict[str, str] = {}
        for found in filter(None, map(self._acceptance, keys)):
            newest[found["database"]] = max(newest.get(found["database"], ""), found["id"])
        return newest

    def _ours(self, key: str) -> re.Match[str] | None:
        return _OURS.fullmatch(key.removeprefix(self.folder)) if key.startswith(self.folder) else None

    def _acceptance(self, key: str) -> re.Match[str] | None:
        return _ACCEPTED.fullmatch(key.removeprefix(self.folder)) if key.startswith(self.folder) else None


def in_key(database: str) -> str:
    """A database's name as keys have it: each has another, also of two long ones that begin alike."""
    name = quote(database, safe="").replace("~", "%7E")
    if len(name) > _DATABASE_MOST_CHARACTERS:
        digest = hashlib.sha256(database.encode()).hexdigest()[:_DIGEST_CHARACTERS]
        return f"{name[: _DATABASE_MOST_CHARACTERS - _DIGEST_CHARACTERS - 1]}-{digest}"
    return name or "database"


def last_part(key: str) -> str:
    """The name within its folder."""
    return key.rpartition("/")[2]
