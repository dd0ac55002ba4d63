"""Private S3 servers of two different makes: SeaweedFS, the strict one, and rclone, the fast one."""

import json
import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.parts.missing import PartMissingError
from tests.parts.ports import free_port
from tests.parts.servers import PARTS, ServerProcess, private_folder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "bkt"


class S3Server(ABC):
    """One running server with one bucket."""

    name: str
    bucket = BUCKET
    access_key_id = "AKIABACKUPCTLTESTS00"
    secret_access_key = "s3cr/et+key=of#the$tests"

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = private_folder(self.name)
        self.data_dir = self._folder / "data"
        self.data_dir.mkdir()
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **changes: Any) -> "S3Client":
        """A boto3 client with the server's own keys; `changes` replace its arguments."""
        arguments: dict[str, Any] = {
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "region_name": "us-east-1",
            "config": Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
        }
        return boto3.client("s3", **(arguments | changes))

    def keys(self, prefix: str = "") -> list[str]:
        """Every object of the bucket whose key begins with `prefix`, in order."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def open_uploads(self) -> list[str]:
        """The keys of the multipart uploads that were begun, and neither completed nor aborted."""
        try:
            uploads = self.client().list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchUpload":  # so rclone says once all of a bucket's have ended
                return []
            raise
        return [upload["Key"] for upload in uploads]

    def start(self) -> None:
        """Start it, again too after `kill`, with the objects that it had."""
        self._process = ServerProcess(self._argv(), log=self._folder / "log", env=self._env())
        self._process.wait_until(self._is_writable)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @abstractmethod
    def _argv(self) -> list[str]: ...

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self._folder)}

    def _is_writable(self) -> bool:
        """An open port says nothing: SeaweedFS listens before it can store."""
        client = self.client(config=Config(connect_timeout=2, read_timeout=5, retries={"max_attempts": 0}))
        try:
            client.put_object(Bucket=self.bucket, Key=".ready", Body=b"")
            client.delete_object(Bucket=self.bucket, Key=".ready")
        except (BotoCoreError, ClientError):
            return False
        return True


class WeedServer(S3Server):
    """SeaweedFS: checks sums, part sizes and conditions, and knows identities with fewer rights."""

    name = "weed"
    put_list_access_key_id = "AKIAPUTANDLISTONLY00"
    put_list_secret_access_key = "only/put+and=list"
    read_list_access_key_id = "AKIAREADANDLISTONLY0"
    read_list_secret_access_key = "only/read+and=list"

    def _argv(self) -> list[str]:
        master, volume, filer, admin = (free_port() for _ in range(4))
        logs = self._folder / "logs"
        logs.mkdir(exist_ok=True)
        identities = self._folder / "identities.json"
        identities.write_text(json.dumps({"identities": list(self._identities())}))
        return [
            str(_binary("weed", "SeaweedFS")),
            f"-logdir={logs}",
            "mini",
            f"-dir={self.data_dir}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-master.port={master}",
            f"-volume.port={volume}",
            f"-filer.port={filer}",
            f"-s3.port={self.port}",
            f"-admin.port={admin}",
            f"-s3.config={identities}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            "-admin.ui=false",
            "-master.telemetry=false",
            f"-bucket={self.bucket}",
        ]

    def _identities(self) -> list[dict[str, object]]:
        return [
            _identity("owner", self.access_key_id, self.secret_access_key, ["Admin"]),
            _identity(
                "put-list",
                self.put_list_access_key_id,
                self.put_list_secret_access_key,
                [f"Write:{self.bucket}", f"List:{self.bucket}"],
            ),
            _identity(
                "read-list",
                self.read_list_access_key_id,
                self.read_list_secret_access_key,
                [f"Read:{self.bucket}", f"List:{self.bucket}"],
            ),
        ]


class RcloneServer(S3Server):
    """rclone: stores plain files, and takes nearly everything without a check."""

    name = "rclone"

    def _argv(self) -> list[str]:
        (self.data_dir / self.bucket).mkdir(exist_ok=True)
        keys = f"{self.access_key_id},{self.secret_access_key}"
        address = f"127.0.0.1:{self.port}"
        argv = [str(_binary("rclone", "rclone")), "serve", "s3", "--addr", address, "--auth-key", keys]
        return [*argv, "--config", "/dev/null", str(self.data_dir)]


def _identity(name: str, key: str, secret: str, actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}


def _binary(command: str, name: str) -> Path:
    path = PARTS / "s3" / "bin" / command
    if not path.exists():
        raise PartMissingError(name, "not fetched by `make parts`")
    return path
