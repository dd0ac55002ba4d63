"""What is dumped from MySQL and MariaDB comes back as it was: both products, either's clients, databases that hurt."""

from pathlib import Path

import pytest

from backupctl.process import Session
from tests.contract.engine_members import keep
from tests.contract.mysql_cases import HARD_NAMES, engine_for, fill_with_everything, new_name, tell
from tests.parts.mariadb import MariadbServer, quoted


@pytest.fixture(params=["mariadb_server", "mysql_server"])
def server(request: pytest.FixtureRequest) -> MariadbServer:
    made: MariadbServer = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def test_a_schema_that_hurts_comes_back_the_same(server: MariadbServer, session: Session) -> None:
    source, target = new_name("it is `a` ü"), new_name('copy" of`')
    fill_with_everything(server, source)
    engine = engine_for(server, session, source)
    engine.restore(keep(engine).request(target))
    assert tell(server, target) == tell(server, source)


@pytest.mark.parametrize("name", HARD_NAMES)
def test_a_database_of_any_name_is_dumped_and_restored(server: MariadbServer, session: Session, name: str) -> None:
    source, target = name, name + " copy"
    server.create_database(source)
    server.sql("CREATE TABLE t AS SELECT 1 AS x", source)
    engine = engine_for(server, session, source)
    engine.restore(keep(engine).request(target))
    assert server.sql("SELECT x FROM t", target) == "1"
    server.sql(f"DROP DATABASE {quoted(source)}; DROP DATABASE {quoted(target)}")
