"""CREATE, ALTER and DROP of credentials and databases, and DBCC CHECKDB."""

from collections.abc import Callable

from tests.parts.mssql import logins
from tests.parts.mssql.errors import Message, SqlError, failure, message
from tests.parts.mssql.session import Session
from tests.parts.mssql.state import Credential, Database
from tests.parts.mssql.tokens import Tokens

Statement = Callable[[Session], None]
_MAX_CREDENTIAL_NAME = 128


def read_create(tokens: Tokens) -> Statement:
    tokens.take()
    if tokens.accept("CREDENTIAL"):
        return _credential(tokens, create=True)
    if tokens.accept("DATABASE"):
        name = tokens.name()
        return lambda session: _create_database(session, name)
    if tokens.accept("LOGIN"):
        return logins.read_create(tokens)
    if tokens.accept("SERVER", "ROLE"):
        return logins.read_create_role(tokens)
    raise tokens.error()


def read_alter(tokens: Tokens) -> Statement:
    tokens.take()
    if tokens.accept("CREDENTIAL"):
        return _credential(tokens, create=False)
    if tokens.accept("DATABASE"):
        return _alter_database(tokens)
    if tokens.accept("LOGIN"):
        return logins.read_alter(tokens)
    if tokens.accept("SERVER", "ROLE"):
        return logins.read_add_member(tokens)
    raise tokens.error()


def read_drop(tokens: Tokens) -> Statement:
    tokens.take()
    if tokens.accept("CREDENTIAL"):
        name = tokens.name()
        return lambda session: _drop_credential(session, name)
    if tokens.accept("LOGIN"):
        name = tokens.name()
        return lambda session: logins.drop(session, name)
    tokens.expect("DATABASE")
    may_miss = tokens.accept("IF", "EXISTS")
    names = [tokens.name()]
    while tokens.accept(","):
        names.append(tokens.name())

    def run(session: Session) -> None:
        for name in names:
            _drop_database(session, name, may_miss=may_miss)

    return run


def _credential(tokens: Tokens, *, create: bool) -> Statement:
    name = tokens.name()
    tokens.expect("WITH", "IDENTITY", "=")
    identity = _string(tokens)
    secret = ""
    if tokens.accept(","):
        tokens.expect("SECRET", "=")
        secret = _string(tokens)
    return lambda session: _put_credential(session, name, identity, secret, create=create)


def _string(tokens: Tokens) -> str:
    token = tokens.peek()
    if token is None or token.kind != "string":
        raise tokens.error()
    return tokens.take().value


def _put_credential(session: Session, name: str, identity: str, secret: str, *, create: bool) -> None:
    server = session.server
    server.refuse_if_asked("CREDENTIAL", name)
    if not server.may(session.login, "ALTER ANY CREDENTIAL", None):
        raise failure(15247)
    if len(name) > _MAX_CREDENTIAL_NAME:
        raise SqlError(
            Message(103, 15, f"The identifier that starts with '{name[:128]}' is too long. Maximum length is 128.")
        )
    known = server.credentials.get(name.casefold())
    if create and known is not None:
        raise failure(15530, name)
    if not create and known is None:
        raise failure(15151, "alter", "credential", name)
    now = server.now()
    made = known.created if known else now
    number = known.id if known else len(server.credentials) + 65536
    server.credentials[name.casefold()] = Credential(name, identity, secret, number, made, now)
    session.end_statement()


def _drop_credential(session: Session, name: str) -> None:
    server = session.server
    if not server.may(session.login, "ALTER ANY CREDENTIAL", None):
        raise failure(15247)
    if server.credentials.pop(name.casefold(), None) is None:
        raise failure(15151, "drop", "credential", name)
    session.end_statement()


def _create_database(session: Session, name: str) -> None:
    if not session.server.may(session.login, "CREATE ANY DATABASE", None):
        raise failure(262, "CREATE DATABASE", "master")
    if session.server.find(name) is not None:
        raise failure(1801, name)
    session.server.make_database(name, {}, owner=session.login.name)
    session.end_statement()


def _alter_database(tokens: Tokens) -> Statement:
    name = tokens.name()
    if tokens.accept("MODIFY", "NAME", "="):
        new = tokens.name()
        return lambda session: _rename(session, name, new)
    tokens.expect("SET")
    setting = tokens.take().word
    if setting not in _SETTINGS:
        raise failure(155, setting, "ALTER DATABASE SET")
    value = tokens.take().word if setting == "RECOVERY" else ""
    immediate = tokens.accept("WITH", "ROLLBACK", "IMMEDIATE") or tokens.accept("WITH", "NO_WAIT")
    return lambda session: _set(session, name, setting, value, immediate=immediate)


