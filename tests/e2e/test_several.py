"""A job with several databases, as a user runs it, looks at it, restores from it, and kills it."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.e2e.command import Workplace, until
from tests.e2e.places import content, drop, fill
from tests.parts.postgres import PostgresServer


class Tenants:
    """Databases whose names begin alike."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.prefix = f"e{uuid.uuid4().hex[:8]}"
        self.crm, self.erp = (f"{self.prefix}_{name}" for name in ("crm", "crm 2"))
        for name in (self.crm, self.erp, f"{self.prefix}_tmp"):
            fill(server, name, rows=4000)

    def write(self, place: Workplace, *more: str) -> None:
        place.secrets["PG_PASSWORD"] = self.server.password
        server, names = self.server, [f"{self.prefix}_crm*", *more]
        place.write(
            "version: 1\njobs:\n  - name: tenants\n"
            f"    database: {{type: postgres, host: {server.host}, port: {server.port}, user: {server.user},"
            f" password: '${{PG_PASSWORD}}', bin_dir: '{server.bin_dir}',"
            f" names: {names}, exclude: ['*_tmp'], parallel: 2}}\n"
            "    storage: {type: local, path: ./backups}\n    retention: {keep_last: 1}\n"
        )


@pytest.fixture
def tenants(postgres_server: Callable[[int], PostgresServer]) -> Iterator[Tenants]:
    made = Tenants(postgres_server(16))
    yield made
    drop(made.server, *(made.prefix + name for name in ("_crm", "_crm 2", "_tmp", "_back")))


def test_each_database_is_backed_up_checked_restored_and_accepted_by_itself(place: Workplace, tenants: Tenants) -> None:
    tenants.write(place)
    crm, erp, back = tenants.crm, tenants.erp, f"{tenants.prefix}_back"
    planned = place.ok("run-once", "tenants", "--dry-run", "--json").json
    assert [(plan["database"], plan["error"]) for plan in planned] == [(crm, None), (erp, None)]
    (run,) = place.ok("run-once", "tenants", "--json").json
    listed = {backup["database"]: backup["id"] for backup in place.backups("tenants")}
    assert (run["outcome"], run["backups"], run["failures"], run["backup_id"]) == ("succeeded", listed, {}, None)
    assert set(listed) == {crm, erp}
    verdicts = place.ok("verify", "tenants", "--json").json
    assert [(one["id"], one["ok"]) for one in verdicts] == [(listed[crm], True), (listed[erp], True)]
    assert len(place.ok("verify", "tenants", "--database", erp, "--json").json) == 1
    refused = place.run("restore", "tenants", "--into", back)
    assert refused.code == 2
    assert f"of 2 databases: {crm}, {erp}" in refused.err
    place.ok("restore", "tenants", "--database", erp, "--into", back)
    assert content(tenants.server, back) == content(tenants.server, erp)
    _loses_a_table(place, tenants)


def _loses_a_table(place: Workplace, tenants: Tenants) -> None:
    """Its backups alone are held, until somebody accepts the loss; and a name that is not there makes it partial."""
    tenants.server.sql("DROP TABLE t; CREATE TABLE u AS SELECT 1 AS x", tenants.crm)
    assert "table public.t (4,000 rows) is gone" in place.ok("run-once", "tenants").err
    assert [backup["database"] for backup in place.backups("tenants")].count(tenants.crm) == 2
    assert "nothing to accept" in place.ok("accept", "tenants", "--database", tenants.erp).err
    assert tenants.crm in place.ok("accept", "tenants", "--database", tenants.crm).err
    tenants.write(place, f"{tenants.prefix}_nosuch")
    partial = place.run("run-once", "tenants")
    assert partial.code == 1
    assert f"{tenants.prefix}_nosuch" in partial.err
    assert sorted(backup["database"] for backup in place.backups("tenants")) == [tenants.crm, tenants.erp]
    runs = place.ok("history", "tenants", "--json").json
    assert [(run["outcome"], run["backups"], run["backup_id"]) for run in runs] == [
        ("partial", 2, None),
        ("succeeded", 2, None),
        ("succeeded", 2, None),
    ]
    status = place.run("status", "--json")
    assert (status.code, status.json[0]["failing"], status.json[0]["stale"]) == (1, True, False)
    assert place.leftovers() == []


def test_what_a_killed_run_was_storing_at_once_is_cleared_by_the_next(place: Workplace, tenants: Tenants) -> None:
    tenants.write(place)
    server = tenants.server
    with _locked(server, tenants.crm), _locked(server, tenants.erp):
        with place.start("run-once", "tenants") as running:
            until(lambda: _locks(server, tenants.prefix, granted=False) == 2)
            running.process.kill()
        journal = place.state / "journals" / "tenants.json"
        assert journal.read_text().count("manifest_key") == 2
    place.ok("run-once", "tenants")
    assert not journal.exists()
    assert len(place.backups("tenants")) == 2
    assert len([path for path in (place.folder / "backups").rglob("*") if path.is_file()]) == 4
    assert place.leftovers() == []


@contextmanager
def _locked(server: PostgresServer, database: str) -> Iterator[None]:
    """Within the block nobody else reads the database's table."""

    def hold() -> None:
        with suppress(RuntimeError):  # until it is ended
            server.sql("BEGIN; LOCK TABLE t; SELECT pg_sleep(600)", database)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        until(lambda: _locks(server, database, granted=True) == 1)
        yield
    finally:
        server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        holder.join()


def _locks(server: PostgresServer, prefix: str, *, granted: bool) -> int:
    """Locks on tables in databases that begin so: held against readers, or waited for by them."""
    mode = "AccessExclusiveLock" if granted else "AccessShareLock"
    return int(
        server.sql(
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'relation'"
            f" AND mode = '{mode}' AND granted = {granted} AND starts_with(datname, '{prefix}')"
        )
    )
