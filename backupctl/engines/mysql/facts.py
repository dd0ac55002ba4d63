"""What a database says of itself: its size, what is in it, and what a dump of it does not carry."""

from dataclasses import dataclass
from typing import Any, Self

from backupctl.engines.mysql.server import Server
from backupctl.engines.mysql.sql import Row, Sql, literal
from backupctl.errors import EngineError

_LEAST_SIZE = 4096
# MySQL 8 answers from statistics that may be a day old.
_FRESH = "SET SESSION information_schema_stats_expiry = 0;\n"
_FRESH_SINCE = (8, 0, 3)

# What a view lacks is told in the place of its comment.
_QUESTIONS = {
    "database": """SELECT JSON_ARRAY(default_character_set_name, default_collation_name, {comment})
      FROM information_schema.schemata WHERE schema_name = {schema}""",
    "tables": """SELECT JSON_ARRAY(t.table_name, t.table_type, t.engine, t.data_length,
        IF(t.table_type = 'VIEW', t.table_comment, ''), e.transactions)
      FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine
      WHERE t.table_schema = {schema} ORDER BY t.table_name""",
    "counts": """SELECT JSON_ARRAY(
        (SELECT COUNT(*) FROM information_schema.routines WHERE routine_schema = {schema}),
        (SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = {schema}),
        (SELECT COUNT(*) FROM information_schema.events WHERE event_schema = {schema}))""",
    "definers": """SELECT JSON_ARRAY(definer) FROM (
        SELECT definer FROM information_schema.routines WHERE routine_schema = {schema}
        UNION SELECT definer FROM information_schema.triggers WHERE trigger_schema = {schema}
        UNION SELECT definer FROM information_schema.events WHERE event_schema = {schema}
        UNION SELECT definer FROM information_schema.views WHERE table_schema = {schema}) d
      WHERE definer IS NOT NULL AND definer <> '' ORDER BY definer""",
}
_OF_MYSQL = {
    "generated": """SELECT JSON_ARRAY(table_name) FROM information_schema.columns
      WHERE table_schema = {schema} AND generation_expression <> '' GROUP BY table_name ORDER BY table_name""",
}

Account = tuple[str, str | None]
"""User and host; a role of MariaDB has no host."""


@dataclass(frozen=True)
class Facts:
    """The database that is about to be dumped, as far as this user can see it."""

    charset: str
    collation: str
    comment: str
    size: int
    """A guess at the dump, in bytes: the data without the indexes."""
    routines: int
    triggers: int
    events: int
    views: int
    invalid_views: list[str]
    not_transactional: list[str]
    """`table (engine)`"""
    sequences: list[str]
    versioned: list[str]
    """Tables that remember what their rows were (MariaDB's system versioning)."""
    generated_columns: list[str]
    """Tables with generated columns; asked of MySQL alone."""
    definers: list[Account]
    accounts: list[Account] | None
    """All accounts of the server; None where this user may not see them."""

    @classmethod
    def of(cls, sql: Sql, server: Server, name: str) -> Self:
        groups = sql.groups(_questions(name, server))
        if not groups["database"]:
            raise EngineError(
                f'there is no database "{name}" on {sql.connection.server} that this user may see', hint="check name"
            )
        [[charset, collation, comment]] = groups["database"]
        [[routines, triggers, events]] = groups["counts"]
        tables = groups["tables"]
        return cls(
            charset=charset,
            collation=collation,
            comment=comment,
            size=max(_LEAST_SIZE, int(sum(row[3] or 0 for row in tables))),
            routines=routines,
            triggers=triggers,
            events=events,
            views=sum(row[1] == "VIEW" for row in tables),
            invalid_views=[row[0] for row in tables if row[1] == "VIEW" and row[4] not in ("VIEW", "")],
            not_transactional=[f"{row[0]} ({row[2]})" for row in tables if _is_not_transactional(row)],
            sequences=[row[0] for row in tables if row[1] == "SEQUENCE"],
            versioned=[row[0] for row in tables if row[1] == "SYSTEM VERSIONED"],
            generated_columns=[row[0] for row in groups.get("generated", [])],
            definers=[_account(row[0]) for row in groups["definers"]],
            accounts=accounts(sql),
        )

    @property
    def missing_definers(self) -> list[Account]:
        """Accounts that routines, views, triggers and events are defined by, and that are not there."""
        there = self.accounts
        return [] if there is None else [definer for definer in self.definers if definer not in there]

    def details(self, server: Server) -> dict[str, Any]:
        """What goes into the manifest for the restore."""
        return {
            "flavour": server.flavour,
            "charset": self.charset,
            "collation": self.collation,
            "comment": self.comment,
            "sql_mode": server.sql_mode,
            "lower_case_table_names": server.lower_case_table_names,
            "definers": [list(definer) for definer in self.definers],
            "missing_definers": [list(definer) for definer in self.missing_definers],
        }


def shown(account: Account) -> str:
    """An account for people."""
    user, host = account
    return user if host is None else f"{user}@{host}"


def accounts(sql: Sql) -> list[Account] | None:
    """The accounts of the server, or None where this user may not see them."""
    try:
        rows = sql.rows("SELECT JSON_ARRAY(User, Host) FROM mysql.user ORDER BY User, Host")
    except EngineError as error:
        if "has not the right" in error.message or "denied" in error.message:
            return None
        raise
    # MariaDB lists roles among the accounts, without a host.
    return [(user, host or None) for user, host in rows]


def _account(text: str) -> Account:
    user, at, host = text.rpartition("@")
    return (user, host or None) if at else (text, None)


def _is_not_transactional(row: Row) -> bool:
    _, kind, engine, _, _, transactional = row
    return kind in ("BASE TABLE", "SYSTEM VERSIONED") and bool(engine) and transactional != "YES"


def _questions(name: str, server: Server) -> dict[str, str]:
    # The comment of a database came with MariaDB 10.5.
    comment = "schema_comment" if server.flavour == "mariadb" else "''"
    fresh = server.flavour == "mysql" and server.number >= _FRESH_SINCE
    questions = _QUESTIONS | (_OF_MYSQL if server.flavour == "mysql" else {})
    return {
        group: (_FRESH if fresh else "") + question.replace("{schema}", literal(name)).replace("{comment}", comment)
        for group, question in questions.items()
    }
