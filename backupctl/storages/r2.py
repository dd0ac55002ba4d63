"""The storage that is a bucket of Cloudflare R2: S3's protocol with what R2 has, and without what it refuses."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from backupctl.options import Secret
from backupctl.storages.s3 import S3Storage
from backupctl.storages.s3.options import AccessKey, BucketOptions, BucketSettings, Endpoint, endpoint_without_bucket


class R2Options(BucketOptions):
    """A bucket of Cloudflare R2."""

    type: Literal["r2"]
    endpoint_url: Endpoint = Field(description="https://ACCOUNT.r2.cloudflarestorage.com")
    region: str = Field(default="auto", min_length=1)
    access_key_id: AccessKey = Field(min_length=1)
    secret_access_key: Secret = Field(min_length=1)

    @field_validator("endpoint_url", mode="after")
    @classmethod
    def _endpoint_is_without_bucket(cls, url: str, info: ValidationInfo) -> str:
        return endpoint_without_bucket(url, info)

    def settings(self) -> BucketSettings:
        return BucketSettings(
            bucket=self.bucket,
            prefix=self.prefix,
            endpoint_url=self.endpoint_url,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            addressing="path",
            checksums="when_required",
        )


class R2Storage(S3Storage):
    """Artifacts in R2: no storage class, no encryption to ask for, Content-MD5 in place of newer checksums."""

    Options = R2Options
