"""`prune`, as a user runs it, over backups that were really made and histories that were made up from them."""

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backupctl.state import StateFolder
from tests.e2e.command import Ended, Workplace
from tests.e2e.places import make_shop, s3_storage
from tests.parts.http_faults import HttpFaults
from tests.parts.s3 import S3Server, WeedServer

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
LOCAL = "{type: local, path: ./backups}"


def _jobs(place: Workplace, *entries: str, storage: str = LOCAL) -> None:
    jobs = "".join(
        f"  - {{database: {{type: sqlite, path: ./shop.db}}, storage: there, {entry}}}\n" for entry in entries
    )
    place.write(f"version: 1\nstorages:\n  there: {storage}\njobs:\n{jobs}")


def _document(job: str, at: datetime, digits: str, *, size: int = 5) -> tuple[str, bytes]:
    """A dump's key below the storage's own folder, and the manifest that names it."""
    key = f"{job}/{at:%Y%m%d}/shop_{at:%Y%m%dT%H%M%S%z}_{digits}.sqlite"
    artifact = {"role": "dump", "key": key, "size": size, "sha256": None, "dump_size": size, "dump_sha256": None}
    fields = dict.fromkeys(("server_version", "client", "host", "format", "tool"), "made up")
    times = {"started_at": at.isoformat(), "finished_at": at.isoformat(), "timezone": "UTC"}
    names = {"id": f"{at:%Y%m%dT%H%M%SZ}-{digits}", "job": job, "engine": "sqlite", "database": "shop"}
    return key, json.dumps({**names, **fields, **times, "compression": "none", "artifacts": [artifact]}).encode()


def _history(place: Workplace, job: str, count: int, *, step: timedelta = DAY, until: datetime = NOW) -> list[str]:
    """So many backups in ./backups; their ids, the newest first."""
    ids = []
    for number in range(count):
        at = until - number * step
        digits = f"{number:06x}"
        key, manifest = _document(job, at, digits)
        path = place.folder / "backups" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
        path.with_name(path.name + ".manifest.json").write_bytes(manifest)
        ids.append(f"{at:%Y%m%dT%H%M%SZ}-{digits}")
    return ids


def _files(place: Workplace, job: str) -> list[Path]:
    return sorted(path for path in (place.folder / "backups" / job).rglob("*") if path.is_file())


def _planned(ended: Ended) -> dict[str, str]:
    """Of the table: id to keep or remove."""
    rows = (line.split() for line in ended.out.splitlines() if " keep " in line or " remove " in line)
    return {row[1]: "keep" if "keep" in row else "remove" for row in rows}


def test_prune_shows_its_plan_with_reasons_and_then_removes(place: Workplace) -> None:
    _jobs(place, "name: app, retention: {keep_last: 2, keep_monthly: 1}", "name: app_prod")
    ids = _history(place, "app", 5)
    others = _history(place, "app_prod", 3, until=NOW - timedelta(hours=1))
    dry = place.ok("prune", "--dry-run")
    assert _planned(dry) == dict.fromkeys((*ids[:2], *others), "keep") | dict.fromkeys(ids[2:], "remove")
    assert f"newest, last 2, monthly {NOW:%Y-%m}" in dry.out
    assert "no rule keeps it" in dry.out
    assert "no retention policy: everything is kept" in dry.out
    assert (len(_files(place, "app")), len(_files(place, "app_prod"))) == (10, 6)
    done = place.ok("prune")
    assert done.out.replace("app: 3 backups (15 B) are removed\n", "") == dry.out
    assert [backup["id"] for backup in place.backups("app")] == ids[:2]
    assert (len(_files(place, "app")), len(_files(place, "app_prod"))) == (4, 6)


def test_prune_gives_one_json_document(place: Workplace) -> None:
    _jobs(place, "name: app, retention: {keep_within: 36h}", "name: empty")
    ids = _history(place, "app", 3)
    app, empty = place.ok("prune", "--json").json
    assert [(one["id"], one["plan"], one["removed"], one["problem"]) for one in app["backups"]] == [
        (ids[0], "keep", False, None),
        (ids[1], "keep", False, None),
        (ids[2], "remove", True, None),
    ]
    assert app["backups"][1]["reasons"] == ["within 36h of the newest"]
    assert (app["retention"], empty["retention"], empty["backups"]) == ({"keep_within": 36 * 3600}, None, [])
    assert len(place.ok("prune", "app", "--json", "--dry-run").json[0]["backups"]) == 2


def test_what_is_broken_or_from_the_future_costs_no_good_backup_its_place(place: Workplace) -> None:
    _jobs(place, "name: app, retention: {keep_last: 2}")
    ids = _history(place, "app", 6)
    (ahead,) = _history(place, "app", 1, until=NOW + 800 * DAY)
    artifacts = {path.name[-13:-7]: path for path in _files(place, "app") if path.suffix == ".sqlite"}
    artifacts["000001"].unlink()
    artifacts["000005"].unlink()
    unreadable = artifacts["000004"].with_name(artifacts["000004"].name + ".manifest.json")
    unreadable.write_bytes(b"{")
    ended = place.ok("prune", "app")
    assert _planned(ended) == {ahead: "keep", ids[0]: "keep", ids[1]: "keep", ids[2]: "keep"} | dict.fromkeys(
        (ids[3], ids[5]), "remove"
    )
    assert "not trusted" in ended.out
    assert "damaged: its artifact" in ended.out
    assert "it is left alone" in ended.err
    assert unreadable.exists()
    assert artifacts["000004"].exists()
    assert place.ok("prune", "app").out.count("remove") == 0


