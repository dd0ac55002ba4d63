"""Makes the boto3 client of a bucket: its time-outs, retries, checksums and credentials."""

from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.config import Config

from backupctl import __version__
from backupctl.storages.s3.errors import storage_errors
from backupctl.storages.s3.options import BucketSettings
from backupctl.storages.s3.patience import Patience

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONNECTIONS = 16  # what two jobs with four parts each use, and their listings


def connect(settings: BucketSettings, patience: Patience) -> "S3Client":
    """A client, which connects when it is used. Raises StorageError for credentials that make no sense."""
    secret = settings.secret_access_key
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": settings.addressing},
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        connect_timeout=patience.connect_s,
        read_timeout=patience.read_s,
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
