"""A loss between two backups in a bucket: told of where the key may read, and no reason to fail where it may not."""

import sqlite3
from contextlib import closing

from tests.e2e.command import Workplace
from tests.e2e.places import s3_storage, sqlite_job
from tests.parts.s3 import WeedServer


def _lose_a_table(place: Workplace) -> str:
    """Two backups with a loss in between; what the second run said."""
    place.ok("run-once", "shop")
    with closing(sqlite3.connect(place.folder / "shop.db")) as db, db:
        db.execute("DROP TABLE orders")
    return place.ok("run-once", "shop").err


def test_a_key_that_may_read_finds_the_loss(place: Workplace, weed_server: WeedServer) -> None:
    sqlite_job(place, storage=s3_storage(place, weed_server))
    assert "orders" in _lose_a_table(place)
    assert "orders" in str(place.backups("shop")[0]["drift"])
    assert "orders" in place.ok("accept", "shop").err


def test_a_key_that_may_only_put_and_list_backs_up_and_says_nothing(place: Workplace, weed_server: WeedServer) -> None:
    storage = s3_storage(place, weed_server).replace(weed_server.access_key_id, weed_server.put_list_access_key_id)
    sqlite_job(place, storage=storage)
    place.secrets["S3_SECRET"] = weed_server.put_list_secret_access_key
    assert "warning" not in _lose_a_table(place)
    assert len([key for key in weed_server.keys(f"{place.folder.name}/") if key.endswith(".manifest.json")]) == 2
