"""Any other database: the programs that the file names dump and restore it."""

from backupctl.engines.command.engine import CommandEngine
from backupctl.engines.command.options import CommandOptions

__all__ = ["CommandEngine", "CommandOptions"]
