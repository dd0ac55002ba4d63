"""What a SQL Server job's `database` may say."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from backupctl.access import BucketAccess
from backupctl.engines.base import ServerOptions
from backupctl.options import FilePath
from backupctl.stream import Compression

Mode = Literal["auto", "shared_path", "s3_url"]

SYSTEM_DATABASES = frozenset({"master", "tempdb", "model", "msdb"})
_LONGEST_NAME = 128  # characters; sysname
_LONGEST_FOLDER = 200  # characters, of the 259 that the name of a backup device may have
_ABSOLUTE = re.compile(r"(?:[A-Za-z]:[\\/]|\\\\[^\\/]+[\\/][^\\/]+|/).*", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_S3_WAY_OUT = "or set mode: shared_path, with server_dir and local_dir"


class MssqlOptions(ServerOptions):
    """A SQL Server database, backed up by the server itself, which sqlcmd tells to."""

    type: Literal["mssql"]
    mode: Mode = Field(
        default="auto",
        description="How the server's backup gets home: shared_path (a folder that both see), s3_url (the server "
        "writes to the job's S3 storage by itself), auto",
    )
    server_dir: str | None = Field(
        default=None, description=r"A folder as the server sees it, such as D:\Backup or /var/opt/mssql/backup"
    )
    local_dir: FilePath | None = Field(
        default=None, validate_default=True, description="The same folder as backupctl sees it: a mount, a share"
    )

    @field_validator("host")
    @classmethod
    def _one_host(cls, host: str | None) -> str | None:
        if host and ("," in host or _CONTROL.search(host)):
            raise ValueError("this is a host's name or address, or HOST\\INSTANCE; its port is the key `port`")
        return host

    @field_validator("name")
    @classmethod
    def _can_be_backed_up(cls, name: str) -> str:
        if name.lower() == "tempdb":
            raise ValueError("tempdb is made anew at each start of the server and cannot be backed up")
        if len(name) > _LONGEST_NAME or _CONTROL.search(name):
            raise ValueError(f"a database's name has at most {_LONGEST_NAME} characters, and no control characters")
        return name

    @field_validator("socket")
    @classmethod
    def _no_socket(cls, socket: Path | None) -> Path | None:
        if socket is not None:
            raise ValueError("SQL Server is reached over TCP alone: give host and port")
        return socket

    @field_validator("extra_args")
    @classmethod
    def _no_arguments(cls, arguments: tuple[str, ...]) -> tuple[str, ...]:
        if arguments:
            raise ValueError("SQL Server makes the backup itself: there is no dump tool that could take arguments")
        return arguments

    @field_validator("ca_file")
    @classmethod
    def _used(cls, ca_file: Path | None, info: ValidationInfo) -> Path | None:
        if ca_file is not None and info.data.get("tls") in ("off", "prefer", "require"):
            raise ValueError("with this `tls` no certificate is checked: set tls: verify-full, or leave ca_file out")
        return ca_file

    @field_validator("server_dir")
    @classmethod
    def _absolute(cls, folder: str | None) -> str | None:
        if folder is None:
            return None
        if not _ABSOLUTE.fullmatch(folder) or _CONTROL.search(folder):
            raise ValueError(r"this is a folder as the server sees it, from its root: D:\Backup, \\nas\sql or /backup")
        if len(folder) > _LONGEST_FOLDER:
            raise ValueError(f"a folder for backups has at most {_LONGEST_FOLDER} characters")
        return folder.rstrip("\\/") if len(folder) > 1 else folder

    @field_validator("local_dir")
    @classmethod
    def _both(cls, local_dir: Path | None, info: ValidationInfo) -> Path | None:
        if not {"server_dir", "mode"} <= info.data.keys():
            return local_dir
        if (local_dir is None) != (info.data["server_dir"] is None):
            raise ValueError("server_dir and local_dir go together: one folder, as the server and as backupctl sees it")
        if local_dir is None and info.data["mode"] == "shared_path":
            raise ValueError("mode: shared_path needs server_dir and local_dir, the same folder seen from both sides")
        return local_dir

    @model_validator(mode="after")
    def _login_is_whole(self) -> "MssqlOptions":
        if (self.user is None) != (self.password is None):
            raise ValueError(
                "user and password go together: give both, or neither for the Kerberos ticket that is there"
            )
        return self

    @property
    def has_folder(self) -> bool:
        """Whether there is a folder that both sides see."""
        return self.server_dir is not None and self.local_dir is not None

    def objection(self, access: BucketAccess | None, compression: Compression) -> tuple[str, str] | None:
        """Why the server cannot write to this storage by itself, where nothing else is left to it."""
        if self.mode == "shared_path" or (self.mode == "auto" and self.has_folder):
            return None
        reason = against_s3(access, compression)
        return ("mode", f"{reason}; {_S3_WAY_OUT}") if reason else None


def against_s3(access: BucketAccess | None, compression: Compression | None) -> str | None:
    """What keeps a server from writing to a storage by itself, and what to do about it; None: nothing."""
    if access is None:
        return "SQL Server itself writes to S3 storages alone, and this one is a folder of backupctl's machine"
    if not access.is_encrypted:
        return "SQL Server writes to stores over HTTPS alone: give the storage an https:// endpoint_url"
    if compression is not None and compression.algorithm != "none":
        return (
            "what SQL Server writes to the storage by itself cannot be compressed by backupctl: set compression: none "
            "for the job, SQL Server compresses by itself"
        )
    if access.access_key_id and ":" in access.access_key_id:
        return "SQL Server takes no access_key_id with a colon in it"
    return None
