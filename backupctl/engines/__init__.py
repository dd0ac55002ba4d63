"""The engines that there are, by the `type` they have in the file."""

from backupctl.engines.base import Engine
from backupctl.engines.postgres import PostgresEngine
from backupctl.engines.sqlite import SqliteEngine

ENGINES: dict[str, type[Engine]] = {"postgres": PostgresEngine, "sqlite": SqliteEngine}
