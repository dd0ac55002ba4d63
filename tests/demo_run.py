"""The demonstration of `make demo-run`: the runner at work for two minutes, looked at, stopped, and what it left."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.demo_parts import COMMANDS, ROOT, environment, make_shop, rows, run, say, verdict
from tests.parts.ports import free_port

FOLDER = ROOT / "demo-run"
MINUTES = 2
LATE_MOST_S = 1.0
PATIENCE_S = 90.0
FIRST_NEW_ORDER = 1_000_000
AT_WORK = ("shop", "notes")
"""The jobs that run every minute."""

JOBS = """\
version: 1
state_dir: state

storages:
  here:
    type: local
    path: backups

defaults:
  storage: here
  cron: "* * * * *"             # every minute, so that there is something to see

jobs:
  - name: shop
    database: {type: sqlite, path: shop.sqlite}
  - name: notes
    database: {type: sqlite, path: notes.sqlite}
    retention: {keep_last: 1}   # each new backup replaces the one before it
  - name: shop-nightly
    database: {type: sqlite, path: shop.sqlite}
    cron: "30 3 * * *"
    timezone: America/Sao_Paulo
"""


class Shop:
    """An application that goes on writing to its database, whatever is backed up meanwhile."""

    def __init__(self, path: Path) -> None:
        self.database = make_shop(path)
        self._new = 0

    def work(self) -> None:
        self.database.execute("INSERT INTO orders VALUES (?, ?, ?)", (FIRST_NEW_ORDER + self._new, 0, "2026-11-23"))
        self.database.commit()
        self._new += 1


class Runner:
    """`backupctl run`, its log shown as it comes."""

    def __init__(self, address: str) -> None:
        command = ["backupctl", "run", "--listen", address, "--log-format", "text"]
        say(f"\n$ {' '.join(command)}")
        self.process = subprocess.Popen(
            command, cwd=FOLDER, env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._succeeded = 0
        self._log = threading.Thread(target=self._show, daemon=True)
        self._log.start()

    def wait_for_backups(self, count: int, shop: Shop) -> None:
        """Let the shop work until so many runs have succeeded."""
        until = time.monotonic() + PATIENCE_S
        while self._succeeded < count:
            if self.process.poll() is not None or time.monotonic() > until:
                sys.exit(f"the demo failed: {self._succeeded} runs have succeeded, not {count}")
            shop.work()
            time.sleep(0.2)

    def stop(self) -> None:
        say(f"\n$ kill -TERM {self.process.pid}")
        self.process.terminate()
        code = self.process.wait(PATIENCE_S)
        self._log.join()
        if code:
            sys.exit(f"the demo failed: the runner ended with {code}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _show(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            say(f"  {line.rstrip()}")
            self._succeeded += ": succeeded in " in line


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    shop = Shop(FOLDER / "shop.sqlite")
    with closing(shop.database), closing(_make_notes(FOLDER / "notes.sqlite")) as notes:
        (FOLDER / "jobs.yaml").write_text(JOBS)
        say(f"Two databases and a jobs file were made in {FOLDER}:\n\n{textwrap.indent(JOBS, '  ')}")
        run("backupctl validate", FOLDER)
        _serve(shop)
        runs = _told("history")
        well = [_on_time(runs)]
        say("\nCan what it left be restored?")
        for job in AT_WORK:
            run(f"backupctl verify {job}", FOLDER)
            run(f"backupctl restore {job} latest --into restored-{job}.sqlite", FOLDER)
        say("\nIs what came back what was there?\n")
        well += [_orders_came_back(shop.database), _notes_came_back(notes)]
        well += [_kept("shop", sum(run["job"] == "shop" for run in runs)), _kept("notes", 1)]
    say(f"\nGo on there:  cd {os.path.relpath(FOLDER)} && {COMMANDS / 'backupctl'} run")
    return 0 if all(well) else 1


def _make_notes(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT NOT NULL)")
    database.executemany("INSERT INTO notes (note) VALUES (?)", ((f"note {n}",) for n in range(100)))
    database.commit()
    return database


def _serve(shop: Shop) -> None:
    """The runner, with a look at it from outside after its first minute and after its last."""
    address = f"127.0.0.1:{free_port()}"
    say(
        "\nThe runner begins. Both databases are due at each full minute, and are backed up twice, while the shop goes"
        "\non to take orders. Indented is the runner's log."
    )
    with Runner(address) as runner:
        say(f"\nThe next full minute comes in {_seconds_left():.0f} s.\n")
        runner.wait_for_backups(len(AT_WORK), shop)
        _show_readyz(address)
        say(f"\nOnce more, in {_seconds_left():.0f} s.\n")
        runner.wait_for_backups(len(AT_WORK) * MINUTES, shop)
        say("\nHow does each job stand, what was run, what comes next, and is the runner well? Ask from elsewhere:")
        for command in ("status", "history", "next --count 2", f"healthcheck --ready --listen {address}"):
            run(f"backupctl {command}", FOLDER)
        runner.stop()


def _seconds_left() -> float:
    return 60 - time.time() % 60


def _show_readyz(address: str) -> None:
    say(f"\nWhat a monitor is told:\n\n$ curl http://{address}/readyz")
    with closing(HTTPConnection(address, timeout=10)) as connection:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        say(answer.read().decode().rstrip())
        if answer.status != 200:
            sys.exit(f"the demo failed: the runner answers {answer.status}")


def _on_time(runs: list[dict[str, Any]]) -> bool:
    """Whether each run was one of the schedule's, succeeded, and began within a second of its time."""
    late = [_seconds(run["due_at"], run["started_at"]) for run in runs]
    well = all((run["trigger"], run["outcome"]) == ("schedule", "succeeded") for run in runs)
    say(f"\nOf {len(runs)} runs the latest began {max(late):.2f} s after it was due.")
    return well and len(runs) >= len(AT_WORK) * MINUTES and min(late) >= 0 and max(late) <= LATE_MOST_S


