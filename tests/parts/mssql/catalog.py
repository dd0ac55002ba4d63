"""Answers SELECT: the views of the part are loaded into SQLite, and the query is translated for it."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.tsql import TSQL
from sqlglot.errors import SqlglotError
from sqlglot.parsers.tsql import TSQLParser

from tests.parts.mssql import functions, views
from tests.parts.mssql.errors import failure
from tests.parts.mssql.session import Session


class _Parser(TSQLParser):
    """Keeps CONVERT whole: sqlglot reads its style as a date's, also of a varbinary."""

    FUNCTION_PARSERS: ClassVar[dict[str, Callable[[Any], Any]]] = {
        **TSQLParser.FUNCTION_PARSERS,
        "CONVERT": lambda self: _convert(self),
    }


def _convert(parser: Any) -> exp.Expression:
    kind = parser._parse_types()
    arguments = [exp.Literal.string(kind.sql("tsql"))]
    while parser._match(sqlglot.TokenType.COMMA):
        arguments.append(parser._parse_assignment())
    return exp.Anonymous(this="tsql_convert", expressions=arguments)


class _Dialect(TSQL):
    Parser = _Parser


def select(session: Session, text: str) -> None:
    """Answer a query. Raises SqlError."""
    columns, rows = query(session, text)
    session.rows(columns, rows)


def evaluate(session: Session, text: str) -> Any:
    """The value of a scalar expression. Raises SqlError."""
    return query(session, f"SELECT {text}")[1][0][0]


def holds(session: Session, condition: str) -> bool:
    return bool(evaluate(session, f"CASE WHEN {condition} THEN 1 ELSE 0 END"))


def query(session: Session, text: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of a SELECT. Raises SqlError 102, 137, 195, 207, 208."""
    tree = _parse(text)
    database = sqlite3.connect(":memory:")
    try:
        functions.register(database, session)
        _Loader(session, database).load(tree)
        translated = tree.transform(lambda node: _translate(session, node))
        for node in translated.find_all(exp.Collate):
            _add_collation(database, node.expression.name)
        answer = database.execute(translated.sql("sqlite", comments=False))
        return [_column_name(one[0], tree, at) for at, one in enumerate(answer.description)], answer.fetchall()
    except sqlite3.OperationalError as failed:
        raise _told(str(failed)) from failed
    finally:
        database.close()


def _parse(text: str) -> exp.Query:
    try:
        tree = sqlglot.parse_one(text, dialect=_Dialect)
    except SqlglotError as failed:
        described = getattr(failed, "errors", None)
        near = described[0].get("highlight", "") if described else text[:30]
        raise failure(102, near) from failed
    if not isinstance(tree, exp.Query):
        raise failure(102, text[:30])
    return tree


def _column_name(name: str, tree: exp.Query, at: int) -> str:
    """An expression without an alias has no name in SQL Server."""
    chosen = tree.selects[at] if isinstance(tree, exp.Select) and at < len(tree.selects) else None
    has_name = chosen is None or chosen.is_star or isinstance(chosen, exp.Alias | exp.Column)
    return name if has_name else ""


def _told(problem: str) -> Exception:
    kind, _, what = problem.partition(": ")
    if kind == "no such column":
        return failure(207, what.rpartition(".")[2])
    if kind == "no such function":
        return failure(195, what, "built-in function name")
    return failure(102, kind.removeprefix("near ").strip('"') or problem)


def _translate(session: Session, node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.National):
        return exp.Literal.string(node.name)
    if isinstance(node, exp.Parameter):
        return _literal(_variable(session, node))
    if isinstance(node, exp.Add):
        # A node that is exchanged is not gone into, so its own parts are translated here.
        parts = [part.transform(lambda inner: _translate(session, inner)) for part in (node.this, node.expression)]
        return exp.Anonymous(this="tsql_add", expressions=parts)
    if isinstance(node, exp.CurrentUser | exp.SessionUser):
        return exp.Literal.string(session.login.name)
    if isinstance(node, exp.Column) and not node.table and node.name.upper() in ("SYSTEM_USER", "USER"):
        return exp.Literal.string(session.login.name)
    return node


def _variable(session: Session, node: exp.Parameter) -> Any:
    """`@@name` is of the server, and sqlglot reads it as a parameter of a parameter."""
    if isinstance(node.this, exp.Parameter):
        return functions.global_variable(session, node.this.name)
    return session.variable(f"@{node.name}")


def _literal(value: Any) -> exp.Expression:
    if value is None:
        return exp.null()
    if isinstance(value, bytes):
        return exp.HexString(this=value.hex())
    return exp.Literal.number(value) if isinstance(value, int | float) else exp.Literal.string(str(value))


class _Loader:
    """Fills SQLite with what a query reads, and points the query there."""

    def __init__(self, session: Session, database: sqlite3.Connection) -> None:
        self._session = session
        self._database = database
        self._loaded = 0

    def load(self, tree: exp.Query) -> None:
        known = {cte.alias.casefold() for cte in tree.find_all(exp.CTE)}
        for table in list(tree.find_all(exp.Table)):
            if table.db or table.name.casefold() not in known:
                self._load(table)

    def _load(self, table: exp.Table) -> None:
        columns, rows = self._content(table)
        self._loaded += 1
        here = f"t{self._loaded}"
        # A comparison of names ignores case, as the server's default collation does.
        described = ", ".join(f'"{name}" COLLATE NOCASE' for name in columns)
        self._database.execute(f"CREATE TABLE {here} ({described})")
        marks = ", ".join("?" * len(columns))
        self._database.executemany(f"INSERT INTO {here} VALUES ({marks})", rows)
        shown = table.alias or (table.this.name if isinstance(table.this, exp.Anonymous) else table.name)
        table.replace(
            exp.Table(this=exp.to_identifier(here), alias=exp.TableAlias(this=exp.to_identifier(shown, quoted=True)))
        )

    def _content(self, table: exp.Table) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        if isinstance(table.this, exp.Func):
            return self._function(table, table.this)
        found = views.find(self._session, table.catalog, table.db, table.name)
        if found is None:
            raise failure(208, ".".join(part.name for part in table.parts))
        return found

    def _function(self, table: exp.Table, called: exp.Func) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        name = (called.name if isinstance(called, exp.Anonymous) else called.sql_name()).casefold()
        function = views.TABLE_FUNCTIONS.get(name) if table.db.casefold() == "sys" else None
        if function is None:
            raise failure(208, f"{table.db}.{name}")
        arguments = [self._value(one) for one in called.expressions]
        return function(self._session, *arguments)

    def _value(self, argument: exp.Expression) -> Any:
        return evaluate(self._session, argument.sql(dialect="tsql"))


def _add_collation(database: sqlite3.Connection, name: str) -> None:
    folds = "_CI_" in name.upper()
    compare: Callable[[str, str], int] = lambda one, other: _compare(one, other, folds=folds)  # noqa: E731  # named above
    database.create_collation(name, compare)


def _compare(one: str, other: str, *, folds: bool) -> int:
    left, right = (one.casefold(), other.casefold()) if folds else (one, other)
    return (left > right) - (left < right)
