"""Reads a batch into statements before any of them runs."""

from collections.abc import Callable

from tests.parts.mssql import backup, definitions, logins, procedures, restore
from tests.parts.mssql.catalog import evaluate, holds, select
from tests.parts.mssql.errors import Message, SqlError, failure
from tests.parts.mssql.running import (
    BatchEndError,
    Statement,
    declare,
    raise_error,
    rethrow,
    run_all,
    set_options,
    tell,
    tell_language,
    try_and_catch,
)
from tests.parts.mssql.session import Session
from tests.parts.mssql.tokens import Tokens

_SET_OPTIONS = frozenset(
    (
        *("ANSI_NULLS", "ANSI_PADDING", "ANSI_WARNINGS", "ANSI_NULL_DFLT_ON", "ANSI_DEFAULTS", "ARITHABORT"),
        *("CONCAT_NULL_YIELDS_NULL", "CURSOR_CLOSE_ON_COMMIT", "IMPLICIT_TRANSACTIONS", "NOCOUNT", "NOEXEC"),
        *("NUMERIC_ROUNDABORT", "QUOTED_IDENTIFIER", "XACT_ABORT"),
    )
)
_SET_VALUES = frozenset(
    ("LOCK_TIMEOUT", "TEXTSIZE", "ROWCOUNT", "DATEFORMAT", "LANGUAGE", "DEADLOCK_PRIORITY", "DATEFIRST")
)


def run_batch(session: Session, source: str) -> None:
    """Run a batch; nothing of it runs unless all of it can be read. Raises SqlError for one that cannot."""
    session.variables.clear()
    session.tries = 0
    reader = _Reader(Tokens(source, quoted_identifiers=session.quoted_identifiers))
    statements = reader.statements(lambda: False)
    try:
        run_all(session, statements)
    except BatchEndError:
        return


