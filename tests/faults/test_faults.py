"""Faults at random points, each seeded: whatever happens, what is listed can be restored, and nothing else is left.

`make test` strikes a few dozen times; `make test-faults` some hundreds. A case names its seed: to strike again in the
same place, give `-k` its id.
"""

import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.e2e.command import Ended, Workplace, until
from tests.e2e.places import one_job, s3_storage
from tests.faults.databases import NAME, Database, Started
from tests.parts.http_faults import HttpFaults
from tests.parts.proxy import Fault, TcpProxy
from tests.parts.s3 import WeedServer

COUNT = int(os.environ.get("BACKUPCTL_FAULTS", "48"))
DUMP_BYTES = 4_000_000  # what the dumps have at least
LONGEST_RUN_S = 3.0

SERVERS = ("postgres", "mariadb", "mysql")
ALL = (*SERVERS, "sqlite")


@dataclass
class Strike:
    """One case in the making: what it needs, and its dice."""

    place: Workplace
    database: Database
    storage: str
    store: WeedServer
    dice: random.Random
    tcp_proxy: Callable[[str, int], TcpProxy]
    http_faults: Callable[[str], HttpFaults]
    small_disk: Callable[[int], Path]
    own_database: Started
    own_store: Callable[[], WeedServer]

    def job(
        self,
        *,
        port: int | None = None,
        bin_dir: Path | None = None,
        endpoint_url: str | None = None,
        path: str = "./backups",
    ) -> None:
        storage = f"{{type: local, path: '{path}'}}"
        if self.storage == "s3":
            storage = s3_storage(self.place, self.store, endpoint_url=endpoint_url)
        one_job(self.place, self.database.entry(self.place, port=port, bin_dir=bin_dir), storage)

    def database_proxy(self) -> TcpProxy:
        assert self.database.server
        return self.tcp_proxy(self.database.server.host, self.database.server.port)

    def somewhere(self) -> int:
        """A number of bytes within the dump."""
        return self.dice.randrange(0, DUMP_BYTES)

    def run(self) -> Ended:
        return self.place.run("run-once", "shop")


def _fails(ended: Ended) -> None:
    assert ended.code == 1, ended
    assert "error: shop:" in ended.err


def tool_dies(strike: Strike) -> None:
    script = f'"$REAL" "$@" | head -c {strike.somewhere()}; echo "killed by a test" >&2; exit 3'
    strike.job(bin_dir=strike.database.wrapped(strike.place, script))
    _fails(strike.run())


def tool_ends_without_its_trailer(strike: Strike) -> None:
    strike.job(bin_dir=strike.database.wrapped(strike.place, f'"$REAL" "$@" | head -c {strike.somewhere()}'))
    _fails(strike.run())


def database_connection_is_cut(strike: Strike) -> None:
    proxy = strike.database_proxy()
    proxy.to_client = Fault(reset_after=strike.somewhere())
    strike.job(port=proxy.port)
    _fails(strike.run())


def database_link_is_slow(strike: Strike) -> None:
    proxy = strike.database_proxy()
    proxy.to_client = Fault(bytes_per_second=strike.dice.randrange(4_000_000, 8_000_000))
    strike.job(port=proxy.port)
    assert strike.run().code == 0


