"""The scalar functions of SQL Server that queries about backups use, for SQLite."""

import re
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.parts.mssql.media import moment
from tests.parts.mssql.state import SERVER_ROLES

if TYPE_CHECKING:
    from tests.parts.mssql.session import Session

Function = Callable[..., Any]

_SERVER_ROLES = frozenset((*SERVER_ROLES, "public"))


def register(database: sqlite3.Connection, session: "Session") -> None:
    for name, function in _plain_functions().items():
        database.create_function(name, -1, function)
    for name, asked in _session_functions().items():
        database.create_function(name, -1, _bound(session, asked))


def _bound(session: "Session", function: Function) -> Function:
    return lambda *arguments: function(session, *arguments)


def global_variable(session: "Session", name: str) -> Any:
    server = session.server
    known: dict[str, Any] = {
        "VERSION": server.version_text,
        "SERVERNAME": server.name,
        "SPID": 51,
        "TRANCOUNT": 0,
        "ERROR": 0,
        "ROWCOUNT": 0,
        "MAX_CONNECTIONS": 32767,
        "LANGUAGE": "us_english",
        "SERVICENAME": "MSSQLSERVER",
    }
    return known.get(name.upper())


def _plain_functions() -> dict[str, Function]:
    return {
        "tsql_add": _add,
        "tsql_convert": _convert,
        "try_convert": _convert,
        "concat": lambda *parts: "".join("" if part is None else str(part) for part in parts),
        "quotename": _quotename,
        "datalength": _datalength,
        "len": lambda text: None if text is None else len(str(text).rstrip(" ")),
        "formatmessage": _formatmessage,
        "newid": lambda: "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        "left": lambda text, count: None if text is None else str(text)[:count],
        "right": lambda text, count: None if text is None else str(text)[-count:] if count else "",
        "charindex": lambda part, text, *_: str(text).casefold().find(str(part).casefold()) + 1,
    }


def _session_functions() -> dict[str, Function]:
    return {
        "serverproperty": lambda session, name: session.server.property(name),
        "databasepropertyex": _database_property,
        "is_srvrolemember": _is_server_role_member,
        "is_member": lambda session, role: int(session.is_admin),
        "is_rolemember": lambda session, role, *_: int(session.is_admin),
        "has_perms_by_name": _has_perms,
        "has_dbaccess": _has_access,
        "db_id": _db_id,
        "db_name": _db_name,
        "suser_sname": _suser,
        "suser_name": lambda session, *_: session.login.name,
        "suser_id": _suser_id,
        "suser_sid": _suser_sid,
        "original_login": lambda session: session.login.name,
        "user_name": lambda session, *_: "dbo",
        "host_name": lambda session: "client",
        "app_name": lambda session: "SQLCMD",
        "object_id": _object_id,
        "schema_name": lambda session, *_: "dbo",
        "loginproperty": _login_property,
        "dateadd": _dateadd,
        "getdate": _now,
        "getutcdate": _now,
        "sysdatetime": _now,
        "sysutcdatetime": _now,
        "error_number": lambda session: session.caught.number if session.caught else None,
        "error_message": lambda session: session.caught.text if session.caught else None,
        "error_severity": lambda session: session.caught.severity if session.caught else None,
        "error_state": lambda session: session.caught.state if session.caught else None,
        "error_line": lambda session: session.caught.line if session.caught else None,
    }


