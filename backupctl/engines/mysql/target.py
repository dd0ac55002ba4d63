"""The database that a restore ends up in: what is there before, how it is made and cleared away."""

from dataclasses import dataclass
from typing import Any, Self

from backupctl.engines.mysql.server import Server
from backupctl.engines.mysql.sql import Sql, identifier, literal

Details = dict[str, Any]


@dataclass(frozen=True)
class Content:
    """A database that is there, and what is in it already."""

    charset: str
    collation: str
    tables: int
    others: int
    size: int

    @classmethod
    def of(cls, sql: Sql, name: str) -> Self | None:
        """None where there is no such database."""
        rows = sql.rows(_content(name))
        return cls(*rows[0]) if rows else None

    @property
    def is_empty(self) -> bool:
        return not (self.tables or self.others)

    def __str__(self) -> str:
        if not self.tables:
            return f"{self.others} routines and events"
        return f"{self.tables} tables and views, {self.size / (1 << 20):.1f} MiB"


def _content(name: str) -> str:
    schema = literal(name)
    return f"""SELECT JSON_ARRAY(default_character_set_name, default_collation_name,
        (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {schema}),
        (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = {schema})
          + (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = {schema}),
        (SELECT COALESCE(SUM(data_length + index_length), 0) + 0E0 FROM information_schema.tables
          WHERE table_schema = {schema}))
      FROM information_schema.schemata WHERE schema_name = {schema}"""  # noqa: S608 -- quoted


def knows_collation(sql: Sql, collation: str) -> bool:
    known = f"SELECT 1 FROM information_schema.collations WHERE collation_name = {literal(collation)}"  # noqa: S608 -- quoted
    return bool(sql.row(f"SELECT JSON_ARRAY(EXISTS ({known}))")[0])


def create_database(sql: Sql, server: Server, name: str, details: Details) -> None:
    """Make an empty database with the character set and the collation of the backup's. Raises EngineError."""
    words = [f"CREATE DATABASE {identifier(name)}"]
    if details.get("charset"):
        words += ["CHARACTER SET", details["charset"], "COLLATE", details["collation"]]
    if details.get("comment") and server.flavour == "mariadb":
        words += ["COMMENT", literal(details["comment"])]
    sql.execute(" ".join(words), timeout=None)


def drop_database(sql: Sql, name: str) -> None:
    """Drop a database, when the statements that are still running in it have ended. Raises EngineError."""
    sql.execute(f"DROP DATABASE IF EXISTS {identifier(name)}", timeout=None)
