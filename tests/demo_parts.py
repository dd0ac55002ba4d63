"""What the demonstrations share: a database, a command shown as a user types it, and a comparison."""

import os
import random
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = Path(sys.executable).parent

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


def make_shop(path: Path) -> sqlite3.Connection:
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


def run(command: str, folder: Path) -> None:
    """Run a command in the folder, shown as a user types it. Ends the demonstration when it fails."""
    say(f"\n$ {command}")
    done = subprocess.run(shlex.split(command), cwd=folder, env=environment(), stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit(f"the demo failed: exit code {done.returncode}")


def environment() -> dict[str, str]:
    """A user's, with our command on the PATH."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("BACKUPCTL_")}
    return env | {"PATH": f"{COMMANDS}{os.pathsep}{env['PATH']}"}


def compare(original: sqlite3.Connection, path: Path) -> bool:
    """Compare schema and rows, with nothing of backupctl in between."""
    with closing(sqlite3.connect(path)) as restored:
        equal = rows(original, SCHEMA_ROWS) == rows(restored, SCHEMA_ROWS)
        say(f"\nIs what came back what was there?\n\n  {'schema':<10} {verdict(equal=equal)}")
        for (name,) in original.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall():
            before, after = (rows(database, f'SELECT * FROM "{name}"') for database in (original, restored))
            say(f"  {name:<10} {len(before):>6,} rows, {len(after):>6,} restored: {verdict(equal=before == after)}")
            equal = equal and before == after
    return equal


def rows(database: sqlite3.Connection, query: str) -> list[tuple[object, ...]]:
    return sorted(database.execute(query).fetchall(), key=repr)


def verdict(*, equal: bool) -> str:
    return "equal" if equal else "DIFFERENT"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
