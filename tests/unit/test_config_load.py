"""A whole jobs file: what comes out of it, and which of its variables are needed for what."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from backupctl.config import load
from backupctl.engines.base import ServerOptions
from backupctl.engines.sqlite import SqliteOptions
from backupctl.errors import ConfigError, ExitCode, UsageError
from backupctl.storages.local import LocalOptions
from backupctl.storages.s3.options import S3Options
from backupctl.stream import Compression
from tests.unit.config_files import ONE_JOB, Files

SHOP = """\
version: 1
timezone: America/Sao_Paulo
email:
  from: a@example.com
  host: smtp.example.com
  user: a@example.com
  password: ${SMTP_PASSWORD}
storages:
  offsite:
    type: s3
    bucket: company
    access_key_id: ${KEY_ID}
    secret_access_key: ${KEY}
  disk: {type: local, path: backups}
defaults:
  storage: offsite
  cron: "30 3 * * *"
  recipients: [ops@example.com, dba@example.com]
jobs:
  - name: shop
    database: {type: postgres, host: db1, port: "${PORT:-5432}", user: backup, password: "${SHOP}", name: shop}
  - name: notes
    database: {type: sqlite, path: notes.sqlite}
    storage: disk
    recipients: []
    timezone: Europe/Berlin
    compression: gzip
  - name: retired
    database: {type: postgres, port: "${RETIRED_PORT}", password: "${RETIRED}", name: retired}
    enabled: false
"""
ALL = {"SMTP_PASSWORD": "smtp-secret", "KEY_ID": "AK", "KEY": "key-secret", "SHOP": "shop-secret"}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_least_file_has_every_default(files: Files) -> None:
    configuration = files.load(ONE_JOB, environ={"BACKUPCTL_STATE_DIR": "/state"})
    (job,) = configuration.jobs
    assert (configuration.timezone, configuration.workers, configuration.environment) == ("UTC", 4, "Development")
    assert configuration.state_dir == Path("/state")
    assert (configuration.email, configuration.seq) == (None, None)
    assert (job.cron, job.timezone, job.recipients, job.enabled, job.tags) == ("0 */12 * * *", "UTC", (), True, ())
    assert job.compression == Compression()
    assert isinstance(job.database, SqliteOptions)
    assert job.database.path == files.folder / "notes.sqlite"
    assert isinstance(job.storage, LocalOptions)
    assert (job.storage.path, job.storage_name) == (files.folder / "backups", "disk")


def test_a_key_of_a_job_replaces_the_whole_default(files: Files) -> None:
    configuration = files.load(SHOP, environ=ALL)
    shop, notes = configuration.job("shop"), configuration.job("notes")
    assert shop.recipients == ("ops@example.com", "dba@example.com")
    assert (shop.storage_name, shop.cron, shop.timezone) == ("offsite", "30 3 * * *", "America/Sao_Paulo")
    assert (notes.recipients, notes.storage_name, notes.timezone) == ((), "disk", "Europe/Berlin")
    assert notes.compression == Compression(algorithm="gzip")


def test_a_storage_may_be_written_inline(files: Files) -> None:
    configuration = files.load(ONE_JOB.replace("storage: disk", "storage: {type: local, path: /mnt/usb}"))
    job = configuration.job("notes")
    assert isinstance(job.storage, LocalOptions)
    assert (job.storage_name, job.storage.path) == ("inline", Path("/mnt/usb"))


@pytest.mark.parametrize("written", ["22:30", "012345", "1_000", "on", "2026-01-01", "0x1F", "1e3", ".5", "null-ish"])
def test_a_text_is_taken_as_it_is_written(files: Files, written: str) -> None:
    text = ONE_JOB.replace("{type: sqlite, path: notes.sqlite}", f"{{type: postgres, name: x, password: {written}}}")
    database = files.load(text).job("notes").database
    assert isinstance(database, ServerOptions)
    assert database.password == SecretStr(written)


def test_numbers_and_booleans_are_read_where_they_are_wanted(files: Files) -> None:
    text = ONE_JOB.replace("{type: sqlite, path: notes.sqlite}", "{type: postgres, name: x, port: '5433', globals: on}")
    database = files.load(text).job("notes").database
    assert isinstance(database, ServerOptions)
    assert (database.port, database.globals) == (5433, True)


def test_a_job_keeps_everything_whatever_the_defaults_say(files: Files) -> None:
    more = "".join(
        f"  - {{name: {name}, database: {{type: sqlite, path: x}}, storage: disk{retention}}}\n"
        for name, retention in (("every", ", retention: all"), ("few", ", retention: {keep_last: 1}"))
    )
    configuration = files.load(ONE_JOB + more + "defaults: {retention: {keep_last: 3}}\n")
    assert [job.retention and job.retention.keep_last for job in configuration.jobs] == [3, None, 1]
    assert files.load(ONE_JOB + "defaults: {retention: all}\n").job("notes").retention is None


def test_every_variable_of_every_enabled_job_is_needed_for_all_jobs(files: Files) -> None:
    assert [problem.path for problem in files.problems(SHOP)] == [
        "email.password",
        "storages.offsite.access_key_id",
        "storages.offsite.secret_access_key",
        "jobs[shop].database.password",
    ]


def test_a_disabled_job_is_loaded_without_its_variables(files: Files) -> None:
    retired = files.load(SHOP, environ=ALL).job("retired")
    assert not retired.enabled


def test_a_named_job_needs_only_what_it_uses(files: Files) -> None:
    configuration = files.load(SHOP, jobs=["notes"])
    assert [job.name for job in configuration.jobs] == ["notes"]
    assert configuration.email is None
    assert list(configuration.storages) == ["disk"]


def test_a_disabled_job_that_is_named_needs_its_variables(files: Files) -> None:
    told = files.told(SHOP, environ=ALL, jobs=["retired"])
    assert [line.split(": ", 1)[1] for line in told] == [
        "the variable RETIRED_PORT is not set",
        "the variable RETIRED is not set",
    ]


def test_without_the_database_its_variables_are_not_needed(files: Files) -> None:
    environ = {"KEY_ID": "AK", "KEY": "key-secret"}
    configuration = files.load(SHOP, environ=environ, jobs=["shop", "retired"], database=False)
    assert [job.name for job in configuration.jobs] == ["shop", "retired"]
    assert [problem.path for problem in files.problems(SHOP, jobs=["shop"], database=False)] == [
        "storages.offsite.access_key_id",
        "storages.offsite.secret_access_key",
    ]


def test_the_type_of_a_database_is_needed_also_without_the_database(files: Files) -> None:
    text = ONE_JOB.replace("type: sqlite", "type: '${ENGINE}'")
    told = files.told(text, database=False)
    assert told == ["6:22 jobs[notes].database.type: the variable ENGINE is not set"]
    assert files.load(text, environ={"ENGINE": "sqlite"}, database=False).job("notes").database.type == "sqlite"


EVERYTHING_IN_VARIABLES = """\
version: 1
environment: ${ENVIRONMENT}
email: {from: a@example.com, host: smtp, user: a, password: "${SMTP_PASSWORD}"}
storages:
  offsite: {type: r2, bucket: "${BUCKET}", endpoint_url: "${URL}", access_key_id: "${ID}", secret_access_key: "${KEY}"}
  other: {type: "${TYPE}", path: /x}
