"""The storage that is a bucket: AWS S3, or any store that speaks its protocol."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from backupctl.cancel import Cancellation
from backupctl.storages.base import Storage, StoredObject, Unfinished
from backupctl.storages.s3.options import BucketOptions, S3Options
from backupctl.storages.s3.parts import plan_parts
from backupctl.storages.s3.patience import LONG, Patience
from backupctl.stream import Reader

if TYPE_CHECKING:
    from backupctl.storages.s3.bucket import Bucket

# What needs boto3 is imported where it is used: it takes 0.4 s, and `validate` has no use for it.


class S3Storage(Storage):
    """Artifacts as objects of a bucket, sent in parts through bounded memory."""

    Options: ClassVar[type[BucketOptions]] = S3Options
    patience: ClassVar[Patience] = LONG

    def __init__(self, options: BucketOptions) -> None:
        self._settings = options.settings()
        self.prefix = options.prefix

    @property
    def location(self) -> str:
        place = f"s3://{self._settings.bucket}/{self.prefix}"
        endpoint = self._settings.endpoint_url
        return f"{place} at {urlsplit(endpoint).netloc}" if endpoint else place

    def check(self) -> None:
        self._bucket.probe(self.prefix)

    def put(
        self,
        key: str,
        source: Reader,
        *,
        metadata: Mapping[str, str],
        size_estimate: int | None = None,
        cancel: Cancellation | None = None,
    ) -> int:
        from backupctl.storages.s3.upload import Upload

        plan = plan_parts(size_estimate)
        return Upload(self._bucket, key, metadata=metadata, plan=plan, cancel=cancel or Cancellation()).run(source)

    def open(self, key: str) -> Reader:
        from backupctl.storages.s3.download import Download

        return Download(self._bucket, key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return self._bucket.objects(prefix)

    def delete(self, key: str) -> None:
        self._bucket.delete(key)

    def clear_unfinished(self, key: str) -> None:
        for upload in self._bucket.open_uploads(key):
            if upload.key == key:
                self._bucket.abort(key, upload.upload_id)

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        for upload in self._bucket.open_uploads(prefix):
            if upload.key.startswith(prefix):
                yield Unfinished(upload.key, upload.key, upload.upload_id, upload.started_at, size=None)

    def remove_unfinished(self, left: Unfinished) -> None:
        self._bucket.abort(left.place, left.upload_id)

    @cached_property
    def _bucket(self) -> "Bucket":
        from backupctl.storages.s3.bucket import Bucket

        return Bucket(self._settings, self.patience)
