"""The catalog views and tables of the part, as rows."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tests.parts.mssql.errors import OsError
from tests.parts.mssql.media import moment
from tests.parts.mssql.state import PAGE, SERVER_ROLES, BackupRecord, Database, DataFile, Login

if TYPE_CHECKING:
    from tests.parts.mssql.server import MssqlServer
    from tests.parts.mssql.session import Session

Content = tuple[Sequence[str], Sequence[Sequence[Any]]]
Row = dict[str, Any]

_RECOVERY = {"FULL": 1, "BULK_LOGGED": 2, "SIMPLE": 3}
_STATES = {"ONLINE": 0, "RESTORING": 1, "RECOVERING": 2, "RECOVERY_PENDING": 3, "SUSPECT": 4, "OFFLINE": 6}
_ACCESS = {"MULTI_USER": 0, "SINGLE_USER": 1, "RESTRICTED_USER": 2}
_KINDS = {"S": "SQL_LOGIN", "U": "WINDOWS_LOGIN", "G": "WINDOWS_GROUP", "R": "SERVER_ROLE"}
_PERMISSIONS = {
    "CONNECT SQL": "COSQ",
    "VIEW SERVER STATE": "VWSS",
    "ALTER ANY CREDENTIAL": "ALCD",
    "VIEW ANY DATABASE": "VWDB",
}


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


def _shaped(columns: str, rows: Sequence[Row]) -> list[Row]:
    names = columns.split()
    return [dict.fromkeys(names), *({name: row.get(name) for name in names} for row in rows)]


def _databases(session: "Session", _: Database) -> list[Row]:
    server = session.server
    visible = [one for one in server.databases.values() if server.may_see(session.login, one)]
    return _shaped(
        "name database_id source_database_id owner_sid create_date compatibility_level collation_name user_access"
        " user_access_desc is_read_only is_auto_close_on is_auto_shrink_on state state_desc is_in_standby"
        " is_cleanly_shutdown snapshot_isolation_state recovery_model recovery_model_desc page_verify_option"
        " page_verify_option_desc is_published is_encrypted log_reuse_wait log_reuse_wait_desc is_trustworthy_on"
        " containment containment_desc replica_id physical_database_name is_distributor",
        [_database(server, one) for one in visible],
    )


def _database(server: "MssqlServer", one: Database) -> Row:
    return {
        "name": one.name,
        "database_id": one.id,
        "source_database_id": one.source_database_id,
        "owner_sid": server.logins[one.owner.casefold()].sid if one.owner.casefold() in server.logins else b"\x01",
        "create_date": moment(one.created),
        "compatibility_level": server.build[0] * 10,
        "collation_name": server.collation if one.state == "ONLINE" else None,
        "user_access": _ACCESS[one.user_access],
        "user_access_desc": one.user_access,
        "is_read_only": int(one.is_read_only),
        "is_auto_close_on": 0,
        "is_auto_shrink_on": 0,
        "state": _STATES[one.state],
        "state_desc": one.state,
        "is_in_standby": 0,
        "is_cleanly_shutdown": 0,
        "snapshot_isolation_state": 0,
        "recovery_model": _RECOVERY[one.recovery_model],
        "recovery_model_desc": one.recovery_model,
        "page_verify_option": 2,
        "page_verify_option_desc": "CHECKSUM",
        "is_published": 0,
        "is_encrypted": int(one.is_encrypted),
        "log_reuse_wait": 0,
        "log_reuse_wait_desc": "NOTHING",
        "is_trustworthy_on": 0,
        "containment": 0,
        "containment_desc": "NONE",
        "physical_database_name": one.name,
        "is_distributor": 0,
    }


_FILE = (
    "database_id file_id file_guid type type_desc data_space_id name physical_name state state_desc size max_size"
    " growth is_media_read_only is_read_only is_sparse is_percent_growth"
)


def _master_files(session: "Session", _: Database) -> list[Row]:
    server = session.server
    # The documentation: CREATE DATABASE, ALTER ANY DATABASE, or VIEW ANY DEFINITION.
    sees = any(
        server.may(session.login, right, None)
        for right in ("CREATE ANY DATABASE", "ALTER ANY DATABASE", "VIEW ANY DEFINITION")
    )
    seen = [one for one in server.databases.values() if sees or server.may(session.login, "CONTROL", one)]
    rows = [_file(one, file, at) for one in seen for at, file in enumerate(one.files, 1)]
    return _shaped(_FILE, rows)


def _database_files(session: "Session", database: Database) -> list[Row]:
    session.open_database(database.name)
    columns = " ".join(name for name in _FILE.split() if name != "database_id")
    return _shaped(columns, [_file(database, file, at) for at, file in enumerate(database.files, 1)])


def _file(database: Database, file: DataFile, at: int) -> Row:
    return {
        "database_id": database.id,
        "file_id": at,
        "type": 0 if file.kind == "D" else 1,
        "type_desc": "ROWS" if file.kind == "D" else "LOG",
        "data_space_id": 1 if file.kind == "D" else 0,
        "name": file.logical,
        "physical_name": file.physical,
        "state": _STATES["ONLINE"],
        "state_desc": "ONLINE",
        # In pages of 8 KB, as the documentation of sys.master_files says.
        "size": file.size // PAGE,
        "max_size": -1,
        "growth": 8192,
        "is_media_read_only": 0,
        "is_read_only": 0,
        "is_sparse": 0,
        "is_percent_growth": 0,
    }


def _encryption_keys(session: "Session", _: Database) -> list[Row]:
    server = session.server
    rows = [
        {
            "database_id": one.id,
            "encryption_state": 3,
            "key_algorithm": "AES",
            "key_length": 256,
            "encryptor_thumbprint": server.certificate_thumbprint,
            "encryptor_type": "CERTIFICATE",
            "percent_complete": 0,
            "encryption_state_desc": "ENCRYPTED",
        }
        for one in server.databases.values()
        if one.is_encrypted
    ]
    return _shaped(
        "database_id encryption_state create_date key_algorithm key_length encryptor_thumbprint encryptor_type"
        " percent_complete encryption_state_desc",
        rows,
    )


def _certificates(session: "Session", database: Database) -> list[Row]:
    server = session.server
    row = {
        "name": server.certificate_name,
        "certificate_id": 101,
        "principal_id": 1,
        "pvt_key_encryption_type": "MK",
        "pvt_key_encryption_type_desc": "ENCRYPTED_BY_MASTER_KEY",
        "subject": "TDE",
        "thumbprint": server.certificate_thumbprint,
        "expiry_date": "2030-01-01 00:00:00.000",
        "pvt_key_last_backup_date": None,
    }
    has = database.name == "master" and server.has_certificate
    columns = " ".join(row)
    return _shaped(columns, [row] if has else [])


def _host_info(session: "Session", _: Database) -> list[Row]:
    windows = session.server.windows
    row = {
        "host_platform": "Windows" if windows else "Linux",
        "host_distribution": "Windows Server 2022 Standard" if windows else "Ubuntu",
        "host_release": "6.3" if windows else "22.04",
        "host_service_pack_level": "",
        "host_sku": 7 if windows else None,
        "os_language_version": 1033 if windows else 0,
    }
    return _shaped(" ".join(row), [row])


def _credentials(session: "Session", _: Database) -> list[Row]:
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
    return _shaped("credential_id name credential_identity create_date modify_date target_type target_id", rows)


_PRINCIPAL = (
    "name principal_id sid type type_desc is_disabled create_date modify_date default_database_name"
    " default_language_name credential_id owning_principal_id is_fixed_role"
)


def _server_principals(session: "Session", _: Database) -> list[Row]:
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
    return _shaped(_PRINCIPAL, [*(_principal(one) for one in _visible_logins(session)), *roles])


def _sql_logins(session: "Session", _: Database) -> list[Row]:
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
    return _shaped(f"{_PRINCIPAL} is_policy_checked is_expiration_checked password_hash", rows)


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


def _role_members(session: "Session", _: Database) -> list[Row]:
    rows = [
        {"role_principal_id": 3 + SERVER_ROLES.index(role), "member_principal_id": one.id}
        for one in session.server.logins.values()
        for role in sorted(one.roles)
        if role in SERVER_ROLES
    ]
    return _shaped("role_principal_id member_principal_id", rows)


def _server_permissions(session: "Session", _: Database) -> list[Row]:
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
    return _shaped(
        "class class_desc major_id minor_id grantee_principal_id grantor_principal_id type permission_name state"
        " state_desc",
        rows,
    )


def _database_principals(session: "Session", database: Database) -> list[Row]:
    session.open_database(database.name)
    own = {"dbo": b"\x01", "guest": b"\x00", "INFORMATION_SCHEMA": None, "sys": None}
    rows = [
        {
            "name": name,
            "principal_id": at,
            "sid": sid,
            "type": "S",
            "type_desc": "SQL_USER",
            "authentication_type": 0 if sid is None or name == "guest" else 1,
            "is_fixed_role": 0,
        }
        for at, (name, sid) in enumerate((own | database.users).items(), 1)
    ]
    return _shaped("name principal_id type type_desc sid is_fixed_role authentication_type", rows)


def _schemas(session: "Session", database: Database) -> list[Row]:
    names = sorted({_split(name)[0] for name in database.tables} | {"dbo"})
    return _shaped(
        "name schema_id principal_id", [{"name": n, "schema_id": i, "principal_id": 1} for i, n in enumerate(names, 1)]
    )


def _tables(session: "Session", database: Database) -> list[Row]:
    session.open_database(database.name)
    schemas = sorted({_split(name)[0] for name in database.tables} | {"dbo"})
    rows = [
        {
            "name": _split(name)[1],
            "object_id": 1000 + at,
            "schema_id": schemas.index(_split(name)[0]) + 1,
            "type": "U ",
            "type_desc": "USER_TABLE",
            "is_ms_shipped": 0,
            "is_memory_optimized": 0,
            "is_external": 0,
            "temporal_type": 0,
        }
        for at, name in enumerate(database.tables)
    ]
    return _shaped(
        "name object_id schema_id type type_desc is_ms_shipped is_memory_optimized is_external temporal_type", rows
    )


def _partitions(session: "Session", database: Database) -> list[Row]:
    session.open_database(database.name)
    rows = [
        {
            "partition_id": 5000 + at,
            "object_id": 1000 + at,
            "index_id": 1,
            "partition_number": 1,
            "rows": len(table.rows),
            "row_count": len(table.rows),
            "used_page_count": 1,
            "reserved_page_count": 2,
        }
        for at, table in enumerate(database.tables.values())
    ]
    return _shaped(
        "partition_id object_id index_id partition_number rows row_count used_page_count reserved_page_count", rows
    )


def _requests(session: "Session", _: Database) -> list[Row]:
    return _shaped("session_id command percent_complete status database_id", [])


def _sessions(session: "Session", _: Database) -> list[Row]:
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
    return _shaped("session_id login_name database_id is_user_process status", rows)


def _configurations(session: "Session", _: Database) -> list[Row]:
    known = {"backup compression default": 0, "backup checksum default": 0, "xp_cmdshell": 0}
    rows = [
        {"configuration_id": 1579 + at, "name": name, "value": value, "value_in_use": value}
        for at, (name, value) in enumerate(known.items())
    ]
    return _shaped("configuration_id name value value_in_use", rows)


def _split(name: str) -> tuple[str, str]:
    schema, dot, table = name.partition(".")
    return (schema, table) if dot else ("dbo", name)


def _visible_records(server: "MssqlServer") -> list[BackupRecord]:
    return server.records


def _backupset(server: "MssqlServer") -> list[Row]:
    return _shaped(
        "backup_set_id backup_set_uuid media_set_id first_family_number first_media_number position name description"
        " user_name software_major_version software_minor_version software_build_version database_creation_date"
        " backup_start_date backup_finish_date type database_version database_name server_name machine_name backup_size"
        " compressed_backup_size has_backup_checksums is_copy_only is_damaged is_password_protected recovery_model"
        " family_guid has_incomplete_metadata is_snapshot key_algorithm encryptor_thumbprint encryptor_type"
        " compression_algorithm compatibility_level last_family_number last_media_number",
        [_record(server, one) for one in _visible_records(server)],
    )


def _record(server: "MssqlServer", one: BackupRecord) -> Row:
    return {
        "backup_set_id": one.id,
        "backup_set_uuid": str(one.set_guid).upper(),
        "media_set_id": one.media_set,
        "first_family_number": 1,
        "last_family_number": len(one.devices),
        "first_media_number": 1,
        "last_media_number": 1,
        "position": one.position,
        "name": one.name,
        "user_name": one.user,
        "software_major_version": server.build[0],
        "software_minor_version": server.build[1],
        "software_build_version": server.build[2],
        "backup_start_date": moment(one.started),
        "backup_finish_date": moment(one.finished),
        "type": one.kind,
        "database_version": 957,
        "database_name": one.database,
        "server_name": server.name,
        "machine_name": server.name,
        "backup_size": one.size,
        "compressed_backup_size": one.compressed_size,
        "has_backup_checksums": int(one.has_checksums),
        "is_copy_only": int(one.is_copy_only),
        "is_damaged": 0,
        "is_password_protected": 0,
        "recovery_model": one.recovery_model,
        "family_guid": str(one.family_guid).upper(),
        "has_incomplete_metadata": 0,
        "is_snapshot": 0,
        "compression_algorithm": "MS_XPRESS" if one.is_compressed else None,
        "compatibility_level": server.build[0] * 10,
    }


def _backupmediafamily(server: "MssqlServer") -> list[Row]:
    rows = [
        {
            "media_set_id": one.media_set,
            "family_sequence_number": at,
            "media_family_id": str(one.set_guid).upper(),
            "media_count": 1,
            "logical_device_name": None,
            "physical_device_name": device,
            "device_type": 9 if device.startswith("s3://") else 2,
            "physical_block_size": 65536 if device.startswith("s3://") else 512,
            "mirror": 0,
        }
        for one in server.records
        for at, device in enumerate(one.devices, 1)
    ]
    return _shaped(
        "media_set_id family_sequence_number media_family_id media_count logical_device_name physical_device_name"
        " device_type physical_block_size mirror",
        rows,
    )


def _backupmediaset(server: "MssqlServer") -> list[Row]:
    rows = [
        {
            "media_set_id": one.media_set,
            "media_uuid": str(one.set_guid).upper(),
            "media_family_count": len(one.devices),
            "software_name": "Microsoft SQL Server",
            "is_compressed": int(one.is_compressed),
            "is_encrypted": 0,
        }
        for one in server.records
    ]
    return _shaped(
        "media_set_id media_uuid media_family_count name description software_name is_compressed is_encrypted", rows
    )


_SYS: dict[str, Callable[["Session", Database], list[Row]]] = {
    "databases": _databases,
    "master_files": _master_files,
    "database_files": _database_files,
    "dm_database_encryption_keys": _encryption_keys,
    "certificates": _certificates,
    "dm_os_host_info": _host_info,
    "credentials": _credentials,
    "server_principals": _server_principals,
    "sql_logins": _sql_logins,
    "server_role_members": _role_members,
    "server_permissions": _server_permissions,
    "database_principals": _database_principals,
    "schemas": _schemas,
    "tables": _tables,
    "objects": _tables,
    "partitions": _partitions,
    "dm_db_partition_stats": _partitions,
    "dm_exec_requests": _requests,
    "dm_exec_sessions": _sessions,
    "configurations": _configurations,
}

_MSDB: dict[str, Callable[["MssqlServer"], list[Row]]] = {
    "backupset": _backupset,
    "backupmediafamily": _backupmediafamily,
    "backupmediaset": _backupmediaset,
}


def _file_exists(session: "Session", path: Any) -> Content:
    is_file, is_folder, has_parent = session.server.disks.look(str(path))
    return ("file_exists", "file_is_a_directory", "parent_directory_exists"), [
        (int(is_file), int(is_folder), int(has_parent))
    ]


def _enumerate_filesystem(session: "Session", folder: Any, pattern: Any) -> Content:
    columns = (
        "full_filesystem_path",
        "parent_directory",
        "file_or_directory_name",
        "level",
        "is_directory",
        "is_read_only",
        "is_system",
        "is_hidden",
        "has_integrity_stream",
        "is_temporary",
        "is_sparse",
        "creation_time",
        "last_access_time",
        "last_write_time",
        "size_in_bytes",
    )
    matches = re.compile(re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", "."), re.IGNORECASE)
    disks = session.server.disks
    rows = []
    for entry in disks.entries(str(folder)):
        if not matches.fullmatch(entry.name):
            continue
        try:
            path = disks.path.join(str(folder), entry.name)
        except OsError:
            continue
        is_folder = int(entry.is_dir())
        size = 0 if is_folder else entry.stat().st_size
        times = (None, None, None)
        rows.append((path, str(folder), entry.name, 0, is_folder, 0, 0, 0, 0, 0, 0, *times, size))
    return columns, rows


TABLE_FUNCTIONS: dict[str, Callable[..., Content]] = {
    "dm_os_file_exists": _file_exists,
    "dm_os_enumerate_filesystem": _enumerate_filesystem,
}
