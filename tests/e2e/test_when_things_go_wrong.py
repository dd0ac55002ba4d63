"""Each thing that goes wrong really does, and afterwards the truth is told and nothing is left behind."""

import contextlib
import ctypes
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.command import Ended, Workplace, until
from tests.e2e.places import content, drop, fill, one_job, postgres_database, s3_storage, sqlite_job
from tests.parts.http_faults import HttpFaults
from tests.parts.postgres import PostgresServer
from tests.parts.proxy import Fault, TcpProxy
from tests.parts.s3 import S3Server, WeedServer

DATABASE = "goes_wrong"
LOCAL = "{type: local, path: ./backups}"


@pytest.fixture(scope="module")
def server(postgres_server: Callable[[int], PostgresServer]) -> Iterator[PostgresServer]:
    found = postgres_server(17)
    fill(found, DATABASE)
    yield found
    drop(found, DATABASE)


def _nothing_is_stored(place: Workplace, ended: Ended, *, code: int = 1, store: S3Server | None = None) -> None:
    """The run failed and says which job and what to try; there is no backup and nothing half-made."""
    assert ended.code == code, ended
    assert "shop:" in ended.err
    assert place.leftovers() == []
    folder = place.folder / "backups"
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    if store is not None:
        assert store.keys(f"{place.folder.name}/") == []
        assert [key for key in store.open_uploads() if key.startswith(place.folder.name)] == []


def _wrapped(place: Workplace, server: PostgresServer, script: str) -> Path:
    """A bin_dir like the server's, but for pg_dump, which is this script; $REAL is the real one."""
    folder = place.folder / "bin"
    folder.mkdir()
    for tool in server.bin_dir.iterdir():
        (folder / tool.name).symlink_to(tool)
    (folder / "pg_dump").unlink()
    real = server.bin_dir / "pg_dump"
    asks = f'case "$*" in *--version*) exec {real} "$@";; esac\n'
    (folder / "pg_dump").write_text(f"#!/bin/sh\nREAL={real}\n{asks}{script}\n")
    (folder / "pg_dump").chmod(0o755)
    return folder


def _job(
    place: Workplace, server: PostgresServer, storage: str, *, port: int | None = None, bin_dir: Path | None = None
) -> None:
    entry = postgres_database(place, server, DATABASE, port=port)
    if bin_dir:
        entry = entry.replace(f"'{server.bin_dir}'", f"'{bin_dir}'")
    one_job(place, entry, storage)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('"$REAL" "$@" | head -c 1000000; echo "out of memory" >&2; exit 3', "out of memory"),
        ('"$REAL" "$@" | head -c 1000000; exit 0', "end"),
        ('"$REAL" "$@" | head -c 1000000; kill -9 $$', "SIGKILL"),
        ("exit 0", "end"),
        ("head -c 1000000 /dev/zero >&2; exit 1", "exit code 1"),
    ],
    ids=["dies half-way", "cut with exit 0", "is killed", "says nothing with exit 0", "floods its stderr"],
)
def test_the_dump_tool_fails(
    place: Workplace, server: PostgresServer, weed_server: WeedServer, script: str, said: str
) -> None:
    _job(place, server, s3_storage(place, weed_server), bin_dir=_wrapped(place, server, script))
    ended = place.run("run-once", "shop")
    _nothing_is_stored(place, ended, store=weed_server)
    assert said in ended.err


def test_the_dump_tool_is_older_than_the_server(
    place: Workplace, postgres_server: Callable[[int], PostgresServer], server: PostgresServer
) -> None:
    newer = postgres_server(18)
    entry = postgres_database(place, newer, "postgres").replace(f"'{newer.bin_dir}'", f"'{server.bin_dir}'")
    one_job(place, entry, LOCAL)
    ended = place.run("run-once", "shop")
    _nothing_is_stored(place, ended)
    assert "18" in ended.err
    assert "17" in ended.err
    assert "hint:" in ended.err


def test_the_password_is_wrong(place: Workplace, server: PostgresServer) -> None:
    _job(place, server, LOCAL)
    place.secrets["PG_PASSWORD"] = "not-the-password"
    ended = place.run("run-once", "shop")
    _nothing_is_stored(place, ended)
    assert "refused the password" in ended.err
    assert "hint:" in ended.err


