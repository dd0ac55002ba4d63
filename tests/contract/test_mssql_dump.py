"""How a SQL Server is backed up: what is refused, what comes home, and what is left behind when it fails."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backupctl.engines.mssql import connection, credentials, shared
from backupctl.engines.mssql.clients import Clients
from backupctl.engines.mssql.folder import Folder
from backupctl.engines.mssql.server import Server
from backupctl.engines.mssql.sqlcmd import Sql
from backupctl.errors import CancelledError, EngineError
from backupctl.model import DUMP_ROLE, GLOBALS_ROLE, Outcome
from backupctl.process import Session
from tests.contract.engine_members import keep, read_all
from tests.contract.mssql_cases import CUSTOMERS, NO_FOLDER, Cases, access_to, options_for
from tests.e2e.command import COMMAND
from tests.parts.missing import or_skip
from tests.parts.mssql import MssqlServer
from tests.parts.mssql.state import Credential, DataFile, Login
from tests.parts.mssql.store import HttpsStore
from tests.parts.sqlcmd.wrapper import Family, install

Change = Callable[[MssqlServer], object]
GIB = 1 << 30


@pytest.fixture
def server(mssql_server: MssqlServer) -> MssqlServer:
    mssql_server.reset()
    mssql_server.make_database("shop", CUSTOMERS)
    return mssql_server


@pytest.fixture
def cases(server: MssqlServer, sqlcmd: Path, tmp_path: Path) -> Cases:
    return Cases(server, sqlcmd, tmp_path)


@pytest.fixture
def store(server: MssqlServer, https_store: HttpsStore, monkeypatch: pytest.MonkeyPatch) -> HttpsStore:
    """A store that the server and backupctl trust, with nothing of an earlier test in it."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(https_store.ca_file))
    server.s3_ca_file = https_store.ca_file
    client = https_store.client()
    for key in https_store.keys():  # noqa: SIM118 -- no mapping
        client.delete_object(Bucket=https_store.bucket, Key=key)
    return https_store


def of_state(state: str) -> Change:
    return lambda server: setattr(server.databases["shop"], "state", state)


def of_database(name: str, value: object) -> Change:
    return lambda server: setattr(server.databases["shop"], name, value)


def least(*roles: str, **changes: Any) -> Login:
    """A login with as little as possible."""
    return Login("operator", "pw", databases={"shop": {"public", *roles}}, **changes)


LEAST: dict[str, Any] = {"user": "operator", "password": SecretStr("pw")}
CREATE: list[tuple[str, str]] = [("GRANT", "CREATE ANY DATABASE")]


# What is refused before anything is written.


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (of_state("OFFLINE"), "not online but OFFLINE", "SET ONLINE"),
        (of_state("RESTORING"), "not online but RESTORING", "back up the primary"),
        (of_database("is_in_standby", True), "standby of log shipping", "primary"),
        (of_database("user_access", "SINGLE_USER"), "single-user mode", "MULTI_USER"),
        (of_database("source_database_id", 7), "is a snapshot", "that it is a snapshot of"),
        (lambda server: server.drop("shop"), 'no database "shop"', "database.name"),
        (lambda server: server.make_azure(5), "Azure SQL Database", "BACPAC"),
        (lambda server: server.make_azure(8), "Azure SQL Managed Instance", "Azure's storage"),
    ],
)
def test_what_cannot_be_backed_up_is_refused(cases: Cases, change: Change, message: str, hint: str) -> None:
    change(cases.server)
    refused = refusal(cases)
    assert message in refused.message
    assert hint in str(refused.hint)


def refusal(cases: Cases, **changes: Any) -> EngineError:
    """What a preflight raises; it has written nothing."""
    with pytest.raises(EngineError) as caught:
        cases.engine(**changes).preflight()
    assert cases.left_over == []
    assert not any("BACKUP DATABASE [" in batch for batch in cases.server.batches)
    return caught.value


@pytest.mark.parametrize(
    ("login", "message"),
    [(least(permissions=CREATE), "may not back up"), (least("db_backupoperator"), "may not read the header")],
)
def test_a_login_that_lacks_a_right_is_told_which(cases: Cases, login: Login, message: str) -> None:
    cases.server.add_login(login)
    refused = refusal(cases, **LEAST)
    assert message in refused.message
    assert "db_backupoperator" in str(refused.hint)


