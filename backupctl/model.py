"""The frozen values that every layer speaks in: artifact, manifest, backup, outcome."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from backupctl.errors import IntegrityError

MANIFEST_SUFFIX = ".manifest.json"
DUMP_ROLE = "dump"
GLOBALS_ROLE = "globals"
STRIPE_ROLE = "stripe-"
"""What the roles of a dump's second and further stripes begin with; their number follows."""
CLOCK_SKEW = timedelta(minutes=5)
"""What the clocks of two hosts that share a storage may differ by; a start beyond it was written by a wrong clock."""

ARGUMENTS_DETAIL = "extra_args_sha256"

Unit = Literal["rows", "bytes"]
"""What a dump's tables are counted in."""


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class Trigger(StrEnum):
    """What made a run begin."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch-up"
    MANUAL = "manual"
    RETRY = "retry"


class Value(BaseModel):
    """A frozen value of a stored document; fields of later versions are carried along unread."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Artifact(Value):
    """One stored object of a backup. Sizes are bytes; a sum that could not be known is None."""

    role: str
    key: str
    size: int = Field(ge=0)
    sha256: str | None
    dump_size: int | None = Field(ge=0)
    dump_sha256: str | None


class Manifest(Value):
    """The JSON beside an artifact: the commit record, without which the artifact is no backup."""

    manifest: Literal[1] = 1
    id: str
    job: str
    engine: str
    database: str
    server_version: str
    client: str
    host: str
    started_at: AwareDatetime
    finished_at: AwareDatetime
    timezone: str
    format: str
    compression: str
    encryption: tuple[str, ...] | None = None
    artifacts: tuple[Artifact, ...] = Field(min_length=1)
    tables: Mapping[str, int] | None = None
    tables_unit: Unit | None = None
    """What `tables` counts: rows, or bytes of INSERT statements."""
    warnings: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    """What is suspiciously less than in the backups before; nobody had looked when this was written."""
    databases: tuple[str, ...] | None = None
    """Of a job with several databases, all that this run was to back up, this one among them."""
    details: Mapping[str, Any] = {}
    """What the engine noted for the restore: facts that the dump itself does not carry."""
    tool: str

    @field_validator("started_at", "finished_at")
    @classmethod
    def _time_is_sane(cls, time: datetime) -> datetime:
        # The first and the last year there is cannot be shown in every zone (datetime raises OverflowError).
        if not MINYEAR < time.year < MAXYEAR:
            raise ValueError("a time is not in the first or the last year that there is")
        return time

    @model_validator(mode="after")
    def _one_dump(self) -> Self:
        if sum(artifact.role == DUMP_ROLE for artifact in self.artifacts) != 1:
            raise ValueError("a manifest names exactly one artifact with the role 'dump'")
        return self

    @property
    def dump(self) -> Artifact:
        """The artifact that holds the database."""
        return next(artifact for artifact in self.artifacts if artifact.role == DUMP_ROLE)

    @property
    def key(self) -> str:
        """Where the manifest itself is stored."""
        return self.dump.key + MANIFEST_SUFFIX

    def is_from_the_future(self, now: datetime) -> bool:
        """Whether its start is further ahead than clocks may differ: it is not to be taken for the newest."""
        return self.started_at > now + CLOCK_SKEW

    def artifact(self, role: str) -> Artifact | None:
        return next((artifact for artifact in self.artifacts if artifact.role == role), None)

    def to_json(self) -> bytes:
        return self.model_dump_json(indent=2).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes, *, key: str) -> Self:
        """Read a stored manifest; raises IntegrityError when it is not one that this version understands."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the document"
            raise IntegrityError(
                f"the manifest {key} cannot be read: {place}: {first['msg'].lower()}",
                hint="it was altered, or written by a newer backupctl",
            ) from error


@dataclass(frozen=True)
class BackupId:
    """`YYYYMMDDTHHMMSSZ-xxxxxx`: the run's start in UTC, then six random hex digits."""

    started_at: datetime
    digits: str

    @classmethod
    def new(cls, now: datetime) -> Self:
        return cls(now.astimezone(UTC), secrets.token_hex(3))

    def __str__(self) -> str:
        return f"{self.started_at:%Y%m%dT%H%M%SZ}-{self.digits}"
