"""What goes wrong with SQLite files in particular."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from backupctl.engines.sqlite import SqliteEngine, SqliteOptions
from backupctl.errors import EngineError, UsageError
from backupctl.process import Session
from tests.contract.engine_members import Kept, keep, read_all


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


def _engine(path: Path, tmp_path: Path) -> SqliteEngine:
    scratch = tmp_path / "scratch"
    scratch.mkdir(mode=0o700, exist_ok=True)
    return SqliteEngine.build(SqliteOptions(path=path), Session(scratch))


def _rows(kept: Kept, tmp_path: Path, query: str) -> list[tuple[object, ...]]:
    copy = tmp_path / "copy.db"
    copy.write_bytes(kept.open().read(1 << 30))
    with closing(sqlite3.connect(copy)) as db:
        return db.execute(query).fetchall()


def test_rows_that_are_only_in_the_write_ahead_log_are_dumped(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        db.execute("CREATE TABLE t (x)")
        db.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(5000)])
        db.commit()
        kept = keep(_engine(path, tmp_path))
        assert _rows(kept, tmp_path, "SELECT count(*) FROM t") == [(5000,)]


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_dump_under_writers_is_one_moment_and_does_not_start_anew(path: Path, tmp_path: Path, mode: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"PRAGMA journal_mode = {mode}")
        db.execute("CREATE TABLE a (x, pad)")
        db.execute("CREATE TABLE b (x, pad)")
        db.executemany("INSERT INTO a VALUES (?, ?)", [(n, "p" * 2000) for n in range(10_000)])
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as db:
            while not stop.is_set():
                db.execute("BEGIN IMMEDIATE")
                db.execute("INSERT INTO a VALUES (-1, '')")
                db.execute("INSERT INTO b VALUES (-1, '')")
                db.execute("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        kept = keep(_engine(path, tmp_path))
    finally:
        stop.set()
        writer.join()
    pairs = "SELECT (SELECT count(*) FROM a WHERE x = -1) - (SELECT count(*) FROM b WHERE x = -1)"
    assert _rows(kept, tmp_path, pairs) == [(0,)]


def test_a_missing_file_is_not_created(path: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there is no database file"):
        _engine(path, tmp_path).preflight()
    assert not path.exists()


def test_a_file_that_is_no_database_is_named(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"these are no pages" * 1000)
    with pytest.raises(EngineError, match="file is not a database") as caught:
        _engine(path, tmp_path).preflight()
    assert "database.path" in str(caught.value.hint)


def test_a_damaged_database_is_not_backed_up(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE t (x UNIQUE)")
        db.executemany("INSERT INTO t VALUES (?)", [(f"row {n}",) for n in range(5000)])
    data = bytearray(path.read_bytes())
    for at in range(8192, len(data) - 4096, 16384):
        data[at : at + 2000] = b"\xee" * 2000
    path.write_bytes(data)
    with pytest.raises(EngineError, match="is damaged") as caught:
        keep(_engine(path, tmp_path))
    assert ".recover" in str(caught.value.hint)
    assert not list((tmp_path / "scratch").iterdir())


def test_dangling_references_are_a_warning_and_rows_are_counted(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        db.execute('CREATE TABLE "the ""child""" (parent REFERENCES parent)')
        db.executemany('INSERT INTO "the ""child""" VALUES (?)', [(n,) for n in range(7)])
    engine = _engine(path, tmp_path)
    (part,) = engine.preflight().parts
    with closing(part.open()) as reader:
        reader.read(1 << 30)
    findings = part.findings()
    assert findings.tables == {"parent": 0, 'the "child"': 7}
    assert findings.warnings == ('7 rows of the "child" refer to rows that are not there (foreign_key_check)',)


def test_a_database_that_stays_locked_says_so(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backupctl.engines.sqlite._BUSY_S", 0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE t (x)")
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(EngineError, match="locked") as caught:
            keep(_engine(path, tmp_path))
    assert caught.value.transient


def test_a_stale_journal_beside_the_target_is_not_played_into_the_restored_database(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE t (x)")
    engine = _engine(path, tmp_path)
    kept = keep(engine)
    target = tmp_path / "new.db"
    stale = Path(f"{target}-journal")
    stale.write_bytes(b"left by another database")
    with pytest.raises(UsageError, match="is there already"):
        engine.restore(kept.request(str(target)))
    engine.restore(kept.request(str(target), clean=True, confirm=lambda _: True))
    assert not stale.exists()
    assert target.stat().st_mode & 0o777 == 0o600


def test_an_empty_database_round_trips(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE t (x)")
        db.execute("DROP TABLE t")
    engine = _engine(path, tmp_path)
    target = tmp_path / "new.db"
    engine.restore(keep(engine).request(str(target)))
    with closing(sqlite3.connect(target)) as db:
        assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_roles_are_refused_because_there_are_none(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE t (x)")
    engine = _engine(path, tmp_path)
    with pytest.raises(UsageError, match="no roles"):
        engine.restore(keep(engine).request(str(tmp_path / "new.db"), owner=False))


def test_an_empty_file_is_dumped_with_a_warning(path: Path, tmp_path: Path) -> None:
    path.touch()
    (part,) = _engine(path, tmp_path).preflight().parts
    with closing(part.open()) as dump:
        read_all(dump)
    assert part.findings().warnings == ("the database has no tables",)
