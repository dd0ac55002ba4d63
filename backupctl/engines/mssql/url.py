"""The way home by the job's bucket, which the server itself writes to and reads from: its URLs and its keys there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from backupctl.access import BucketAccess
from backupctl.engines.base import Findings
from backupctl.engines.mssql import statements
from backupctl.engines.mssql.check import check_backup
from backupctl.engines.mssql.credentials import credential
from backupctl.engines.mssql.server import Server
from backupctl.engines.mssql.sqlcmd import Sql
from backupctl.engines.mssql.statements import TRANSFER_BYTES, Devices
from backupctl.errors import EngineError

# Of the S3 connector: so many parts an object, so many objects a backup, so long a URL.
_MOST_PARTS = 10_000
_MOST_STRIPES = 64
_LONGEST_URL = 259
_DEFAULT_PART_BYTES = 10_000_000
# A database grows between the estimate and the backup, and not every part is full.
_FILLED = 0.8


@dataclass(frozen=True)
class Bucket:
    """The job's bucket as the server names it."""

    access: BucketAccess

    def url(self, key: str) -> str:
        """Raises EngineError for one that the server would cut."""
        url = f"{self._root}/{key}"
        if len(url) > _LONGEST_URL:
            raise EngineError(
                f"the URL {url} has {len(url)} characters, and SQL Server takes {_LONGEST_URL}",
                hint="shorten the storage's prefix, the job's name or the database's",
            )
        return url

    def devices(self, keys: Sequence[str]) -> Devices:
        return Devices.url([self.url(key) for key in keys], self.access.region)

    @property
    def keys(self) -> tuple[str, str] | None:
        """What the server is handed; None: the file has none."""
        access = self.access
        if access.access_key_id is None or access.secret_access_key is None:
            return None
        return access.access_key_id, access.secret_access_key.get_secret_value()

    @property
    def _root(self) -> str:
        access = self.access
        if access.endpoint_url is None:
            region = access.region or "us-east-1"
            return f"s3://{access.bucket}.s3.{region}.amazonaws.com"
        place = urlsplit(access.endpoint_url)
        host = f"{place.netloc}{place.path}"
        return f"s3://{host}/{access.bucket}" if access.path_style else f"s3://{access.bucket}.{host}"


@dataclass(frozen=True)
class UrlBackup:
    """A backup that the server writes to the bucket by itself, and reads back there to check it."""

    sql: Sql
    server: Server
    bucket: Bucket
    name: str
    compression: bool | None
    warnings: list[str] = field(default_factory=list)

    def write(self, keys: tuple[str, ...]) -> None:
        """Raises EngineError, CancelledError."""
        devices = self.bucket.devices(keys)
        job = keys[0].rsplit("/", 2)[0]  # the folder above that of the day
        folder = self.bucket.url(job)
        with credential(self.sql, self.server, folder, self.bucket.keys, self.warnings.append):
            self.sql.work(
                statements.backup(self.name, devices, compression=self.compression), "the server writes its backup"
            )
            check_backup(self.sql, self.name, devices)

    def findings(self) -> Findings:
        return Findings(warnings=tuple(self.warnings))


def stripes(size: int, *, compression: bool | None) -> int:
    """Over how many objects a backup of so many bytes goes. Raises EngineError for one that is too large."""
    part = TRANSFER_BYTES if compression else _DEFAULT_PART_BYTES
    needed = max(1, -(-size // int(_MOST_PARTS * part * _FILLED)))
    if needed > _MOST_STRIPES:
        raise EngineError(
            f"the database has {size} bytes, and SQL Server writes at most {_MOST_STRIPES} objects of {_MOST_PARTS} "
            f"parts of {part} bytes",
            hint="set mode: shared_path, with server_dir and local_dir",
        )
    return needed
