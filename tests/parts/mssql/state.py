"""What a SQL Server holds: databases, logins, credentials, and the history of its backups."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PAGE = 8192
SERVER_ROLES = (
    *("sysadmin", "securityadmin", "serveradmin", "setupadmin", "processadmin", "diskadmin", "dbcreator"),
    "bulkadmin",
)
SYSTEM_DATABASES = ("master", "tempdb", "model", "msdb")

Value = int | str | bytes | float | None
Rows = list[tuple[Value, ...]]


@dataclass
class Table:
    """A table of a database, in schema dbo unless its name says another."""

    columns: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True)
class DataFile:
    """A file of a database; `size` in bytes, `kind` D or L."""

    logical: str
    physical: str
    kind: str
    size: int


@dataclass
class Database:
    """A database; what a test wants of it is set on it."""

    name: str
    id: int
    files: tuple[DataFile, ...]
    tables: dict[str, Table] = field(default_factory=dict)
    users: dict[str, bytes] = field(default_factory=dict)
    """By name: the sid of the login that each is for."""
    family: uuid.UUID = field(default_factory=uuid.uuid4)
    """Kept by a backup and its restores: which database this is, whatever its name."""
    state: str = "ONLINE"
    recovery_model: str = "FULL"
    user_access: str = "MULTI_USER"
    is_encrypted: bool = False
    is_read_only: bool = False
    is_in_standby: bool = False
    source_database_id: int | None = None
    owner: str = "sa"
    in_use: bool = False
    """Somebody else has a session in it, and does not leave."""
    is_corrupt: bool = False
    """A page of it has a wrong checksum: CHECKDB and a BACKUP WITH CHECKSUM find that."""
    filler: int = 200_000
    """How many bytes a backup has beside its rows."""
    created: datetime = field(default_factory=lambda: datetime(2026, 1, 2, 3, 4, 5))  # noqa: DTZ001  # local time

    @property
    def pages(self) -> int:
        return self.files[0].size // PAGE

    @property
    def data_size(self) -> int:
        return sum(one.size for one in self.files)


@dataclass
class Login:
    """A server principal."""

    name: str
    password: str = ""
    sid: bytes = b""
    kind: str = "S"
    roles: set[str] = field(default_factory=set)
    databases: dict[str, set[str]] = field(default_factory=dict)
    """By database: the database roles that it has there."""
    permissions: list[tuple[str, str]] = field(default_factory=list)
    """Of the server: state (GRANT, DENY, GRANT_WITH_GRANT_OPTION) and permission."""
    default_database: str = "master"
    default_language: str = "us_english"
    is_disabled: bool = False
    is_policy_checked: bool = True
    is_expiration_checked: bool = False
    id: int = 0

    @property
    def password_hash(self) -> bytes | None:
        """As SQL Server 2012 and later have it: 0x0200, a salt of four bytes, SHA-512 of password and salt."""
        if self.kind != "S":
            return None
        salt = hashlib.sha256(self.name.encode()).digest()[:4]
        return b"\x02\x00" + salt + hashlib.sha512(self.password.encode("utf-16-le") + salt).digest()


@dataclass
class Credential:
    name: str
    identity: str
    secret: str
    id: int
    created: datetime
    modified: datetime


@dataclass(frozen=True)
class BackupRecord:
    """A row of msdb.dbo.backupset, with its media families."""

    id: int
    database: str
    devices: tuple[str, ...]
    kind: str
    size: int
    compressed_size: int
    has_checksums: bool
    is_copy_only: bool
    is_compressed: bool
    name: str | None
    position: int
    started: datetime
    finished: datetime
    media_set: int
    set_guid: uuid.UUID
    family_guid: uuid.UUID
    user: str
    recovery_model: str
    details: dict[str, Any] = field(default_factory=dict)


def files_of(
    name: str, data_path: str, log_path: str, join: Callable[[str, str], str], size: int
) -> tuple[DataFile, ...]:
    """The two files that CREATE DATABASE makes, named after the database."""
    return (
        DataFile(name, join(data_path, f"{name}.mdf"), "D", size),
        DataFile(f"{name}_log", join(log_path, f"{name}_log.ldf"), "L", 8 * 1024 * 1024),
    )