def test_a_login_with_no_more_than_the_rights_that_are_asked_for_backs_up(cases: Cases) -> None:
    cases.server.add_login(least("db_backupoperator", permissions=CREATE))
    assert keep(cases.engine(**LEAST)).manifest.details["mode"] == "shared_path"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda server: server.make_express(), "Express Edition (64-bit) cannot write to S3"),
        (lambda server: setattr(server, "build", (15, 0, 4415, 2)), "SQL Server 2019 cannot write to S3"),
    ],
)
def test_a_server_that_knows_no_s3_is_told_to_have_a_folder(
    cases: Cases, store: HttpsStore, change: Change, message: str
) -> None:
    change(cases.server)
    refused = refusal(cases, access=access_to(store), **NO_FOLDER)
    assert message in refused.message
    assert "set server_dir" in str(refused.hint)
    assert "mode: shared_path" in str(refusal(cases, access=access_to(store), mode="s3_url").hint)


def test_without_folder_or_bucket_there_is_no_way_home(cases: Cases, store: HttpsStore) -> None:
    assert "a folder of backupctl's machine" in refusal(cases, **NO_FOLDER).message
    plain = replace(access_to(store), endpoint_url="http://127.0.0.1:9")
    assert "over HTTPS alone" in refusal(cases, access=plain, **NO_FOLDER).message


def test_auto_says_which_way_it_takes_and_why(cases: Cases, store: HttpsStore) -> None:
    assert cases.engine(access_to(store)).preflight().details["mode"] == "shared_path"
    assert cases.engine(access_to(store), **NO_FOLDER).preflight().details["mode"] == "s3_url"
    assert cases.said == [
        f"shared_path: by {cases.server.server_dir}, which is {cases.server.local_dir} here",
        "s3_url: the server writes to the job's bucket by itself",
    ]


@pytest.mark.parametrize("user", ["sa", "operator"])
def test_two_folders_that_are_not_one_are_found_out_before_the_backup(cases: Cases, user: str) -> None:
    """An administrator asks xp_fileexist, which tells nobody else."""
    cases.server.add_login(least("db_backupoperator", permissions=CREATE))
    other = cases.folder / "other"
    other.mkdir()
    refused = refusal(cases, local_dir=other, **(LEAST if user == "operator" else {}))
    assert f"is not the folder local_dir {other} here" in refused.message
    assert list(other.iterdir()) == []


def test_a_folder_is_not_taken_for_proven_when_the_server_goes_away(cases: Cases) -> None:
    cases.server.add_login(least("db_backupoperator", permissions=CREATE))
    cases.server.fail("HEADERONLY", 6005, text="SHUTDOWN is in progress.")
    assert "ended the connection" in refusal(cases, **LEAST).message


# What comes home by the folder.


def test_a_backup_by_the_folder_is_what_the_server_wrote(cases: Cases) -> None:
    kept = keep(cases.engine())
    assert read_all(kept.open()).startswith(b"MSSQLBAK")
    assert kept.manifest.details["recovery_model"] == "FULL"
    assert cases.left_over == []
    asked = next(batch for batch in cases.server.batches if "BACKUP DATABASE" in batch and "TO DISK" in batch)
    assert all(word in asked for word in ("COPY_ONLY", "FORMAT", "INIT", "CHECKSUM", "COMPRESSION"))
    assert (cases.server.records[-1].is_copy_only, cases.server.records[-1].has_checksums) == (True, True)


def test_express_is_not_asked_for_compression(cases: Cases) -> None:
    cases.server.make_express()
    assert read_all(keep(cases.engine()).open()).startswith(b"TAPE")


@pytest.mark.parametrize("family", ["odbc17", "go"])
def test_each_family_of_sqlcmd_backs_up(cases: Cases, family: Family) -> None:
    cases.sqlcmd = or_skip(lambda: install(cases.folder, family)).parent
    kept = keep(cases.engine())
    assert ("Go" if family == "go" else "ODBC") in kept.manifest.client
    assert len(read_all(kept.open())) > 100_000
    assert cases.left_over == []


