"""`validate`, `schema` and `init`, as a user runs them."""

import json
from pathlib import Path

import pytest

from tests.e2e.command import Workplace

JOBS = """\
version: 1
timezone: America/Sao_Paulo
storages:
  disk: {type: local, path: backups}
jobs:
  - name: shop
    database: {type: postgres, host: db1, user: backup, password: "${SHOP_PASSWORD}", name: shop}
    storage: disk
    cron: "30 3 * * *"
    recipients: [a-rather-long-address-of-somebody@department.company.example.com]
  - name: notes
    database: {type: sqlite, path: notes.sqlite}
    storage: {type: local, path: /mnt/usb}
    enabled: false
"""


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    workplace = Workplace(tmp_path)
    workplace.write(JOBS)
    workplace.secrets["SHOP_PASSWORD"] = "never-shown"
    return workplace


def test_validate_shows_the_jobs_whole_and_without_secrets(place: Workplace) -> None:
    ended = place.ok("validate")
    header, shop, notes = ended.out.splitlines()
    assert header.split() == ["JOB", "ENGINE", "DATABASE", "STORAGE", "WHEN", "NEXT", "RECIPIENTS"]
    for part in ("postgres", "disk: ", "At 03:30", " 03:30 America/Sao_Paulo", "@department.company.example.com"):
        assert part in shop
    for part in ("sqlite", "inline: /mnt/usb", "Every 12 hours", "never: disabled"):
        assert part in notes
    assert "nobody is mailed" in ended.err
    assert "never-shown" not in ended.out + ended.err


def test_validate_gives_one_json_document(place: Workplace) -> None:
    document = place.ok("validate", "--json").json
    assert (document["ok"], document["problems"]) == (True, [])
    assert [job["job"] for job in document["jobs"]] == ["shop", "notes"]
    assert document["jobs"][0]["next_run_at"].endswith("T03:30:00-03:00")


def test_validate_shows_every_problem_underlined_and_ends_with_2(place: Workplace) -> None:
    place.write(JOBS.replace("type: sqlite", "type: sqlit").replace("storage: disk", "storage: dsik"))
    ended = place.run("validate")
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.splitlines() == [
        "jobs.yaml:8:14: jobs[shop].storage: there is no storage named 'dsik'",
        "     8 |     storage: dsik",
        "       |              ^^^^",
        "  hint: did you mean disk?",
        "jobs.yaml:12:22: jobs[notes].database.type: there is no database type 'sqlit'",
        "    12 |     database: {type: sqlit, path: notes.sqlite}",
        "       |                      ^^^^^",
        "  hint: did you mean sqlite?",
        "error: jobs.yaml has 2 problems",
    ]


def test_validate_gives_the_problems_as_json_and_ends_with_2(place: Workplace) -> None:
    place.write(JOBS.replace("storage: disk", "storage: dsik"))
    ended = place.run("validate", "--json")
    assert ended.code == 2
    assert ended.json["ok"] is False
    (problem,) = ended.json["problems"]
    assert (problem["file"], problem["line"], problem["path"]) == ("jobs.yaml", 8, "jobs[shop].storage")


@pytest.mark.parametrize("arguments", [("-f", "other.yaml", "validate"), ("validate", "--file", "other.yaml")])
def test_the_file_is_named_before_or_after_the_command(place: Workplace, arguments: tuple[str, ...]) -> None:
    (place.folder / "jobs.yaml").rename(place.folder / "other.yaml")
    assert "shop" in place.ok(*arguments).out


def test_without_a_file_the_hint_is_init(place: Workplace) -> None:
    (place.folder / "jobs.yaml").unlink()
    ended = place.run("validate", "-f", "gone.yaml")
    assert (ended.code, ended.out) == (2, "")
    assert "backupctl init" in ended.err


def test_schema_is_one_json_document(place: Workplace) -> None:
    assert json.loads(place.ok("schema").out)["properties"]["version"]["const"] == 1


def test_init_never_replaces_a_file_unless_forced(place: Workplace) -> None:
    ended = place.run("init")
    assert ended.code == 2
    assert "there already" in ended.err
    assert (place.folder / "jobs.yaml").read_text() == JOBS
    place.ok("init", "--force")
    assert "# Jobs of backupctl" in (place.folder / "jobs.yaml").read_text()


def test_init_from_an_environment_file_writes_a_job_that_validates(place: Workplace) -> None:
    (place.folder / ".env").write_text(
        "PG_HOST=db1\nDB_DATABASE=shop\nDB_USER=backup\nDB_PASSWORD=never-shown\n"
        "STORAGE_TYPE=local\nEMAIL_TO=a@example.com,b@example.com\nFOO=bar\n"
    )
    ended = place.ok("init", "--from-env", ".env", "-o", "made.yaml")
    assert "the variable PG_HOST is called DB_HOST by now" in ended.err
    assert "the variable FOO is not known" in ended.err
    assert "set DB_PASSWORD in the environment" in ended.out
    assert "never-shown" not in (place.folder / "made.yaml").read_text() + ended.out + ended.err
    place.ok("-f", "made.yaml", "validate", env={"DB_PASSWORD": "never-shown"})


def test_init_says_what_is_wrong_with_the_values_that_it_found(place: Workplace) -> None:
    (place.folder / ".env").write_text("DB_TYPE=oracle\nDB_DATABASE=shop\nSTORAGE_TYPE=local\nTIMEZONE=Nowhere/Land\n")
    ended = place.ok("init", "--from-env", ".env", "-o", "made.yaml")
    assert "there is no database type oracle" in ended.err
    assert "there is no such time zone" in ended.err
    assert (place.folder / "made.yaml").exists()
