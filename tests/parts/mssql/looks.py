"""What RESTORE HEADERONLY, FILELISTONLY and LABELONLY tell of a backup set, column by column."""

import uuid
from typing import TYPE_CHECKING, Any

from tests.parts.mssql import media

if TYPE_CHECKING:
    from tests.parts.mssql.server import MssqlServer


def header_row(server: "MssqlServer", one: media.BackupSet) -> dict[str, Any]:
    row = _whole_row(server, one)
    if one.is_whole:
        return row
    # Of a backup that was cut off the server knows nothing more.
    return dict.fromkeys(row) | {"BackupName": "*** INCOMPLETE ***", "Position": row["Position"]}


def _whole_row(server: "MssqlServer", one: media.BackupSet) -> dict[str, Any]:
    """The columns as the documentation of RESTORE HEADERONLY orders them."""
    header = one.header
    size = sum(len(page) for _, page in one.pages)
    return {
        "BackupName": header.name,
        "BackupDescription": header.description,
        "BackupType": header.kind,
        "ExpirationDate": None,
        "Compressed": int(header.compressed),
        "Position": header.position,
        "DeviceType": 2,
        "UserName": header.user,
        "ServerName": header.server,
        "DatabaseName": header.database,
        "DatabaseVersion": 957,
        "DatabaseCreationDate": "2026-01-02 03:04:05.000",
        "BackupSize": header.size,
        "FirstLSN": 37000000040000001,
        "LastLSN": 37000000042400001,
        "CheckpointLSN": 37000000040000036,
        "DatabaseBackupLSN": 0,
        "BackupStartDate": header.started,
        "BackupFinishDate": header.finished,
        "SortOrder": 52,
        "CodePage": 0,
        "UnicodeLocaleId": 1033,
        "UnicodeComparisonStyle": 196609,
        "CompatibilityLevel": header.version[0] * 10,
        "SoftwareVendorId": 4608,
        "SoftwareVersionMajor": header.version[0],
        "SoftwareVersionMinor": header.version[1],
        "SoftwareVersionBuild": header.version[2],
        "MachineName": header.server,
        "Flags": 512 | (16 if header.checksums else 0) | (1024 if header.copy_only else 0),
        "BindingID": header.family,
        "RecoveryForkID": header.family,
        "Collation": server.collation,
        "FamilyGUID": header.family,
        "HasBulkLoggedData": 0,
        "IsSnapshot": 0,
        "IsReadOnly": 0,
        "IsSingleUser": 0,
        "HasBackupChecksums": int(header.checksums),
        "IsDamaged": 0,
        "BeginsLogChain": 0,
        "HasIncompleteMetaData": 0,
        "IsForceOffline": 0,
        "IsCopyOnly": int(header.copy_only),
        "FirstRecoveryForkID": header.family,
        "ForkPointLSN": None,
        "RecoveryModel": header.recovery_model,
        "DifferentialBaseLSN": None,
        "DifferentialBaseGUID": None,
        "BackupTypeDescription": "Database" if header.kind == 1 else "DATABASE DIFFERENTIAL",
        "BackupSetGUID": header.set_id,
        "CompressedBackupSize": size,
        "Containment": 0,
        "KeyAlgorithm": None,
        "EncryptorThumbprint": None,
        "EncryptorType": None,
        "LastValidRestoreTime": None,
        "TimeZone": None,
        "CompressionAlgorithm": "MS_XPRESS" if header.compressed else None,
    }


def file_row(server: "MssqlServer", header: media.Header, file: dict[str, Any], at: int) -> dict[str, Any]:
    is_data = file["kind"] == "D"
    return {
        "LogicalName": file["logical"],
        "PhysicalName": file["physical"],
        "Type": file["kind"],
        "FileGroupName": "PRIMARY" if is_data else None,
        "Size": file["size"],
        "MaxSize": 35184372080640,
        "FileId": at,
        "CreateLSN": 0,
        "DropLSN": 0,
        "UniqueId": str(uuid.uuid5(uuid.UUID(header.family), file["logical"])).upper(),
        "ReadOnlyLSN": 0,
        "ReadWriteLSN": 0,
        "BackupSizeInBytes": file["size"] if is_data else 0,
        "SourceBlockSize": 512,
        "FileGroupId": 1 if is_data else 0,
        "LogGroupGUID": None,
        "DifferentialBaseLSN": 0,
        "DifferentialBaseGUID": "00000000-0000-0000-0000-000000000000",
        "IsReadOnly": 0,
        "IsPresent": 1,
        "TDEThumbprint": server.certificate_thumbprint if header.encrypted else None,
        "SnapshotUrl": None,
    }


def label_row(header: media.Header) -> dict[str, Any]:
    return {
        "MediaName": None,
        "MediaSetId": header.set_id,
        "FamilyCount": header.stripes,
        "FamilySequenceNumber": header.stripe,
        "MediaFamilyId": header.set_id,
        "MediaSequenceNumber": 1,
        "MediaLabelPresent": 0,
        "MediaDescription": None,
        "SoftwareName": "Microsoft SQL Server",
        "SoftwareVendorId": 4608,
        "MediaDate": header.started,
        "Mirror_Count": 1,
        "IsCompressed": int(header.compressed),
    }
