"""Which view of the catalog is where, and the tables of users."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tests.parts.mssql import view_databases, view_disks, view_history, view_server
from tests.parts.mssql.shape import Content, Row
from tests.parts.mssql.state import Database

if TYPE_CHECKING:
    from tests.parts.mssql.server import MssqlServer
    from tests.parts.mssql.session import Session


def find(session: "Session", catalog: str, schema: str, name: str) -> Content | None:
    """The rows of a view or of a user's table; None if there is no such thing."""
    where = catalog or session.database
    database = session.server.find(where)
    if database is None:
        return None
    if schema.casefold() == "sys":
        make = _SYS.get(name.casefold())
        return _table(make(session, database)) if make else None
    if database.name == "msdb" and name.casefold() in _MSDB:
        return _table(_MSDB[name.casefold()](session.server))
    return _user_table(session, database, schema or "dbo", name)


def has_object(session: "Session", name: str) -> bool:
    parts = [re.sub(r"^\[(.*)\]$", r"\1", part) for part in name.split(".")]
    catalog, schema, table = ["", "", *parts][-3:]
    return find(session, catalog, schema, table) is not None


def _table(rows: Sequence[Row]) -> Content:
    first, *rest = rows
    columns = list(first)
    # The first row is the view's shape alone.
    return columns, [[row[name] for name in columns] for row in rest]


def _user_table(session: "Session", database: Database, schema: str, name: str) -> Content | None:
    session.open_database(database.name)
    wanted = {name.casefold(), f"{schema}.{name}".casefold()}
    for known, table in database.tables.items():
        if known.casefold() in wanted:
            return table.columns, table.rows
    return None


_SYS: dict[str, Callable[["Session", Database], list[Row]]] = {
    "databases": view_databases.databases,
    "master_files": view_databases.master_files,
    "database_files": view_databases.database_files,
    "dm_database_encryption_keys": view_databases.encryption_keys,
    "certificates": view_databases.certificates,
    "dm_os_host_info": view_server.host_info,
    "credentials": view_server.credentials,
    "server_principals": view_server.server_principals,
    "sql_logins": view_server.sql_logins,
    "server_role_members": view_server.role_members,
    "server_permissions": view_server.server_permissions,
    "database_principals": view_databases.database_principals,
    "schemas": view_databases.schemas,
    "tables": view_databases.tables,
    "objects": view_databases.tables,
    "partitions": view_databases.partitions,
    "dm_db_partition_stats": view_databases.partitions,
    "dm_exec_requests": view_server.requests,
    "dm_exec_sessions": view_server.sessions,
    "configurations": view_server.configurations,
}

_MSDB: dict[str, Callable[["MssqlServer"], list[Row]]] = {
    "backupset": view_history.backupset,
    "backupmediafamily": view_history.backupmediafamily,
    "backupmediaset": view_history.backupmediaset,
}


TABLE_FUNCTIONS: dict[str, Callable[..., Content]] = {
    "dm_os_file_exists": view_disks.file_exists,
    "dm_os_enumerate_filesystem": view_disks.enumerate_filesystem,
}
