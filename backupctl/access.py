"""What another program needs to read and write a bucket by itself, without the bytes passing through us."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from backupctl.options import Secret


@dataclass(frozen=True)
class BucketAccess:
    """A bucket, and the keys to it; without keys in the file there are none to pass on.

    `endpoint_url` is None for AWS itself. `path_style` says that the bucket is the first folder of the URL, not a part
    of the host's name.
    """

    endpoint_url: str | None
    bucket: str
    region: str | None
    access_key_id: str | None
    secret_access_key: Secret | None
    path_style: bool

    @property
    def is_encrypted(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.endpoint_url is None or urlsplit(self.endpoint_url).scheme == "https"
