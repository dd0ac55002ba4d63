"""The JSON Schema and the example that ship with the project."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from backupctl import config
from backupctl.config import schema
from backupctl.engines import ENGINES
from backupctl.storages import STORAGES

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "jobs.example.yaml"
VARIABLES = {
    "SMTP_PASSWORD": "a",
    "R2_ACCOUNT": "account",
    "R2_ACCESS_KEY_ID": "b",
    "MINIO_ACCESS_KEY_ID": "c",
    "MINIO_SECRET_ACCESS_KEY": "d",
    "SHOP_DB_PASSWORD": "e",
    "FORUM_DB_PASSWORD": "g",
    "TENANTS_DB_PASSWORD": "h",
    "LEDGER_DB_PASSWORD": "j",
    "REDIS_PASSWORD": "i",
    "NTFY_TOPIC": "h",
    "SHOP_CHECK": "i",
}


@pytest.fixture
def example(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/r2_secret_access_key").write_text("f\n")
    return Path(shutil.copy(EXAMPLE, tmp_path))


def test_the_stored_schema_is_what_the_models_say() -> None:
    stored = json.loads((ROOT / "docs/jobs.schema.json").read_text())
    assert stored == config.json_schema(), "run: backupctl schema > docs/jobs.schema.json"


def test_the_example_is_valid_and_names_its_schema(example: Path) -> None:
    configuration = config.load(example, environ=VARIABLES)
    assert [job.name for job in configuration.jobs] == [
        "notes",
        "shop",
        "berlin",
        "forum",
        "wiki",
        "ledger",
        "tenants",
        "sessions",
        "archive",
    ]
    first = EXAMPLE.read_text().splitlines()[0]
    assert (ROOT / first.removeprefix("# yaml-language-server: $schema=")).is_file()


def test_the_example_shows_every_key() -> None:
    shown = set(_keys(yaml.safe_load(EXAMPLE.read_text())))
    models = [schema.JobsFile, schema.Email, schema.Seq, schema.JobEntry, *_options(ENGINES), *_options(STORAGES)]
    known = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert known - shown == set()


def test_the_schema_knows_every_type_strictly() -> None:
    text = json.dumps(config.json_schema())
    for kind in [*ENGINES, *STORAGES]:
        assert f'{{"const": "{kind}"}}' in text
    assert '"additionalProperties": true' not in text
    assert '"null"' not in text


def test_the_schema_lets_a_reference_stand_for_a_number() -> None:
    port = config.json_schema()["$defs"]["Email"]["properties"]["port"]
    assert port["anyOf"] == [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": "\\$\\{.+\\}"},
    ]


def test_the_schema_knows_the_word_that_keeps_everything() -> None:
    retention = config.json_schema()["$defs"]["JobEntry"]["properties"]["retention"]
    assert retention["anyOf"] == [{"$ref": "#/$defs/Retention"}, {"const": "all", "type": "string"}]


def _options(family: dict[str, Any]) -> list[Any]:
    return [member.Options for member in family.values()]


def _keys(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(key for part in value.values() for key in _keys(part))]
    if isinstance(value, list):
        return [key for part in value for key in _keys(part)]
    return []
