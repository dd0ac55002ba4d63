"""Gives a command the catalog of runs, which tells of its own troubles as warnings."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from backupctl.cli import render
from backupctl.events import Listener, to_all
from backupctl.state import StateFolder

if TYPE_CHECKING:
    from backupctl.catalog import Catalog


def catalog_of(state: StateFolder, warn: Callable[[str], None] = render.warn) -> "Catalog":
    # Imported late: sqlalchemy takes 0.25 s, which every other command would pay.
    from backupctl.catalog import Catalog

    return Catalog.open(state.catalog, warn=warn)


def recorded(state: StateFolder, listener: Listener) -> Listener:
    """What tells both the catalog, which is first, and the listener."""
    return to_all(catalog_of(state).hear, listener)