defaults:
  storage: offsite
  recipients: ["${OPS}"]
  database: {type: postgres, port: "${PORT}", password: "${PASSWORD}", name: "${NAME}"}
jobs:
  - {name: shop, cron: "5 5 * * *"}
  - {name: crm, storage: "${WHICH}", database: {type: "${ENGINE}"}, retention: {keep_last: "${KEEP}"}}
  - {name: inline, storage: {type: r2, bucket: b, endpoint_url: "${OTHER_URL}"}, before: ["notify", "${TOKEN}"]}
  - {name: old, enabled: false, timezone: Asia/Kathmandu, storage: other}
"""


def test_for_the_schedule_alone_no_other_variable_is_needed(files: Files) -> None:
    configuration = files.load(EVERYTHING_IN_VARIABLES, schedule_only=True)
    assert [(job.name, job.cron, job.storage_name) for job in configuration.jobs] == [
        ("shop", "5 5 * * *", "offsite"),
        ("crm", "0 */12 * * *", "inline"),
        ("inline", "0 */12 * * *", "inline"),
        ("old", "0 */12 * * *", "other"),
    ]
    assert {job.database.type for job in configuration.jobs} == {"unresolved"}
    (old,) = files.load(EVERYTHING_IN_VARIABLES, jobs=["old"], schedule_only=True).jobs
    assert (old.timezone, old.enabled) == ("Asia/Kathmandu", False)


def test_for_the_schedule_alone_what_is_set_is_resolved_and_checked(files: Files) -> None:
    environ = {"URL": "https://a.r2.cloudflarestorage.com", "BUCKET": "company", "ID": "AK", "KEY": "key"}
    offsite = files.load(EVERYTHING_IN_VARIABLES, environ=environ, schedule_only=True).storages["offsite"]
    assert offsite.type == "r2"
    told = files.told(ONE_JOB.replace("type: sqlite", "type: sqlit"), schedule_only=True)
    assert [line.split(":")[0] for line in told] == ["6"]


@pytest.mark.parametrize("key", ["cron", "timezone", "jitter", "max_age", "catch_up", "enabled"])
def test_a_variable_of_the_schedule_is_needed_also_for_it_alone(files: Files, key: str) -> None:
    text = ONE_JOB.replace("    storage: disk\n", f"    storage: disk\n    {key}: '${{NOT_SET}}'\n")
    assert files.told(text, schedule_only=True) == [
        f"8:{7 + len(key)} jobs[notes].{key}: the variable NOT_SET is not set"
    ]


def test_a_disabled_job_is_left_out_with_a_storage_that_lacks_what_it_needs(files: Files) -> None:
    text = ONE_JOB.replace(
        "storages:\n",
        "storages:\n  other: {type: r2, bucket: old, endpoint_url: '${URL}', access_key_id: A, secret_access_key: b}\n",
    )
    text += "  - {name: old, database: {type: sqlite, path: x}, storage: other, enabled: false}\n"
    assert [job.name for job in files.load(text).jobs] == ["notes"]


def test_an_unused_storage_needs_no_variables(files: Files) -> None:
    text = ONE_JOB.replace("storages:\n", "storages:\n  other: {type: s3, bucket: bkt, addressing: '${NOT_SET}'}\n")
    assert "disk" in files.load(text).storages


def test_a_storage_that_only_a_missing_variable_makes_wrong_is_left_out_when_nobody_uses_it(files: Files) -> None:
    text = ONE_JOB.replace("storages:\n", "storages:\n  other: {type: '${NOT_SET}', bucket: bkt}\n")
    assert list(files.load(text).storages) == ["disk"]


def test_disabled_jobs_that_cannot_be_resolved_do_not_take_their_neighbours_with_them(files: Files) -> None:
    hidden = "".join(
        f"  - {{name: old{number}, database: {{type: '${{X}}'}}, storage: disk, enabled: no}}\n" for number in range(12)
    )
    last = "  - {name: last, database: {type: sqlite, path: x}, storage: disk}\n"
    configuration = files.load(ONE_JOB + hidden + last)
    assert [job.name for job in configuration.jobs] == ["notes", "last"]


def test_an_override_takes_the_place_of_what_the_file_says(files: Files) -> None:
    overrides = {"shop": {"host": "other", "port": "6000", "password": "${OTHER}"}}
    environ = {"KEY_ID": "AK", "KEY": "k", "OTHER": "other-secret"}
    database = files.load(SHOP, environ=environ, jobs=["shop"], overrides=overrides).job("shop").database
    assert isinstance(database, ServerOptions)
    assert (database.host, database.port, database.password) == ("other", 6000, SecretStr("other-secret"))


def test_a_variable_that_an_override_names_must_be_set(files: Files) -> None:
    overrides = {"shop": {"password": "${OTHER}"}}
    (problem,) = files.problems(SHOP, environ={"KEY_ID": "AK", "KEY": "k"}, jobs=["shop"], overrides=overrides)
    assert problem.message == "the variable OTHER is not set"


def test_an_unknown_job_is_a_usage_error_that_names_the_nearest(files: Files) -> None:
    with pytest.raises(UsageError) as caught:
        files.load(SHOP, environ=ALL, jobs=["shpo"])
    assert (caught.value.hint, caught.value.exit_code) == ("did you mean shop?", ExitCode.USAGE)


def test_a_file_that_cannot_be_read_is_a_configuration_error(files: Files) -> None:
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        load(files.folder, environ={})


def test_the_redactor_knows_every_secret_of_the_file(files: Files) -> None:
    configuration = files.load(SHOP, environ=ALL)
    redacted = configuration.redactor("smtp-secret key-secret shop-secret AK shop")
    assert redacted == "*** *** *** *** shop"


def test_secrets_are_not_in_the_text_of_the_configuration(files: Files) -> None:
    text = repr(files.load(SHOP, environ=ALL))
    assert not any(secret in text for secret in ("smtp-secret", "key-secret", "shop-secret"))


def test_the_state_folder_of_the_file_starts_at_the_folder_of_the_file(files: Files) -> None:
    assert files.load(ONE_JOB + "state_dir: state\n").state_dir == files.folder / "state"


def test_a_section_with_nothing_in_it_is_as_if_it_were_not_there(files: Files) -> None:
    configuration = files.load(ONE_JOB + "email:\nseq:\ndefaults:\n")
    assert configuration.email is None


def test_aliases_stand_for_what_they_name(files: Files) -> None:
    text = ONE_JOB.replace("database: {", "database: &notes {")
    configuration = files.load(text + "  - {name: two, database: *notes, storage: disk}\n")
    assert configuration.job("notes").database == configuration.job("two").database


def test_s3_options_come_from_the_storage_of_the_file(files: Files) -> None:
    storage = files.load(SHOP, environ=ALL).job("shop").storage
    assert isinstance(storage, S3Options)
    assert (storage.bucket, storage.access_key_id) == ("company", "AK")


def test_ten_thousand_jobs_are_read(files: Files) -> None:
    text = ONE_JOB + "".join(
        f"  - {{name: job{number}, database: {{type: sqlite, path: x}}, storage: disk}}\n" for number in range(10_000)
    )
    assert len(files.load(text).jobs) == 10_001


def test_what_comes_from_a_variable_with_a_secrets_name_is_masked_wherever_it_is_used(files: Files) -> None:
    text = """\
        version: 1
        jobs:
          - name: events
            database:
              type: command
              dump: [mongodump, --archive, "--uri=mongodb://backup:${MONGO_PASSWORD}@${MONGO_HOST}"]
            storage: {type: local, path: backups}
        """
    redact = files.load(text, environ={"MONGO_PASSWORD": "hunter22", "MONGO_HOST": "mongo1"}).redactor
    assert redact("mongodb://backup:hunter22@mongo1: no route") == "mongodb://backup:***@mongo1: no route"
