"""The postgres engine: dumps and restores one PostgreSQL database with the server's own clients."""

from backupctl.engines.postgres.engine import PostgresEngine
from backupctl.engines.postgres.options import PostgresOptions

__all__ = ["PostgresEngine", "PostgresOptions"]
