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


@pytest.fixture
def strangers_bin_dir(server: MariadbServer, mysql_server: MariadbServer, mariadb_server: MariadbServer) -> Path:
    """The clients of the other vendor."""
    return mysql_server.bin_dir if server.flavour == "mariadb" else mariadb_server.bin_dir


def test_what_the_other_vendors_clients_dump_and_restore_is_the_same_too(
    server: MariadbServer, session: Session, strangers_bin_dir: Path
) -> None:
    source, target, again = new_name(), new_name(), new_name()
    fill_with_everything(server, source)
    # What those clients do not get right is refused beforehand, but for the name of a routine, at which they stop.
    server.sql(
        "SET SESSION sql_mode = ''; ALTER TABLE `every type` DROP COLUMN `virtual`, DROP COLUMN `stored`;"
        "DROP PROCEDURE `pro ``c ü`;"
        + ("DROP TABLE `from sequence`; DROP SEQUENCE `se quence`" if server.flavour == "mariadb" else ""),
        source,
    )
    foreign = engine_for(server, session, source, bin_dir=strangers_bin_dir)
    kept = keep(foreign)
    foreign.restore(kept.request(target))
    engine_for(server, session, source).restore(kept.request(again))
    told = tell(server, source)
    assert tell(server, target) == told
    assert tell(server, again) == told


def test_a_view_whose_definer_is_gone_comes_back_under_another_name(server: MariadbServer, session: Session) -> None:
    source, target = new_name(), new_name()
    server.create_database(source)
    server.sql(
        "CREATE TABLE t (id int, s text); INSERT INTO t VALUES (1, 'x');"
        f"CREATE DEFINER=ghost@nowhere SQL SECURITY INVOKER VIEW v AS SELECT id, '`{source}`.`t`.`id`' AS s FROM t",
        source,
    )
    engine = engine_for(server, session, source)
    engine.restore(keep(engine).request(target, owner=False))
    assert server.sql("SELECT * FROM v", target) == f"1\t`{source}`.`t`.`id`"
    server.sql(f"DROP DATABASE {source}")
    assert server.sql("SELECT * FROM v", target) == f"1\t`{source}`.`t`.`id`"
