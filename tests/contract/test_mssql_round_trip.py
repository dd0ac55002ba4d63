"""Round trips through a SQL Server: the stand-in, and a real one where the environment names it."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backupctl.engines.mssql import MssqlEngine, MssqlOptions
from backupctl.errors import UsageError
from backupctl.process import Session
from tests.contract.engine_members import keep
from tests.contract.mssql_cases import CUSTOMERS
from tests.parts.missing import or_skip
from tests.parts.mssql import MssqlServer
from tests.parts.mssql.real import RealMssqlServer, real_server

Place = MssqlServer | RealMssqlServer


@pytest.fixture(params=["stand-in", "real"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "real":
        return or_skip(real_server)
    server: MssqlServer = request.getfixturevalue("mssql_server")
    server.reset()
    return server


@pytest.fixture
def names(place: Place) -> Iterator[tuple[str, str]]:
    """A database with customers, and one to restore to."""
    mark = uuid.uuid4().hex[:8]
    source, target = f"we ]ird' {mark} größe", f"b]ack' {mark}"
    place.make_customers(source, CUSTOMERS)
    yield source, target
    for name in (source, target):
        place.drop(name)


@pytest.fixture
def engine(place: Place, names: tuple[str, str], sqlcmd: Path, tmp_path: Path) -> MssqlEngine:
    is_there = isinstance(place, RealMssqlServer) and shutil.which("sqlcmd")
    options: dict[str, Any] = {
        "type": "mssql",
        "host": place.host,
        "port": place.port,
        "user": place.user,
        "password": SecretStr(place.password),
        "name": names[0],
        "server_dir": place.server_dir,
        "local_dir": place.local_dir,
        "bin_dir": None if is_there else sqlcmd,
        "globals": True,
    }
    return MssqlEngine.build(MssqlOptions(**options), Session(tmp_path))


def test_a_database_comes_back_and_is_replaced_with_consent(
    place: Place, engine: MssqlEngine, names: tuple[str, str]
) -> None:
    source, target = names
    before = set(place.local_dir.iterdir())
    kept = keep(engine)
    engine.check_dump(kept.manifest, kept.open(), say=lambda _: None)
    engine.restore(kept.request(target, check=True))
    assert place.rows(target) == place.rows(source) == {"customers": CUSTOMERS}
    with pytest.raises(UsageError, match="is there already"):
        engine.restore(kept.request(target))
    engine.restore(kept.request(target, clean=True, confirm=lambda _: True))
    assert place.rows(target) == {"customers": CUSTOMERS}
    assert set(engine.databases()) >= {source, target}
    assert set(place.local_dir.iterdir()) == before
