"""What `history` and `status` tell after real runs, and what damage to the catalog does to them: nothing."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backupctl.state import StateFolder
from tests.e2e.command import Workplace, until
from tests.e2e.places import make_shop, one_job, postgres_database, sqlite_job
from tests.parts.postgres import PostgresServer
from tests.parts.proxy import Fault, TcpProxy

HISTORY_KEYS = [
    "run_id",
    "job",
    "trigger",
    "due_at",
    "started_at",
    "finished_at",
    "outcome",
    "backup_id",
    "backups",
    "error",
    "hint",
]
STATUS_KEYS = ["job", "last_good_at", "age_s", "last_outcome", "next_run_at", "stale", "failing"]


def _shop_and_gone(place: Workplace) -> None:
    """Job `shop` works, job `gone` has no database, job `off` is disabled and lacks its variable."""
    make_shop(place.folder / "shop.db")
    place.write(
        "version: 1\ntimezone: Asia/Kathmandu\n"
        "storages:\n  there: {type: local, path: ./backups}\n"
        "jobs:\n"
        "  - {name: shop, database: {type: sqlite, path: ./shop.db}, storage: there}\n"
        "  - {name: gone, database: {type: sqlite, path: ./nosuch.db}, storage: there}\n"
        "  - name: off\n    enabled: false\n    database: {type: sqlite, path: ./nosuch.db}\n"
        "    storage: {type: local, path: '${NOT_SET}'}\n"
    )


def test_history_and_status_tell_what_became_of_every_run(place: Workplace) -> None:
    _shop_and_gone(place)
    assert place.run("run-once", "--all").code == 1
    with StateFolder(place.state).running("shop"):
        assert place.run("run-once", "shop").code == 4
    (backup,) = place.backups("shop")
    _tells_history(place, backup["id"])
    _tells_status(place, backup)


def _tells_history(place: Workplace, backup_id: str) -> None:
    runs = place.ok("history", "--json").json
    assert [list(run) for run in runs] == [HISTORY_KEYS] * 3
    skipped, failed, good = runs[0], *sorted(runs[1:], key=lambda run: str(run["job"]))
    assert (skipped["outcome"], failed["outcome"], good["outcome"]) == ("skipped", "failed", "succeeded")
    assert (good["trigger"], good["due_at"], good["backup_id"]) == ("manual", None, backup_id)
    assert "nosuch.db" in failed["error"]
    assert failed["hint"]
    assert datetime.fromisoformat(good["started_at"]).utcoffset() is not None
    shown = place.ok("history", "shop", "--count", "2").out
    assert "+0545" in shown
    assert backup_id in shown
    assert "gone" not in shown
    # A job that the file has no more is still in the history.
    (place.folder / "jobs.yaml").write_text((place.folder / "jobs.yaml").read_text().replace("gone", "renamed"))
    assert [run["outcome"] for run in place.ok("history", "gone", "--json").json] == ["failed"]
    unknown = place.run("history", "shpo")
    assert unknown.code == 2
    assert "did you mean shop?" in unknown.err
    (place.folder / "jobs.yaml").write_text((place.folder / "jobs.yaml").read_text().replace("renamed", "gone"))


def _tells_status(place: Workplace, backup: dict[str, str]) -> None:
    ended = place.run("status", "--json")
    assert ended.code == 1
    assert [list(one) for one in ended.json] == [STATUS_KEYS] * 3
    shop, gone, off = ended.json
    assert datetime.fromisoformat(shop["last_good_at"]) == datetime.fromisoformat(backup["started_at"])
    assert (shop["last_outcome"], shop["stale"], shop["failing"]) == ("succeeded", False, False)
    assert datetime.fromisoformat(shop["next_run_at"]) > datetime.now(UTC)
    assert (gone["last_good_at"], gone["age_s"], gone["last_outcome"]) == (None, None, "failed")
    assert (gone["stale"], gone["failing"]) == (False, True)
    assert (off["stale"], off["failing"], off["next_run_at"]) == (False, False, None)
    assert place.run("status", "shop").code == 0
    shown = place.run("status").out.splitlines()
    assert [line.split()[:2] for line in shown[1:]] == [["shop", "ok"], ["gone", "failing"], ["off", "disabled"]]
    assert "never" in shown[2]


def test_status_goes_by_what_is_on_the_storage(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    (place.state / "catalog.sqlite").unlink()
    (known,) = place.ok("status", "--json").json
    assert known["last_good_at"]
    assert known["last_outcome"] is None
    place.ok("run-once", "shop")
    newest = max((place.folder / "backups").rglob("*.zst"), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    ended = place.run("status")
    assert (ended.code, "stale" in ended.out, " NOTE" in ended.out) == (1, True, True)
    assert "that the storage does not list" in ended.out
    shutil.rmtree(place.folder / "backups")
    ended = place.run("status")
    assert ended.code == 1
    assert "stale" in ended.out
    assert "that the storage does not list" in ended.out
    assert place.leftovers() == []


def test_a_backup_that_is_too_old_is_stale_and_says_so_to_a_script(place: Workplace) -> None:
    sqlite_job(place)
    jobs = place.folder / "jobs.yaml"
    jobs.write_text(jobs.read_text().replace("storage: there}", "storage: there, max_age: 1h}"))
    place.ok("run-once", "shop")
    place.ok("status")
    # As if it had been made two hours earlier.
    (manifest,) = (place.folder / "backups").rglob("*.manifest.json")
    started_at = place.backups("shop")[0]["started_at"]
    earlier = datetime.fromisoformat(started_at) - timedelta(hours=2)
    manifest.write_text(manifest.read_text().replace(started_at, earlier.isoformat()))
    ended = place.run("status", "--json")
    assert ended.code == 1
    assert ended.json[0]["stale"] is True
    assert ended.json[0]["age_s"] // 60 == 120


def test_a_storage_that_is_gone_is_told_of_and_stops_no_other_job(place: Workplace) -> None:
    _shop_and_gone(place)
    place.ok("run-once", "shop")
    remembered = place.ok("status", "shop", "--json").json[0]["last_good_at"]
    jobs = place.folder / "jobs.yaml"
    shop_only_there = jobs.read_text().replace("storage: there}", "storage: elsewhere}", 1)
    jobs.write_text(
        shop_only_there.replace(
            "storages:\n",
            "storages:\n  elsewhere: {type: s3, endpoint_url: 'http://127.0.0.1:9', bucket: nosuch, region: r,"
            " access_key_id: k, secret_access_key: s}\n",
        )
    )
    ended = place.run("status", "--json")
    assert ended.code == 1
    shop, gone, _ = ended.json
    assert datetime.fromisoformat(shop["last_good_at"]) == datetime.fromisoformat(remembered)
    assert (shop["stale"], shop["failing"]) == (False, True)
    assert gone["failing"] is False
    assert "warning: shop: from the catalog: storage could not be read: " in ended.err
    assert "from the catalog: storage could not be read" in place.run("status").out


def test_damage_to_the_catalog_between_runs_stops_no_backup(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    (place.state / "catalog.sqlite").write_bytes(os.urandom(9999))
    ran = place.ok("run-once", "shop")
    assert ran.err.count("warning: the catalog of runs was no good") == 1
    assert len(place.backups("shop")) == 2
    assert len(place.ok("history", "--json").json) == 1
    assert len(list(place.state.glob("catalog.corrupt-*"))) == 1


@pytest.fixture
def no_room(place: Workplace) -> Iterator[Path]:
    """A state folder on a disk with room for a run's locks and not for a catalog."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = place.folder / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    (folder / "filler").write_bytes(bytes(24 << 10))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_without_room_for_the_catalog_the_backup_is_made_all_the_same(
    place: Workplace, postgres_server: Callable[[int], PostgresServer], no_room: Path
) -> None:
    server = postgres_server(16)
    one_job(place, postgres_database(place, server, "postgres"), "{type: local, path: ./backups}")
    state = {"BACKUPCTL_STATE_DIR": str(no_room)}
    ran = place.ok("run-once", "shop", env=state)
    assert ran.err.count("warning: ") == 1
    assert "runs are not recorded" in ran.err
    assert len(place.backups("shop")) == 1
    status = place.run("status", env=state)
    assert status.code == 1, "how the last run ended is not known"
    assert "the catalog of runs" in status.err


