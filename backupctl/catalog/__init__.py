"""The local record of runs: a listener beside the runner that no error of its own ever stops."""

from backupctl.catalog.catalog import Catalog
from backupctl.catalog.outbox import Kept
from backupctl.catalog.rows import Row

__all__ = ["Catalog", "Kept", "Row"]
