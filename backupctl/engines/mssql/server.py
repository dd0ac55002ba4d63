"""What a server says of itself: which version and edition, what the login may do, and what that leaves out."""

from dataclasses import dataclass
from typing import Self

from backupctl.engines.mssql import statements
from backupctl.engines.mssql.explain import RIGHTS_HINT
from backupctl.engines.mssql.sqlcmd import Row, Sql, number
from backupctl.errors import EngineError

_S3_SINCE = 16  # SQL Server 2022
_COMPRESSES_TDE_SINCE = 15  # before it, only with a larger MAXTRANSFERSIZE, which had faults in SQL Server 2016
_EXPRESS = 4
# SERVERPROPERTY('EngineEdition') of what Microsoft runs, where nobody has a server's disk.
_HOSTED = {
    5: (
        "Azure SQL Database",
        "it keeps backups of its own, and exports a BACPAC by sqlpackage: a job of type: command",
    ),
    6: ("Azure Synapse Analytics", "it keeps restore points of its own"),
    8: ("Azure SQL Managed Instance", "it keeps backups of its own, and writes others to Azure's storage alone"),
    11: ("Azure Synapse serverless", "its data are files already: back those up"),
    12: ("a SQL database of Fabric", "it keeps backups of its own"),
}
_PRODUCTS = {11: "2012", 12: "2014", 13: "2016", 14: "2017", 15: "2019", 16: "2022", 17: "2025"}


@dataclass(frozen=True)
class Server:
    """One server, and what the login may do on it."""

    version: str
    edition: str
    engine_edition: int
    data_path: str | None
    log_path: str | None
    login: str
    is_sysadmin: bool
    may_create: bool
    may_alter_credentials: bool

    @classmethod
    def of(cls, sql: Sql) -> Self:
        rows = sql.rows(statements.SERVER)
        if not rows or not rows[0]["server_version"]:
            raise EngineError(f"{sql.connection.server} does not say which SQL Server it is")
        server = cls._told(rows[0])
        if server.engine_edition in _HOSTED:
            product, advice = _HOSTED[server.engine_edition]
            raise EngineError(f"{sql.connection.server} is {product}, which makes no backups for others", hint=advice)
        return server

    @classmethod
    def _told(cls, row: Row) -> Self:
        return cls(
            version=row["server_version"] or "",
            edition=row["edition"] or "",
            engine_edition=number(row["engine_edition"]),
            data_path=row["data_path"],
            log_path=row["log_path"],
            login=row["login"] or "",
            is_sysadmin=row["is_sysadmin"] == "1",
            may_create=row["may_create"] == "1",
            may_alter_credentials=row["may_alter_credentials"] == "1",
        )

    @property
    def major(self) -> int:
        return number(self.version.partition(".")[0])

    @property
    def product(self) -> str:
        return f"SQL Server {_PRODUCTS.get(self.major, self.version)}"

    @property
    def _compresses(self) -> bool:
        return self.engine_edition != _EXPRESS and "Web" not in self.edition

    def compression(self, *, encrypted: bool) -> bool | None:
        """Whether the server compresses a backup; None where its edition knows no such thing."""
        if not self._compresses:
            return None
        return not encrypted or self.major >= _COMPRESSES_TDE_SINCE

    def against_s3(self) -> str | None:
        """What keeps this server from writing to S3; None: nothing."""
        if self.major < _S3_SINCE:
            return f"{self.product} cannot write to S3, which came with SQL Server 2022"
        if self.engine_edition == _EXPRESS:
            return f"SQL Server {self.edition} cannot write to S3"
        return None

    def require_create(self) -> None:
        """Refuse a login that may not read the header of a backup. Raises EngineError."""
        if not (self.is_sysadmin or self.may_create):
            raise EngineError(
                f'the login "{self.login}" may not read the header of a backup, by which each one is checked',
                hint=RIGHTS_HINT,
            )