def _told(*command: str) -> list[dict[str, Any]]:
    """What a command says as JSON."""
    argv = [str(COMMANDS / "backupctl"), *command, "--json"]
    done = subprocess.run(argv, cwd=FOLDER, env=environment(), capture_output=True, check=True)
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _orders_came_back(shop: sqlite3.Connection) -> bool:
    """Whether the backup has all orders up to some moment of the runner's time, and every other table as it is."""
    with closing(sqlite3.connect(FOLDER / "restored-shop.sqlite")) as restored:
        came_back = rows(restored, "SELECT * FROM orders")
        newest = max(order[0] for order in came_back if isinstance(order[0], int))
        equal = came_back == rows(shop, f"SELECT * FROM orders WHERE id <= {newest}") and newest >= FIRST_NEW_ORDER
        for table in ("customers", "products", "items"):
            equal &= rows(restored, f"SELECT * FROM {table}") == rows(shop, f"SELECT * FROM {table}")
    since = len(rows(shop, f"SELECT id FROM orders WHERE id > {newest}"))
    taken = newest - FIRST_NEW_ORDER + 1
    say(f"  shop   {len(came_back):>6,} orders, {taken} of them new ({since} were taken since): {verdict(equal=equal)}")
    return equal


def _notes_came_back(notes: sqlite3.Connection) -> bool:
    with closing(sqlite3.connect(FOLDER / "restored-notes.sqlite")) as restored:
        before, after = (rows(database, "SELECT * FROM notes") for database in (notes, restored))
    say(f"  notes  {len(after):>6,} notes: {verdict(equal=before == after)}")
    return before == after


def _kept(job: str, expected: int) -> bool:
    """Whether the retention policy, or the lack of one, left so many backups."""
    count = len(_told("list", job))
    say(f"  {job:<6} {count:>6} backup{'' if count == 1 else 's'} kept, {expected} expected")
    return count == expected


if __name__ == "__main__":
    sys.exit(main())