def test_nobody_answers_at_the_databases_port(place: Workplace, server: PostgresServer) -> None:
    _job(place, server, LOCAL, port=1)
    ended = place.run("run-once", "shop")
    _nothing_is_stored(place, ended)
    assert "refused" in ended.err


def test_the_database_is_not_there(place: Workplace, server: PostgresServer) -> None:
    one_job(place, postgres_database(place, server, "nosuch"), LOCAL)
    ended = place.run("run-once", "shop")
    _nothing_is_stored(place, ended)
    assert "nosuch" in ended.err


def test_the_server_is_killed_in_the_middle_of_the_dump(
    place: Workplace,
    new_postgres_server: Callable[[int], PostgresServer],
    tcp_proxy: Callable[[str, int], TcpProxy],
    weed_server: WeedServer,
) -> None:
    server = new_postgres_server(18)
    fill(server, DATABASE, rows=400_000)  # more than the sockets between hold
    proxy = tcp_proxy(server.host, server.port)
    proxy.to_client = Fault(stall_after=2_000_000)
    _job(place, server, s3_storage(place, weed_server), port=proxy.port)
    with place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0)
        server.kill()
        proxy.release()
        ended = running.wait()
    _nothing_is_stored(place, ended, store=weed_server)
    assert "hint:" in ended.err


