"""Puts the `sqlcmd` of the tests into a folder of a test's choice."""

import shlex
import sys
from pathlib import Path
from typing import Literal

from tests.parts.missing import PartMissingError
from tests.parts.servers import ROOT
from tests.parts.sqlcmd.command import DRIVER_VARIABLE, FAMILY_VARIABLE
from tests.parts.sqlcmd.odbc import driver_file

Family = Literal["odbc", "odbc17", "go"]


def install(folder: Path, family: Family = "odbc") -> Path:
    """Make the folder's `sqlcmd`. Raises PartMissingError without the driver."""
    driver = driver_file()
    if driver is None:
        raise PartMissingError("Microsoft's ODBC driver", "the package mssql-python-odbc or libltdl7 is missing")
    command = folder / "sqlcmd"
    settings = {FAMILY_VARIABLE: family, DRIVER_VARIABLE: str(driver), "PYTHONPATH": str(ROOT)}
    environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    # Without `site`, which takes longer than all else of a start.
    python = f"{shlex.quote(sys.executable)} -BS"
    command.write_text(f'#!/bin/sh\n{environment} exec {python} -m tests.parts.sqlcmd.command "$@"\n')
    command.chmod(0o755)
    return command
