"""Gives a command the catalog of runs, which tells of its own troubles as warnings."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from backupctl.cli import render
from backupctl.events import Event, Listener
from backupctl.state import StateFolder

if TYPE_CHECKING:
    from backupctl.catalog import Catalog


def catalog_of(state: StateFolder, warn: Callable[[str], None] = render.warn) -> "Catalog":
    # Imported late: sqlalchemy takes 0.25 s, which every other command would pay.
    from backupctl.catalog import Catalog

    return Catalog.open(state.catalog, warn=warn)


def recorded(state: StateFolder, listener: Listener) -> Listener:
    """A listener that the catalog hears with, and before."""
    catalog = catalog_of(state)

    def hear(event: Event) -> None:
        catalog.hear(event)
        listener(event)

    return hear
