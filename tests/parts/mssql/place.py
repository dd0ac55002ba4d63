"""What a suite needs of a SQL Server, be it the part or a real one."""

from pathlib import Path
from typing import Protocol

from tests.parts.mssql.state import Rows


class Place(Protocol):
    """A SQL Server, with a folder that it and the tests both see."""

    user: str
    password: str
    server_dir: str
    local_dir: Path

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    def make_customers(self, name: str, rows: Rows) -> None:
        """A database whose table `customers` has these rows: a number and a text or NULL each."""

    def rows(self, name: str) -> dict[str, Rows]:
        """What a database holds, by table."""

    def has(self, name: str) -> bool: ...

    def drop(self, name: str) -> None: ...
