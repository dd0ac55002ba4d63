"""What the file may say of a storage, and what is refused without connecting."""

import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from backupctl.storages.r2 import R2Options
from backupctl.storages.s3 import S3Storage
from backupctl.storages.s3.client import connect
from backupctl.storages.s3.options import S3Options
from backupctl.storages.s3.patience import LONG

KEYS = {"access_key_id": "AKIA", "secret_access_key": "hush-hush"}


def s3(**changes: Any) -> S3Options:
    return S3Options.model_validate({"type": "s3", "bucket": "company-backups"} | changes)


def r2(**changes: Any) -> R2Options:
    given = {"type": "r2", "bucket": "company-backups", "endpoint_url": "https://acc.r2.cloudflarestorage.com"}
    return R2Options.model_validate(given | KEYS | changes)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", ""), ("/", ""), ("a", "a/"), ("/a/b", "a/b/"), ("a//b///", "a/b/"), ("ação/", "ação/")],
)
def test_a_prefix_has_no_slash_in_front_and_one_at_the_end(given: str, kept: str) -> None:
    assert s3(prefix=given).prefix == kept


def test_the_prefix_is_backups_when_none_is_given() -> None:
    assert S3Storage(s3()).prefix == "backups/"


@pytest.mark.parametrize("prefix", ["..", "a/../b", "./a", "a\0"])
def test_a_prefix_that_is_no_name_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="prefix"):
        s3(prefix=prefix)


@pytest.mark.parametrize("bucket", ["", "ab", "s3://company", "company/backups", "com pany", "-company", "ação"])
def test_what_is_no_name_of_a_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(ValidationError, match="bucket"):
        s3(bucket=bucket)


@pytest.mark.parametrize(
    "url",
    [
        "s3.example.com",
        "ftp://s3.example.com",
        "https://",
        "https://key:secret@s3.example.com",
        "https://s3.example.com?x=1",
        "https://s3.example.com:99999",
        "https://s3.example.com/company-backups",
        "https://s3.example.com/company-backups/",
        "https://company-backups.s3.eu-west-1.amazonaws.com",
    ],
)
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        s3(endpoint_url=url)
    assert [error["loc"] for error in caught.value.errors()] == [("endpoint_url",)]
    assert "secret" not in str(caught.value).replace("secret_access_key", "")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8333", "https://company-backups.example.com", "https://x.example.com/storage/v1/s3"]
)
def test_endpoints_of_other_stores_are_taken(url: str) -> None:
    assert s3(endpoint_url=url).endpoint_url == url


@pytest.mark.parametrize("given", sorted(KEYS))
def test_one_key_without_the_other_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="go together"):
        s3(**{given: KEYS[given]})


def test_an_empty_key_is_refused_instead_of_falling_back_to_the_machines_own() -> None:
    with pytest.raises(ValidationError):
        s3(access_key_id="", secret_access_key="")


@pytest.mark.parametrize("key", ["AKIA\n", "AKIA\r", " AKIA", "AK IA"])
def test_an_access_key_with_a_line_break_or_a_space_is_refused(key: str) -> None:
    for options in (s3, r2):
        with pytest.raises(ValidationError, match="an access key has no spaces"):
            options(access_key_id=key, secret_access_key="hush-hush")


def test_no_error_and_no_text_of_the_options_shows_the_secret() -> None:
    assert "hush-hush" not in repr(s3(**KEYS))
    with pytest.raises(ValidationError) as caught:
        s3(secret_access_key="hush-hush")
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "checksums"),
    [
        (s3(), "when_supported"),
        (s3(endpoint_url="https://s3.example.com"), "when_required"),
        (s3(endpoint_url="https://s3.example.com", checksums="when_supported"), "when_supported"),
        (s3(checksums="when_required"), "when_required"),
        (r2(), "when_required"),
    ],
)
def test_checksums_are_those_that_the_store_is_known_to_take(options: S3Options, checksums: str) -> None:
    assert options.settings().checksums == checksums


@pytest.mark.parametrize("missing", ["endpoint_url", "access_key_id", "secret_access_key"])
def test_r2_needs_its_endpoint_and_both_keys(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        R2Options.model_validate({name: value for name, value in _given_r2().items() if name != missing})


def test_r2_is_in_the_region_auto() -> None:
    assert r2().settings().region == "auto"


@pytest.mark.parametrize("name", ["storage_class", "server_side_encryption", "checksums", "addressing"])
def test_r2_has_nothing_that_it_does_not_know(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        r2(**{name: "x"})


@pytest.mark.parametrize(
    ("changes", "host", "path"),
    [
        ({"addressing": "path", "endpoint_url": "https://s3.example.com"}, "s3.example.com", "/company-backups/key"),
        ({"addressing": "virtual", "endpoint_url": "https://s3.example.com"}, "company-backups.s3.example.com", "/key"),
        ({"addressing": "auto", "endpoint_url": "https://s3.example.com"}, "s3.example.com", "/company-backups/key"),
        ({}, "company-backups.s3.amazonaws.com", "/key"),
    ],
)
def test_the_bucket_is_named_where_addressing_says(changes: dict[str, Any], host: str, path: str) -> None:
    client = connect(s3(**KEYS, **changes).settings(), LONG)
    url = client.generate_presigned_url("get_object", Params={"Bucket": "company-backups", "Key": "key"})
    assert (urlsplit(url).hostname, urlsplit(url).path) == (host, path)


def test_making_a_storage_does_not_import_boto3() -> None:
    code = (
        "import sys; from backupctl.storages import STORAGES; s3 = STORAGES['s3'];"
        "print(s3(s3.Options(type='s3', bucket='company')).location);"
        "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "s3://company/backups/\n"


def _given_r2() -> dict[str, str]:
    endpoint = {"endpoint_url": "https://acc.r2.cloudflarestorage.com"}
    return {"type": "r2", "bucket": "company-backups"} | endpoint | KEYS
