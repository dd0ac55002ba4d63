"""Has the server read a backup that it wrote, and holds what it says against what was asked for."""

from dataclasses import dataclass

from backupctl.engines.mssql import statements
from backupctl.engines.mssql.sqlcmd import Sql, number
from backupctl.engines.mssql.sqlcmd import name as name_of
from backupctl.engines.mssql.statements import Devices
from backupctl.errors import EngineError

_WHOLE_DATABASE = "1"  # BackupType


@dataclass(frozen=True)
class Recorded:
    """What msdb has of a backup; sizes in bytes, of which the second is what went to the devices."""

    size: int
    stored: int

    @classmethod
    def of(cls, sql: Sql, name: str, device: str) -> "Recorded":
        """Raises EngineError when the server kept no record, or one of another backup."""
        rows = sql.rows(statements.recorded(device))
        if not rows:
            raise EngineError(
                f"the server {sql.connection.server} has no record in msdb of the backup that it made to {device}",
                hint="whether it is whole cannot be known; look whether something clears msdb.dbo.backupset",
            )
        row = rows[0]
        if name_of(row["recorded_database"]) != name or row["has_backup_checksums"] != "1":
            raise EngineError(
                f"the server {sql.connection.server} recorded another backup in {device}: of "
                f'"{row["recorded_database"]}", checksums: {row["has_backup_checksums"]}',
                hint="another program may write to server_dir: give backupctl a folder of its own",
            )
        return cls(number(row["backup_size"]), number(row["compressed_backup_size"]))


def check_backup(sql: Sql, name: str, devices: Devices) -> None:
    """Have the server read all of it, checksums too, and see that it is one whole backup of that database.

    It does not prove that the database itself is sound: only a restore with DBCC CHECKDB does. Raises EngineError.
    """
    sql.work(statements.verify_only(devices), "the server reads its backup")
    sets = sql.rows(statements.header_only(devices.first), timeout=None)  # of a large one it may take minutes
    if len(sets) != 1:
        raise EngineError(f"{devices.first} holds {len(sets)} backups where one was made")
    header = sets[0]
    problems = [
        what
        for what, is_wrong in (
            (f'it is of the database "{header["DatabaseName"]}"', name_of(header["DatabaseName"]) != name),
            ("it is not of a whole database", header["BackupType"] != _WHOLE_DATABASE),
            ("it has no checksums", header["HasBackupChecksums"] != "1"),
            ("the server found damage in the database while it made it", header["IsDamaged"] == "1"),
        )
        if is_wrong
    ]
    if problems:
        raise EngineError(
            f'the backup of "{name}" in {devices.first} is not what was asked for: {"; ".join(problems)}',
            hint="run DBCC CHECKDB on the database; and look whether something else writes to that place",
        )