class _Reader:
    """Turns tokens into statements."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def statements(self, ends: Callable[[], bool]) -> list[Statement]:
        found = []
        while self._tokens.peek() is not None and not ends():
            if self._tokens.accept(";"):
                continue
            found.append(self._statement())
        return found

    def _statement(self) -> Statement:
        word = self._tokens.word()
        read = getattr(self, f"_read_{word.lower()}", None) if word.isalpha() else None
        if read is None:
            raise self._tokens.error()
        statement: Statement = read()
        return statement

    def _read_select(self) -> Statement:
        text = self._expression()
        return lambda session: select(session, text)

    _read_with = _read_select

    def _read_use(self) -> Statement:
        self._tokens.take()
        name = self._tokens.name()
        return lambda session: session.use(name)

    def _read_set(self) -> Statement:
        self._tokens.take()
        token = self._tokens.peek()
        if token is not None and token.kind == "variable":
            return self._assignment()
        if self._tokens.accept("TRANSACTION", "ISOLATION", "LEVEL", "READ"):
            self._tokens.take()
            return lambda session: None
        return self._setting()

    def _setting(self) -> Statement:
        names = [self._tokens.take().word]
        while self._tokens.accept(","):
            names.append(self._tokens.take().word)
        if names[0] in _SET_VALUES:
            self._tokens.accept("-")
            value = self._tokens.take().value
            return tell_language(value) if names[0] == "LANGUAGE" else lambda session: None
        for name in names:
            if name not in _SET_OPTIONS:
                raise failure(195, name, "SET option")
        is_on = self._tokens.accept("ON")
        if not is_on:
            self._tokens.expect("OFF")
        return lambda session: set_options(session, names, is_on=is_on)

    def _assignment(self) -> Statement:
        name = self._tokens.take().value
        self._tokens.expect("=")
        text = self._expression()

        def run(session: Session) -> None:
            session.variable(name)
            session.variables[name.lower()] = evaluate(session, text)

        return run

    def _read_declare(self) -> Statement:
        self._tokens.take()
        declared = [self._declaration()]
        while self._tokens.accept(","):
            declared.append(self._declaration())
        return lambda session: declare(session, declared)

    def _declaration(self) -> tuple[str, str | None]:
        token = self._tokens.take()
        if token.kind != "variable":
            raise failure(102, token.value)
        self._tokens.accept("AS")
        if self._tokens.word() == "TABLE":
            raise self._tokens.error()
        self._tokens.name()
        if self._tokens.accept("("):
            while not self._tokens.accept(")"):
                self._tokens.take()
        return token.value, self._expression(commas=False) if self._tokens.accept("=") else None

    def _read_print(self) -> Statement:
        self._tokens.take()
        text = self._expression()
        return lambda session: tell(session, str(evaluate(session, text)))

    def _read_raiserror(self) -> Statement:
        self._tokens.take()
        self._tokens.expect("(")
        arguments = self._arguments()
        self._tokens.expect(")")
        if self._tokens.accept("WITH"):
            self._tokens.expect("NOWAIT")
        return lambda session: raise_error(session, [evaluate(session, one) for one in arguments])

    def _read_throw(self) -> Statement:
        self._tokens.take()
        token = self._tokens.peek()
        if token is None or token.kind != "number":
            return rethrow
        number, text, state = (self._expression(commas=False), self._after_comma(), self._after_comma())

        def run(session: Session) -> None:
            said = str(evaluate(session, text))
            raise SqlError(Message(int(number), 16, said, int(str(evaluate(session, state)))))

        return run

    def _after_comma(self) -> str:
        self._tokens.expect(",")
        return self._expression(commas=False)

    def _read_if(self) -> Statement:
        self._tokens.take()
        condition = self._expression()
        then = self._statement()
        while self._tokens.word() == ";" and self._tokens.word(1) == "ELSE":
            self._tokens.take()
        otherwise = self._statement() if self._tokens.accept("ELSE") else None

        def run(session: Session) -> None:
            chosen = then if holds(session, condition) else otherwise
            if chosen is not None:
                chosen(session)

        return run

    def _read_begin(self) -> Statement:
        self._tokens.take()
        if self._tokens.accept("TRY"):
            return self._try()
        if self._tokens.word() in ("TRAN", "TRANSACTION"):
            raise self._tokens.error()
        block = self.statements(lambda: self._tokens.word() == "END")
        self._tokens.expect("END")
        return lambda session: run_all(session, block)

    def _try(self) -> Statement:
        tried = self.statements(lambda: self._tokens.word() == "END")
        self._tokens.expect("END", "TRY")
        self._tokens.accept(";")
        self._tokens.expect("BEGIN", "CATCH")
        caught = self.statements(lambda: self._tokens.word() == "END")
        self._tokens.expect("END", "CATCH")
        return lambda session: try_and_catch(session, tried, caught)

    def _read_exec(self) -> Statement:
        self._tokens.take()
        if self._tokens.accept("("):
            text = self._arguments()
            self._tokens.expect(")")
            return lambda session: run_batch(session, str(evaluate(session, text[0])))
        name = self._tokens.name()
        while self._tokens.accept("."):
            name = self._tokens.name() if self._tokens.word() != "." else ""
        return self._call(name)

    _read_execute = _read_exec

    def _call(self, name: str) -> Statement:
        token = self._tokens.peek()
        arguments = []
        if token is not None and (token.kind in ("string", "variable", "number") or token.word in ("NULL", "N")):
            arguments = self._arguments()
        if name.lower() == "sp_executesql":
            return lambda session: run_batch(session, str(evaluate(session, arguments[0])))
        return lambda session: procedures.call(session, name, arguments)

    def _arguments(self) -> list[str]:
        found = [self._expression(commas=False)]
        while self._tokens.accept(","):
            found.append(self._expression(commas=False))
        return found

    def _read_backup(self) -> Statement:
        return backup.read(self._tokens)

    def _read_restore(self) -> Statement:
        return restore.read(self._tokens)

    def _read_create(self) -> Statement:
        return definitions.read_create(self._tokens)

    def _read_alter(self) -> Statement:
        return definitions.read_alter(self._tokens)

    def _read_drop(self) -> Statement:
        return definitions.read_drop(self._tokens)

    def _read_grant(self) -> Statement:
        return logins.read_grant(self._tokens)

    _read_deny = _read_grant

    def _read_dbcc(self) -> Statement:
        return definitions.read_dbcc(self._tokens)

    def _expression(self, *, commas: bool = True) -> str:
        """The source up to where another statement begins; `commas`: they do not end it."""
        begin = self._tokens.take()
        depth, cases = (1, 0) if begin.word == "(" else (0, begin.word == "CASE")
        may_select = begin.word in ("WITH", "UNION", "EXCEPT")
        while (token := self._tokens.peek()) is not None:
            word = token.word
            if depth == 0 and (word in (";", ")") or (word == "," and not commas)):
                break
            if (
                depth == 0
                and word in _STARTS
                and not (cases and word in ("ELSE", "END"))
                and not (word == "SELECT" and may_select)
            ):
                break
            depth += {"(": 1, ")": -1}.get(word, 0)
            cases += {"CASE": 1, "END": -1}.get(word, 0) if depth == 0 or cases else 0
            may_select = word in ("UNION", "EXCEPT", "INTERSECT", "ALL", ")") and (begin.word == "WITH" or word != ")")
            self._tokens.take()
        if depth:
            raise self._tokens.error()
        return self._tokens.text_between(begin, self._tokens.peek())


_STARTS = frozenset(
    (
        *("SELECT", "SET", "USE", "PRINT", "DECLARE", "IF", "ELSE", "BEGIN", "END", "EXEC", "EXECUTE", "BACKUP"),
        *("RESTORE", "ALTER", "DROP", "CREATE", "DBCC", "RAISERROR", "THROW", "WAITFOR", "RETURN", "INSERT"),
        *("UPDATE", "DELETE", "GRANT", "DENY", "KILL", "WHILE"),
    )
)
