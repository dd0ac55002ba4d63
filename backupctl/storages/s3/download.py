"""Reads one object of a bucket to its end, over more than one connection if need be."""

import time

from botocore.exceptions import BotoCoreError, FlexibleChecksumError
from urllib3.exceptions import HTTPError

from backupctl.errors import StorageError
from backupctl.storages.s3.bucket import Bucket
from backupctl.storages.s3.errors import code_of, storage_errors

_MOST_LOSSES = 5  # in a row, without a single byte in between


class Download:
    """A reader that goes on where it was when the connection is lost, as long as the object is the same."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        fetched = bucket.get(key)
        self._body = fetched.body
        self._size = fetched.size
        self._etag = fetched.etag
        self._position = 0
        self._losses = 0
        self._ended = False

    def read(self, size: int, /) -> bytes:
        chunks: list[bytes] = []
        missing = size
        while missing and self._position < self._size:
            chunk = self._read_some(missing)
            chunks.append(chunk)
            missing -= len(chunk)
        if self._position == self._size and not self._ended:
            self._end()
        return b"".join(chunks)

    def close(self) -> None:
        self._body.close()

    def _read_some(self, size: int) -> bytes:
        lost: Exception | None = None
        chunk = b""
        try:
            chunk = self._body.read(size)
        except FlexibleChecksumError:
            raise
        except (BotoCoreError, HTTPError, OSError) as error:
            lost = error
        if not chunk:
            self._resume(lost)
            return b""
        self._position += len(chunk)
        self._losses = 0
        return chunk

    def _end(self) -> None:
        """Have boto3 see the end of the body: it compares the store's checksum there, where it has one."""
        with storage_errors(f"cannot read {self._key}"):
            self._body.read(1)
        self._ended = True

    def _resume(self, lost: Exception | None) -> None:
        self._body.close()
        self._losses += 1
        if self._losses > _MOST_LOSSES:
            raise StorageError(
                f"{self._key} cannot be read to its end: the connection was lost at byte {self._position}"
                f" of {self._size}, {self._losses} times in a row",
                hint="try again later",
                transient=True,
            ) from lost
        time.sleep(self._losses - 1)
        self._fetch_rest()

    def _fetch_rest(self) -> None:
        try:
            fetched = self._bucket.get(self._key, start=self._position, etag=self._etag)
        except StorageError as error:
            if code_of(error.__cause__) not in ("PreconditionFailed", "412"):
                raise
            raise self._replaced() from error
        if fetched.etag != self._etag:
            fetched.body.close()
            raise self._replaced()
        if fetched.start != self._position:
            fetched.body.close()
            raise StorageError(f"{self._key} cannot be read on: the store does not serve a part of an object")
        self._body = fetched.body

    def _replaced(self) -> StorageError:
        return StorageError(f"{self._key} was replaced while it was read", hint="try again")
