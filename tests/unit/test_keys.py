"""What the keys of several databases tell apart."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from backupctl.keys import Keys, in_key
from backupctl.model import BackupId

KEYS = Keys("backups/all/", ZoneInfo("UTC"))
ID = BackupId(datetime(2026, 3, 1, 3, 30, tzinfo=UTC), "abc123")
LIKE_A_KEY = "crm_20260301T033000+0000_abc123.sql"


@pytest.mark.parametrize(
    "database",
    ["crm", "crm_1", "Crm", "crm.sql", "a b", "a/b%", "käse", "-x", "..", "x" * 200, "数据" * 100, LIKE_A_KEY],
)
def test_a_key_tells_whose_it_is(database: str) -> None:
    key = KEYS.artifact(ID, database, ".sql.zst")
    assert KEYS.database(key) == KEYS.database(key + ".manifest.json") == in_key(database)
    assert len(key.rpartition("/")[2] + ".globals.sql.zst.manifest.json") < 255


def test_names_that_begin_alike_differ_also_where_a_key_is_cut() -> None:
    names = ["x" * 180, "x" * 181, "x" * 200, "x" * 199 + "y", "ü" * 64, "ü" * 63 + "u", "crm", "CRM", "crm_1", "", "."]
    assert len({in_key(name) for name in names}) == len(names)


def test_what_is_no_key_of_the_job_is_of_no_database() -> None:
    assert KEYS.database("backups/all/notes.manifest.json") == ""
    assert KEYS.database(KEYS.artifact(ID, "crm", ".sql").replace("all", "other")) == ""
