"""What every engine promises, shown against real databases."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backupctl.cancel import Cancellation
from backupctl.engines.base import Engine, Part
from backupctl.errors import CancelledError, EngineError, IntegrityError, UsageError
from backupctl.model import DUMP_ROLE
from backupctl.process import Session
from tests.contract.engine_members import (
    CommandMember,
    Member,
    MssqlMember,
    MysqlMember,
    PostgresMember,
    SqliteMember,
    keep,
)

CREDENTIALS = (".pgpass", ".cnf")
"""Files that the clients read the password from; they go with the run's private folder."""


@pytest.fixture(params=["command", "sqlite", "postgres plain", "postgres custom", "mysql", "mariadb", "mssql"])
def member(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Member]:
    made = _member(request.param, tmp_path, request.getfixturevalue)
    yield made
    made.close()


def _member(name: str, tmp_path: Path, server: Callable[[str], Any]) -> Member:
    if name in ("command", "sqlite"):
        folder = tmp_path / "database"
        folder.mkdir()
        return SqliteMember(folder) if name == "sqlite" else CommandMember(folder)
    if name == "mssql":
        return MssqlMember(server("mssql_server"), server("sqlcmd"))
    if name in ("mysql", "mariadb"):
        return MysqlMember(server(f"{name}_server"))
    return PostgresMember(server("postgres_server")(17), name.removeprefix("postgres "))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    scratch = tmp_path / "scratch"
    scratch.mkdir(mode=0o700)
    return Session(scratch)


@pytest.fixture
def engine(member: Member, session: Session) -> Engine:
    return member.engine(session)


def test_a_restored_dump_has_the_same_content(member: Member, engine: Engine) -> None:
    kept = keep(engine)
    target = member.new_target()
    engine.restore(kept.request(target))
    assert member.content(target) == member.content()


def test_a_dump_leaves_nothing_in_the_scratch_folder(engine: Engine, session: Session) -> None:
    keep(engine)
    leftover = {path.name for path in session.scratch.iterdir() if path.suffix not in CREDENTIALS}
    assert leftover == set()


def test_a_dump_leaves_nothing_else_behind_when_it_is_closed_half_way(engine: Engine, session: Session) -> None:
    part = next(part for part in engine.preflight().parts if part.role == DUMP_ROLE)
    reader = part.open()
    assert len(reader.read(1000)) == 1000
    reader.close()
    assert not [path for path in session.scratch.iterdir() if path.suffix not in CREDENTIALS]


def test_the_size_estimate_is_of_the_right_order(engine: Engine) -> None:
    part = next(part for part in engine.preflight().parts if part.role == DUMP_ROLE)
    with closing(part.open()) as reader:
        size = len(reader.read(1 << 30))
    assert part.size_estimate is not None
    assert size / 10 < part.size_estimate < size * 10


def test_a_database_that_is_not_there_is_an_error_and_is_not_made(member: Member, session: Session) -> None:
    with pytest.raises(EngineError) as caught:
        keep(member.missing(session))
    assert "nosuch" in caught.value.message
    assert caught.value.hint


def test_a_cancelled_dump_raises_instead_of_ending(member: Member, tmp_path: Path) -> None:
    cancel = Cancellation()
    session = Session(tmp_path, cancel)
    parts = member.engine(session).preflight().parts
    cancel.request()
    with pytest.raises(CancelledError):
        _read_all(parts[0])


def _read_all(part: Part) -> None:
    with closing(part.open()) as reader:
        while reader.read(1 << 20):
            pass


def test_a_second_restore_into_the_same_database_is_refused(member: Member, engine: Engine) -> None:
    kept = keep(engine)
    target = member.new_target()
    member.put_something_in(target)
    before = member.content(target)
    with pytest.raises(member.refusal) as caught:
        engine.restore(kept.request(target))
    assert "--clean" in str(caught.value.hint)
    assert member.content(target) == before


def test_clean_replaces_what_is_there_after_asking(member: Member, engine: Engine) -> None:
    kept = keep(engine)
    target = member.new_target()
    member.put_something_in(target)
    asked: list[str] = []

    def agree(sentence: str) -> bool:
        asked.append(sentence)
        return True

    engine.restore(kept.request(target, clean=True, confirm=agree))
    assert len(asked) == 1
    assert member.content(target) == member.content()


def test_clean_that_is_not_confirmed_changes_nothing(member: Member, engine: Engine) -> None:
    kept = keep(engine)
    target = member.new_target()
    member.put_something_in(target)
    before = member.content(target)
    with pytest.raises(UsageError):
        engine.restore(kept.request(target, clean=True, confirm=lambda _: False))
    assert member.content(target) == before


def _cut(dump: bytes) -> bytes:
    return dump[: len(dump) * 2 // 3]


def _flip(dump: bytes) -> bytes:
    at = len(dump) - len(dump) // 4
    return dump[:at] + bytes([dump[at] ^ 1]) + dump[at + 1 :]


@pytest.mark.parametrize("change", [_cut, _flip], ids=["cut", "one byte changed"])
def test_an_altered_dump_is_not_restored(member: Member, engine: Engine, change: object) -> None:
    target = member.new_target()
    with pytest.raises((IntegrityError, EngineError)):
        engine.restore(keep(engine).altered(change).request(target))
    assert not member.exists(target)


@pytest.mark.parametrize("change", [_cut, _flip], ids=["cut", "one byte changed"])
def test_an_altered_dump_does_not_replace_what_is_there(member: Member, engine: Engine, change: object) -> None:
    target = member.new_target()
    member.put_something_in(target)
    before = member.content(target)
    with pytest.raises((IntegrityError, EngineError)):
        engine.restore(keep(engine).altered(change).request(target, clean=True, confirm=lambda _: True))
    assert member.content(target) == before


def test_a_whole_dump_passes_the_engines_own_check(engine: Engine) -> None:
    kept = keep(engine)
    engine.check_dump(kept.manifest, kept.open(), say=lambda _: None)


def test_a_cut_dump_fails_the_engines_own_check(engine: Engine) -> None:
    kept = keep(engine).altered(_cut)
    with pytest.raises((IntegrityError, EngineError)):
        engine.check_dump(kept.manifest, kept.open(), say=lambda _: None)
