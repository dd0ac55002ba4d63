"""Runs statements one after the other, with variables, messages, TRY and CATCH."""

import re
from collections.abc import Callable, Sequence

from tests.parts.mssql.catalog import evaluate
from tests.parts.mssql.errors import Message, SqlError, failure
from tests.parts.mssql.session import Session

Statement = Callable[[Session], None]


_ABORTING = frozenset((911, 916, 927, 942))
"""Errors of USE, which end the batch."""


class BatchEndError(Exception):
    """An error after which the batch does not go on."""


def run_all(session: Session, statements: Sequence[Statement]) -> None:
    for statement in statements:
        try:
            statement(session)
        except SqlError as failed:
            if session.tries:
                raise
            session.fail(failed)
            aborting = any(said.number in _ABORTING and said.state != 0 for said in failed.messages[:1])
            if session.aborts_on_error or (aborting and len(failed.messages) == 1):
                raise BatchEndError from failed


def set_options(session: Session, names: Sequence[str], *, is_on: bool) -> None:
    if "QUOTED_IDENTIFIER" in names:
        session.quoted_identifiers = is_on
    if "NOCOUNT" in names:
        session.counts = not is_on
    if "XACT_ABORT" in names:
        session.aborts_on_error = is_on


def tell_language(name: str) -> Statement:
    def run(session: Session) -> None:
        session.tell(5703, name)
        session.end_statement()

    return run


def declare(session: Session, declared: Sequence[tuple[str, str | None]]) -> None:
    for name, text in declared:
        if name.lower() in session.variables:
            raise failure(134, name)
        session.variables[name.lower()] = None if text is None else evaluate(session, text)


def tell(session: Session, text: str) -> None:
    session.say(Message(0, 0, text))
    session.end_statement()


def raise_error(session: Session, arguments: Sequence[object]) -> None:
    said, severity, state, *values = arguments
    it = iter(values)
    text = re.sub(r"%(?:l?s|d|i|u)", lambda _: str(next(it, "(null)")), str(said))
    told = Message(50000, int(str(severity)), text, int(str(state)))
    if told.severity > 10:
        raise SqlError(told)
    session.say(told)
    session.end_statement()


def rethrow(session: Session) -> None:
    if session.caught is None:
        raise failure(102, "THROW")
    raise SqlError(session.caught)


def try_and_catch(session: Session, tried: Sequence[Statement], caught: Sequence[Statement]) -> None:
    session.tries += 1
    try:
        run_all(session, tried)
    except SqlError as failed:
        session.tries -= 1
        # Only the last of several messages is what ERROR_MESSAGE() and THROW know: of a BACKUP, error 3013 alone.
        session.caught = failed.messages[-1]
        run_all(session, caught)
        session.caught = None
    else:
        session.tries -= 1
