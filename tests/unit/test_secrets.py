"""Which values of the file are masked wherever they turn up."""

import pytest
from pydantic import BaseModel, SecretStr

from backupctl.config.schema import Email, JobEntry, Seq
from backupctl.config.source import is_secret
from backupctl.config.values import secrets_of
from backupctl.engines import ENGINES
from backupctl.storages import STORAGES

MODELS: list[type[BaseModel]] = [
    Email,
    Seq,
    JobEntry,
    *(engine.Options for engine in ENGINES.values()),
    *(storage.Options for storage in STORAGES.values()),
]


def _named_as_secrets() -> list[tuple[type[BaseModel], str]]:
    return [(model, name) for model in MODELS for name in model.model_fields if is_secret(name)]


@pytest.mark.parametrize(("model", "name"), _named_as_secrets(), ids=lambda part: getattr(part, "__name__", part))
def test_a_field_with_a_secrets_name_is_masked_whatever_its_type_is(model: type[BaseModel], name: str) -> None:
    for value in ("hunter2", SecretStr("hunter2"), ("hunter2",), {"NAME": "hunter2"}):
        assert "hunter2" in secrets_of(model.model_construct(None, **{name: value}))


def test_every_secret_of_a_type_is_in_a_field_with_a_secrets_name() -> None:
    typed = {name for model in MODELS for name, field in model.model_fields.items() if "Secret" in str(field)}
    assert {name for name in typed if not is_secret(name)} == set()


def test_the_keys_of_a_bucket_and_what_is_in_a_url_are_secrets() -> None:
    bucket = STORAGES["s3"].Options.model_validate(
        {"type": "s3", "bucket": "backups", "access_key_id": "AKIAEXAMPLE", "secret_access_key": "wJalrXUtnFEMI"}
    )
    assert set(secrets_of(bucket)) == {"AKIAEXAMPLE", "wJalrXUtnFEMI"}
    assert set(secrets_of(Seq(url="https://ops:p%40ss@seq.example.com"))) == {"p%40ss", "p@ss"}
    assert list(secrets_of(Seq(url="https://seq.example.com:5341/a@b"))) == []
    assert list(secrets_of(("mongodump", "--uri=mongodb://backup:pw1@mongo1"))) == ["pw1"]
