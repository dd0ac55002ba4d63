"""What a user does every day, with the installed command, real databases and real stores."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.command import COMMAND, Workplace
from tests.e2e.places import content, drop, fill, one_job, postgres_database, s3_storage, sqlite_job, sqlite_rows
from tests.parts.mariadb import MariadbServer
from tests.parts.postgres import PostgresServer
from tests.parts.s3 import S3Server


@pytest.fixture(scope="module")
def server(postgres_server: Callable[[int], PostgresServer]) -> Iterator[PostgresServer]:
    """A PostgreSQL 16 with a database `everyday`."""
    found = postgres_server(16)
    fill(found, "everyday")
    yield found
    drop(found, "everyday", "everyday_back")


def test_a_sqlite_job_goes_there_and_back(place: Workplace) -> None:
    place.is_forked = False
    sqlite_job(place)
    place.ok("validate")
    ran = place.ok("run-once", "shop")
    (backup,) = place.backups("shop")
    assert backup["id"] in ran.out
    assert backup["tables"] == {"customers": 1000, "orders": 5000}
    assert "checks out" in place.ok("verify", "shop").out
    place.ok("restore", "shop", "--into", "back.db")
    assert sqlite_rows(place.folder / "back.db") == sqlite_rows(place.folder / "shop.db")
    assert place.leftovers() == []


def test_the_artifact_is_what_the_everyday_tools_read(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    (artifact,) = (place.folder / "backups").rglob("*.sqlite.zst")
    subprocess.run(["zstd", "-q", "-d", str(artifact), "-o", "by_hand.db"], cwd=place.folder, check=True)
    assert sqlite_rows(place.folder / "by_hand.db") == sqlite_rows(place.folder / "shop.db")


@pytest.mark.parametrize("form", ["plain", "custom"])
def test_a_postgres_job_goes_to_a_store_and_back(
    place: Workplace, server: PostgresServer, s3_server: S3Server, form: str
) -> None:
    place.is_forked = form == "custom"
    database = postgres_database(place, server, "everyday", more=f", format: {form}, globals: true")
    one_job(place, database, s3_storage(place, s3_server))
    place.ok("run-once", "shop")
    (backup,) = place.backups("shop")
    assert {artifact["role"] for artifact in backup["artifacts"]} == {"dump", "globals"}
    place.ok("verify", "shop", backup["id"][:12])
    drop(server, "everyday_back")
    place.ok("restore", "shop", "latest", "--into", "everyday_back")
    assert content(server, "everyday_back") == content(server, "everyday")
    assert place.leftovers() == []
    assert s3_server.open_uploads() == []


@pytest.mark.parametrize("flavour", ["mariadb", "mysql"])
def test_a_mysql_job_goes_to_a_store_and_back(
    place: Workplace, request: pytest.FixtureRequest, weed_server: S3Server, flavour: str
) -> None:
    server: MariadbServer = request.getfixturevalue(f"{flavour}_server")
    server.create_database("everyday")
    server.sql(
        "CREATE TABLE t (id int PRIMARY KEY, pad text) ENGINE=InnoDB; INSERT INTO t VALUES (1, 'ü'), (2, NULL);"
        "CREATE PROCEDURE p() SELECT 1",
        "everyday",
    )
    place.secrets["DB_PASSWORD"] = server.password
    database = (
        f"{{type: {flavour}, host: {server.host}, port: {server.port}, user: {server.user},"
        f" password: '${{DB_PASSWORD}}', name: everyday, bin_dir: '{server.bin_dir}', globals: true}}"
    )
    one_job(place, database, s3_storage(place, weed_server))
    assert flavour in place.ok("validate").out
    place.ok("run-once", "shop", "--dry-run")
    place.ok("run-once", "shop")
    (backup,) = place.backups("shop")
    assert {artifact["role"] for artifact in backup["artifacts"]} == {"dump", "globals"}
    place.ok("verify", "shop")
    place.ok("restore", "shop", "--into", "everyday_back")
    assert server.sql("SELECT * FROM t; CALL p()", "everyday_back") == server.sql(
        "SELECT * FROM t; CALL p()", "everyday"
    )
    assert place.run("restore", "shop", "--into", "everyday_back").code == 2
    place.ok("restore", "shop", "--into", "everyday_back", "--clean", "--yes")
    assert place.leftovers() == []
    server.sql("DROP DATABASE everyday; DROP DATABASE everyday_back")


def test_a_new_machine_restores_with_the_storages_variables_alone(
    place: Workplace, server: PostgresServer, weed_server: S3Server, tmp_path: Path
) -> None:
    one_job(place, postgres_database(place, server, "everyday"), s3_storage(place, weed_server))
    place.ok("run-once", "shop")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    new = Workplace(elsewhere)
    shutil.copy(place.folder / "jobs.yaml", elsewhere)
    new.secrets = {"S3_SECRET": place.secrets["S3_SECRET"]}
    (backup,) = new.backups("shop")
    new.ok("verify", "shop")
    new.ok("restore", "shop", "--to-file", "dump.sql")
    assert (elsewhere / "dump.sql").stat().st_size == backup["artifacts"][0]["dump_size"]
    drop(server, "everyday_back")
    other = {"OTHER_PASSWORD": server.password}
    new.ok("restore", "shop", "--into", "everyday_back", "--password-env", "OTHER_PASSWORD", env=other)
    assert content(server, "everyday_back") == content(server, "everyday")


def test_the_dump_goes_to_stdout_and_nothing_else_does(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    subprocess.run(
        ["sh", "-c", f"{shutil.which('env')} - {' '.join(_quoted(place))} restore shop --to-file - > piped.db"],
        cwd=place.folder,
        check=True,
    )
    assert sqlite_rows(place.folder / "piped.db") == sqlite_rows(place.folder / "shop.db")


def _quoted(place: Workplace) -> list[str]:
    return [f"BACKUPCTL_STATE_DIR={place.state}", f"HOME={place.folder}", str(COMMAND)]


def test_a_file_that_is_there_is_not_written_over(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    (place.folder / "mine.db").write_text("precious")
    ended = place.run("restore", "shop", "--to-file", "mine.db")
    assert ended.code == 2
    assert (place.folder / "mine.db").read_text() == "precious"


def test_a_moment_in_the_jobs_zone_chooses_the_backup(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    first = place.backups("shop")[0]
    (place.folder / "shop.db").unlink()
    sqlite_job(place)
    place.ok("run-once", "shop")
    between = datetime.fromisoformat(place.backups("shop")[0]["started_at"])
    assert between > datetime.fromisoformat(first["started_at"])
    ended = place.ok("restore", "shop", "--at", first["started_at"], "--into", "back.db")
    assert first["id"] in ended.out
    assert place.run("restore", "shop", "--at", "2001-01-01", "--into", "back2.db").code == 2
    assert place.run("restore", "shop", "--at", "yesterday", "--into", "back2.db").code == 2


def test_several_jobs_run_and_one_failure_stops_no_other(place: Workplace) -> None:
    sqlite_job(place)
    place.write(
        "version: 1\n"
        "storages: {there: {type: local, path: ./backups}}\n"
        "defaults: {storage: there}\n"
        "jobs:\n"
        "  - {name: a, tags: [day], database: {type: sqlite, path: ./shop.db}}\n"
        "  - {name: broken, database: {type: sqlite, path: ./nosuch.db}}\n"
        "  - {name: b, tags: [day, night], database: {type: sqlite, path: ./shop.db}}\n"
        "  - {name: off, enabled: false, tags: [day], database: {type: sqlite, path: ./shop.db}}\n"
    )
    ended = place.run("run-once", "--all", "--json")
    assert ended.code == 1
    assert {run["job"]: run["outcome"] for run in ended.json} == {
        "a": "succeeded",
        "broken": "failed",
        "b": "succeeded",
    }
    assert "broken: failed: there is no database file" in ended.err
    assert "hint: correct database.path" in ended.err
    assert [run["job"] for run in place.ok("run-once", "--tag", "day", "--json").json] == ["a", "b"]
    assert place.run("run-once", "--tag", "weekly").code == 2
    assert place.run("run-once").code == 2
    assert place.ok("run-once", "off", "--json").json[0]["outcome"] == "succeeded"
    table = place.run("run-once", "a", "broken").out
    assert "succeeded" in table
    assert "failed" in table


def test_a_dry_run_says_what_it_would_do_and_touches_nothing(place: Workplace, server: PostgresServer) -> None:
    one_job(place, postgres_database(place, server, "everyday"), "{type: local, path: ./backups}")
    said = place.ok("run-once", "shop", "--dry-run").out
    assert "would store dump (.sql, zstd)" in said
    assert "pg_dump 16" in said
    assert not (place.folder / "backups").exists()
    place.secrets["PG_PASSWORD"] = "wrong"
    assert place.run("run-once", "shop", "--dry-run").code == 1


def test_commands_that_find_nothing_give_an_empty_array(place: Workplace) -> None:
    sqlite_job(place)
    assert place.ok("list", "--json").json == []
    assert place.ok("verify", "shop", "--all", "--json").json == []
    assert place.run("verify", "shop").code == 2


def test_list_shows_times_in_the_jobs_zone(place: Workplace) -> None:
    sqlite_job(place)
    text = (place.folder / "jobs.yaml").read_text()
    place.write(text.replace("version: 1\n", "version: 1\ntimezone: Asia/Kathmandu\n"))
    place.ok("run-once", "shop")
    (backup,) = place.backups("shop")
    assert backup["started_at"].endswith("+05:45")
    assert backup["timezone"] == "Asia/Kathmandu"
    started = datetime.fromisoformat(backup["started_at"])
    assert f"/{started:%Y%m%d}/shop_{started:%Y%m%dT%H%M%S}+0545_" in backup["artifacts"][0]["key"]
    assert f"{started:%Y-%m-%d %H:%M:%S} +0545" in place.ok("list").out
    assert abs((datetime.now(UTC) - started).total_seconds()) < 600


def test_usage_errors_are_one_line_with_exit_code_2(place: Workplace) -> None:
    sqlite_job(place)
    for args in (
        ["run-once", "shpo"],
        ["list", "nosuch"],
        ["restore", "shop"],
        ["restore", "shop", "--into", "x", "--to-file", "y"],
        ["restore", "shop", "--to-file", "y", "--clean", "--yes"],
        ["restore", "shop", "--to-file", "y", "--no-owner"],
        ["restore", "shop", "--into", "x", "--password-env", "NO_SUCH_VARIABLE"],
        ["restore", "shop", "2026", "--at", "2026-01-01", "--into", "x"],
        ["verify", "shop", "2026", "--all"],
        ["run-once", "shop", "--all"],
        ["restore", "shop", "--into", "x", "--host", "h"],
        ["-f", "nosuch.yaml", "validate"],
        ["frobnicate"],
    ):
        ended = place.run(*args)
        assert ended.code == 2, (args, ended)
        assert ended.out == ""
        assert ended.err.strip()
    assert "shop" in place.run("run-once", "shpo").err
    variable = place.run("restore", "shop", "--into", "x", "--password-env", "NO_SUCH_VARIABLE")
    assert "the variable NO_SUCH_VARIABLE, which --password-env names, is not set" in variable.err


def test_the_file_may_be_named_before_or_after_the_command(place: Workplace) -> None:
    sqlite_job(place)
    (place.folder / "jobs.yaml").rename(place.folder / "other.yaml")
    place.ok("-f", "other.yaml", "validate")
    place.ok("validate", "-f", "other.yaml")
    place.ok("validate", env={"BACKUPCTL_CONFIG": "other.yaml"})
    assert place.run("validate").code == 2