def _add(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return None
    if isinstance(one, str) and isinstance(other, str):
        return one + other
    return float(one) + float(other) if isinstance(one, float) or isinstance(other, float) else int(one) + int(other)


def _convert(kind: str, value: Any, style: int = 0) -> Any:
    """CONVERT; of a varbinary in style 1 it makes 0x…, in style 2 the same without 0x."""
    if value is None:
        return None
    kind = kind.upper()
    if "BINARY" in kind:
        return _to_binary(value, style)
    if "CHAR" in kind or "TEXT" in kind or kind == "SYSNAME":
        return _cut(_to_text(value, style), kind)
    if "INT" in kind or kind == "BIT":
        return int(value)
    return float(value) if kind.startswith(("FLOAT", "REAL", "DECIMAL", "NUMERIC")) else value


def _to_binary(value: Any, style: int) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and style:
        return bytes.fromhex(value[2:] if style == 1 else value)
    if isinstance(value, str):
        return value.encode("utf-16-le")
    return int(value).to_bytes(4, "big")


def _to_text(value: Any, style: int) -> str:
    if isinstance(value, bytes):
        shown = value.hex().upper()
        return f"0x{shown}" if style == 1 else shown if style == 2 else value.decode("latin-1")
    text = str(value)
    if style in (126, 127) and re.match(r"\d{4}-\d\d-\d\d ", text):
        return text.replace(" ", "T")
    return text[:19] if style == 120 else text


def _cut(text: str, kind: str) -> str:
    """A length that is not said is 30 in CONVERT."""
    length = re.search(r"\((\w+)\)", kind)
    if kind == "SYSNAME" or (length and length.group(1) == "MAX"):
        return text
    return text[: int(length.group(1)) if length else 30]


def _quotename(name: Any, quote: str = "[") -> str | None:
    if name is None or len(str(name)) > 128:
        return None
    if quote in "[]":
        return "[" + str(name).replace("]", "]]") + "]"
    return quote + str(name).replace(quote, quote * 2) + quote


def _datalength(value: Any) -> int | None:
    if value is None:
        return None
    return len(value) if isinstance(value, bytes) else len(str(value).encode("utf-16-le"))


def _formatmessage(text: str, *values: Any) -> str:
    it = iter(values)
    return re.sub(r"%(?:l?s|d|i|u)", lambda _: str(next(it, "(null)")), text)


def _now(session: "Session") -> str:
    return moment(session.server.now())


def _dateadd(_: "Session", part: str, count: int, at: str) -> str:
    """Of days, hours, minutes and seconds."""
    unit = {"day": "days", "dd": "days", "d": "days", "hour": "hours", "minute": "minutes", "second": "seconds"}
    return moment(datetime.fromisoformat(at) + timedelta(**{unit[part.lower()]: count}))


def _database_property(session: "Session", name: str, what: str) -> Any:
    database = session.server.find(name or "")
    if database is None:
        return None
    known = {
        "status": database.state,
        "recovery": database.recovery_model,
        "useraccess": database.user_access,
        "updateability": "READ_ONLY" if database.is_read_only else "READ_WRITE",
        "collation": session.server.collation,
    }
    return known.get(what.casefold())


def _is_server_role_member(session: "Session", role: str, login: str | None = None) -> int | None:
    asked = session.server.logins.get((login or session.login.name).casefold())
    if role.casefold() not in _SERVER_ROLES or asked is None:
        return None
    return int(role.casefold() == "public" or role.casefold() in asked.roles or "sysadmin" in asked.roles)


def _has_perms(session: "Session", securable: str | None, kind: str | None, permission: str, *_: Any) -> int | None:
    if kind is not None and kind.casefold() == "database":
        name = securable or session.database
        database = session.server.find(name[1:-1].replace("]]", "]") if name.startswith("[") else name)
        if database is None:
            return None
        return int(session.server.may(session.login, permission.upper(), database))
    return int(session.server.may(session.login, permission.upper(), None))


def _has_access(session: "Session", name: str) -> int | None:
    database = session.server.find(name)
    if database is None:
        return None
    return int(database.state == "ONLINE" and session.server.may_enter(session.login, database))


def _db_id(session: "Session", name: str | None = None) -> int | None:
    database = session.server.find(name if name is not None else session.database)
    return database.id if database else None


def _db_name(session: "Session", number: int | None = None) -> str | None:
    if number is None:
        return session.database
    return next((one.name for one in session.server.databases.values() if one.id == number), None)


def _suser(session: "Session", sid: bytes | None = None) -> str | None:
    if sid is None:
        return session.login.name
    return next((one.name for one in session.server.logins.values() if one.sid == sid), None)


def _suser_id(session: "Session", name: str | None = None) -> int | None:
    login = session.server.logins.get((name or session.login.name).casefold())
    return login.id if login else None


def _suser_sid(session: "Session", name: str | None = None) -> bytes | None:
    login = session.server.logins.get((name or session.login.name).casefold())
    return login.sid if login else None


def _object_id(session: "Session", name: str, *_: Any) -> int | None:
    from tests.parts.mssql.views import has_object  # views need the functions of this module's session

    return 1 if has_object(session, name) else None


def _login_property(session: "Session", name: str, what: str) -> Any:
    login = session.server.logins.get(name.casefold())
    if login is None:
        return None
    known = {
        "passwordhash": login.password_hash,
        "defaultdatabase": login.default_database,
        "defaultlanguage": login.default_language,
        "islocked": 0,
        "isexpired": 0,
        "ismustchange": 0,
    }
    return known.get(what.casefold())
