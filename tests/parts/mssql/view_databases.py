"""The views of databases, their files, keys, users and tables."""

from typing import TYPE_CHECKING

from tests.parts.mssql.media import moment
from tests.parts.mssql.shape import Row, shaped
from tests.parts.mssql.state import PAGE, Database, DataFile

if TYPE_CHECKING:
    from tests.parts.mssql.server import MssqlServer
    from tests.parts.mssql.session import Session

_RECOVERY = {"FULL": 1, "BULK_LOGGED": 2, "SIMPLE": 3}


_STATES = {"ONLINE": 0, "RESTORING": 1, "RECOVERING": 2, "RECOVERY_PENDING": 3, "SUSPECT": 4, "OFFLINE": 6}


_ACCESS = {"MULTI_USER": 0, "SINGLE_USER": 1, "RESTRICTED_USER": 2}


def databases(session: "Session", _: Database) -> list[Row]:
    server = session.server
    visible = [one for one in server.databases.values() if server.may_see(session.login, one)]
    return shaped(
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
        "is_in_standby": int(one.is_in_standby),
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


def master_files(session: "Session", _: Database) -> list[Row]:
    server = session.server
    # The documentation: CREATE DATABASE, ALTER ANY DATABASE, or VIEW ANY DEFINITION.
    sees = any(
        server.may(session.login, right, None)
        for right in ("CREATE ANY DATABASE", "ALTER ANY DATABASE", "VIEW ANY DEFINITION")
    )
    seen = [one for one in server.databases.values() if sees or server.may(session.login, "CONTROL", one)]
    rows = [_file(one, file, at) for one in seen for at, file in enumerate(one.files, 1)]
    return shaped(_FILE, rows)


def database_files(session: "Session", database: Database) -> list[Row]:
    session.open_database(database.name)
    columns = " ".join(name for name in _FILE.split() if name != "database_id")
    return shaped(columns, [_file(database, file, at) for at, file in enumerate(database.files, 1)])


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


def encryption_keys(session: "Session", _: Database) -> list[Row]:
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
    return shaped(
        "database_id encryption_state create_date key_algorithm key_length encryptor_thumbprint encryptor_type"
        " percent_complete encryption_state_desc",
        rows,
    )


def certificates(session: "Session", database: Database) -> list[Row]:
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
    return shaped(columns, [row] if has else [])


def database_principals(session: "Session", database: Database) -> list[Row]:
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
    return shaped("name principal_id type type_desc sid is_fixed_role authentication_type", rows)


def schemas(session: "Session", database: Database) -> list[Row]:
    names = sorted({_split(name)[0] for name in database.tables} | {"dbo"})
    return shaped(
        "name schema_id principal_id", [{"name": n, "schema_id": i, "principal_id": 1} for i, n in enumerate(names, 1)]
    )


def tables(session: "Session", database: Database) -> list[Row]:
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
    return shaped(
        "name object_id schema_id type type_desc is_ms_shipped is_memory_optimized is_external temporal_type", rows
    )


def partitions(session: "Session", database: Database) -> list[Row]:
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
    return shaped(
        "partition_id object_id index_id partition_number rows row_count used_page_count reserved_page_count", rows
    )


def _split(name: str) -> tuple[str, str]:
    schema, dot, table = name.partition(".")
    return (schema, table) if dot else ("dbo", name)
