"""Where a backup's bytes go and come from: files of the server, and objects of an S3 store."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, SSLError

from tests.parts.mssql.errors import OsError, SqlError, failure
from tests.parts.mssql.options import Device, Given
from tests.parts.mssql.state import Credential

if TYPE_CHECKING:
    from tests.parts.mssql.server import MssqlServer

_PART = 10 * 1024 * 1024
_CANNOT_CONNECT, _BAD_CERTIFICATE, _NOT_SUPPORTED, _DENIED, _EXISTS, _MISSING = 12029, 12175, 50, 5, 80, 2


def open_error(device: Device, os_error: OsError) -> SqlError:
    return failure(3201, device.name, os_error)


def read(server: "MssqlServer", device: Device) -> bytes:
    """A device's whole content. Raises SqlError 3201."""
    try:
        if device.kind == "DISK":
            return server.disks.for_reading(device.name).read_bytes()
        return _S3(server, device).get()
    except OsError as os_error:
        raise open_error(device, os_error) from os_error


def begin(server: "MssqlServer", device: Device, given: Given) -> "FileTarget | S3Target":
    """Open a device for writing. Raises SqlError 3201."""
    try:
        if device.kind == "DISK":
            return FileTarget(server, device)
        return S3Target(server, device, given)
    except OsError as os_error:
        raise open_error(device, os_error) from os_error


class FileTarget:
    """A file on the server's disk, which is there from its first byte on."""

    def __init__(self, server: "MssqlServer", device: Device) -> None:
        self._disks = server.disks
        self._place = server.disks.for_writing(device.name)
        self.device = device
        self.existing = self._place.read_bytes() if self._place.exists() else None
        self._file: Any = None

    def write(self, chunk: bytes) -> None:
        """Raises OsError 112."""
        if self._file is None:
            self._file = self._place.open("wb")
        if not self._disks.room_for(self._file.tell() + len(chunk)):
            raise OsError(112)
        self._file.write(chunk)
        self._file.flush()

    def commit(self) -> None:
        self._file.close()

    def abandon(self, *, died: bool) -> None:
        """What a failed backup leaves: nothing, if it made the file itself; a server that died leaves what it wrote."""
        if self._file is None:
            return
        self._file.close()
        if died:
            return
        if self.existing is None:
            self._place.unlink(missing_ok=True)
        else:
            self._place.write_bytes(self.existing)


class S3Target:
    """An object of an S3 store, which is there once its multipart upload is completed."""

    def __init__(self, server: "MssqlServer", device: Device, given: Given) -> None:
        self.device = device
        self.existing = None
        self._s3 = _S3(server, device)
        self._part_size = given.get("MAXTRANSFERSIZE", _PART)
        if self._s3.exists() and not given.has("FORMAT"):
            raise OsError(_EXISTS)
        self._upload = self._s3.begin()
        self._parts: list[dict[str, Any]] = []
        self._pending = bytearray()

    def write(self, chunk: bytes) -> None:
        self._pending += chunk
        while len(self._pending) >= self._part_size:
            self._send(self._part_size)

    def commit(self) -> None:
        if self._pending or not self._parts:
            self._send(len(self._pending))
        self._s3.complete(self._upload, self._parts)

    def abandon(self, *, died: bool) -> None:
        """The documentation: parts of an upload that was not completed stay on the store."""

    def _send(self, size: int) -> None:
        part, self._pending = bytes(self._pending[:size]), self._pending[size:]
        number = len(self._parts) + 1
        self._parts.append({"PartNumber": number, "ETag": self._s3.send(self._upload, number, part)})


class _S3:
    """One object, reached with the most specific credential that fits its URL. Raises OsError."""

    def __init__(self, server: "MssqlServer", device: Device) -> None:
        if server.build[0] < 16 or not device.name.startswith("s3://"):
            raise OsError(_NOT_SUPPORTED)
        credential = credential_for(server, device.name)
        if credential is None or credential.identity.casefold() != "s3 access key":
            raise OsError(_NOT_SUPPORTED)
        if server.clock_is_wrong:
            raise OsError(_DENIED)
        url = urlsplit(device.name)
        self._bucket, _, self._key = url.path.lstrip("/").partition("/")
        key, _, secret = credential.secret.partition(":")
        self._client = boto3.client(
            "s3",
            endpoint_url=f"https://{url.netloc}",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            verify=str(server.s3_ca_file) if server.s3_ca_file else True,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"max_attempts": 0},
                connect_timeout=5,
                read_timeout=30,
                request_checksum_calculation="when_required",  # SQL Server sends none
            ),
        )

    def exists(self) -> bool:
        found = self._call("list_objects_v2", Prefix=self._key)
        return any(one["Key"] == self._key for one in found.get("Contents", []))

    def begin(self) -> str:
        return str(self._call("create_multipart_upload", Key=self._key)["UploadId"])

    def send(self, upload: str, number: int, part: bytes) -> str:
        sent = self._call("upload_part", Key=self._key, UploadId=upload, PartNumber=number, Body=part)
        return str(sent["ETag"])

    def complete(self, upload: str, parts: list[dict[str, Any]]) -> None:
        self._call("complete_multipart_upload", Key=self._key, UploadId=upload, MultipartUpload={"Parts": parts})

    def get(self) -> bytes:
        content: bytes = self._call("get_object", Key=self._key)["Body"].read()
        return content

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self._bucket, **arguments)
        except SSLError as refused:
            raise OsError(_BAD_CERTIFICATE) from refused
        except ClientError as refused:
            raise OsError(_code(refused)) from refused
        except (EndpointConnectionError, BotoCoreError) as refused:
            raise OsError(_CANNOT_CONNECT) from refused
        return answer


def _code(refused: ClientError) -> int:
    code = refused.response["Error"]["Code"]
    if code in ("NoSuchKey", "404"):
        return _MISSING
    return _NOT_SUPPORTED if code == "NoSuchBucket" else _DENIED


def credential_for(server: "MssqlServer", url: str) -> Credential | None:
    """The credential whose name is the longest path above a URL: whole segments, down to the bucket."""
    name = url
    while name.count("/") >= 3:
        found = server.credentials.get(name.casefold())
        if found is not None:
            return found
        name = name.rpartition("/")[0]
    return None
