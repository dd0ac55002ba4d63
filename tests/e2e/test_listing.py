"""`list`, as a user runs it, where a clock was wrong or a job is disabled."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.e2e.command import Workplace
from tests.e2e.places import make_shop, sqlite_job


def test_a_backup_from_the_future_is_listed_last_and_is_not_the_latest(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    (made,) = place.backups("shop")
    ahead = "20990101T000000Z-abcdef"
    (manifest,) = (place.folder / "backups").rglob("*.manifest.json")
    _date(manifest, ahead, "2099-01-01T00:00:00+00:00")
    listed = place.ok("list", "shop").out.splitlines()
    assert [line.split()[1] for line in listed[1:]] == [made["id"], ahead]
    assert "in the future" in listed[2]
    assert [backup["id"] for backup in place.backups("shop")] == [made["id"], ahead]
    restored = place.ok("restore", "shop", "--into", "back.db")
    assert made["id"] in restored.out
    assert f"warning: shop: {ahead}: passed over, since it starts in the future" in restored.err
    assert f"{made['id']} checks out" in place.ok("verify", "shop").out
    assert f"{ahead} checks out" in place.ok("verify", "shop", "2099").out


def _date(manifest: Path, backup_id: str, started_at: str) -> None:
    """Another backup beside this one, as if a wrong clock had dated it."""
    artifact = manifest.with_name(manifest.name.removesuffix(".manifest.json"))
    copy = artifact.with_name(f"shop_20990101T000000+0000_{backup_id[-6:]}.sqlite.zst")
    shutil.copy(artifact, copy)
    document = json.loads(manifest.read_text()) | {"id": backup_id, "started_at": started_at}
    document["artifacts"][0]["key"] = document["artifacts"][0]["key"].replace(artifact.name, copy.name)
    copy.with_name(f"{copy.name}.manifest.json").write_text(json.dumps(document))


def test_the_storage_of_a_disabled_job_that_cannot_be_asked_is_a_warning_alone(place: Workplace) -> None:
    (place.folder / "file").touch()
    make_shop(place.folder / "shop.db")
    jobs = "".join(
        f"  - {{name: {name}, enabled: {enabled}, database: {{type: sqlite, path: ./shop.db}}, storage: {storage}}}\n"
        for name, enabled, storage in (
            ("shop", "true", "{type: local, path: ./backups}"),
            ("broken", "false", "{type: local, path: ./file}"),
            ("old", "false", "retired"),
            ("older", "false", '{type: local, path: "${OLD_FOLDER}"}'),
        )
    )
    retired = '{type: s3, bucket: old, endpoint_url: "https://${OLD_HOST}.example.com"}'
    place.write(f"version: 1\nstorages:\n  retired: {retired}\njobs:\n{jobs}")
    place.ok("run-once", "shop")
    ended = place.ok("list", "--json")
    assert [backup["job"] for backup in ended.json] == ["shop"]
    broken, old, older = ended.err.splitlines()
    assert broken.startswith("warning: broken: disabled, and its backups are not listed: ")
    assert "not a directory" in broken
    assert old == "warning: old: disabled, and its backups are not listed: the variable OLD_HOST is not set"
    assert older == "warning: older: disabled, and its backups are not listed: the variable OLD_FOLDER is not set"
    assert place.run("list", "broken").code == 1
    assert place.run("list", "old").code == 2


def test_a_loss_holds_retention_until_somebody_accepts_it(place: Workplace) -> None:
    sqlite_job(place)
    text = (
        (place.folder / "jobs.yaml")
        .read_text()
        .replace("storage: there}", "storage: there, retention: {keep_last: 1}}")
    )
    (place.folder / "jobs.yaml").write_text(text)
    place.ok("run-once", "shop")
    with closing(sqlite3.connect(place.folder / "shop.db")) as db, db:
        db.execute("DROP TABLE orders")
    lost = place.ok("run-once", "shop")
    assert "warning: shop: " in lost.err
    assert "orders" in lost.err
    assert "old backups are kept" in lost.err
    assert len(place.backups("shop")) == 2
    place.ok("prune", "shop")
    assert len(place.backups("shop")) == 2
    accepted = place.ok("accept", "shop")
    assert "is accepted" in accepted.out
    assert "orders" in accepted.err
    assert "nothing to accept" in place.ok("accept", "shop").err
    after = place.ok("run-once", "shop")
    assert "orders" not in after.err
    (kept,) = place.backups("shop")
    assert kept["drift"] == []
