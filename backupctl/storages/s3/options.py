"""What the file says of a bucket, checked as far as that goes without connecting."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from backupctl.access import BucketAccess
from backupctl.options import Secret
from backupctl.storages.base import StorageOptions

Addressing = Literal["auto", "path", "virtual"]
Checksums = Literal["when_supported", "when_required"]

# botocore refuses any other name; a provider may be stricter, and says so itself.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_ACCESS_KEY = re.compile(r"[!-~]+")
# Hosts that carry the bucket in front when they are copied from the provider's own console.
_PROVIDERS = (".amazonaws.com", ".r2.cloudflarestorage.com", ".digitaloceanspaces.com", ".backblazeb2.com")


def _bucket(name: str) -> str:
    if "://" in name or "/" in name:
        raise ValueError("the bucket is its name alone; folders belong into `prefix`")
    if not _BUCKET.fullmatch(name):
        raise ValueError("a bucket's name has 3 to 255 letters, digits, dots and hyphens")
    return name


def _prefix(prefix: str) -> str:
    if "\0" in prefix or any(name in (".", "..") for name in prefix.split("/")):
        raise ValueError("a prefix is made of names, without '.' and '..'")
    names = [name for name in prefix.split("/") if name]
    return "".join(f"{name}/" for name in names)


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an endpoint is a URL such as https://s3.example.com")
    if parts.username or parts.password:
        raise ValueError("the endpoint holds no credentials; they are `access_key_id` and `secret_access_key`")
    if parts.query or parts.fragment:
        raise ValueError("an endpoint has nothing after '?' or '#'")
    _ = parts.port  # raises ValueError itself when that is no port
    return url.rstrip("/")


def _access_key(key: str) -> str:
    if not _ACCESS_KEY.fullmatch(key):
        raise ValueError("an access key has no spaces and no line breaks: look at the end of the variable's value")
    return key


AccessKey = Annotated[str, AfterValidator(_access_key)]
Bucket = Annotated[str, AfterValidator(_bucket)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]


@dataclass(frozen=True)
class BucketSettings:
    """What it takes to talk to a bucket, whichever provider's."""

    bucket: str
    prefix: str
    endpoint_url: str | None
    region: str | None
    access_key_id: str | None
    secret_access_key: Secret | None
    addressing: Addressing
    checksums: Checksums
    object_options: Mapping[str, str] = field(default_factory=dict)
    """What every new object is asked to have, in the S3 API's own names."""


class BucketOptions(StorageOptions):
    """What every kind of bucket has."""

    bucket: Bucket
    prefix: Prefix = Field(default="backups/", description='What every key begins with; "" for the bucket itself')

    @abstractmethod
    def settings(self) -> BucketSettings:
        """How this bucket is reached."""

    @property
    def access(self) -> BucketAccess:
        settings = self.settings()
        return BucketAccess(
            endpoint_url=settings.endpoint_url,
            bucket=settings.bucket,
            region=settings.region,
            access_key_id=settings.access_key_id,
            secret_access_key=settings.secret_access_key,
            # As botocore does it: "auto" is the host's name for AWS, and a folder for any endpoint_url.
            path_style=settings.addressing == "path" or (settings.addressing == "auto" and bool(settings.endpoint_url)),
        )


class S3Options(BucketOptions):
    """A bucket of AWS S3, or of any store that speaks its protocol at `endpoint_url`."""

    type: Literal["s3"]
    endpoint_url: Endpoint | None = Field(default=None, description="Where the store is; without it, AWS")
    region: str | None = Field(default=None, min_length=1)
    access_key_id: AccessKey | None = Field(
        default=None, min_length=1, description="Without keys, AWS's own chain: environment, profile, instance role"
    )
    secret_access_key: Secret | None = Field(default=None, min_length=1)
    addressing: Addressing = Field(default="auto", description="How the bucket is named in a URL")
    storage_class: str | None = Field(default=None, min_length=1, description="Such as STANDARD_IA")
    server_side_encryption: Literal["AES256", "aws:kms"] | None = None
    checksums: Checksums | None = Field(
        default=None, description="Default when_supported for AWS itself, when_required with an endpoint_url"
    )

    @model_validator(mode="after")
    def _keys_are_a_pair(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            missing = "secret_access_key" if self.secret_access_key is None else "access_key_id"
            raise ValueError(f"`access_key_id` and `secret_access_key` go together; `{missing}` is missing")
        return self

    @field_validator("endpoint_url", mode="after")
    @classmethod
    def _endpoint_is_without_bucket(cls, url: str | None, info: ValidationInfo) -> str | None:
        return url and endpoint_without_bucket(url, info)

    def settings(self) -> BucketSettings:
        wanted = {"StorageClass": self.storage_class, "ServerSideEncryption": self.server_side_encryption}
        return BucketSettings(
            bucket=self.bucket,
            prefix=self.prefix,
            endpoint_url=self.endpoint_url,
            region=self.region,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            addressing=self.addressing,
            checksums=self.checksums or ("when_required" if self.endpoint_url else "when_supported"),
            object_options={name: value for name, value in wanted.items() if value is not None},
        )


def endpoint_without_bucket(url: str, info: ValidationInfo) -> str:
    """Providers' consoles show the two as one URL; copied whole, every request would name the bucket twice."""
    bucket = info.data.get("bucket")
    if bucket is None:
        return url
    if urlsplit(url).path.endswith(f"/{bucket}"):
        raise ValueError(f"the endpoint ends with the bucket; it is {url.removesuffix(f'/{bucket}')} alone")
    host = urlsplit(url).hostname or ""
    if host.startswith(f"{bucket.lower()}.") and host.endswith(_PROVIDERS):
        raise ValueError(f"the endpoint begins with the bucket; its host is {host.removeprefix(f'{bucket.lower()}.')}")
    return url
