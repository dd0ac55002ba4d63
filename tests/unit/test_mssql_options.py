"""What a SQL Server job may say, and where its file is wrong."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from backupctl.access import BucketAccess
from backupctl.engines.mssql import MssqlOptions
from backupctl.stream import Compression
from tests.unit.config_files import Files

FOLDER = r"server_dir: 'D:\Backup', local_dir: ./share, "
JOB = """\
version: 1
storages:
  disk: {{type: local, path: backups}}
  plain: {{type: s3, endpoint_url: "http://s3.example.com", bucket: bkt, access_key_id: AK, secret_access_key: SK}}
  there: {{type: s3, endpoint_url: "https://s3.example.com", bucket: bkt, access_key_id: AK, secret_access_key: SK}}
  colon: {{type: s3, endpoint_url: "https://s3.example.com", bucket: bkt, access_key_id: "A:K", secret_access_key: SK}}
jobs:
  - name: shop
    storage: {storage}
    compression: {compression}
    database:
      {{type: mssql, host: sql1, user: sa, password: pw, {more}name: shop}}
"""


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def told(files: Files, *, storage: str = "there", compression: str = "none", more: str = "") -> list[str]:
    return files.told(JOB.format(storage=storage, compression=compression, more=more))


def options(**given: Any) -> MssqlOptions:
    known: dict[str, Any] = {"type": "mssql", "name": "shop", "user": "sa", "password": SecretStr("pw")}
    return MssqlOptions(**(known | given))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"name": "TempDB"}, "made anew at each start"),
        ({"name": "x" * 129}, "at most 128 characters"),
        ({"name": "a\nGO\n"}, "no control characters"),
        ({"host": "sql1,1433"}, "its port is the key `port`"),
        ({"host": "sql1\n"}, "its port is the key `port`"),
        ({"socket": "/run/sql"}, "over TCP alone"),
        ({"extra_args": ("-x",)}, "no dump tool"),
        ({"ca_file": "/ca.pem"}, "no certificate is checked"),
        ({"ca_file": "/ca.pem", "tls": "require"}, "no certificate is checked"),
        ({"server_dir": "Backup", "local_dir": "/b"}, "from its root"),
        ({"server_dir": "D:Backup", "local_dir": "/b"}, "from its root"),
        ({"server_dir": r"\\nas", "local_dir": "/b"}, "from its root"),
        ({"server_dir": "/b\nGO", "local_dir": "/b"}, "from its root"),
        ({"server_dir": "/" + "b" * 200, "local_dir": "/b"}, "at most 200 characters"),
        ({"server_dir": "/b"}, "go together: one folder"),
        ({"local_dir": "/b"}, "go together: one folder"),
        ({"mode": "shared_path"}, "needs server_dir and local_dir"),
        ({"mode": "copy"}, "'auto', 'shared_path' or 's3_url'"),
        ({"password": None}, "user and password go together"),
        ({"user": None}, "user and password go together"),
        ({"names": ("*",)}, "`name` and `names` are both there"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        options(**given)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("D:\\", "D:"), (r"D:\Backup\\", r"D:\Backup"), ("D:/Backup/", "D:/Backup"), (r"\\nas\sql$", r"\\nas\sql$")],
)
def test_a_folder_of_the_server_loses_its_last_separator(given: str, kept: str) -> None:
    assert options(server_dir=given, local_dir="/b").server_dir == kept


def test_a_login_may_be_the_ticket_that_is_there() -> None:
    assert options(user=None, password=None).password is None


def test_a_certificate_goes_with_what_checks_it() -> None:
    assert options(ca_file="/ca.pem", tls="verify-full").ca_file == Path("/ca.pem")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"storage": "disk"}, "SQL Server itself writes to S3 storages alone"),
        ({"storage": "plain"}, "SQL Server writes to stores over HTTPS alone"),
        ({"compression": "zstd"}, "set compression: none for the job"),
        ({"storage": "colon"}, "no access_key_id with a colon"),
        ({"storage": "disk", "more": FOLDER + "mode: s3_url, "}, "SQL Server itself writes to S3 storages alone"),
        ({"compression": "zstd", "more": "mode: s3_url, "}, "set compression: none for the job"),
    ],
)
def test_a_storage_that_the_server_cannot_write_to_is_refused_where_the_file_says_so(
    files: Files, given: dict[str, str], reason: str
) -> None:
    (problem,) = told(files, **given)
    assert problem.startswith("12:")
    assert "jobs[shop].database.mode: " in problem
    assert reason in problem
    assert problem.endswith("or set mode: shared_path, with server_dir and local_dir")


@pytest.mark.parametrize(
    ("storage", "compression", "more"),
    [
        ("there", "none", ""),
        ("there", "none", "mode: s3_url, "),
        ("there", "zstd", FOLDER),
        ("disk", "zstd", FOLDER),
        ("plain", "gzip", FOLDER + "mode: shared_path, "),
    ],
)
def test_a_way_home_is_enough(files: Files, storage: str, compression: str, more: str) -> None:
    job = files.load(JOB.format(storage=storage, compression=compression, more=more)).job("shop")
    assert isinstance(job.database, MssqlOptions)


def test_the_cloud_of_amazon_is_reached_over_https() -> None:
    access = BucketAccess(None, "b", "eu-west-1", "AK", SecretStr("SK"), path_style=False)
    assert options().objection(access, Compression(algorithm="none")) is None


def test_one_folder_serves_several_databases() -> None:
    several = MssqlOptions(type="mssql", names=("*",), exclude=("tmp*",), server_dir="/b", local_dir=Path("/b"))
    one = several.of("we ]ird'")
    assert (one.name, one.has_several, one.has_folder) == ("we ]ird'", False, True)