def test_a_history_that_cannot_be_read_is_an_error_and_not_an_empty_one(place: Workplace) -> None:
    sqlite_job(place)
    place.state.write_text("a file, where a folder should be")
    ended = place.run("history", "--json")
    assert (ended.code, ended.json) == (1, [])
    assert "not a directory" in ended.err


def test_a_run_that_was_killed_is_shown_as_such_and_while_it_went_as_running(
    place: Workplace, postgres_server: Callable[[int], PostgresServer], tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    server = postgres_server(16)
    proxy = tcp_proxy(server.host, server.port)
    proxy.to_client = Fault(stall_after=1)
    one_job(place, postgres_database(place, server, "postgres", port=proxy.port), "{type: local, path: ./backups}")
    with place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0)
        (going,) = place.ok("history", "--json").json
        assert (going["outcome"], going["finished_at"]) == (None, None)
        running.process.kill()
        running.process.communicate()
        (cut_off,) = place.ok("history", "--json").json
        assert (cut_off["outcome"], cut_off["finished_at"]) == ("interrupted", None)
        assert cut_off["error"] == "the process ended in the middle of the run"
        assert place.run("status").code == 1


def test_looking_back_needs_a_file_that_is_valid_and_no_variable(place: Workplace) -> None:
    sqlite_job(place, storage="{type: s3, bucket: '${BUCKET}', access_key_id: '${ID}', secret_access_key: '${SECRET}'}")
    assert "no runs" in place.ok("history").err
    ended = place.run("status")
    assert ended.code == 2
    assert "BUCKET" in ended.err
    place.write("version: 1\njobs: {}\n")
    assert place.run("history").code == 2
