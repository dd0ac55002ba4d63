"""The requests to one bucket, each as a typed call that raises our errors."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import quote

from backupctl.errors import StorageError
from backupctl.storages.base import StoredObject
from backupctl.storages.s3.background import Body, Halt
from backupctl.storages.s3.client import connect
from backupctl.storages.s3.errors import code_of, storage_errors
from backupctl.storages.s3.options import BucketSettings
from backupctl.storages.s3.patience import LONG, SHORT, Patience

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_METADATA_SAFE = "/:+@,="


@dataclass(frozen=True)
class Listed:
    """What a listing says of one object; two of them differ when the object was replaced in between."""

    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True)
class OpenUpload:
    """An upload in parts that has not ended; several of one key may be open at once."""

    key: str
    upload_id: str
    started_at: datetime


@dataclass(frozen=True)
class Fetched:
    """An object's bytes from `start` on, as they come from the store."""

    body: "StreamingBody"
    size: int
    etag: str
    start: int


class Bucket:
    """One bucket, through one client; several threads may use it at once."""

    def __init__(self, settings: BucketSettings, patience: Patience = LONG) -> None:
        self._settings = settings
        self.patience = patience
        self._name = settings.bucket

    @cached_property
    def _client(self) -> "S3Client":
        return connect(self._settings, self.patience)

    def impatient(self) -> "Bucket":
        """The same bucket, for cleaning up while somebody waits: short time-outs, nothing tried twice."""
        return Bucket(self._settings, SHORT)

    def probe(self, prefix: str) -> None:
        """See whether the bucket lets us list: a HEAD would be answered by a status without the reason."""
        with storage_errors(f"the bucket {self._name} cannot be used"):
            self._client.list_objects_v2(Bucket=self._name, Prefix=prefix, MaxKeys=1)

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key begins with `prefix`, in key order, which not every store keeps (SeaweedFS 4)."""
        for entry in sorted(self._entries(prefix), key=lambda entry: entry["Key"]):
            yield StoredObject(entry["Key"], entry["Size"], entry["LastModified"].astimezone(UTC))

    def find(self, key: str) -> Listed | None:
        """One object by listing it: the key may have no right to read."""
        for entry in self._entries(key):
            if entry["Key"] == key:
                return Listed(entry["Size"], entry.get("ETag", ""), entry["LastModified"])
        return None

    def put_whole(self, key: str, data: bytes, *, metadata: Mapping[str, str], halt: Halt) -> None:
        with storage_errors(f"cannot store {key}"):
            self._client.put_object(
                Bucket=self._name,
                Key=key,
                Body=cast("IO[bytes]", Body(data, halt)),
                **self._new_object(metadata),
                **self._digest(data),
            )

    def begin(self, key: str, *, metadata: Mapping[str, str]) -> str:
        """Begin an upload in parts; returns its id."""
        with storage_errors(f"cannot store {key}"):
            begun = self._client.create_multipart_upload(
                Bucket=self._name, Key=key, **self._new_object(metadata), **self._algorithm
            )
        return begun["UploadId"]

    def put_part(self, key: str, upload_id: str, number: int, data: bytes, *, halt: Halt) -> "CompletedPartTypeDef":
        with storage_errors(f"cannot store part {number} of {key}"):
            stored = self._client.upload_part(
                Bucket=self._name,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=cast("IO[bytes]", Body(data, halt)),
                **self._algorithm,
                **self._digest(data),
            )
        part: CompletedPartTypeDef = {"PartNumber": number, "ETag": stored["ETag"]}
        if "ChecksumCRC32" in stored:
            part["ChecksumCRC32"] = stored["ChecksumCRC32"]
        return part

    def complete(self, key: str, upload_id: str, parts: list["CompletedPartTypeDef"]) -> None:
        with storage_errors(f"cannot complete {key}"):
            self._client.complete_multipart_upload(
                Bucket=self._name, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )

    def abort(self, key: str, upload_id: str) -> None:
        """Give an upload up; one that is not there any more is no error."""
        try:
            with storage_errors(f"cannot abort the upload of {key}"):
                self._client.abort_multipart_upload(Bucket=self._name, Key=key, UploadId=upload_id)
        except StorageError as error:
            if code_of(error.__cause__) != "NoSuchUpload":
                raise

    def open_uploads(self, prefix: str) -> list[OpenUpload]:
        """The uploads that were neither completed nor aborted, of keys that begin with `prefix`."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._name, Prefix=prefix)
        try:
            with storage_errors(f"cannot list the unfinished uploads of {prefix}"):
                return [
                    OpenUpload(upload["Key"], upload["UploadId"], upload["Initiated"].astimezone(UTC))
                    for page in pages
                    for upload in page.get("Uploads", [])
                ]
        except StorageError as error:
            if code_of(error.__cause__) == "NoSuchUpload":  # how rclone 1.7 says that there are none
                return []
            raise

    def get(self, key: str, *, start: int = 0, etag: str | None = None) -> Fetched:
        """An object from byte `start` on, if it is still the one with that `etag`."""
        condition: dict[str, Any] = {} if etag is None else {"Range": f"bytes={start}-", "IfMatch": etag}
        with storage_errors(f"cannot read {key}"):
            got = self._client.get_object(Bucket=self._name, Key=key, **condition)
        begins = _first_byte(got.get("ContentRange"))
        return Fetched(got["Body"], size=begins + got["ContentLength"], etag=got["ETag"], start=begins)

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error, in S3 as here."""
        try:
            with storage_errors(f"cannot delete {key}"):
                self._client.delete_object(Bucket=self._name, Key=key)
        except StorageError as error:
            if code_of(error.__cause__) != "NoSuchKey":
                raise

    def _entries(self, prefix: str) -> Iterator[Any]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
        with storage_errors(f"cannot list {self._name}/{prefix}"):
            for page in pages:
                yield from page.get("Contents", [])

    @property
    def _is_plain(self) -> bool:
        """Whether the store may not know the newer checksums, so that only Content-MD5 protects the data."""
        return self._settings.checksums == "when_required"

    @property
    def _algorithm(self) -> dict[str, Any]:
        return {} if self._is_plain else {"ChecksumAlgorithm": "CRC32"}

    def _digest(self, data: bytes) -> dict[str, Any]:
        if not self._is_plain:
            return {}
        return {"ContentMD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()}

    def _new_object(self, metadata: Mapping[str, str]) -> dict[str, Any]:
        encoded = {name: quote(value, safe=_METADATA_SAFE) for name, value in metadata.items()}
        return {"Metadata": encoded, **self._settings.object_options}


def _first_byte(content_range: str | None) -> int:
    """Of `bytes 100-199/200` (RFC 9110, 14.4) the 100."""
    return int(content_range.removeprefix("bytes ").partition("-")[0]) if content_range else 0
