"""How a test part that cannot be had is told from a fault of ours."""

from collections.abc import Callable
from typing import TypeVar

import pytest

SKIP_PREFIX = "part missing: "
MYSQL = "Oracle's MySQL"
REAL_MSSQL = "a real SQL Server"
MAY_BE_MISSING = frozenset({MYSQL, REAL_MSSQL})
"""Parts whose only source moves, or that somebody has to lend: that they are missing is said, and fails nothing."""

T = TypeVar("T")


class PartMissingError(Exception):
    """A server that tests need is not on this machine."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


def or_skip(start: Callable[[], T]) -> T:
    """What `start` returns; the test is skipped, with name and reason, when the part cannot be had."""
    try:
        return start()
    except PartMissingError as missing:
        pytest.skip(f"{SKIP_PREFIX}{missing}")