def database_server_is_killed(strike: Strike) -> None:
    strike.database = strike.own_database(strike.database.engine)
    assert strike.database.server
    proxy = strike.database_proxy()
    proxy.to_client = Fault(stall_after=strike.dice.randrange(500_000, DUMP_BYTES // 2))
    strike.job(port=proxy.port)
    with strike.place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0)
        strike.database.server.kill()
        proxy.refuse()  # what the sockets still held is lost with the machine
        _fails(running.wait())


def database_link_stalls_and_we_are_stopped(strike: Strike) -> None:
    proxy = strike.database_proxy()
    proxy.to_client = Fault(stall_after=strike.somewhere())
    strike.job(port=proxy.port)
    _stop_when(strike, lambda: proxy.stalled > 0)


def store_link_stalls_and_we_are_stopped(strike: Strike) -> None:
    proxy = strike.tcp_proxy("127.0.0.1", strike.store.port)
    proxy.to_server = Fault(stall_after=strike.dice.randrange(2000, DUMP_BYTES // 2))
    strike.job(endpoint_url=f"http://127.0.0.1:{proxy.port}")
    _stop_when(strike, lambda: proxy.stalled > 0)


def table_is_altered_during_the_dump(strike: Strike) -> None:
    """PostgreSQL makes the change wait; MySQL and MariaDB notice it when they come to the table (error 1412)."""
    server = strike.database.server
    assert server
    proxy = strike.database_proxy()
    proxy.to_client = Fault(stall_after=strike.dice.randrange(500_000, DUMP_BYTES // 2))
    strike.job(port=proxy.port)
    with strike.place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0)
        # A copy, since both MySQL and MariaDB can add a column so that an older snapshot still reads the table.
        copying = "" if strike.database.engine == "postgres" else ", ALGORITHM=COPY"
        alter = threading.Thread(target=server.sql, args=(f"ALTER TABLE z ADD COLUMN late int{copying}", NAME))
        alter.start()
        if strike.database.engine != "postgres":
            alter.join()
        proxy.release()
        ended = running.wait()
        alter.join()
    server.sql("ALTER TABLE z DROP COLUMN late", NAME)
    if strike.database.engine == "postgres":
        assert ended.code == 0, ended
    else:
        _fails(ended)


def store_is_killed(strike: Strike) -> None:
    strike.place.is_patient = False
    strike.store = strike.own_store()
    proxy = strike.tcp_proxy("127.0.0.1", strike.store.port)
    proxy.to_server = Fault(stall_after=strike.dice.randrange(20_000, DUMP_BYTES // 2))
    strike.job(endpoint_url=f"http://127.0.0.1:{proxy.port}")
    with strike.place.start("run-once", "shop") as running:
        until(lambda: proxy.stalled > 0)
        strike.store.kill()
        proxy.refuse()
        _fails(running.wait())
    strike.store.start()
    strike.job()
    assert strike.place.backups("shop") == []
    assert strike.run().code == 0  # which clears what the dead store could not be told to drop


def _stop_when(strike: Strike, condition: Callable[[], bool]) -> None:
    with strike.place.start("run-once", "shop") as running:
        until(condition)
        running.terminate()
        ended = running.wait()
    assert ended.code == 130, ended
    assert "cancelled" in ended.err


def store_answers_500_for_a_while(strike: Strike) -> None:
    proxy = strike.http_faults(strike.store.endpoint_url)
    strike.job(endpoint_url=proxy.endpoint_url)
    proxy.fail(strike.dice.randrange(1, 4), status=strike.dice.choice([500, 502, 503]), matches=_writes)
    assert strike.run().code == 0


def store_always_answers_500(strike: Strike) -> None:
    strike.place.is_patient = False
    proxy = strike.http_faults(strike.store.endpoint_url)
    strike.job(endpoint_url=proxy.endpoint_url)
    proxy.fail(100_000, status=500, matches=_writes)
    _fails(strike.run())


def store_connection_is_cut(strike: Strike) -> None:
    """Once, somewhere: the requests are tried again, and it may be either."""
    proxy = strike.tcp_proxy("127.0.0.1", strike.store.port)
    proxy.to_server = Fault(reset_after=strike.dice.randrange(0, DUMP_BYTES // 2))
    strike.job(endpoint_url=f"http://127.0.0.1:{proxy.port}")
    threading.Timer(strike.dice.uniform(0.5, LONGEST_RUN_S), proxy.heal).start()
    strike.run()


def store_link_is_slow(strike: Strike) -> None:
    proxy = strike.tcp_proxy("127.0.0.1", strike.store.port)
    proxy.to_server = Fault(bytes_per_second=strike.dice.randrange(2_000_000, 4_000_000))
    strike.job(endpoint_url=f"http://127.0.0.1:{proxy.port}")
    assert strike.run().code == 0


def disk_is_full(strike: Strike) -> None:
    disk = strike.small_disk(strike.dice.randrange(16, 1024))
    strike.job(path=str(disk))
    _fails(strike.run())
    assert _is_empty(disk)
    assert strike.place.backups("shop") == []


def _is_empty(folder: Path) -> bool:
    return not any(path.is_file() for path in folder.rglob("*"))


def we_are_stopped(strike: Strike) -> None:
    strike.job()
    with strike.place.start("run-once", "shop") as running:
        stopper = threading.Timer(strike.dice.uniform(0.0, LONGEST_RUN_S), running.terminate)
        stopper.start()
        ended = running.wait()
        stopper.cancel()
    # Before the command listens to signals, the system ends it; after the last job nothing is left to stop.
    assert ended.code in (0, 130, -signal.SIGTERM), ended


def we_are_killed(strike: Strike) -> None:
    strike.job()
    with strike.place.start("run-once", "shop") as running:
        killer = threading.Timer(strike.dice.uniform(0.3, LONGEST_RUN_S), running.process.kill)
        killer.start()
        running.process.communicate()
        killer.cancel()
    _what_is_listed_is_good(strike.place)
    assert strike.run().code == 0


def _writes(line: str) -> bool:
    return line.startswith(("PUT", "POST"))


@dataclass(frozen=True)
class Kind:
    """A fault, and which engines and storages it can strike."""

    strike: Callable[[Strike], None]
    engines: tuple[str, ...] = ALL
    storages: tuple[str, ...] = ("local", "s3")


KINDS = (
    Kind(tool_dies, engines=SERVERS),
    Kind(tool_ends_without_its_trailer, engines=SERVERS),
    Kind(database_connection_is_cut, engines=SERVERS),
    Kind(database_link_is_slow, engines=SERVERS),
    Kind(database_server_is_killed, engines=SERVERS),
    Kind(database_link_stalls_and_we_are_stopped, engines=SERVERS),
    Kind(table_is_altered_during_the_dump, engines=SERVERS),
    Kind(store_is_killed, storages=("s3",)),
    Kind(store_link_stalls_and_we_are_stopped, storages=("s3",)),
    Kind(store_answers_500_for_a_while, storages=("s3",)),
    Kind(store_always_answers_500, storages=("s3",)),
    Kind(store_connection_is_cut, storages=("s3",)),
    Kind(store_link_is_slow, storages=("s3",)),
    Kind(disk_is_full, storages=("local",)),
    Kind(we_are_stopped),
    Kind(we_are_killed),
)


def _cases() -> list[object]:
    """Every fault on every engine and storage that it can strike, in a fixed disorder, as often as asked for."""
    each = [(kind, engine, storage) for kind in KINDS for engine in kind.engines for storage in kind.storages]
    random.Random(2026).shuffle(each)
    return [
        pytest.param(kind, engine, storage, seed, id=f"{seed}-{kind.strike.__name__}-{engine}-{storage}")
        for seed, (kind, engine, storage) in enumerate(islice(cycle(each), COUNT))
    ]


@pytest.mark.parametrize(("kind", "engine", "storage", "seed"), _cases())
def test_what_is_listed_is_good_and_nothing_else_is_left(
    place: Workplace,
    database: Started,
    weed_server: WeedServer,
    tcp_proxy: Callable[[str, int], TcpProxy],
    http_faults: Callable[[str], HttpFaults],
    small_disk: Callable[[int], Path],
    own_database: Started,
    new_weed_server: Callable[[], WeedServer],
    kind: Kind,
    engine: str,
    storage: str,
    seed: int,
) -> None:
    dice = random.Random(seed)
    strike = Strike(
        place,
        database(engine),
        storage,
        weed_server,
        dice,
        tcp_proxy,
        http_faults,
        small_disk,
        own_database,
        new_weed_server,
    )
    kind.strike(strike)
    strike.job()
    backups = _what_is_listed_is_good(place)
    _nothing_else_is_stored(strike, backups)
    assert place.leftovers() == []


def _what_is_listed_is_good(place: Workplace) -> list[dict[str, object]]:
    backups: list[dict[str, object]] = place.backups("shop")
    place.ok("verify", "shop", "--all")
    return backups


def _nothing_else_is_stored(strike: Strike, backups: list[dict[str, object]]) -> None:
    if strike.storage == "s3":
        prefix = f"{strike.place.folder.name}/"
        stored = strike.store.keys(prefix)
        assert [key for key in strike.store.open_uploads() if key.startswith(prefix)] == []
    else:
        folder = strike.place.folder / "backups"
        stored = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert len(stored) == 2 * len(backups), stored
