"""S3 servers that speak HTTPS with a certificate of the tests' own authority: what BACKUP TO URL needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme
from botocore.config import Config

from tests.parts.s3 import RcloneServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class HttpsStore(RcloneServer):
    """rclone over HTTPS; `ca_file` is what it must be trusted by."""

    secret_access_key = "secretOfTheTests0123456789"  # the S3 connector takes letters and digits alone
    ca_file: Path

    @property
    def endpoint_url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def prefix(self) -> str:
        """What BACKUP names the bucket by, and CREATE CREDENTIAL too."""
        return f"s3://127.0.0.1:{self.port}/{self.bucket}"

    def client(self, **changes: Any) -> "S3Client":
        # Over HTTPS boto3 sends a checksum behind the body, which rclone takes for a body without a length.
        plain = Config(request_checksum_calculation="when_required", s3={"addressing_style": "path"})
        config = changes.pop("config", Config(retries={"max_attempts": 0})).merge(plain)
        return super().client(**({"verify": str(self.ca_file), "config": config} | changes))

    def _argv(self) -> list[str]:
        self.ca_file = self._folder / "ca.pem"
        certificate, key = self._folder / "cert.pem", self._folder / "key.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        argv = super()._argv()
        return [*argv[:-1], "--cert", str(certificate), "--key", str(key), argv[-1]]
