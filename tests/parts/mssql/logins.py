"""CREATE, ALTER and DROP of logins, roles' members, and grants, as scripts of logins have them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.parts.mssql.errors import Message, SqlError, failure
from tests.parts.mssql.session import Session
from tests.parts.mssql.state import Login
from tests.parts.mssql.tokens import Tokens

Statement = Callable[[Session], None]


def read_create(tokens: Tokens) -> Statement:
    """`CREATE LOGIN name WITH PASSWORD = …` or `FROM WINDOWS`, as scripts of logins have it."""
    name = tokens.name()
    login = Login(name)
    hashed: bytes | None = None
    if tokens.accept("FROM", "WINDOWS"):
        login.kind = "U"
        more = tokens.accept("WITH")
    else:
        tokens.expect("WITH", "PASSWORD", "=")
        token = tokens.take()
        if token.kind == "hex":
            tokens.expect("HASHED")
            hashed = bytes.fromhex(token.value[2:])
        elif token.kind == "string":
            login.password = token.value
        else:
            raise failure(102, token.value)
        tokens.accept("MUST_CHANGE")
        more = tokens.accept(",")
    while more:
        _login_option(tokens, login)
        more = tokens.accept(",")
    return lambda session: _add_login(session, login, hashed)


def _login_option(tokens: Tokens, login: Login) -> None:
    word = tokens.take().word
    tokens.expect("=")
    if word == "SID":
        login.sid = bytes.fromhex(tokens.take().value[2:])
    elif word == "DEFAULT_DATABASE":
        login.default_database = tokens.name()
    elif word == "DEFAULT_LANGUAGE":
        login.default_language = tokens.name()
    elif word in ("CHECK_POLICY", "CHECK_EXPIRATION"):
        is_on = tokens.take().word == "ON"
        if word == "CHECK_POLICY":
            login.is_policy_checked = is_on
        else:
            login.is_expiration_checked = is_on
    else:
        raise failure(155, word, "CREATE LOGIN")


def _add_login(session: Session, login: Login, hashed: bytes | None) -> None:
    server = session.server
    if not server.may(session.login, "ALTER ANY LOGIN", None):
        raise failure(15247)
    if login.name.casefold() in server.logins:
        raise failure(15025, login.name)
    if login.sid and any(one.sid == login.sid for one in server.logins.values()):
        raise SqlError(Message(15433, 16, "Supplied parameter sid is in use."))
    server.add_login(login, hashed)
    session.end_statement()


def read_alter(tokens: Tokens) -> Statement:
    name = tokens.name()
    word = tokens.take().word
    if word == "WITH":
        tokens.expect("DEFAULT_DATABASE", "=")
        changes: dict[str, Any] = {"default_database": tokens.name()}
    elif word in ("ENABLE", "DISABLE"):
        changes = {"is_disabled": word == "DISABLE"}
    else:
        raise failure(102, word)

    def run(session: Session) -> None:
        login = session.server.logins.get(name.casefold())
        if login is None:
            raise failure(15151, "alter", "login", name)
        session.server.logins[name.casefold()] = replace(login, **changes)
        session.end_statement()

    return run


def read_create_role(tokens: Tokens) -> Statement:
    name = tokens.name()
    return lambda session: _add_login(session, Login(name, kind="R"), None)


def drop(session: Session, name: str) -> None:
    if session.server.logins.pop(name.casefold(), None) is None:
        raise failure(15151, "drop", "login", name)
    session.end_statement()


def read_add_member(tokens: Tokens) -> Statement:
    role = tokens.name()
    tokens.expect("ADD", "MEMBER")
    member = tokens.name()

    def run(session: Session) -> None:
        login = session.server.logins.get(member.casefold())
        if login is None or not session.is_admin:
            raise failure(15151, "add", "server principal", member)
        login.roles.add(role.casefold())
        session.end_statement()

    return run


def read_grant(tokens: Tokens) -> Statement:
    """`GRANT permission TO login` of the server."""
    state = tokens.take().word
    words = []
    while tokens.word() != "TO":
        words.append(tokens.take().word)
    tokens.expect("TO")
    grantee = tokens.name()
    if tokens.accept("WITH", "GRANT", "OPTION"):
        state = "GRANT_WITH_GRANT_OPTION"
    elif tokens.accept("AS"):
        tokens.name()

    def run(session: Session) -> None:
        login = session.server.logins.get(grantee.casefold())
        if login is None:
            raise failure(15151, "find", "login", grantee)
        login.permissions.append((state, " ".join(words)))
        session.end_statement()

    return run
