"""What a login may do on the server and in its databases."""

from tests.parts.mssql.state import Database, Login

_DATABASE_RIGHTS = {
    "BACKUP DATABASE": {"db_owner", "db_backupoperator"},
    "ALTER": {"db_owner"},
    "CONTROL": {"db_owner"},
    "RESTORE DATABASE": set[str](),
    "CONNECT": {"db_owner", "db_backupoperator", "db_datareader", "public"},
}
_SERVER_ROLES_RIGHTS = {
    "CREATE ANY DATABASE": {"dbcreator"},
    "CREATE DATABASE": {"dbcreator"},
    "ALTER ANY LOGIN": {"securityadmin"},
    "VIEW SERVER STATE": {"serveradmin"},
}
# What a permission brings with it.
_COVERS = {
    "VIEW ANY DEFINITION": ("ALTER ANY LOGIN", "CONTROL SERVER"),
    "VIEW SERVER STATE": ("CONTROL SERVER",),
    "ALTER ANY CREDENTIAL": ("CONTROL SERVER",),
    "VIEW ANY DATABASE": ("CONTROL SERVER", "VIEW ANY DEFINITION"),
    "CREATE ANY DATABASE": ("CONTROL SERVER", "ALTER ANY DATABASE"),
}

_OPEN_TO_ALL = ("master", "tempdb", "msdb")


def may(login: Login, permission: str, database: Database | None) -> bool:
    """Whether a login has a permission on a database, or on the server."""
    if "sysadmin" in login.roles:
        return True
    return _may_on_server(login, permission) if database is None else _may_in(login, permission, database)


def _may_on_server(login: Login, permission: str) -> bool:
    granted = {name for state, name in login.permissions if state != "DENY"}
    if permission in granted or granted & set(_COVERS.get(permission, ())):
        return True
    return bool(_SERVER_ROLES_RIGHTS.get(permission, set()) & login.roles)


def _may_in(login: Login, permission: str, database: Database) -> bool:
    if database.owner.casefold() == login.name.casefold():
        return True
    if permission == "RESTORE DATABASE":
        return "dbcreator" in login.roles
    roles = login.databases.get(database.name, set())
    return bool(_DATABASE_RIGHTS.get(permission, {"db_owner"}) & roles)


def may_enter(login: Login, database: Database) -> bool:
    if "sysadmin" in login.roles or database.name in _OPEN_TO_ALL:
        return True
    return database.name in login.databases or database.owner.casefold() == login.name.casefold()


def may_see(login: Login, database: Database) -> bool:
    """Who may not enter a database sees it still, unless VIEW ANY DATABASE is denied."""
    return ("DENY", "VIEW ANY DATABASE") not in login.permissions or may_enter(login, database)
