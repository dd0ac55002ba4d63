"""The way home by a folder that the server and backupctl both see."""

from dataclasses import dataclass, field

from backupctl.engines.base import Findings
from backupctl.engines.mssql import statements
from backupctl.engines.mssql.check import Recorded, check_backup
from backupctl.engines.mssql.folder import Folder
from backupctl.engines.mssql.shared import SharedFile
from backupctl.engines.mssql.sqlcmd import Sql
from backupctl.engines.mssql.statements import Devices
from backupctl.stream import Reader


@dataclass(frozen=True)
class DiskBackup:
    """A backup that the server writes into the folder, checks there, and that is then read and removed."""

    sql: Sql
    folder: Folder
    name: str
    compression: bool | None
    warnings: list[str] = field(default_factory=list)

    def open(self) -> Reader:
        """Returns once the backup is whole and checked. Raises EngineError, CancelledError; nothing is left then."""
        session = self.sql.connection.session
        self.folder.clear(session.say)
        file = self.folder.new_file()
        try:
            return file.open(self._made(file), self.warnings.append)
        except BaseException:
            file.remove(session.say)
            raise

    def findings(self) -> Findings:
        """A backup that stayed in the folder takes its room until somebody removes it."""
        return Findings(warnings=tuple(self.warnings))

    def _made(self, file: SharedFile) -> int:
        """The size of the file, here."""
        devices = Devices.disk(file.as_server_sees)
        self.sql.work(
            statements.backup(self.name, devices, compression=self.compression), "the server writes its backup"
        )
        # The file is longer than what msdb counts, by the header of the medium.
        recorded = Recorded.of(self.sql, self.name, file.as_server_sees)
        size = file.wait_for(recorded.stored, self.sql.connection.session.cancel)
        check_backup(self.sql, self.name, devices)
        return size
