"""The mariadb engine: what mysql does, for a MariaDB server."""

from typing import ClassVar, Literal

from backupctl.engines.base import EngineOptions
from backupctl.engines.mysql import FamilyOptions, MysqlEngine


class MariadbOptions(FamilyOptions):
    """A MariaDB database, dumped by mariadb-dump."""

    type: Literal["mariadb"]


class MariadbEngine(MysqlEngine):
    """One MariaDB database."""

    Options: ClassVar[type[EngineOptions]] = MariadbOptions
    also_restores = frozenset({"mysql"})
