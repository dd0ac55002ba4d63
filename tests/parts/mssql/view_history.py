"""The tables of msdb in which a server keeps what it backed up."""

from typing import TYPE_CHECKING

from tests.parts.mssql.media import moment
from tests.parts.mssql.shape import Row, shaped
from tests.parts.mssql.state import BackupRecord

if TYPE_CHECKING:
    from tests.parts.mssql.server import MssqlServer


def backupset(server: "MssqlServer") -> list[Row]:
    return shaped(
        "backup_set_id backup_set_uuid media_set_id first_family_number first_media_number position name description"
        " user_name software_major_version software_minor_version software_build_version database_creation_date"
        " backup_start_date backup_finish_date type database_version database_name server_name machine_name backup_size"
        " compressed_backup_size has_backup_checksums is_copy_only is_damaged is_password_protected recovery_model"
        " family_guid has_incomplete_metadata is_snapshot key_algorithm encryptor_thumbprint encryptor_type"
        " compression_algorithm compatibility_level last_family_number last_media_number",
        [_record(server, one) for one in server.records],
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


def backupmediafamily(server: "MssqlServer") -> list[Row]:
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
    return shaped(
        "media_set_id family_sequence_number media_family_id media_count logical_device_name physical_device_name"
        " device_type physical_block_size mirror",
        rows,
    )


def backupmediaset(server: "MssqlServer") -> list[Row]:
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
    return shaped(
        "media_set_id media_uuid media_family_count name description software_name is_compressed is_encrypted", rows
    )