@pytest.mark.parametrize("server_dir", ["D:\\Backup", "d:/backup/"])
def test_a_windows_server_writes_to_its_own_paths(sqlcmd: Path, tmp_path: Path, server_dir: str) -> None:
    with closing(MssqlServer(windows=True)) as windows:
        windows.make_database("shop", CUSTOMERS)
        cases = Cases(windows, sqlcmd, tmp_path)
        assert len(read_all(keep(cases.engine(server_dir=server_dir)).open())) > 100_000
        assert windows.records[-1].devices[0].casefold().startswith("d:\\backup\\backupctl_")
        assert cases.left_over == []


def test_an_encrypted_database_warns_of_what_else_must_be_kept(cases: Cases) -> None:
    cases.server.databases["shop"].is_encrypted = True
    found = cases.engine().preflight()
    assert "the certificate TdeCertificate, with its private key," in found.warnings[0]
    assert found.details["encryptor"] == "the certificate TdeCertificate"


def test_progress_is_said(cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backupctl.engines.mssql.sqlcmd._SAID_EVERY_S", 0.0)
    keep(cases.engine())
    assert "the server writes its backup: 55 %" in cases.said


# What fails, and what it leaves.


def rot(server: MssqlServer) -> None:
    server.rots = True


def forget(server: MssqlServer) -> None:
    server.forgets_backups = True


def die(server: MssqlServer) -> None:
    server.dies_at = 50


FAILURES: list[tuple[Change, str, str]] = [
    (lambda server: setattr(server.disks, "space", 10), "disk that 127.0.0.1", "free space in server_dir"),
    (lambda server: server.fail("BACKUP", 3201, "x", "5(Access is denied.)"), "may not read or write", "server_dir"),
    (forget, "no record in msdb", "backupset"),
    (rot, "found damage", "CHECKDB"),
    (of_database("is_corrupt", True), "found damage", "CHECKDB"),
    (die, "", ""),
    (lambda server: server.fail("BACKUP", 15404, "CORP\\sql", "0x54b"), "cannot ask the domain", "SQL login"),
    (lambda server: server.fail("HEADERONLY", 3241, "x"), "cannot read this backup", ""),
]


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    FAILURES,
    ids=["full", "denied", "forgotten", "rot", "corrupt", "died", "domain", "header"],
)
def test_a_backup_that_fails_leaves_nothing(cases: Cases, change: Change, message: str, hint: str) -> None:
    found = cases.engine().preflight()
    change(cases.server)
    with pytest.raises(EngineError) as caught:
        found.parts[0].open()
    assert message in caught.value.message
    assert hint in str(caught.value.hint)
    assert cases.left_over == []


def test_a_folder_that_was_unmounted_meanwhile_is_no_backup(cases: Cases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "APPEARS_WITHIN_S", 0)
    found = cases.engine().preflight()
    elsewhere = cases.folder / "elsewhere"
    elsewhere.mkdir()
    cases.server.disks.folders[cases.server.server_dir] = elsewhere
    with pytest.raises(EngineError, match="is not there"):
        found.parts[0].open()


def test_a_backup_that_is_cancelled_half_way_is_gone(cases: Cases) -> None:
    part = cases.engine().preflight().parts[0]
    with cancelled_half_way(cases), pytest.raises(CancelledError):
        part.open()
    assert cases.left_over == []


@contextmanager
def cancelled_half_way(cases: Cases) -> Iterator[None]:
    """Within the block the server does not come past the half of a backup, at which the run is asked to stop."""
    ended = threading.Event()

    def stop(percent: int) -> None:
        if percent == 50:
            cases.cancel.request()
            assert ended.wait(60)

    cases.server.on_percent = stop
    try:
        yield
    finally:
        ended.set()


def test_a_backup_that_cannot_be_removed_is_a_warning_of_the_backup(
    cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "GOES_WITHIN_S", 0)
    part = cases.engine().preflight().parts[0]
    with closing(part.open()) as reader:
        [file] = cases.server.local_dir.glob("*.bak")
        file.unlink()
        file.mkdir()  # which no unlink takes away
        read_all(reader)
    assert f"{file} could not be removed" in part.findings().warnings[0]


