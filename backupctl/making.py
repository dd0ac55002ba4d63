"""One backup in the making: each part dumped and stored, then the manifest that commits them."""

import platform
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from backupctl import __version__
from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.engines.base import DirectPart, Engine, Findings, Part, Preflight
from backupctl.events import Dumping, Listener, Progress, Warned, told_of
from backupctl.journal import Intent, Journal
from backupctl.model import DUMP_ROLE, MANIFEST_SUFFIX, STRIPE_ROLE, Artifact, BackupId, Manifest
from backupctl.redact import Redactor
from backupctl.repository import Repository
from backupctl.stream import Tap, Watch

_PROGRESS_EVERY_S = 0.2


@dataclass(frozen=True)
class Making:
    """What one backup is made of and where it goes. The job's lock is held by whoever makes it."""

    job: Job
    engine: Engine
    preflight: Preflight
    storage_checked: Callable[[], None]
    """Returns once the storage is known to be there; raises StorageError. The dump may begin before."""
    repository: Repository
    journal: Journal
    backup_id: BackupId
    cancel: Cancellation
    redact: Redactor
    listener: Listener
    clock: Callable[[], datetime]
    drift: Callable[[Manifest], tuple[str, ...]] = lambda _: ()
    """Sentences about what is much less in this backup than in those before it."""
    one_of: tuple[str, ...] = ()
    """All the databases of a job that has several."""

    def make(self) -> Manifest:
        """Dump, store, commit. Whatever is raised, there is no backup, and what was stored is taken back."""
        intent = self._intent()
        self.journal.add(intent)
        stored: list[Artifact] = []
        try:
            for direct in self.preflight.direct:
                stored += self._written(direct)
            for part in self.preflight.parts:
                stored.append(self._store(part))
            manifest = self._manifest(tuple(stored))
            self.cancel.check()
            self.repository.commit(manifest)
        except BaseException:
            self.repository.discard(tuple(stored))
            raise
        self.journal.remove(intent)
        for warning in (*manifest.drift, *manifest.warnings):
            self.listener(Warned(self.job.name, told_of(manifest, warning)))
        return manifest

    def _intent(self) -> Intent:
        keys = {direct.role: self._keys(direct) for direct in self.preflight.direct}
        keys |= {part.role: (self._key(part),) for part in self.preflight.parts}
        return Intent(
            location=self.repository.location,
            manifest_key=keys[DUMP_ROLE][0] + MANIFEST_SUFFIX,
            keys=tuple(key for several in keys.values() for key in several),
        )

    def _key(self, part: Part) -> str:
        suffix = part.suffix + self.job.compression.suffix
        return self.repository.artifact_key(self.backup_id, self.engine.database, suffix)

    def _keys(self, direct: DirectPart) -> tuple[str, ...]:
        database = self.engine.database
        return tuple(self.repository.artifact_key(self.backup_id, database, suffix) for suffix in direct.suffixes)

    def _dumping(self, part: Part | DirectPart) -> None:
        client, server = self.preflight.client, self.preflight.server_version
        self.listener(Dumping(self.job.name, part.role, client, server, part.size_estimate, self._which))

    def _store(self, part: Part) -> Artifact:
        self._dumping(part)
        progress = Progress(self.job.name, part.role, 0, 0, self._which)
        with closing(part.open()) as source, _Meter(self.listener, progress) as meter:
            self.storage_checked()
            return self.repository.put(
                part.role,
                self._key(part),
                Tap(Watch(source, meter.dumped)),
                self.job.compression,
                metadata=self._metadata(part),
                size_estimate=part.size_estimate,
                seen=meter.stored,
                cancel=self.cancel,
            )

    def _written(self, direct: DirectPart) -> tuple[Artifact, ...]:
        """What the server stored by itself. What it left when it failed is taken back."""
        self._dumping(direct)
        self.storage_checked()
        keys = self._keys(direct)
        roles = [direct.role, *(f"{STRIPE_ROLE}{number}" for number in range(2, len(keys) + 1))]
        try:
            direct.write(keys)
            return tuple(self.repository.found(role, key) for role, key in zip(roles, keys, strict=True))
        except BaseException:
            self.repository.take_back(keys)
            raise

    @property
    def _which(self) -> str:
        return self.engine.database if self.one_of else ""

    def _metadata(self, part: Part) -> dict[str, str]:
        started_at = self.backup_id.started_at.astimezone(ZoneInfo(self.job.timezone))
        return {
            "job": self.job.name,
            "engine": self.job.database.type,
            "database": self.engine.database,
            "backup-id": str(self.backup_id),
            "role": part.role,
            "started-at": started_at.isoformat(timespec="seconds"),
            "timezone": self.job.timezone,
        }

    def _manifest(self, artifacts: tuple[Artifact, ...]) -> Manifest:
        zone = ZoneInfo(self.job.timezone)
        findings = [direct.findings() for direct in self.preflight.direct]
        findings += [part.findings() for part in self.preflight.parts]
        counted = next((found for found in findings if found.tables is not None), Findings())
        warnings = [*self.preflight.warnings, *(warning for found in findings for warning in found.warnings)]
        manifest = Manifest(
            id=str(self.backup_id),
            job=self.job.name,
            engine=self.job.database.type,
            database=self.engine.database,
            server_version=self.preflight.server_version,
            client=self.preflight.client,
            host=platform.node(),
            started_at=self.backup_id.started_at.astimezone(zone),
            finished_at=self.clock().astimezone(zone),
            timezone=self.job.timezone,
            format=self.engine.format,
            compression=self.job.compression.algorithm,
            artifacts=artifacts,
            tables=counted.tables,
            tables_unit=counted.unit,
            warnings=tuple(self.redact(warning) for warning in warnings),
            details=self.preflight.details,
            databases=self.one_of or None,
            tool=f"backupctl {__version__}",
        )
        return manifest.model_copy(update={"drift": tuple(map(self.redact, self.drift(manifest)))})


class _Meter:
    """Adds bytes up, and tells of them a few times a second."""

    def __init__(self, listener: Listener, progress: Progress) -> None:
        self._listener = listener
        self._progress = progress
        self._told_at = 0.0

    def dumped(self, count: int) -> None:
        self._progress = replace(self._progress, dumped=self._progress.dumped + count)
        self._tell_sometimes()

    def stored(self, count: int) -> None:
        self._progress = replace(self._progress, stored=self._progress.stored + count)
        self._tell_sometimes()

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener(self._progress)

    def _tell_sometimes(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= _PROGRESS_EVERY_S:
            self._told_at = now
            self._listener(self._progress)
