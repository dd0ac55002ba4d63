"""The catalog's tables, and the steps that make them out of those of earlier versions."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, TypeDecorator

from backupctl.model import Outcome, Trigger

Chosen = TypeVar("Chosen", bound=StrEnum)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            seq INTEGER PRIMARY KEY,
            run_id TEXT NOT NULL UNIQUE,
            job TEXT NOT NULL,
            "trigger" TEXT NOT NULL,
            due_at TEXT,
            started_at TEXT NOT NULL,
            finished_at TEXT,
            outcome TEXT,
            error TEXT,
            hint TEXT,
            dumped INTEGER,
            stored INTEGER,
            backup_id TEXT,
            host TEXT NOT NULL
        )""",
        "CREATE INDEX runs_of_job ON runs (job, outcome)",
    ),
    (
        """CREATE TABLE schedules (
            job TEXT PRIMARY KEY,
            expression TEXT NOT NULL,
            zone TEXT NOT NULL,
            since TEXT NOT NULL
        )""",
    ),
    (
        """CREATE TABLE outbox (
            seq INTEGER PRIMARY KEY,
            channel TEXT NOT NULL,
            job TEXT,
            recipients TEXT NOT NULL,
            message TEXT NOT NULL,
            kept_at TEXT NOT NULL,
            next_at TEXT NOT NULL,
            tries INTEGER NOT NULL,
            error TEXT
        )""",
        "CREATE INDEX outbox_of_channel ON outbox (channel, seq)",
        "CREATE TABLE marks (name TEXT PRIMARY KEY, at TEXT NOT NULL)",
    ),
    ("ALTER TABLE runs ADD COLUMN backups INTEGER",),
)
"""Each makes of one version the next. What was released is never changed: add another one."""

VERSION = len(MIGRATIONS)


class AlteredError(Exception):
    """a column holds what no version of us writes"""


class Moment(TypeDecorator[datetime]):
    """An aware time, stored as ISO 8601 in UTC with all six digits, so that texts sort as times do."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        try:
            return None if value is None else datetime.fromisoformat(value)
        except (ValueError, TypeError) as error:
            raise AlteredError(f"{value!r} is no time") from error


class Word(TypeDecorator[Chosen]):
    """A word of a list, stored as such."""

    impl = String
    cache_ok = True

    def __init__(self, words: type[Chosen]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: Chosen | None, dialect: Any) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Any) -> Chosen | None:
        try:
            return None if value is None else self.words(value)
        except ValueError as error:
            raise AlteredError(str(error)) from error


class Prose(TypeDecorator[str]):
    """A text for people. What is no Unicode in it, such as a file's name in another encoding, is shown as its bytes."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.encode(errors="backslashreplace").decode()


_metadata = MetaData()

RUNS = Table(
    "runs",
    _metadata,
    Column("seq", Integer, primary_key=True),
    Column("run_id", String, nullable=False),
    Column("job", String, nullable=False),
    Column("trigger", Word(Trigger), nullable=False),
    Column("due_at", Moment),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("outcome", Word(Outcome)),
    Column("error", Prose),
    Column("hint", Prose),
    Column("dumped", Integer),
    Column("stored", Integer),
    Column("backup_id", String),
    Column("host", String, nullable=False),
    Column("backups", Integer),
)
"""A row a run, in the order of their beginning; without an outcome it has not ended yet."""

SCHEDULES = Table(
    "schedules",
    _metadata,
    Column("job", String, primary_key=True),
    Column("expression", String, nullable=False),
    Column("zone", String, nullable=False),
    Column("since", Moment, nullable=False),
)
"""Since when a job is known with the schedule that it has now."""

OUTBOX = Table(
    "outbox",
    _metadata,
    Column("seq", Integer, primary_key=True),
    Column("channel", String, nullable=False),
    Column("job", String),
    Column("recipients", String, nullable=False),
    Column("message", String, nullable=False),
    Column("kept_at", Moment, nullable=False),
    Column("next_at", Moment, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("error", String),
)
"""Messages that are to be sent, each channel's in the order of `seq`."""

MARKS = Table(
    "marks",
    _metadata,
    Column("name", String, primary_key=True),
    Column("at", Moment, nullable=False),
)
"""When something was last done: a digest sent, an alarm raised."""


def version_of(connection: Connection) -> int:
    """How many of MIGRATIONS the file has behind it."""
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def migrate(connection: Connection) -> None:
    """Bring the file to VERSION, within the connection's transaction."""
    for statements in MIGRATIONS[version_of(connection) :]:
        for statement in statements:
            connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