def test_a_file_that_the_server_wrote_after_it_was_given_up_is_cleared(cases: Cases) -> None:
    folder = Folder.of(options_for(cases.server, cases.sqlcmd), f"127.0.0.1:{cases.server.port}")
    assert folder
    (cases.server.local_dir / f"{folder.mark}{'a1' * 6}.bak").write_bytes(b"TAPE")
    keep(cases.engine())
    assert cases.left_over == []


# What the server writes to the bucket by itself.


def keys_of(*suffixes: str) -> tuple[str, ...]:
    return tuple(f"backups/all/20260301/shop_20260301T033000+0000_abcdef{suffix}" for suffix in suffixes)


def test_a_backup_by_url_is_checked_and_its_credential_goes(cases: Cases, store: HttpsStore) -> None:
    direct = cases.direct(store)
    assert (direct.role, direct.suffixes) == (DUMP_ROLE, (".bak",))
    direct.write(keys_of(".bak"))
    assert store.keys() == list(keys_of(".bak"))
    assert cases.server.credentials == {}
    assert direct.findings().warnings == ()
    assert any("RESTORE VERIFYONLY FROM URL" in batch for batch in cases.server.batches)
    assert cases.left_over == []


def test_a_large_database_goes_over_stripes_in_their_order(cases: Cases, store: HttpsStore) -> None:
    shop = cases.server.databases["shop"]
    shop.files = (DataFile("shop", "/x/shop.mdf", "D", 1700 * GIB), *shop.files[1:])
    direct = cases.direct(store)
    assert direct.suffixes == tuple(f".{number}of11.bak" for number in range(1, 12))
    direct.write(keys_of(*direct.suffixes))
    assert sorted(store.keys()) == sorted(keys_of(*direct.suffixes))
    assert [device.rpartition("_")[2] for device in cases.server.records[-1].devices] == [
        f"abcdef{suffix}" for suffix in direct.suffixes
    ]


def test_a_database_that_is_too_large_for_a_bucket_is_refused(cases: Cases, store: HttpsStore) -> None:
    shop = cases.server.databases["shop"]
    shop.files = (DataFile("shop", "/x/shop.mdf", "D", 20_000 * GIB), *shop.files[1:])
    assert "at most 64 objects" in refusal(cases, access=access_to(store), **NO_FOLDER).message


def test_a_key_that_makes_the_url_too_long_is_refused(cases: Cases, store: HttpsStore) -> None:
    with pytest.raises(EngineError, match="SQL Server takes 259"):
        cases.direct(store).write((f"backups/all/20260301/{'x' * 250}.bak",))
    assert cases.server.credentials == {}


def folder_of(store: HttpsStore) -> str:
    return f"{store.prefix}/backups/all"


def somebodys(store: HttpsStore, server: MssqlServer, name: str) -> Credential:
    keys = f"{store.access_key_id}:{store.secret_access_key}"
    made = Credential(name, "S3 Access Key", keys, 70_000, server.now(), server.now())
    server.credentials[name.casefold()] = made
    return made


def test_somebody_elses_credential_is_neither_dropped_nor_is_another_altered(cases: Cases, store: HttpsStore) -> None:
    wider = somebodys(store, cases.server, store.prefix)
    somebodys(store, cases.server, folder_of(store)).secret = "old:keys"
    cases.direct(store).write(keys_of(".bak"))
    assert set(cases.server.credentials) == {store.prefix, folder_of(store)}
    assert cases.server.credentials[store.prefix] == wider
    assert cases.server.credentials[folder_of(store)].secret.startswith(store.access_key_id)


def test_one_that_ends_last_drops_no_credential_that_was_there_before(cases: Cases, store: HttpsStore) -> None:
    somebodys(store, cases.server, folder_of(store))
    server, sql = _server_and_sql(cases)
    keys = (store.access_key_id, store.secret_access_key)
    first, last = (credentials.credential(sql, server, folder_of(store), keys, cases.said.append) for _ in range(2))
    first.__enter__()
    with last:
        first.__exit__(None, None, None)
    assert set(cases.server.credentials) == {folder_of(store)}


def _server_and_sql(cases: Cases) -> tuple[Server, Sql]:
    to = connection.Connection(options_for(cases.server, cases.sqlcmd), Session(cases.scratch))
    sql = Sql(Clients(to.session, cases.sqlcmd).best(), to)
    return Server.of(sql), sql


