"""SQL Server: the server makes the backup, and sqlcmd tells it to."""

from backupctl.engines.mssql.engine import MssqlEngine
from backupctl.engines.mssql.options import MssqlOptions

__all__ = ["MssqlEngine", "MssqlOptions"]
