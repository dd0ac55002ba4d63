"""The views of a server: its logins, roles, credentials, sessions and settings."""

from typing import TYPE_CHECKING

from tests.parts.mssql.media import moment
from tests.parts.mssql.shape import Row, shaped
from tests.parts.mssql.state import SERVER_ROLES, Database, Login

if TYPE_CHECKING:
    from tests.parts.mssql.session import Session

_KINDS = {"S": "SQL_LOGIN", "U": "WINDOWS_LOGIN", "G": "WINDOWS_GROUP", "R": "SERVER_ROLE"}


_PERMISSIONS = {
    "CONNECT SQL": "COSQ",
    "VIEW SERVER STATE": "VWSS",
    "ALTER ANY CREDENTIAL": "ALCD",
    "VIEW ANY DATABASE": "VWDB",
}


def host_info(session: "Session", _: Database) -> list[Row]:
    windows = session.server.windows
    row = {
        "host_platform": "Windows" if windows else "Linux",
        "host_distribution": "Windows Server 2022 Standard" if windows else "Ubuntu",
        "host_release": "6.3" if windows else "22.04",
        "host_service_pack_level": "",
        "host_sku": 7 if windows else None,
        "os_language_version": 1033 if windows else 0,
    }
    return shaped(" ".join(row), [row])


def credentials(session: "Session", _: Database) -> list[Row]:
    rows = [
        {
            "credential_id": one.id,
            "name": one.name,
            "credential_identity": one.identity,
            "create_date": moment(one.created),
            "modify_date": moment(one.modified),
        }
        for one in session.server.credentials.values()
    ]
    if not session.server.may(session.login, "VIEW ANY DEFINITION", None):
        rows = []
    return shaped("credential_id name credential_identity create_date modify_date target_type target_id", rows)


_PRINCIPAL = (
    "name principal_id sid type type_desc is_disabled create_date modify_date default_database_name"
    " default_language_name credential_id owning_principal_id is_fixed_role"
)


def server_principals(session: "Session", _: Database) -> list[Row]:
    roles = [
        {
            "name": role,
            "principal_id": 3 + at,
            "sid": bytes([3 + at]),
            "type": "R",
            "type_desc": _KINDS["R"],
            "is_disabled": 0,
            "is_fixed_role": 1,
            "owning_principal_id": 1,
        }
        for at, role in enumerate(SERVER_ROLES)
    ]
    public = {"name": "public", "principal_id": 2, "sid": b"\x02", "type": "R", "type_desc": _KINDS["R"]}
    roles.append(public | {"is_disabled": 0, "is_fixed_role": 0, "owning_principal_id": 1})
    return shaped(_PRINCIPAL, [*(_principal(one) for one in _visible_logins(session)), *roles])


def sql_logins(session: "Session", _: Database) -> list[Row]:
    rows = [
        _principal(one)
        | {
            "is_policy_checked": int(one.is_policy_checked),
            "is_expiration_checked": int(one.is_expiration_checked),
            "password_hash": one.password_hash if session.server.may(session.login, "CONTROL SERVER", None) else None,
        }
        for one in _visible_logins(session)
        if one.kind == "S"
    ]
    return shaped(f"{_PRINCIPAL} is_policy_checked is_expiration_checked password_hash", rows)


def _visible_logins(session: "Session") -> list[Login]:
    """Without VIEW ANY DEFINITION a login sees itself and sa alone."""
    every = list(session.server.logins.values())
    if session.server.may(session.login, "VIEW ANY DEFINITION", None):
        return every
    return [one for one in every if one.name in (session.login.name, "sa")]


def _principal(one: Login) -> Row:
    return {
        "name": one.name,
        "principal_id": one.id,
        "sid": one.sid,
        "type": one.kind,
        "type_desc": _KINDS[one.kind],
        "is_disabled": int(one.is_disabled),
        "create_date": "2026-01-01 00:00:00.000",
        "modify_date": "2026-01-01 00:00:00.000",
        "default_database_name": one.default_database,
        "default_language_name": one.default_language,
        "is_fixed_role": 0,
    }


def role_members(session: "Session", _: Database) -> list[Row]:
    known = {role: 3 + at for at, role in enumerate(SERVER_ROLES)}
    known |= {role: one.id for role, one in session.server.logins.items() if one.kind == "R"}
    rows = [
        {"role_principal_id": known[role], "member_principal_id": one.id}
        for one in session.server.logins.values()
        for role in sorted(one.roles)
        if role in known
    ]
    return shaped("role_principal_id member_principal_id", rows)


def server_permissions(session: "Session", _: Database) -> list[Row]:
    rows = [
        {
            "class": 100,
            "class_desc": "SERVER",
            "major_id": 0,
            "minor_id": 0,
            "grantee_principal_id": one.id,
            "grantor_principal_id": 1,
            "type": _PERMISSIONS.get(permission, permission[:4]),
            "permission_name": permission,
            "state": {"GRANT": "G", "DENY": "D"}.get(state, "W"),
            "state_desc": state,
        }
        for one in session.server.logins.values()
        for state, permission in one.permissions
    ]
    return shaped(
        "class class_desc major_id minor_id grantee_principal_id grantor_principal_id type permission_name state"
        " state_desc",
        rows,
    )


def requests(session: "Session", _: Database) -> list[Row]:
    return shaped("session_id command percent_complete status database_id", [])


def sessions(session: "Session", _: Database) -> list[Row]:
    rows = [
        {
            "session_id": 51 + at,
            "login_name": one.login.name,
            "database_id": session.server.number_of(one.database),
            "is_user_process": 1,
            "status": "running",
        }
        for at, one in enumerate(session.server.sessions)
    ]
    return shaped("session_id login_name database_id is_user_process status", rows)


def configurations(session: "Session", _: Database) -> list[Row]:
    known = {"backup compression default": 0, "backup checksum default": 0, "xp_cmdshell": 0}
    rows = [
        {"configuration_id": 1579 + at, "name": name, "value": value, "value_in_use": value}
        for at, (name, value) in enumerate(known.items())
    ]
    return shaped("configuration_id name value value_in_use", rows)
