"""First jobs files, made from nothing or from a single-database environment file."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from backupctl import config
from backupctl.config import starter
from backupctl.engines.base import ServerOptions
from backupctl.engines.mysql import FamilyOptions
from backupctl.engines.sqlite import SqliteOptions
from backupctl.errors import UsageError
from backupctl.storages.r2 import R2Options

NEW_NAMES = {
    "DB_TYPE": "postgres",
    "DB_HOST": "db.example.com",
    "DB_PORT": "5433",
    "DB_USER": "backup",
    "DB_PASSWORD": "db-secret",
    "DB_DATABASE": "my shop",
    "STORAGE_TYPE": "r2",
    "STORAGE_ENDPOINT_URL": "https://abc.r2.cloudflarestorage.com",
    "STORAGE_ACCESS_KEY_ID": "id-secret",
    "STORAGE_SECRET_ACCESS_KEY": "key-secret",
    "STORAGE_BUCKET_NAME": "company",
    "STORAGE_DESTINATION_FOLDER": "shop/",
    "STORAGE_REGION": "auto",
    "CRON_SCHEDULE": "*/30 * * * *",
    "TIMEZONE": "Europe/Berlin",
    "APP_ENV": "Production",
    "EMAIL_FROM": "from@example.com",
    "EMAIL_TO": "one@example.com, two@example.com",
    "EMAIL_SMTP": "smtp.example.com",
    "EMAIL_PORT": "465",
    "EMAIL_USER": "mailer@example.com",
    "EMAIL_PASSWORD": "mail-secret",
    "SEQ_URL": "http://seq:5341",
    "SEQ_API_KEY": "seq-secret",
}
OLD_NAMES = {
    "PG_HOST": "db.example.com",
    "PG_PORT": "5432",
    "PG_USER": "backup",
    "PG_PASSWORD": "db-secret",
    "PG_DATABASE": "shop",
    "R2_ENDPOINT_URL": "https://abc.r2.cloudflarestorage.com",
    "R2_ACCESS_KEY_ID": "id-secret",
    "R2_SECRET_ACCESS_KEY": "key-secret",
    "R2_BUCKET_NAME": "company",
}
SQLITE = {"DB_TYPE": "sqlite", "DB_DATABASE": "/srv/notes.sqlite", "STORAGE_TYPE": "local"}


def loaded(variables: Mapping[str, str], folder: Path) -> config.Config:
    path = folder / "jobs.yaml"
    path.write_text(starter.from_env(variables).text)
    return config.load(path, environ=variables)


def test_the_starter_is_valid_once_its_variable_is_set(tmp_path: Path) -> None:
    path = tmp_path / "jobs.yaml"
    path.write_text(starter.STARTER)
    assert [job.name for job in config.load(path, environ={"SHOP_DB_PASSWORD": "x"}).jobs] == ["shop"]


def test_every_variable_finds_its_place(tmp_path: Path) -> None:
    configuration = loaded(NEW_NAMES, tmp_path)
    (job,) = configuration.jobs
    assert (configuration.timezone, configuration.environment) == ("Europe/Berlin", "Production")
    assert isinstance(job.database, ServerOptions)
    assert (job.name, job.database.name, job.database.port) == ("my-shop", "my shop", 5433)
    assert (job.cron, job.recipients) == ("*/30 * * * *", ("one@example.com", "two@example.com"))
    assert isinstance(job.storage, R2Options)
    assert (job.storage.bucket, job.storage.prefix, job.storage.access_key_id) == ("company", "shop/", "id-secret")
    assert configuration.email is not None
    assert (configuration.email.security, configuration.email.port) == ("tls", 465)
    assert configuration.email.user == "mailer@example.com"
    assert configuration.seq is not None
    assert configuration.redactor("db-secret key-secret mail-secret seq-secret") == "*** *** *** ***"


def test_the_defaults_of_that_system_are_written_out(tmp_path: Path) -> None:
    document = yaml.safe_load(starter.from_env({**OLD_NAMES, "DB_DATABASE": "shop"}).text)
    assert (document["timezone"], document["workers"]) == ("America/Sao_Paulo", 4)
    assert document["environment"] == "Development"
    assert document["storages"]["main"]["prefix"] == "backups/"
    assert document["jobs"][0]["cron"] == "0 */12 * * *"
    assert document["jobs"][0]["compression"] == "zstd"


def test_older_names_are_read_kept_in_references_and_told(tmp_path: Path) -> None:
    draft = starter.from_env(OLD_NAMES)
    assert loaded(OLD_NAMES, tmp_path).jobs[0].database.type == "postgres"
    assert set(draft.references) == {"PG_PASSWORD", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"}
    assert "the variable PG_PASSWORD is called DB_PASSWORD by now; it is read all the same" in draft.notes
    assert len(draft.notes) == len(OLD_NAMES)


def test_a_new_name_wins_over_the_older_one_and_that_is_told() -> None:
    draft = starter.from_env({**OLD_NAMES, "DB_PASSWORD": "x"})
    assert "password: ${DB_PASSWORD}" in draft.text
    assert (
        "the variable PG_PASSWORD is left out: it is the older name of DB_PASSWORD, which is there too" in draft.notes
    )


def test_an_unknown_variable_is_told_by_name_alone() -> None:
    draft = starter.from_env({**SQLITE, "DB_PASWORD": "typo-secret", "SOMETHING_ELSE_ENTIRELY": "other"})
    assert "the variable DB_PASWORD is not known and left out; did you mean DB_PASSWORD?" in draft.notes
    assert any("SOMETHING_ELSE_ENTIRELY" in note for note in draft.notes)
    assert "typo-secret" not in draft.text + "".join(draft.notes)


@pytest.mark.parametrize("variables", [NEW_NAMES, OLD_NAMES], ids=["new", "older"])
def test_no_secret_enters_the_file(variables: Mapping[str, str]) -> None:
    assert "-secret" not in starter.from_env(variables).text


def test_a_value_that_holds_a_credential_or_a_dollar_stays_outside(tmp_path: Path) -> None:
    variables = {**NEW_NAMES, "SEQ_URL": "https://me:hidden@seq.example.com", "DB_USER": "a${b}"}
    text = starter.from_env(variables).text
    assert "url: ${SEQ_URL}" in text
    assert "user: ${DB_USER}" in text
    database = loaded(variables, tmp_path).jobs[0].database
    assert isinstance(database, ServerOptions)
    assert database.user == "a${b}"


@pytest.mark.parametrize(
    "name", ["yes", "null", "1e3", "a: b", "#x", "- x", "*x", "a'b\"c", "münchen", "\U0001f600", "x:"]
)
def test_a_name_that_yaml_would_read_otherwise_is_quoted(tmp_path: Path, name: str) -> None:
    database = loaded({**NEW_NAMES, "DB_DATABASE": name}, tmp_path).jobs[0].database
    assert isinstance(database, ServerOptions)
    assert database.name == name


def test_sqlite_and_a_local_folder_need_nothing_else(tmp_path: Path) -> None:
    draft = starter.from_env(SQLITE)
    assert (draft.notes, draft.references) == ((), ())
    job = loaded(SQLITE, tmp_path).jobs[0]
    assert isinstance(job.database, SqliteOptions)
    assert (job.name, job.database.path) == ("notes", Path("/srv/notes.sqlite"))


def test_a_type_that_is_not_built_yet_is_written_and_told() -> None:
    draft = starter.from_env({**NEW_NAMES, "DB_TYPE": "mssql", "DB_PORT": ""})
    database = yaml.safe_load(draft.text)["jobs"][0]["database"]
    assert (database["type"], database["port"]) == ("mssql", 1433)
    assert not any("database type" in note for note in draft.notes)


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_mysql_and_mariadb_are_taken_over_with_their_port(tmp_path: Path, kind: str) -> None:
    database = loaded({**NEW_NAMES, "DB_TYPE": kind, "DB_PORT": ""}, tmp_path).jobs[0].database
    assert isinstance(database, FamilyOptions)
    assert (database.type, database.port) == (kind, 3306)


def test_a_file_without_a_database_is_refused() -> None:
    with pytest.raises(UsageError, match="does not name a database"):
        starter.from_env({"DB_HOST": "x"})


def test_an_environment_file_is_read_with_its_quotes_comments_and_exports(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# c\nexport DB_HOST=a\nDB_PASSWORD='p#w $x'\nDB_USER=\"u\" # who\nDB_PORT=\nDB_DATABASE=${DB_HOST}\n\n"
    )
    assert starter.read_env(path) == {
        "DB_HOST": "a",
        "DB_PASSWORD": "p#w $x",
        "DB_USER": "u",
        "DB_PORT": "",
        "DB_DATABASE": "${DB_HOST}",
    }


def test_an_environment_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        starter.read_env(tmp_path / "nothing")