def test_old_backups_are_removed_while_the_job_runs_and_orphans_only_when_it_does_not(place: Workplace) -> None:
    _jobs(place, "name: app, retention: {keep_last: 1}", "name: other, retention: {keep_last: 1}")
    _history(place, "app", 3)
    with _running(place, "app"):
        place.ok("prune", "app")
        assert len(_files(place, "app")) == 2
        _history(place, "app", 3)
        _history(place, "other", 3)
        assert _planned(place.ok("prune", "app", "--orphans", "--dry-run"))
        both = place.run("prune", "--orphans")
    assert "job app is already running" in both.err
    assert (both.code, len(_files(place, "app")), len(_files(place, "other"))) == (4, 6, 2)
    place.ok("prune", "--orphans")
    assert len(_files(place, "app")) == 2


def test_two_prunes_and_a_run_at_once_all_end_well(place: Workplace) -> None:
    _jobs(place, "name: app, retention: {keep_last: 2}")
    make_shop(place.folder / "shop.db")
    ids = _history(place, "app", 300, step=timedelta(minutes=20), until=NOW - DAY)
    commands = (("prune", "app"), ("prune", "app"), ("run-once", "app"))
    with ExitStack() as ended:
        started = [ended.enter_context(place.start(*command)) for command in commands]
        results = [running.wait() for running in started]
    assert [(result.code, "not removed" in result.err) for result in results] == [(0, False)] * 3
    newest, *older = [backup["id"] for backup in place.backups("app")]
    assert newest not in ids
    assert older in (ids[:1], ids[:2])  # by the order in which they came
    assert len(_files(place, "app")) == 2 * (1 + len(older))


def _running(place: Workplace, job: str) -> AbstractContextManager[Path]:
    """What a run of the job in another process holds."""
    return StateFolder(place.state).running(job)


def test_a_disabled_job_is_pruned_when_it_is_named(place: Workplace) -> None:
    _jobs(place, "name: app, enabled: false, retention: {keep_last: 1}")
    _history(place, "app", 3)
    assert "app: disabled" in place.ok("prune").err
    assert len(_files(place, "app")) == 6
    place.ok("prune", "app")
    assert len(_files(place, "app")) == 2


def test_orphans_are_told_and_go_only_when_it_is_asked_for(place: Workplace) -> None:
    _jobs(place, "name: app", "name: app_prod")
    _history(place, "app", 1)
    day = place.folder / "backups" / "app" / "20260101"
    day.mkdir()
    old = ["shop_20260101T000000+0000_abcdef.sqlite.zst", ".0123456789abcdef-01234567.partial", "notes.txt"]
    young = ["shop_20260101T000000+0000_fedcba.sqlite.zst", ".0123456789abcdef-76543210.partial"]
    for name in (*old, *young):
        (day / name).write_bytes(b"12345")
    for name in old:
        os.utime(day / name, times=(time.time() - 3 * 86400,) * 2)
    shutil.copytree(day, place.folder / "backups" / "app_prod" / "20260101")
    before = len(_files(place, "app"))
    told = place.ok("prune", "app")
    assert "app: 2 orphans (10 B) are there" in told.err
    assert "--orphans" in told.err
    shown = place.ok("prune", "app", "--orphans", "--dry-run")
    assert all(name in shown.out for name in old[:2])
    assert len(_files(place, "app")) == before
    assert "2 orphans (10 B) are removed" in place.ok("prune", "app", "--orphans").out
    assert sorted(path.name for path in day.iterdir()) == sorted((old[2], *young))
    assert len(_files(place, "app_prod")) == 5
    assert place.ok("prune", "app", "--orphans").out.count("orphan") == 0


def test_a_store_that_refuses_deletes_is_told_of_and_the_rest_is_finished_the_next_time(
    place: Workplace, weed_server: WeedServer, http_faults: Callable[[str], HttpFaults]
) -> None:
    faults = http_faults(weed_server.endpoint_url)
    _jobs(
        place,
        "name: app, compression: none, retention: {keep_last: 1}",
        storage=s3_storage(place, weed_server, endpoint_url=faults.endpoint_url),
    )
    prefix = f"{place.folder.name}/"
    client = weed_server.client()
    for number in range(3):
        key, manifest = _document("app", NOW - number * DAY, f"{number:06x}")
        moved = manifest.replace(b'"app/', f'"{prefix}app/'.encode())
        client.put_object(Bucket=weed_server.bucket, Key=prefix + key, Body=b"12345")
        client.put_object(Bucket=weed_server.bucket, Key=f"{prefix}{key}.manifest.json", Body=moved)
    faults.fail(100, status=403, matches=lambda line: line.startswith("DELETE") and "000001.sqlite.manifest" in line)
    first = place.run("prune", "app")
    assert first.code == 1
    assert "is not removed" in first.err
    assert "1 backup (5 B) is removed" in first.out
    assert len(weed_server.keys(prefix)) == 3
    faults.fail(0)
    again = place.ok("prune", "app")
    assert "damaged: its artifact" in again.out
    assert len(weed_server.keys(prefix)) == 2


