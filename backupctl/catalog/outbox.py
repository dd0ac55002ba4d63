"""Messages that are kept until they are sent, in their order, as statements of one transaction."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite

from backupctl.catalog.tables import MARKS, OUTBOX

MOST = 10_000
"""So many are kept; the oldest go first, since a flood of them says little."""


@dataclass(frozen=True)
class Kept:
    """A message that waits to be sent over a channel. `message` is the JSON that it was kept as."""

    seq: int
    channel: str
    job: str | None
    recipients: tuple[str, ...]
    message: str
    kept_at: datetime
    next_at: datetime
    tries: int
    error: str | None


def keep(
    connection: Connection, channel: str, job: str | None, recipients: Sequence[str], message: str, now: datetime
) -> int:
    """Keep a message; returns how many older ones had to go for it."""
    values = {"channel": channel, "job": job, "recipients": json.dumps(list(recipients)), "message": message}
    connection.execute(insert(OUTBOX).values(**values, kept_at=now, next_at=now, tries=0))
    newest = select(OUTBOX.c.seq).order_by(OUTBOX.c.seq.desc()).limit(MOST)
    return connection.execute(delete(OUTBOX).where(OUTBOX.c.seq.not_in(newest))).rowcount


def oldest(connection: Connection, channel: str) -> Kept | None:
    """The message of a channel that is to be sent before all others, whether its time has come or not."""
    statement = select(OUTBOX).where(OUTBOX.c.channel == channel).order_by(OUTBOX.c.seq).limit(1)
    found = connection.execute(statement).first()
    if found is None:
        return None
    values: dict[str, Any] = dict(found._mapping)
    return Kept(**values | {"recipients": tuple(json.loads(found.recipients))})


def channels(connection: Connection) -> list[str]:
    """The channels that have something to send."""
    found = connection.execute(select(OUTBOX.c.channel).distinct().order_by(OUTBOX.c.channel))
    return [str(record.channel) for record in found]


def count(connection: Connection, channels: Collection[str]) -> int:
    statement = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.channel.in_(channels))
    return int(connection.execute(statement).scalar_one())


def remove(connection: Connection, seq: int) -> None:
    connection.execute(delete(OUTBOX).where(OUTBOX.c.seq == seq))


def postpone(connection: Connection, seq: int, next_at: datetime, error: str, recipients: Sequence[str]) -> None:
    """Try again then, for these recipients."""
    values = {"next_at": next_at, "error": error, "recipients": json.dumps(list(recipients))}
    connection.execute(update(OUTBOX).where(OUTBOX.c.seq == seq).values(**values, tries=OUTBOX.c.tries + 1))


def mark(connection: Connection, name: str, at: datetime | None) -> None:
    """Remember when something was last done; None: forget it."""
    if at is None:
        connection.execute(delete(MARKS).where(MARKS.c.name == name))
        return
    statement = sqlite.insert(MARKS).values(name=name, at=at)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"at": at}))


def marks(connection: Connection, beginning: str) -> dict[str, datetime]:
    """What is remembered under names that begin so."""
    found = connection.execute(select(MARKS).where(MARKS.c.name.startswith(beginning, autoescape=True)))
    return {record.name: record.at for record in found}