def test_the_connection_to_the_database_is_cut(
    place: Workplace, server: PostgresServer, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    proxy = tcp_proxy(server.host, server.port)
    proxy.to_client = Fault(reset_after=2_000_000)
    _job(place, server, LOCAL, port=proxy.port)
    _nothing_is_stored(place, place.run("run-once", "shop"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_disk_is_full(place: Workplace, server: PostgresServer, small_disk: Path) -> None:
    _job(place, server, f"{{type: local, path: '{small_disk}'}}")
    ended = place.run("run-once", "shop")
    _nothing_is_stored(place, ended)
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []
    assert "No space left on device" in ended.err or "full" in ended.err


def test_the_disk_for_the_spooled_copy_is_full(place: Workplace, small_disk: Path) -> None:
    sqlite_job(place)
    with closing(sqlite3.connect(place.folder / "shop.db")) as db, db:
        db.execute("CREATE TABLE big (x)")
        db.execute("INSERT INTO big VALUES (?)", (b"x" * 3_000_000,))
    ended = place.run("run-once", "shop", env={"BACKUPCTL_STATE_DIR": str(small_disk)})
    _nothing_is_stored(place, ended)
    assert "full" in ended.err
    assert [path for path in small_disk.rglob("*") if path.suffix == ".sqlite" and path.parent != small_disk] == []


def test_the_disk_of_the_state_folder_is_full(place: Workplace, server: PostgresServer, small_disk: Path) -> None:
    _job(place, server, LOCAL)
    place.ok("run-once", "shop")
    (backup,) = place.backups("shop")
    state = {"BACKUPCTL_STATE_DIR": str(small_disk)}
    place.ok("verify", "shop", env=state)  # makes the folders
    with (small_disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
    for args in (["run-once", "shop"], ["restore", "shop", "--into", "goes_wrong_back"]):
        ended = place.run(*args, env=state)
        assert ended.code in (1, 2), ended.err
        assert "no space left on device" in ended.err
        assert "state_dir" in ended.err
    assert place.backups("shop") == [backup]
    assert [path for path in small_disk.rglob("*") if path.name.endswith((".pgpass", ".partial"))] == []


def test_the_disk_is_too_small_for_the_copy_that_verify_checks(place: Workplace, small_disk: Path) -> None:
    sqlite_job(place)
    with closing(sqlite3.connect(place.folder / "shop.db")) as db, db:
        db.execute("CREATE TABLE big (x)")
        db.execute("INSERT INTO big VALUES (?)", (b"x" * 3_000_000,))
    place.ok("run-once", "shop")
    ended = place.run("verify", "shop", env={"BACKUPCTL_STATE_DIR": str(small_disk)})
    assert ended.code == 1
    assert "no space left on device" in ended.err
    assert [path for path in small_disk.rglob("*") if path.suffix == ".sqlite"] == []


def test_the_bucket_does_not_exist(place: Workplace, server: PostgresServer, s3_server: S3Server) -> None:
    _job(place, server, s3_storage(place, s3_server, bucket="no-such-bucket"))
    ended = place.run("run-once", "shop")
    _nothing_is_stored(place, ended)
    assert "no-such-bucket" in ended.err
    assert "hint:" in ended.err


def test_the_stores_credentials_are_wrong(place: Workplace, server: PostgresServer, s3_server: S3Server) -> None:
    _job(place, server, s3_storage(place, s3_server))
    place.secrets["S3_SECRET"] = "not-the-secret"
    ended = place.run("run-once", "shop")
    _nothing_is_stored(place, ended)
    assert "secret_access_key" in ended.err


def test_a_store_that_fails_for_a_while_gets_the_backup_all_the_same(
    place: Workplace, server: PostgresServer, weed_server: WeedServer, http_faults: Callable[[str], HttpFaults]
) -> None:
    proxy = http_faults(weed_server.endpoint_url)
    _job(place, server, s3_storage(place, weed_server, endpoint_url=proxy.endpoint_url))
    proxy.fail(2, matches=lambda line: line.startswith(("PUT", "POST")))
    place.ok("run-once", "shop")
    assert proxy.failed == 2
    place.ok("verify", "shop")


def test_a_store_that_goes_on_failing_gets_nothing(
    place: Workplace, server: PostgresServer, weed_server: WeedServer, http_faults: Callable[[str], HttpFaults]
) -> None:
    proxy = http_faults(weed_server.endpoint_url)
    place.is_patient = False
    _job(place, server, s3_storage(place, weed_server, endpoint_url=proxy.endpoint_url))
    proxy.fail(10_000, matches=lambda line: line.startswith("PUT"))
    ended = place.run("run-once", "shop")
    _nothing_is_stored(place, ended, store=weed_server)
    assert "500" in ended.err or "InternalError" in ended.err


@pytest.mark.slow_first
def test_the_store_is_killed_in_the_middle_of_the_upload(
    place: Workplace,
    server: PostgresServer,
    new_weed_server: Callable[[], WeedServer],
    tcp_proxy: Callable[[str, int], TcpProxy],
) -> None:
    store = new_weed_server()
    proxy = tcp_proxy("127.0.0.1", store.port)
    proxy.to_server = Fault(stall_after=500_000)
    _job(place, server, s3_storage(place, store, endpoint_url=f"http://127.0.0.1:{proxy.port}"))
    with place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0)
        store.kill()
        proxy.release()
        ended = running.wait()
    assert ended.code == 1
    assert "shop:" in ended.err
    store.start()
    assert place.leftovers() == []
    assert place.backups("shop") == []
    place.ok("run-once", "shop")
    place.ok("verify", "shop")


def test_an_altered_artifact_does_not_check_out_and_is_not_restored(place: Workplace, server: PostgresServer) -> None:
    _job(place, server, LOCAL)
    place.ok("run-once", "shop")
    (artifact,) = (place.folder / "backups").rglob("*.sql.zst")
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 1
    artifact.write_bytes(data)
    ended = place.run("verify", "shop", "--json")
    assert ended.code == 3
    assert ended.json[0]["ok"] is False
    restored = place.run("restore", "shop", "--into", "goes_wrong_back")
    assert restored.code == 3
    assert server.sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'goes_wrong_%'") == "0"
    assert place.leftovers() == []


def test_a_truncated_artifact_is_not_listed_and_does_not_check_out(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    (backup,) = place.backups("shop")
    (artifact,) = (place.folder / "backups").rglob("*.sqlite.zst")
    artifact.write_bytes(artifact.read_bytes()[:-1])
    assert place.backups("shop") == []
    assert "is not listed" in place.ok("list").err
    assert place.run("verify", "shop", backup["id"]).code == 3
    assert place.run("verify", "shop", "--all").code == 3
    assert place.run("restore", "shop", backup["id"], "--into", "back.db").code == 3
    assert place.run("restore", "shop", "--into", "back.db").code == 2
    assert not (place.folder / "back.db").exists()


def _stalled_run(
    place: Workplace, server: PostgresServer, weed_server: WeedServer, tcp_proxy: Callable[[str, int], TcpProxy]
) -> TcpProxy:
    """A job whose dump stops coming after some megabytes, so that the run stands still half-way."""
    proxy = tcp_proxy(server.host, server.port)
    proxy.to_client = Fault(stall_after=2_000_000)
    _job(place, server, s3_storage(place, weed_server), port=proxy.port)
    return proxy


def test_two_processes_do_not_run_the_same_job(
    place: Workplace, server: PostgresServer, weed_server: WeedServer, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    proxy = _stalled_run(place, server, weed_server, tcp_proxy)
    with place.start("run-once", "shop") as first:
        until(lambda: proxy.stalled > 0)
        second = place.run("run-once", "shop")
        assert second.code == 4
        assert "already running" in second.err
        proxy.release()
        assert first.wait().code == 0
    assert len(place.backups("shop")) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing(
    place: Workplace,
    server: PostgresServer,
    weed_server: WeedServer,
    tcp_proxy: Callable[[str, int], TcpProxy],
    number: signal.Signals,
) -> None:
    proxy = _stalled_run(place, server, weed_server, tcp_proxy)
    with place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0)
        running.process.send_signal(number)
        ended = running.wait()
    _nothing_is_stored(place, ended, code=130, store=weed_server)
    assert "cancelled" in ended.err


def test_a_killed_run_shows_no_backup_and_the_next_run_clears_what_it_left(
    place: Workplace,
    server: PostgresServer,
    new_weed_server: Callable[[], WeedServer],
    tcp_proxy: Callable[[str, int], TcpProxy],
) -> None:
    store = new_weed_server()
    proxy = tcp_proxy(server.host, server.port)
    proxy.to_client = Fault(stall_after=14_000_000)
    fill(server, "killed_run", rows=200_000)
    entry = postgres_database(place, server, "killed_run", port=proxy.port)
    one_job(place, entry, s3_storage(place, store), compression="none")
    with place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0 and store.open_uploads() != [])
        running.process.kill()
        running.process.communicate()
    assert place.backups("shop") == []
    proxy.release()
    place.ok("run-once", "shop")
    assert len(place.backups("shop")) == 1
    assert store.open_uploads() == []
    assert place.leftovers() == []
    drop(server, "killed_run")


def test_a_killed_run_leaves_no_partial_file_after_the_next_run(
    place: Workplace, server: PostgresServer, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    proxy = tcp_proxy(server.host, server.port)
    proxy.to_client = Fault(stall_after=2_000_000)
    _job(place, server, LOCAL, port=proxy.port)
    backups = place.folder / "backups"
    with place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0 and any(backups.rglob("*.partial")))
        running.process.kill()
        running.process.communicate()
    proxy.release()
    place.ok("run-once", "shop")
    assert not list(backups.rglob("*.partial"))
    assert len(place.backups("shop")) == 1


def test_a_signal_that_another_than_the_main_thread_gets_cancels_all_the_same(
    place: Workplace, server: PostgresServer, weed_server: WeedServer, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    proxy = _stalled_run(place, server, weed_server, tcp_proxy)
    with place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0)
        pid = running.process.pid
        other = max(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
        assert other != pid
        assert ctypes.CDLL(None).tgkill(pid, other, signal.SIGTERM) == 0
        ended = running.wait()
    _nothing_is_stored(place, ended, code=130, store=weed_server)


def test_a_closed_terminal_is_told_of_more_than_once_and_the_run_still_clears_up(
    place: Workplace, server: PostgresServer, weed_server: WeedServer, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    proxy = _stalled_run(place, server, weed_server, tcp_proxy)
    with place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0)
        for _ in range(3):  # by the kernel, by the shell, and once to spare
            running.process.send_signal(signal.SIGHUP)
        ended = running.wait()
    _nothing_is_stored(place, ended, code=130, store=weed_server)


def test_a_restore_that_fails_half_way_drops_what_it_made(place: Workplace, server: PostgresServer) -> None:
    _job(place, server, LOCAL)
    place.ok("run-once", "shop")
    before = content(server, DATABASE)
    (artifact,) = (place.folder / "backups").rglob("*.sql.zst")
    data = artifact.read_bytes()
    artifact.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    ended = place.run("restore", "shop", "--into", DATABASE, "--clean", "--yes")
    assert ended.code == 3
    assert content(server, DATABASE) == before


def test_a_state_folder_that_cannot_be_written_is_a_usage_error(place: Workplace) -> None:
    sqlite_job(place)
    (place.folder / "file").write_text("")
    ended = place.run("run-once", "shop", env={"BACKUPCTL_STATE_DIR": str(place.folder / "file")})
    assert ended.code == 2
    assert "state folder" in ended.err
