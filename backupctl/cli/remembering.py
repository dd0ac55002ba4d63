"""Gives a command the catalog of runs, which tells of its own troubles as warnings."""

from typing import TYPE_CHECKING

from backupctl.cli import render
from backupctl.state import StateFolder

if TYPE_CHECKING:
    from backupctl.catalog import Catalog


def catalog_of(state: StateFolder) -> "Catalog":
    # Imported late: sqlalchemy takes 0.25 s, which every other command would pay.
    from backupctl.catalog import Catalog

    return Catalog.open(state.catalog, warn=render.warn)
