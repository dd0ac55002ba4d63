"""What is dumped from PostgreSQL comes back as it was: every version, both formats, databases that hurt."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backupctl.process import Session
from tests.contract.engine_members import keep
from tests.contract.postgres_cases import HARD_NAMES, engine_for, fill_with_everything, new_name, tell
from tests.parts.postgres import PostgresServer

Servers = Callable[[int], PostgresServer]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


@pytest.mark.parametrize("style", ["plain", "custom"])
def test_a_schema_that_hurts_comes_back_the_same(postgres: PostgresServer, session: Session, style: str) -> None:
    source, target = new_name("it's=ü "), new_name('copy" of=')
    fill_with_everything(postgres, source)
    engine = engine_for(postgres, session, source, format=style)
    said: list[str] = []
    engine.restore(keep(engine).request(target, say=said.append))
    assert tell(postgres, target) == tell(postgres, source)
    assert not [sentence for sentence in said if "not set" in sentence]


@pytest.mark.parametrize("version", [15, 18])
@pytest.mark.parametrize("name", HARD_NAMES)
def test_a_database_of_any_name_is_dumped_and_restored(
    postgres_server: Servers, session: Session, name: str, version: int
) -> None:
    server = postgres_server(version)
    source, target = name, name + " copy"
    server.create_database(source)
    server.sql("CREATE TABLE t AS SELECT 1 AS x", source)
    engine = engine_for(server, session, source)
    engine.restore(keep(engine).request(target))
    assert server.sql("SELECT x FROM t", target) == "1"
