"""The engines that there are, by the `type` they have in the file."""

from backupctl.engines.base import Engine
from backupctl.engines.command import CommandEngine
from backupctl.engines.mariadb import MariadbEngine
from backupctl.engines.mssql import MssqlEngine
from backupctl.engines.mysql import MysqlEngine
from backupctl.engines.postgres import PostgresEngine
from backupctl.engines.sqlite import SqliteEngine

ENGINES: dict[str, type[Engine]] = {
    "postgres": PostgresEngine,
    "mysql": MysqlEngine,
    "mariadb": MariadbEngine,
    "mssql": MssqlEngine,
    "sqlite": SqliteEngine,
    "command": CommandEngine,
}
