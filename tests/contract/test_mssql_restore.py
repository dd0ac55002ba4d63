"""What a SQL Server restore refuses, keeps, makes and leaves behind."""

import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backupctl.access import BucketAccess
from backupctl.engines.base import Restore
from backupctl.engines.mssql import MssqlEngine
from backupctl.errors import BackupctlError, CancelledError, EngineError, IntegrityError, UsageError
from backupctl.model import DUMP_ROLE, STRIPE_ROLE, Artifact
from backupctl.stream import Reader
from tests.contract.engine_members import Kept, MemoryReader, keep
from tests.contract.mssql_cases import CUSTOMERS, NO_FOLDER, Cases, access_to
from tests.parts.mssql import MssqlServer
from tests.parts.mssql.errors import failure
from tests.parts.mssql.state import Credential, DataFile, Login, Rows
from tests.parts.mssql.store import HttpsStore

PRECIOUS: Rows = [(9, "precious")]
Sayings = list[str]


@pytest.fixture(scope="module")
def kept(mssql_server: MssqlServer, sqlcmd: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A backup of `shop`, one of whose users no login stands behind."""
    mssql_server.reset()
    shop = mssql_server.make_database("shop", CUSTOMERS)
    shop.users = {"web": b"\x09" * 16, "app": mssql_server.logins["sa"].sid}
    return keep(Cases(mssql_server, sqlcmd, tmp_path_factory.mktemp("kept")).engine())


@pytest.fixture
def cases(mssql_server: MssqlServer, kept: Kept, sqlcmd: Path, tmp_path: Path) -> Cases:
    mssql_server.reset()
    mssql_server.make_database("shop", CUSTOMERS)
    return Cases(mssql_server, sqlcmd, tmp_path)


@pytest.fixture
def server(cases: Cases) -> MssqlServer:
    return cases.server


@pytest.fixture
def engine(cases: Cases) -> MssqlEngine:
    return cases.engine()


def fails(engine: MssqlEngine, request: Restore, error: type[BackupctlError], match: str) -> Sayings:
    """What is said on the way to the error."""
    said: Sayings = []
    with pytest.raises(error, match=match):
        engine.restore(replace(request, say=said.append))
    return said


def clean(kept: Kept, into: str, **options: Any) -> Restore:
    return kept.request(into, clean=True, confirm=lambda _: True, **options)


def statements(server: MssqlServer, word: str) -> list[str]:
    """The batches that had it in them."""
    return [batch for batch in server.batches if word in batch]


def files(server: MssqlServer, name: str) -> list[str]:
    return [file.physical for file in server.databases[name.casefold()].files]


def flipped(dump: bytes) -> bytes:
    return dump[:-100] + bytes([dump[-100] ^ 1]) + dump[-99:]


def at(server: MssqlServer, percent: int, work: Callable[[], None]) -> None:
    server.on_percent = lambda reached: work() if reached == percent else None


def fail_with(number: int, *parts: object) -> Callable[[], None]:
    def fail() -> None:
        raise failure(number, *parts)

    return fail


def test_a_database_comes_back_beside_its_original_in_files_of_its_own(
    server: MssqlServer, engine: MssqlEngine, kept: Kept
) -> None:
    said: Sayings = []
    engine.restore(kept.request("shop2", check=True, say=said.append))
    engine.restore(kept.request("Shop 2"))
    assert server.rows("shop2") == server.rows("shop 2") == {"customers": CUSTOMERS}
    placed = files(server, "shop2") + files(server, "shop 2")
    assert len(set(placed)) == 4
    assert all(path.startswith("/var/opt/mssql/data/") for path in placed)
    assert [path.rpartition(".")[2] for path in placed] == ["mdf", "ldf"] * 2
    assert "stands behind the users web:" in said[-1]
    assert len(statements(server, "CHECKDB")) == 1
    assert list(server.local_dir.iterdir()) == []


def test_a_windows_server_keeps_its_databases_where_it_does(sqlcmd: Path, tmp_path: Path, kept: Kept) -> None:
    name = 'we ]ird\' "name" größe'
    with closing(MssqlServer(windows=True)) as windows:
        Cases(windows, sqlcmd, tmp_path).engine().restore(kept.request(name))
        assert windows.rows(name) == {"customers": CUSTOMERS}
        assert all(path.startswith("C:\\SQL\\DATA\\we__ird__") for path in files(windows, name))
        assert list(windows.local_dir.iterdir()) == []


def test_what_is_there_is_replaced_only_with_consent(server: MssqlServer, engine: MssqlEngine, kept: Kept) -> None:
    server.make_database("other", PRECIOUS).in_use = True
    asked: Sayings = []
    fails(engine, kept.request("OTHER"), UsageError, 'the database "other" on .* is there already')
    fails(engine, kept.request("other", clean=True, confirm=asked.append), UsageError, "nothing was changed")
    assert '"other" on 127.0.0.1:' in asked[0]
    assert server.rows("other") == {"customers": PRECIOUS}
    assert statements(server, "RESTORE") == statements(server, "ALTER DATABASE") == []
    engine.restore(clean(kept, "OTHER"))
    assert server.rows("other") == {"customers": CUSTOMERS}
    assert (server.databases["other"].user_access, server.databases["other"].in_use) == ("MULTI_USER", False)


def test_what_was_replaced_is_not_left_to_one_user(server: MssqlServer, engine: MssqlEngine, kept: Kept) -> None:
    other = server.make_database("other", PRECIOUS)
    at(server, 100, lambda: setattr(other, "user_access", "SINGLE_USER"))
    engine.restore(clean(kept, "other"))
    assert other.user_access == "MULTI_USER"


@pytest.mark.parametrize("access", ["MULTI_USER", "RESTRICTED_USER"])
def test_a_replacement_that_does_not_begin_leaves_the_old_one_to_its_users(
    server: MssqlServer, engine: MssqlEngine, kept: Kept, access: str
) -> None:
    other = server.make_database("other", PRECIOUS, user_access=access)
    server.fail("RESTORE", 3257, "/var/opt/mssql/data", 1 << 30, 1 << 20)
    fails(engine, clean(kept, "other"), EngineError, "has not the space that the database needs")
    assert statements(server, "SINGLE_USER")
    assert (server.rows("other"), other.user_access) == ({"customers": PRECIOUS}, access)


def test_a_replacement_that_fails_half_way_is_said_and_can_be_done_again(
    server: MssqlServer, engine: MssqlEngine, kept: Kept
) -> None:
    server.make_database("other", PRECIOUS)
    at(server, 50, fail_with(3271, "other", "a bad disk"))
    said = fails(engine, clean(kept, "other"), EngineError, "a bad disk")
    assert said[-1] == "other was being replaced when it failed: it is no database until a restore succeeds"
    assert list(server.local_dir.iterdir()) == []
    at(server, 50, lambda: None)
    engine.restore(clean(kept, "other"))
    assert server.rows("other") == {"customers": CUSTOMERS}


def test_half_a_new_database_is_taken_away(server: MssqlServer, engine: MssqlEngine, kept: Kept) -> None:
    at(server, 50, fail_with(3271, "other", "a bad disk"))
    fails(engine, kept.request("other"), EngineError, "a bad disk")
    assert not server.has("other")
    assert list(server.local_dir.iterdir()) == []


def test_a_cancelled_restore_takes_away_what_it_made_once_the_server_lets_go(
    server: MssqlServer, cases: Cases, kept: Kept
) -> None:
    ended = threading.Event()

    def cancel() -> None:
        cases.cancel.request()
        assert ended.wait(60)

    at(server, 50, cancel)
    server.fail("DROP DATABASE", 3702, "other", times=1)
    fails(cases.engine(), kept.request("other"), CancelledError, "cancelled")
    ended.set()
    assert len(statements(server, "DROP DATABASE")) == 2
    assert not server.has("other")
    assert cases.left_over == []


def test_the_database_of_another_that_appears_meanwhile_is_not_dropped(
    server: MssqlServer, engine: MssqlEngine, kept: Kept
) -> None:
    """Somebody's restore of that name, which ended ours."""

    def appear() -> None:
        theirs = (DataFile("shop", "/var/opt/mssql/data/theirs.mdf", "D", 1 << 20),)
        server.databases["other"] = server.make_database("other", PRECIOUS, state="RESTORING")
        server.databases["other"].files = theirs
        raise failure(3101)

    at(server, 50, appear)
    said = fails(engine, kept.request("other"), EngineError, "in use")
    assert said[-1] == 'there is a database "other" now: it may not be what was backed up'
    assert server.rows("other") == {"customers": PRECIOUS}


def test_a_database_that_is_made_while_the_backup_is_read_is_not_replaced(
    server: MssqlServer, engine: MssqlEngine, kept: Kept
) -> None:
    def make(role: str) -> Reader:
        server.make_database("other", PRECIOUS, recovery_model="SIMPLE")
        return kept.open(role)

    fails(engine, replace(kept.request("other"), open=make), UsageError, "in the meantime")
    assert statements(server, "RESTORE DATABASE") == []
    assert server.rows("other") == {"customers": PRECIOUS}


def test_a_server_that_dies_leaves_something_to_look_at(
    server: MssqlServer, engine: MssqlEngine, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backupctl.engines.mssql.restore.LETS_GO_WITHIN_S", 0)
    monkeypatch.setattr("backupctl.engines.mssql.connection.LOGIN_TIMEOUT_S", 1)
    server.dies_at = 50
    said = fails(engine, kept.request("other"), EngineError, "ended the connection")
    assert said[-1].startswith('what is left of "other" must be looked at: the server')
    assert list(server.local_dir.iterdir()) == []


def test_damage_that_the_check_finds_is_damage_of_the_backup(
    server: MssqlServer, engine: MssqlEngine, kept: Kept
) -> None:
    server.fail("DBCC", 8939, 7, 312)
    fails(engine, kept.request("other", check=True), IntegrityError, r"\(DBCC CHECKDB\): Table error: Object ID 7")
    assert server.rows("other") == {"customers": CUSTOMERS}


def test_an_altered_backup_replaces_nothing(server: MssqlServer, engine: MssqlEngine, kept: Kept) -> None:
    server.make_database("other", PRECIOUS)
    fails(engine, clean(kept.altered(flipped), "other"), IntegrityError, "was altered")
    assert statements(server, "RESTORE") == []
    unknown = [one.model_copy(update={"sha256": None, "dump_sha256": None}) for one in kept.manifest.artifacts]
    manifest = kept.manifest.model_copy(update={"artifacts": tuple(unknown)})
    request = replace(clean(kept, "other"), manifest=manifest, open=lambda role: altered(kept, role))
    fails(engine, request, IntegrityError, "found damage: Damage to the backup set was detected")
    assert statements(server, "RESTORE DATABASE") == statements(server, "ALTER DATABASE") == []
    assert server.rows("other") == {"customers": PRECIOUS}
    assert list(server.local_dir.iterdir()) == []


def altered(kept: Kept, role: str) -> Reader:
    with closing(kept.open(role)) as dump:
        return MemoryReader(flipped(dump.read(1 << 24)))


def test_a_newer_servers_backup_replaces_nothing(server: MssqlServer, engine: MssqlEngine, kept: Kept) -> None:
    server.make_database("other", PRECIOUS)
    server.build = (15, 0, 4415, 2)
    fails(engine, clean(kept, "other"), EngineError, "cannot read this backup: .* running version 16.00.4135")
    assert server.rows("other") == {"customers": PRECIOUS}
    assert server.databases["other"].user_access == "MULTI_USER"


def test_the_servers_own_databases_are_refused(server: MssqlServer, engine: MssqlEngine, kept: Kept) -> None:
    for name in ("master", "MSDB", "tempdb ", "Model"):
        fails(engine, clean(kept, name), UsageError, "belongs to the server")
    fails(engine, clean(kept, "a\nGO\nDROP DATABASE shop\nGO\n"), UsageError, "no control characters")
    fails(engine, clean(kept, "x" * 129), UsageError, "1 to 128 characters")
    fails(engine, clean(kept, "other", create_roles=True), UsageError, "users that are in it")
    fails(engine, clean(kept, "other", owner=False), UsageError, "users that are in it")
    assert all("SERVERPROPERTY" in batch for batch in server.batches)


def test_who_may_make_no_database_is_told_so(server: MssqlServer, cases: Cases, kept: Kept) -> None:
    server.add_login(Login("o]perator", "pw", databases={"shop": {"db_backupoperator"}}))
    engine = cases.engine(user="o]perator", password=SecretStr("pw"))
    with pytest.raises(EngineError, match="may not make databases") as refused:
        engine.restore(kept.request("other"))
    assert refused.value.hint == "as an administrator run: GRANT CREATE ANY DATABASE TO [o]]perator]"
    server.logins["o]perator"].permissions.append(("GRANT", "CREATE ANY DATABASE"))
    server.make_database("other", PRECIOUS)
    fails(engine, clean(kept, "other"), EngineError, "the login may not do that")
    assert server.rows("other") == {"customers": PRECIOUS}


@dataclass(frozen=True)
class OnTheStore:
    """A backup that the server wrote to a store by itself, and nobody has read back."""

    manifest: Any
    access: BucketAccess

    def request(self, into: str, **options: Any) -> Restore:
        return Restore(manifest=self.manifest, open=_not_here, into=into, **options)


def _not_here(role: str) -> Reader:
    raise AssertionError(f"{role} is read by the server itself")


@pytest.fixture(scope="module")
def striped(
    mssql_server: MssqlServer,
    https_store: HttpsStore,
    kept: Kept,
    sqlcmd: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> OnTheStore:
    """More than nine stripes, whose order is not that of their keys."""
    mssql_server.reset()
    mssql_server.make_database("shop", CUSTOMERS)
    mssql_server.s3_ca_file = https_store.ca_file
    access, folder = access_to(https_store), tmp_path_factory.mktemp("striped")
    preflight = Cases(mssql_server, sqlcmd, folder).engine(access, mode="s3_url", **NO_FOLDER).preflight()
    keys = tuple(f"backups/{folder.name}/20260101/shop.{number}of11.bak" for number in range(1, 12))
    preflight.direct[0].write(keys)
    assert https_store.keys(f"backups/{folder.name}/") == sorted(keys)
    sizes = {key: len(stored(https_store, key)) for key in keys}
    roles = [DUMP_ROLE, *(f"{STRIPE_ROLE}{number}" for number in range(2, 12))]
    artifacts = tuple(
        Artifact(role=role, key=key, size=sizes[key], sha256=None, dump_size=None, dump_sha256=None)
        for role, key in sorted(zip(roles, keys, strict=True))
    )
    manifest = kept.manifest.model_copy(update={"artifacts": artifacts, "details": preflight.details})
    return OnTheStore(manifest, access)


def stored(store: HttpsStore, key: str) -> bytes:
    return store.client().get_object(Bucket=store.bucket, Key=key)["Body"].read()


def test_stripes_on_a_store_are_read_by_the_server_itself(
    server: MssqlServer, https_store: HttpsStore, striped: OnTheStore, cases: Cases
) -> None:
    theirs = Credential(https_store.prefix, "S3 Access Key", "their:keys", 1, server.now(), server.now())
    server.credentials[https_store.prefix] = theirs
    cases.engine(striped.access, mode="s3_url", **NO_FOLDER).restore(striped.request("other"))
    assert server.rows("other") == {"customers": CUSTOMERS}
    assert list(server.credentials.values()) == [theirs]
    assert theirs.secret == "their:keys"
    assert cases.left_over == []


def test_what_somebody_put_in_the_place_of_a_stripe_replaces_nothing(
    server: MssqlServer, https_store: HttpsStore, striped: OnTheStore, cases: Cases
) -> None:
    server.make_database("other", PRECIOUS)
    engine = cases.engine(striped.access)
    request = striped.request("other", clean=True, confirm=lambda _: True)
    details = {**striped.manifest.details, "database": "crm"}
    another = replace(request, manifest=striped.manifest.model_copy(update={"database": "crm", "details": details}))
    fails(engine, another, IntegrityError, 'is a backup of "shop", and was one of "crm"')
    key = striped.manifest.artifacts[-1].key
    content = stored(https_store, key)
    https_store.client().put_object(Bucket=https_store.bucket, Key=key, Body=flipped(content))
    fails(engine, request, IntegrityError, "found damage")
    https_store.client().put_object(Bucket=https_store.bucket, Key=key, Body=content)
    assert statements(server, "RESTORE DATABASE") == statements(server, "ALTER DATABASE") == []
    assert (server.rows("other"), server.credentials) == ({"customers": PRECIOUS}, {})


def test_stripes_that_were_copied_to_a_disk_restore_through_the_folder(
    server: MssqlServer, https_store: HttpsStore, striped: OnTheStore, cases: Cases
) -> None:
    keys = {one.role: one.key for one in striped.manifest.artifacts}
    request = replace(striped.request("other"), open=lambda role: MemoryReader(stored(https_store, keys[role])))
    cases.engine().restore(request)
    assert server.rows("other") == {"customers": CUSTOMERS}
    assert len(statements(server, "RESTORE DATABASE")[0].split("DISK = ")) == 12
    assert cases.left_over == []


def test_a_server_that_reads_no_store_needs_the_folder(server: MssqlServer, striped: OnTheStore, cases: Cases) -> None:
    server.make_express()
    engine = cases.engine(striped.access, **NO_FOLDER)
    fails(engine, striped.request("other"), EngineError, "has no way to the backup")


def test_a_folder_that_goes_away_is_told_of(server: MssqlServer, cases: Cases, kept: Kept, tmp_path: Path) -> None:
    place = tmp_path / "gone"
    place.mkdir()
    server.disks.folders[server.server_dir] = place

    def break_off(role: str) -> Reader:
        shutil.rmtree(place)
        return kept.open(role)

    request = replace(kept.request("other"), open=break_off)
    fails(cases.engine(local_dir=place), request, EngineError, "could not be written")
