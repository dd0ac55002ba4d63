"""SQL Server behind the engines' contract: the server makes the backup, sqlcmd tells it to."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Self

from backupctl.access import BucketAccess
from backupctl.engines.base import DirectPart, EngineOptions, Part, Preflight, Restore, ServerEngine
from backupctl.engines.mssql import statements
from backupctl.engines.mssql.clients import Clients
from backupctl.engines.mssql.connection import Connection
from backupctl.engines.mssql.disk import DiskBackup
from backupctl.engines.mssql.facts import Facts
from backupctl.engines.mssql.folder import Folder
from backupctl.engines.mssql.logins import Script
from backupctl.engines.mssql.options import MssqlOptions, against_s3
from backupctl.engines.mssql.restore import Restoration
from backupctl.engines.mssql.server import Server
from backupctl.engines.mssql.sqlcmd import Sql, name
from backupctl.engines.mssql.url import Bucket, UrlBackup, stripes
from backupctl.errors import EngineError, IntegrityError
from backupctl.model import DUMP_ROLE, GLOBALS_ROLE, Manifest
from backupctl.process import Session
from backupctl.stream import CHUNK, Reader

_SUFFIX = ".bak"
_GLOBALS_SUFFIX = ".globals.sql"
# The beginnings of a backup: of the Microsoft Tape Format, and of one that the server compressed or encrypted.
_MAGIC = (b"TAPE", b"MSSQLBAK")


class MssqlEngine(ServerEngine):
    """One SQL Server database."""

    Options: ClassVar[type[EngineOptions]] = MssqlOptions
    connection_options = frozenset({"host", "port", "user", "password"})
    checks_restored = True
    format = "bak"

    def __init__(self, options: MssqlOptions, session: Session, access: BucketAccess | None) -> None:
        self._options = options
        self._access = access
        self._connection = Connection(options, session)
        self._clients = Clients(session, options.bin_dir)

    @classmethod
    def build(cls, options: Any, session: Session, access: BucketAccess | None = None) -> Self:
        return cls(options, session, access)

    @property
    def database(self) -> str:
        return self._options.name

    @property
    def target(self) -> str:
        return f"{self._connection.server}/{self._options.shown}"

    def databases(self) -> tuple[str, ...]:
        """Also those that are not online: that they have no backup must be said."""
        Server.of(self._sql)
        return tuple(sorted(name(row["database_name"]) for row in self._sql.rows(statements.DATABASES)))

    def preflight(self) -> Preflight:
        server = Server.of(self._sql)
        server.require_create()
        facts = Facts.of(self._sql, self._options.name)
        where = self._connection.server
        if facts is None:
            raise EngineError(
                f'there is no database "{self._options.name}" on {where} that the login "{server.login}" can see',
                hint="correct database.name, or make the login a user of it",
            )
        facts.check(server, where)
        mode, why = self._way(server)
        self._connection.session.say(f"{mode}: {why}")
        direct, parts = self._backup(mode, server, facts)
        return Preflight(
            server_version=f"{server.version} {server.edition}".strip(),
            client=str(self._sql.client),
            parts=(*parts, *self._globals(server)),
            direct=direct,
            warnings=tuple(facts.warnings()),
            details={**facts.details(), "mode": mode},
        )

    def check_dump(self, manifest: Manifest, dump: Reader, *, say: Callable[[str], None]) -> None:
        """The server itself has read it when it was made; here its beginning is looked at, and all of it read."""
        beginning = dump.read(max(map(len, _MAGIC)))
        if not beginning.startswith(_MAGIC):
            raise IntegrityError("the dump does not begin as a backup of SQL Server does")
        while dump.read(CHUNK):
            pass

    def restore(self, request: Restore) -> None:
        server = Server.of(self._sql)
        Restoration(self._sql, server, request, self._folder, self._access).run()

    def _backup(self, mode: str, server: Server, facts: Facts) -> tuple[tuple[DirectPart, ...], tuple[Part, ...]]:
        compression = server.compression(encrypted=facts.is_encrypted)
        if mode == "s3_url":
            assert self._access
            backup = UrlBackup(self._sql, server, Bucket(self._access), facts.name, compression)
            suffixes = _suffixes(stripes(facts.size, compression=compression))
            return (DirectPart(DUMP_ROLE, suffixes, backup.write, facts.size, backup.findings),), ()
        assert self._folder
        self._folder.prove(self._sql)
        file = DiskBackup(self._sql, self._folder, facts.name, compression)
        return (), (Part(DUMP_ROLE, _SUFFIX, file.open, facts.size, file.findings),)

    def _globals(self, server: Server) -> tuple[Part, ...]:
        if not self._options.globals:
            return ()
        script = Script(self._sql, server)
        return (Part(GLOBALS_ROLE, _GLOBALS_SUFFIX, script.open, findings=script.findings),)

    def _way(self, server: Server) -> tuple[str, str]:
        """How the backup gets home, and why so. Raises EngineError where there is none."""
        options = self._options
        if options.mode == "shared_path" or (options.mode == "auto" and options.has_folder):
            return "shared_path", f"by {options.server_dir}, which is {options.local_dir} here"
        obstacle = server.against_s3() or against_s3(self._access, None)
        if obstacle is None:
            return "s3_url", "the server writes to the job's bucket by itself"
        hint = "set server_dir, a folder as the server sees it, and local_dir, the same folder as it is mounted here"
        raise EngineError(
            f"the backup that {self._connection.server} makes has no way home: {obstacle}",
            hint="set mode: shared_path" if options.has_folder else hint,
        )

    @cached_property
    def _sql(self) -> Sql:
        return Sql(self._clients.best(), self._connection)

    @property
    def _folder(self) -> Folder | None:
        return Folder.of(self._options, self._connection.server)


def _suffixes(count: int) -> tuple[str, ...]:
    if count == 1:
        return (_SUFFIX,)
    return tuple(f".{number}of{count}{_SUFFIX}" for number in range(1, count + 1))
