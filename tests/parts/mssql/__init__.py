"""A SQL Server as its documentation describes it, for statements that back up and restore."""

from tests.parts.mssql.server import MssqlServer

__all__ = ["MssqlServer"]