def test_a_credential_that_cannot_be_dropped_costs_no_backup(cases: Cases, store: HttpsStore) -> None:
    cases.server.add_login(least("db_backupoperator", permissions=[*CREATE, ("GRANT", "ALTER ANY CREDENTIAL")]))
    direct = cases.direct(store, **LEAST)
    operator = cases.server.logins["operator"]
    cases.server.on_percent = lambda percent: setattr(operator, "permissions", CREATE)
    direct.write(keys_of(".bak"))
    assert store.keys() == list(keys_of(".bak"))
    assert "is still on 127.0.0.1" in direct.findings().warnings[0]


def test_a_login_that_may_make_no_credential_uses_one_that_it_is_not_shown(cases: Cases, store: HttpsStore) -> None:
    cases.server.add_login(least("db_backupoperator", permissions=CREATE))
    direct = cases.direct(store, **LEAST)
    with pytest.raises(EngineError, match='"operator" may make no credential') as caught:
        direct.write(keys_of(".bak"))
    assert f"CREATE CREDENTIAL [{folder_of(store)}] WITH IDENTITY" in str(caught.value.hint)
    kept = somebodys(store, cases.server, store.prefix)
    direct.write(keys_of(".bak"))
    assert cases.server.credentials == {store.prefix: kept}


def test_a_login_that_is_not_shown_a_credential_still_alters_it(cases: Cases, store: HttpsStore) -> None:
    cases.server.add_login(least("db_backupoperator", permissions=[*CREATE, ("GRANT", "ALTER ANY CREDENTIAL")]))
    somebodys(store, cases.server, folder_of(store)).secret = "old:keys"
    cases.direct(store, **LEAST).write(keys_of(".bak"))
    assert set(cases.server.credentials) == {folder_of(store)}


def test_a_name_that_is_too_long_for_a_credential_needs_one_that_is_there(cases: Cases, store: HttpsStore) -> None:
    keys = (f"backups/{'x' * 100}/20260301/shop.bak",)
    with pytest.raises(EngineError, match="128 are the most"):
        cases.direct(store).write(keys)
    somebodys(store, cases.server, store.prefix)
    cases.direct(store).write(keys)
    assert set(cases.server.credentials) == {store.prefix}


def test_no_secret_is_said_nor_left_when_the_server_repeats_it(cases: Cases, store: HttpsStore) -> None:
    secret = store.secret_access_key
    cases.server.fail("CREDENTIAL", 15001, text=f"Could not store '{store.access_key_id}:{secret}'.")
    with pytest.raises(EngineError) as caught:
        cases.direct(store).write(keys_of(".bak"))
    assert "Could not store" in caught.value.message
    assert secret not in caught.value.message + str(caught.value.__cause__)
    assert cases.left_over == []


def test_no_secret_is_in_what_every_process_may_see(cases: Cases) -> None:
    _, sql = _server_and_sql(cases)
    seen = " ".join(sql.connection.arguments(sql.client))
    assert cases.server.password not in seen
    assert {path.stat().st_mode & 0o777 for path in cases.scratch.iterdir()} <= {0o600}


# The logins of the server.


def test_the_globals_make_the_logins_again_elsewhere(cases: Cases) -> None:
    server = cases.server
    server.make_database("it's")
    server.add_login(Login("weird ]' name", "p'w]", roles={"dbcreator", "clerks"}, default_database="it's"))
    server.add_login(Login("off", "pw", is_disabled=True, is_policy_checked=False))
    server.add_login(Login("CORP\\team", kind="G"))
    server.add_login(Login("clerks", kind="R", roles={"bosses"}, permissions=[("GRANT", "VIEW SERVER STATE")]))
    server.add_login(Login("bosses", kind="R", permissions=[("DENY", "VIEW ANY DATABASE")]))
    server.logins["off"].permissions = [("GRANT_WITH_GRANT_OPTION", "VIEW ANY DATABASE")]
    script = globals_of(cases)
    with closing(MssqlServer()) as other:
        other.make_database("it's")
        other.add_login(Login("off", "another", b"\x05" * 16))
        before = replace(other.logins["off"])
        assert run_script(cases, other, script) == (0, "")
        for name in ("weird ]' name", "corp\\team", "clerks", "bosses"):
            assert alike(other.logins[name]) == alike(server.logins[name])
        assert other.admits("weird ]' name", "p'w]")
        # One that is there is left as it is.
        assert other.logins["off"] == before
        del other.logins["off"]
        assert run_script(cases, other, script) == (0, "")
        assert alike(other.logins["off"]) == alike(server.logins["off"])


