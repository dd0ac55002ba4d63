"""The demonstration of `make demo`: a real database is backed up, verified, restored, and compared."""

import os
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "demo"
COMMANDS = Path(sys.executable).parent

JOBS = """\
version: 1
timezone: Europe/Berlin
state_dir: state

storages:
  here:
    type: local
    path: backups

jobs:
  - name: shop
    database:
      type: sqlite
      path: shop.sqlite
    storage: here
    cron: "30 3 * * *"
"""

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA foreign_keys = ON;
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, photo BLOB);
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price REAL NOT NULL CHECK (price > 0));
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers, placed TEXT NOT NULL);
CREATE TABLE items (
  "order" INTEGER REFERENCES orders, product INTEGER REFERENCES products, amount INTEGER NOT NULL,
  PRIMARY KEY ("order", product)) WITHOUT ROWID;
CREATE INDEX orders_of_customer ON orders (customer);
CREATE VIEW totals AS
  SELECT orders.customer, sum(items.amount * products.price) AS total
  FROM orders JOIN items ON items."order" = orders.id JOIN products ON products.id = items.product
  GROUP BY orders.customer;
"""

SCHEMA_ROWS = "SELECT type, name, sql FROM sqlite_master"
CUSTOMERS, PRODUCTS, ORDERS = 2_000, 300, 8_000
CITIES = ("São Paulo", "Zürich", "東京", "Kraków", "", None)


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    original, restored = FOLDER / "shop.sqlite", FOLDER / "restored.sqlite"
    # The application goes on while its backup is made: its newest rows are in the -wal file beside the database.
    with closing(_make(original)) as application:
        (FOLDER / "jobs.yaml").write_text(JOBS)
        _say(f"A database, {original.name}, and a jobs file were made in {FOLDER}:\n\n{textwrap.indent(JOBS, '  ')}")
        for command in (
            "backupctl validate",
            "backupctl run-once shop",
            "backupctl list",
            "backupctl verify shop",
            f"backupctl restore shop latest --into {restored.name}",
        ):
            _run(command)
        equal = _compare(application, restored)
    _say(f"\nThe files are in {FOLDER}:\n")
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file() and "state" not in path.parts):
        _say(f"  {path.stat().st_size:>9,}  {path.relative_to(FOLDER)}")
    _say(f"\nGo on there:  cd {os.path.relpath(FOLDER)} && {COMMANDS / 'backupctl'} --help")
    return 0 if equal else 1


def _make(path: Path) -> sqlite3.Connection:
    chance = random.Random(2)
    database = sqlite3.connect(path)
    database.executescript(SCHEMA)
    database.executemany(
        "INSERT INTO customers VALUES (?, ?, ?, ?)",
        ((n, f"Customer O'{n}", chance.choice(CITIES), chance.randbytes(64)) for n in range(CUSTOMERS)),
    )
    database.executemany(
        "INSERT INTO products VALUES (?, ?, ?)",
        ((n, f"Product {n}", chance.randrange(1, 10_000) / 100) for n in range(PRODUCTS)),
    )
    database.executemany(
        "INSERT INTO orders VALUES (?, ?, ?)",
        ((n, chance.randrange(CUSTOMERS), f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}") for n in range(ORDERS)),
    )
    database.executemany("INSERT INTO items VALUES (?, ?, ?)", _items(chance))
    database.commit()
    return database


def _items(chance: random.Random) -> Iterator[tuple[int, int, int]]:
    for order in range(ORDERS):
        for product in chance.sample(range(PRODUCTS), chance.randrange(1, 6)):
            yield order, product, chance.randrange(1, 10)


def _run(command: str) -> None:
    """Run a command in the demo's folder, shown as a user types it. Ends the demo when it fails."""
    _say(f"\n$ {command}")
    env = {name: value for name, value in os.environ.items() if not name.startswith("BACKUPCTL_")}
    env["PATH"] = f"{COMMANDS}{os.pathsep}{env['PATH']}"
    done = subprocess.run(shlex.split(command), cwd=FOLDER, env=env, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit(f"the demo failed: exit code {done.returncode}")


def _compare(original: sqlite3.Connection, path: Path) -> bool:
    """Compare schema and rows, with nothing of backupctl in between."""
    with closing(sqlite3.connect(path)) as restored:
        equal = _rows(original, SCHEMA_ROWS) == _rows(restored, SCHEMA_ROWS)
        _say(f"\nIs what came back what was there?\n\n  {'schema':<10} {_verdict(equal)}")
        for (name,) in original.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall():
            before, after = (_rows(database, f'SELECT * FROM "{name}"') for database in (original, restored))
            _say(f"  {name:<10} {len(before):>6,} rows, {len(after):>6,} restored: {_verdict(before == after)}")
            equal = equal and before == after
    return equal


def _rows(database: sqlite3.Connection, query: str) -> list[tuple[object, ...]]:
    return sorted(database.execute(query).fetchall(), key=repr)


def _verdict(equal: bool) -> str:
    return "equal" if equal else "DIFFERENT"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
