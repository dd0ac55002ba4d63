"""The values that are stored: a manifest says what it means, and what is none is refused."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from backupctl.errors import ExitCode, IntegrityError
from backupctl.model import GLOBALS_ROLE, Artifact, BackupId, Manifest

KEY = "backups/shop/20260102/shop_20260102T033000-0300_a1b2c3.sql.zst"
DUMP = Artifact(role="dump", key=KEY, size=10, sha256="ab", dump_size=20, dump_sha256="cd")
GLOBALS = Artifact(role=GLOBALS_ROLE, key=KEY + ".globals", size=1, sha256=None, dump_size=None, dump_sha256=None)
STARTED = datetime(2026, 1, 2, 3, 30, tzinfo=timezone(timedelta(hours=-3)))


def manifest(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "id": "20260102T063000Z-a1b2c3",
        "job": "shop",
        "engine": "postgres",
        "database": "shöp",
        "server_version": "17.11",
        "client": "pg_dump 17.11",
        "host": "db1",
        "started_at": STARTED,
        "finished_at": STARTED + timedelta(seconds=90),
        "timezone": "America/Sao_Paulo",
        "format": "plain",
        "compression": "zstd",
        "artifacts": (GLOBALS, DUMP),
        "tables": {"t": 3},
        "tables_unit": "rows",
        "warnings": ("careful",),
        "drift": ("table t (3,000 rows) is gone",),
        "details": {"roles": ["app"]},
        "tool": "backupctl 0.1.0",
    }
    return Manifest(**(fields | changes))


def stored(**changes: Any) -> bytes:
    document = json.loads(manifest().to_json()) | changes
    return json.dumps({name: value for name, value in document.items() if value != "left out"}).encode()


def test_a_manifest_comes_back_as_it_was_stored() -> None:
    assert Manifest.from_json(manifest().to_json(), key="k") == manifest()


def test_times_keep_their_offset() -> None:
    document = json.loads(manifest().to_json())
    assert document["started_at"] == "2026-01-02T03:30:00-03:00"
    assert Manifest.from_json(stored(), key="k").started_at.utcoffset() == timedelta(hours=-3)


def test_the_stored_document_has_the_names_that_the_format_promises() -> None:
    document = json.loads(manifest().to_json())
    promised = ["manifest", "id", "job", "engine", "database", "server_version", "client", "host", "started_at"]
    promised += ["finished_at", "timezone", "format", "compression", "encryption", "artifacts", "tables"]
    promised += ["tables_unit", "warnings", "drift", "databases", "tool"]
    assert [name for name in document if name != "details"] == promised
    assert document["manifest"] == 1
    assert list(document["artifacts"][0]) == ["role", "key", "size", "sha256", "dump_size", "dump_sha256"]


def test_a_manifest_lies_beside_its_dump() -> None:
    assert manifest().key == KEY + ".manifest.json"


def test_artifacts_are_found_by_their_role() -> None:
    assert manifest().dump == manifest().artifact("dump") == DUMP
    assert manifest().artifact(GLOBALS_ROLE) == GLOBALS
    assert manifest().artifact("stripe") is None


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert Manifest.from_json(stored(signature="x"), key="k") == manifest()


def test_a_manifest_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        manifest().job = "other"  # type: ignore[misc]  # what the test is about


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the document: invalid json"),
        (stored()[:-20], "the document: invalid json"),
        (b"\xff\xfe", "the document: invalid json"),
        (b"[]", "the document: input should be an object"),
        (b"[" * 100_000, "the document: invalid json: recursion limit exceeded"),
        (stored(manifest=2), "manifest: input should be 1"),
        (stored(job="left out"), "job: field required"),
        (stored(artifacts=[]), "artifacts: "),
        (stored(artifacts=[json.loads(GLOBALS.model_dump_json())]), "exactly one artifact with the role 'dump'"),
        (stored(artifacts=[json.loads(DUMP.model_dump_json())] * 2), "exactly one artifact with the role 'dump'"),
        (stored(artifacts=[json.loads(DUMP.model_dump_json()) | {"size": -1}]), "artifacts.0.size: "),
        (stored(started_at="2026-01-02T03:30:00"), "started_at: input should have timezone info"),
        (stored(started_at="0001-01-01T00:00:00Z"), "started_at: value error, a time is not in the first"),
        (stored(finished_at="9999-12-31T23:59:59Z"), "finished_at: value error, a time is not in the first"),
    ],
)
def test_what_is_no_manifest_of_this_version_is_an_integrity_error(data: bytes, problem: str) -> None:
    with pytest.raises(IntegrityError, match=re.escape(problem)) as caught:
        Manifest.from_json(data, key="backups/x.manifest.json")
    assert str(caught.value).startswith("the manifest backups/x.manifest.json cannot be read: ")
    assert caught.value.exit_code is ExitCode.INTEGRITY
    assert caught.value.hint == "it was altered, or written by a newer backupctl"


def test_a_backups_id_is_its_start_in_utc_and_six_digits() -> None:
    assert re.fullmatch(r"20260102T063000Z-[0-9a-f]{6}", str(BackupId.new(STARTED)))


def test_two_runs_of_one_second_have_different_ids() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert len({BackupId.new(now) for _ in range(20)}) > 1