def test_a_key_without_the_right_to_delete_says_once_what_it_needs(place: Workplace, weed_server: WeedServer) -> None:
    prefix = f"{place.folder.name}/"
    for number in range(4):
        key, manifest = _document("app", NOW - number * DAY, f"{number:06x}")
        moved = manifest.replace(b'"app/', f'"{prefix}app/'.encode())
        weed_server.client().put_object(Bucket=weed_server.bucket, Key=prefix + key, Body=b"12345")
        weed_server.client().put_object(Bucket=weed_server.bucket, Key=f"{prefix}{key}.manifest.json", Body=moved)
    storage = s3_storage(place, weed_server).replace(weed_server.access_key_id, weed_server.read_list_access_key_id)
    place.secrets["S3_SECRET"] = weed_server.read_list_secret_access_key
    _jobs(place, "name: app, compression: none, retention: {keep_last: 1}", storage=storage)
    ended = place.run("prune", "app")
    assert ended.code == 1
    assert ended.err.count("is not removed") == 3
    assert ended.err.count("s3:DeleteObject") == 1
    assert len(weed_server.keys(prefix)) == 8


def test_an_unfinished_upload_of_a_store_is_no_orphan_before_two_days(place: Workplace, s3_server: S3Server) -> None:
    _jobs(place, "name: app", storage=s3_storage(place, s3_server))
    key = f"{place.folder.name}/app/20260101/shop_20260101T000000+0000_abcdef.sqlite.zst"
    begun = s3_server.client().create_multipart_upload(Bucket=s3_server.bucket, Key=key)
    assert place.ok("prune", "app", "--orphans", "--json").json[0]["orphans"] == []
    assert key in s3_server.open_uploads()
    s3_server.client().abort_multipart_upload(Bucket=s3_server.bucket, Key=key, UploadId=begun["UploadId"])


def test_a_storage_that_cannot_be_read_is_an_error_of_that_job_alone(place: Workplace) -> None:
    (place.folder / "file").touch()
    _jobs(place, "name: app, retention: {keep_last: 1}")
    broken = "  - {database: {type: sqlite, path: x}, storage: {type: local, path: ./file}, name: broken}\n"
    place.write((place.folder / "jobs.yaml").read_text() + broken)
    _history(place, "app", 2)
    ended = place.run("prune", "--json")
    assert ended.code == 1
    assert "error: broken: " in ended.err
    app, other = ended.json
    assert (app["error"], [backup["removed"] for backup in app["backups"]]) == (None, [False, True])
    assert "not a directory" in other["error"]


def test_validate_says_which_jobs_keep_everything(place: Workplace) -> None:
    _jobs(place, "name: a", "name: b, retention: {keep_last: 1}", "name: c")
    assert "note: 2 jobs have no retention policy: all of their backups are kept" in place.ok("validate").err
    _jobs(
        place,
        "name: a, retention: all",
        "name: b, retention: {keep_last: 1, keep_within: 30d}",
        "name: c, retention: {keep_within: 36h}",
    )
    ended = place.ok("validate", "--json")
    assert "note: job a has no retention policy: all of its backups are kept" in ended.err
    assert "note: job c keeps by age alone: a backup that is made 36h after the one before it leaves" in ended.err
    assert "job b" not in ended.err
    assert [job["retention"] for job in ended.json["jobs"][:2]] == [None, {"keep_last": 1, "keep_within": 30 * 86400}]


def test_a_run_prunes_after_its_success_and_a_failed_one_does_not(place: Workplace) -> None:
    _jobs(place, "name: app, retention: {keep_last: 2}")
    ids = _history(place, "app", 4, until=NOW - DAY)
    assert place.run("run-once", "app").code == 1
    assert len(place.backups("app")) == 4
    make_shop(place.folder / "shop.db")
    assert "app: 3 old backups removed" in place.ok("run-once", "app").err
    newest, older = place.backups("app")
    assert newest["id"] not in ids
    assert older["id"] == ids[0]


def test_a_prune_that_fails_is_a_warning_of_a_run_that_succeeded(place: Workplace, weed_server: WeedServer) -> None:
    storage = s3_storage(place, weed_server)
    storage = storage.replace(weed_server.access_key_id, weed_server.put_list_access_key_id)
    place.secrets["S3_SECRET"] = weed_server.put_list_secret_access_key
    _jobs(place, "name: app, retention: {keep_last: 1}", storage=storage)
    make_shop(place.folder / "shop.db")
    ended = place.ok("run-once", "app")
    assert "succeeded" in ended.out
    assert "warning: app: old backups are not removed: cannot read" in ended.err
    assert "s3:DeleteObject" in ended.err
