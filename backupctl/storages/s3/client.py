"""Makes the boto3 client of a bucket: its time-outs, retries, checksums and credentials."""

from enum import Enum
from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.config import Config

from backupctl import __version__
from backupctl.storages.s3.errors import storage_errors
from backupctl.storages.s3.options import BucketSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONNECTIONS = 16  # what two jobs with four parts each use, and their listings


class Patience(Enum):
    """Seconds to connect and to wait for an answer, and how often a request is tried."""

    LONG = (10, 60, 5)
    SHORT = (3, 5, 1)


def connect(settings: BucketSettings, patience: Patience) -> "S3Client":
    """A client, which connects when it is used. Raises StorageError for credentials that make no sense."""
    connect_timeout, read_timeout, attempts = patience.value
    secret = settings.secret_access_key
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": settings.addressing},
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
        request_checksum_calculation=settings.checksums,
        response_checksum_validation=settings.checksums,
        user_agent_extra=f"backupctl/{__version__}",
    )
    with storage_errors(f"cannot use the bucket {settings.bucket}"):
        # A session of its own: boto3's default one may not be used by two threads at once.
        return Session().client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=config,
        )
