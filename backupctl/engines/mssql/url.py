"""The way home by the job's bucket, which the server itself writes to and reads from: its URLs and its keys there."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from backupctl.access import BucketAccess
from backupctl.engines.mssql import statements
from backupctl.engines.mssql.check import check_backup
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

_used: Counter[tuple[str, str]] = Counter()
_using = threading.Lock()


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

    def write(self, keys: tuple[str, ...]) -> None:
        """Raises EngineError, CancelledError."""
        devices = self.bucket.devices(keys)
        with credential(self.sql, self.server, self.bucket, _folder(keys[0], above=1)):
            self.sql.work(
                statements.backup(self.name, devices, compression=self.compression), "the server writes its backup"
            )
            check_backup(self.sql, self.name, devices)


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


@contextmanager
def credential(sql: Sql, server: Server, bucket: Bucket, folder: str) -> Iterator[None]:
    """Within the block the server has the bucket's keys for what is below the folder.

    SQL Server takes the credential whose name is the longest beginning of a URL, in whole segments. One of that very
    name is given our keys, and stays; one that is made here goes with the last who uses it. A login that may make
    none needs one that is there.
    """
    name = bucket.url(folder)
    there = [row["credential_name"] or "" for row in sql.rows(statements.CREDENTIALS)]
    keys = _keys(bucket.access)
    if keys is None or not (server.is_sysadmin or server.may_alter_credentials):
        _require(there, name, server, has_keys=keys is not None)
        yield
        return
    used = (sql.connection.server, name)
    with _using:
        made = _used[used] > 0 or name not in there
        if not _used[used]:
            put = statements.create_credential if made else statements.alter_credential
            sql.execute(put(name, *keys))
        _used[used] += 1
    try:
        yield
    finally:
        with _using:
            _used[used] -= 1
            if made and not _used[used]:
                sql.not_cancelled().execute(statements.drop_credential(name))


def _keys(access: BucketAccess) -> tuple[str, str] | None:
    if access.access_key_id is None or access.secret_access_key is None:
        return None
    return access.access_key_id, access.secret_access_key.get_secret_value()


def _require(there: Sequence[str], name: str, server: Server, *, has_keys: bool) -> None:
    if any(name == one or name.startswith(f"{one}/") for one in there):
        return
    why = (
        f'the login "{server.login}" may make no credential'
        if has_keys
        else "the storage has no keys in the file that could be handed to the server"
    )
    raise EngineError(
        f"the server has no credential for {name}, and {why}",
        hint="as an administrator run: GRANT ALTER ANY CREDENTIAL to the login, or CREATE CREDENTIAL "
        f"{statements.identifier(name)} WITH IDENTITY = 'S3 Access Key', SECRET = '<access key id>:<secret>'",
    )


def _folder(key: str, *, above: int) -> str:
    """The folder that a key is in, or so many above that."""
    return key.rsplit("/", 1 + above)[0]
