"""The mysql engine, and what mariadb shares with it: dumps and restores one database with the server's own clients."""

from backupctl.engines.mysql.engine import MysqlEngine
from backupctl.engines.mysql.options import FamilyOptions, MysqlOptions

__all__ = ["FamilyOptions", "MysqlEngine", "MysqlOptions"]