def alike(login: Login) -> Login:
    """Without what may differ: that a group is one, the number, and the password that only its hash tells."""
    kind = "U" if login.kind == "G" else login.kind
    sid = login.sid if login.kind == "S" else b""
    return replace(login, id=0, password="", kind=kind, sid=sid)


def globals_of(cases: Cases, **changes: Any) -> str:
    found = cases.engine(globals=True, **changes).preflight()
    [part] = [part for part in found.parts if part.role == GLOBALS_ROLE]
    with closing(part.open()) as reader:
        script = read_all(reader).decode()
    cases.said += part.findings().warnings
    return script


def run_script(cases: Cases, server: MssqlServer, script: str) -> tuple[int, str]:
    """As an administrator does: the exit code, and the errors."""
    file = cases.folder / "globals.sql"
    file.write_text(script)
    where = ["-S", f"tcp:{server.host},{server.port}", "-U", server.user, "-C", "-b", "-x", "-I", "-r0"]
    ended = subprocess.run(
        [str(cases.sqlcmd / "sqlcmd"), *where, "-i", str(file)],
        env={"PATH": os.environ["PATH"], "SQLCMDPASSWORD": server.password},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_logins_that_may_not_be_seen_are_not_left_out_in_silence(cases: Cases) -> None:
    cases.server.add_login(least("db_backupoperator", permissions=CREATE))
    cases.server.add_login(Login("app", "pw"))
    assert "app" not in globals_of(cases, **LEAST)
    assert "lack logins" in cases.said[-2]
    assert "no password for operator" in cases.said[-1]
    cases.server.logins["operator"].permissions = [*CREATE, ("GRANT", "VIEW ANY DEFINITION")]
    assert "-- app: its password could not be seen" in globals_of(cases, **LEAST)
    assert "no password for app, operator" in cases.said[-1]


# Runs: several databases at once, stopped and killed ones.


def test_several_databases_of_any_name_come_home_at_once_by_one_credential(cases: Cases, store: HttpsStore) -> None:
    names = ["it's ]odd[ größe 🛒", "NULL", "$(SQLCMDUSER)", "-- x"]
    for name in names:
        cases.server.make_database(name, CUSTOMERS, filler=1000)
    run = cases.run(cases.job(store, names=("*",), parallel=3))
    assert (run.outcome, run.failures) == (Outcome.SUCCEEDED, {})
    assert sorted(manifest.database for manifest in run.manifests) == sorted([*names, "shop"])
    assert {record.database for record in cases.server.records} == {*names, "shop"}
    assert cases.server.credentials == {}
    # Each has its artifact and its manifest.
    assert len(store.keys("backups/all/")) == 2 * len(run.manifests)


def test_several_databases_share_the_folder(cases: Cases) -> None:
    cases.server.make_database("we ]ird' name", CUSTOMERS)
    cases.server.make_database("stopped", state="OFFLINE")
    run = cases.run(cases.job(names=("*",), parallel=3))
    assert run.outcome is Outcome.PARTIAL
    assert sorted(manifest.database for manifest in run.manifests) == ["shop", "we ]ird' name"]
    assert "OFFLINE" in run.failures["stopped"]
    assert cases.left_over == []


def test_a_name_that_sqlcmd_could_take_for_a_command_is_refused(cases: Cases) -> None:
    marker = cases.folder / "ran"
    cases.server.make_database(f"x\r!!touch {marker}", CUSTOMERS)
    run = cases.run(cases.job(names=("*",)))
    assert run.outcome is Outcome.PARTIAL
    assert [manifest.database for manifest in run.manifests] == ["shop"]
    assert "control character" in next(iter(run.failures.values()))
    assert not marker.exists()


def test_a_cancelled_backup_by_url_leaves_nothing_on_either_side(cases: Cases, store: HttpsStore) -> None:
    with cancelled_half_way(cases):
        run = cases.run(cases.job(store))
    assert run.outcome is Outcome.CANCELLED
    assert store.keys("backups/all/") == []
    assert store.open_uploads() == []
    assert cases.server.credentials == {}


def test_a_store_that_refuses_amid_a_backup_is_told_as_a_store(cases: Cases, store: HttpsStore) -> None:
    def abort(percent: int) -> None:
        client = store.client()
        for upload in client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", []):
            client.abort_multipart_upload(Bucket=store.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        cases.server.on_percent = lambda _: None

    direct = cases.direct(store)
    cases.server.on_percent = abort
    with pytest.raises(EngineError, match=r"the store refused the server .* access to s3://") as caught:
        direct.write(keys_of(".bak"))
    assert "PutObject" in str(caught.value.hint)


def test_a_failed_backup_by_url_leaves_nothing_in_the_bucket(cases: Cases, store: HttpsStore) -> None:
    cases.server.databases["shop"].is_corrupt = True
    assert cases.run(cases.job(store)).outcome is Outcome.FAILED
    assert store.keys("backups/all/") == []
    assert store.open_uploads() == []
    assert cases.server.credentials == {}


def test_a_credential_that_a_server_kept_over_its_death_goes_with_the_next_run(
    cases: Cases, store: HttpsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOGIN_TIMEOUT_S", 1)
    cases.server.dies_at = 50
    assert cases.run(cases.job(store)).outcome is Outcome.FAILED
    assert store.keys("backups/all/") == []
    assert store.open_uploads() == []
    assert cases.server.credentials != {}
    cases.server.dies_at = None
    cases.server.start()
    assert cases.run(cases.job(store)).outcome is Outcome.SUCCEEDED
    assert cases.server.credentials == {}


@pytest.mark.parametrize("way", ["folder", "bucket"])
def test_what_a_killed_run_left_goes_with_the_next(cases: Cases, store: HttpsStore, way: str) -> None:
    by_url = store if way == "bucket" else None
    killed = start_and_kill(cases, jobs_file(cases, by_url), {"SK": store.secret_access_key})
    assert killed.returncode == -signal.SIGKILL
    assert (cases.server.credentials if by_url else cases.left_over) != {}
    run = cases.run(cases.job(by_url))
    assert run.outcome is Outcome.SUCCEEDED
    assert cases.server.credentials == {}
    assert cases.left_over == []
    assert len(store.keys("backups/all/")) == (2 if by_url else 0)


def jobs_file(cases: Cases, store: HttpsStore | None) -> Path:
    """The same job as Cases.job makes, for the command."""
    server = cases.server
    where = "" if store else f", server_dir: {server.server_dir}, local_dir: {server.local_dir}"
    kept = f"type: local, path: {cases.folder / 'backups'}"
    if store:
        keys = f'access_key_id: {store.access_key_id}, secret_access_key: "${{SK}}"'
        kept = f'type: s3, endpoint_url: "{store.endpoint_url}", bucket: {store.bucket}, {keys}'
    database = f'type: mssql, host: {server.host}, port: {server.port}, user: {server.user}, password: "${{PW}}"'
    file = cases.folder / "jobs.yaml"
    file.write_text(
        f"version: 1\nstate_dir: {cases.folder / 'state'}\nstorages:\n  s: {{{kept}}}\njobs:\n  - name: all\n"
        f"    storage: s\n    compression: none\n"
        f"    database: {{{database}, name: shop, bin_dir: {cases.sqlcmd}{where}}}\n"
    )
    return file


def start_and_kill(cases: Cases, file: Path, env: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Run the command, and kill it once the server has begun to write; the server comes to the end of its work."""
    environment = {"PATH": os.environ["PATH"], "AWS_CA_BUNDLE": os.environ["AWS_CA_BUNDLE"]} | env
    command = subprocess.Popen(
        [COMMAND, "-f", file, "run-once", "all"],
        env=environment | {"PW": cases.server.password},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    cases.server.on_percent = lambda percent: command.kill() if percent == 5 else None
    command.wait(60)
    until = time.monotonic() + 30
    while not cases.server.records and time.monotonic() < until:
        command.poll()
    cases.server.on_percent = lambda _: None
    return command