_SETTINGS = frozenset(
    ("SINGLE_USER", "MULTI_USER", "RESTRICTED_USER", "OFFLINE", "ONLINE", "READ_ONLY", "READ_WRITE", "RECOVERY")
)


def _altered(session: Session, name: str) -> Database:
    database = session.server.find(name)
    if database is None or not session.server.may(session.login, "ALTER", database):
        raise SqlError(message(5011, name), message(5069))
    return database


def _set(session: Session, name: str, setting: str, value: str, *, immediate: bool) -> None:
    server = session.server
    server.refuse_if_asked("ALTER DATABASE", name)
    database = _altered(session, name)
    if database.state == "RESTORING":
        raise SqlError(
            Message(5052, 16, f"ALTER DATABASE is not permitted while database {name} is in the Restoring state."),
            message(5069),
        )
    if setting in ("SINGLE_USER", "OFFLINE") and server.is_used(database, beside=session):
        if not immediate:
            # The real server waits for ever; with NO_WAIT or a lock timeout it says this.
            raise SqlError(message(5061, name), message(5069))
        server.throw_out(database, beside=session)
    if setting.endswith("_USER"):
        database.user_access = setting
    elif setting in ("OFFLINE", "ONLINE"):
        database.state = setting
    elif setting == "RECOVERY":
        database.recovery_model = value
    else:
        database.is_read_only = setting == "READ_ONLY"
    session.end_statement()


def _rename(session: Session, name: str, new: str) -> None:
    server = session.server
    database = _altered(session, name)
    if server.find(new) is not None:
        raise failure(1801, new)
    if server.is_used(database, beside=session):
        raise SqlError(
            Message(5030, 16, "The database could not be exclusively locked to perform the operation."), message(5069)
        )
    del server.databases[database.name.casefold()]
    database.name = new
    server.databases[new.casefold()] = database
    session.say(Message(5021, 0, f"The database name '{new}' has been set."))
    session.end_statement()


def _drop_database(session: Session, name: str, *, may_miss: bool) -> None:
    server = session.server
    server.refuse_if_asked("DROP DATABASE", name)
    database = server.find(name)
    if database is None and may_miss:
        return
    if database is None or not server.may(session.login, "CONTROL", database):
        raise failure(3701, "database", name)
    if server.is_used(database, beside=None):
        raise failure(3702, name)
    del server.databases[database.name.casefold()]
    session.end_statement()


def read_dbcc(tokens: Tokens) -> Statement:
    tokens.take()
    tokens.expect("CHECKDB")
    name = None
    if tokens.accept("("):
        token = tokens.take()
        if not token.is_name and token.kind != "string":
            raise failure(102, token.value)
        name = token.value
        tokens.expect(")")
    options = _check_options(tokens)
    return lambda session: _check(session, name or session.database, options)


def _check_options(tokens: Tokens) -> set[str]:
    found: set[str] = set()
    if tokens.accept("WITH"):
        found.add(_check_option(tokens))
        while tokens.accept(","):
            found.add(_check_option(tokens))
    return found


def _check_option(tokens: Tokens) -> str:
    word = tokens.take().word
    if word not in (
        "NO_INFOMSGS",
        "ALL_ERRORMSGS",
        "PHYSICAL_ONLY",
        "TABLOCK",
        "DATA_PURITY",
        "EXTENDED_LOGICAL_CHECKS",
    ):
        raise failure(155, word, "DBCC CHECKDB")
    return word


def _check(session: Session, name: str, options: set[str]) -> None:
    """CHECKDB says nothing of a whole database, with NO_INFOMSGS."""
    server = session.server
    server.refuse_if_asked("DBCC", name)
    database = session.open_database(name)
    quiet = "NO_INFOMSGS" in options
    if database.is_corrupt:
        raise SqlError(
            message(8939, 245575913, 312),
            *([] if quiet else [message(8989, 0, 1, database.name)]),
            message(8958, database.name),
        )
    if not quiet:
        session.tell(8989, 0, 0, database.name)
        session.tell(2528)
    session.end_statement()
