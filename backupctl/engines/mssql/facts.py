"""What a database says of itself before it is backed up, and what of that would stop the backup."""

from dataclasses import dataclass
from typing import Any, Self

from backupctl.engines.mssql import statements
from backupctl.engines.mssql.explain import RIGHTS_HINT
from backupctl.engines.mssql.server import Server
from backupctl.engines.mssql.sqlcmd import Row, Sql, number
from backupctl.engines.mssql.sqlcmd import name as name_of
from backupctl.engines.mssql.statements import identifier
from backupctl.errors import EngineError

ONLINE = "ONLINE"
_ADVICE = {
    "OFFLINE": "bring it online: ALTER DATABASE {name} SET ONLINE; or take it out of the file",
    "RESTORING": "a restore of it has not ended: RESTORE DATABASE {name} WITH RECOVERY ends it; of a mirror or of log "
    "shipping, back up the primary",
    "RECOVERING": "the server is bringing it up: try again when it is ONLINE",
    "RECOVERY_PENDING": "the server could not bring it up: its error log tells which file is missing",
    "SUSPECT": "the server found it damaged: its error log tells how; restore the last good backup",
    "EMERGENCY": "somebody set it to be repaired: ALTER DATABASE {name} SET ONLINE when that is done",
}


@dataclass(frozen=True)
class Facts:
    """One database of a server."""

    name: str
    """As the server writes it: case may not matter to it."""
    state: str
    user_access: str
    is_standby: bool
    is_encrypted: bool
    is_snapshot: bool
    may_back_up: bool
    recovery_model: str
    compatibility_level: int
    collation: str
    size: int
    """Of its data files, in bytes: a backup holds what of them is in use."""
    encryptor: str | None = None
    """What its encryption key is itself encrypted by, where that may be seen."""

    @classmethod
    def of(cls, sql: Sql, name: str) -> Self | None:
        """None: there is no such database."""
        rows = sql.rows(statements.database(name))
        return cls._told(sql, rows[0]) if rows else None

    @classmethod
    def _told(cls, sql: Sql, row: Row) -> Self:
        is_encrypted = row["is_encrypted"] == "1"
        name = name_of(row["database_name"])
        return cls(
            name=name,
            state=row["state_desc"] or "",
            user_access=row["user_access_desc"] or "",
            is_standby=row["is_in_standby"] == "1",
            is_encrypted=is_encrypted,
            is_snapshot=row["source_database_id"] is not None,
            may_back_up=row["may_back_up"] == "1",
            recovery_model=row["recovery_model_desc"] or "",
            compatibility_level=number(row["compatibility_level"]),
            collation=row["collation_name"] or "",
            size=number(row["data_bytes"]),
            encryptor=_encryptor(sql, name) if is_encrypted else None,
        )

    @property
    def is_single_user(self) -> bool:
        return self.user_access == "SINGLE_USER"

    def check(self, server: Server, where: str) -> None:
        """Refuse what could not be backed up now. Raises EngineError."""
        name = identifier(self.name)
        what = f'the database "{self.name}" on {where}'
        if self.is_snapshot:
            raise EngineError(f"{what} is a snapshot", hint="back up the database that it is a snapshot of")
        if self.state != ONLINE:
            advice = _ADVICE.get(self.state, "bring it online").format(name=name)
            raise EngineError(
                f"{what} is not online but {self.state}", hint=advice, transient=self.state == "RECOVERING"
            )
        if self.is_standby:
            raise EngineError(
                f"{what} is a standby of log shipping, which no backup can be made of", hint="back up its primary"
            )
        if self.is_single_user:
            raise EngineError(
                f"{what} is in single-user mode: a backup would take the one connection that it has",
                hint=f"when the work on it is done: ALTER DATABASE {name} SET MULTI_USER",
            )
        if not (self.may_back_up or server.is_sysadmin):
            raise EngineError(f'the login "{server.login}" may not back up {what}', hint=RIGHTS_HINT)

    def warnings(self) -> list[str]:
        if not self.is_encrypted:
            return []
        kept = f"{self.encryptor}, with its private key," if self.encryptor else "the certificate with its private key"
        return [
            f"the database is encrypted (TDE): its backups restore only where {kept} is: keep a copy of it apart from "
            "the backups (BACKUP CERTIFICATE … TO FILE … WITH PRIVATE KEY)"
        ]

    def details(self) -> dict[str, Any]:
        """What goes into the manifest for the restore."""
        return {
            "database": self.name,
            "recovery_model": self.recovery_model,
            "compatibility_level": self.compatibility_level,
            "collation": self.collation,
            "encryptor": self.encryptor,
        }


def _encryptor(sql: Sql, name: str) -> str | None:
    """None where the login may not see it, for which it needs VIEW SERVER STATE."""
    try:
        rows = sql.rows(statements.certificate(name))
    except EngineError:
        return None
    certificate = rows[0]["certificate_name"] if rows else None
    kind = (rows[0]["encryptor_type"] or "certificate").lower() if rows else ""
    return f"the {kind} {certificate}" if certificate else None
