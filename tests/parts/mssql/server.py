"""The SQL Server of the tests: what it is, what it holds, and how a test makes it fail."""

# pysqlbridge 2.1 ships no types.
# mypy: disable-error-code="import-untyped"

import hashlib
import shutil
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from pysqlbridge.certificate import Certificate, self_signed

from tests.parts.mssql import identity, media, rights
from tests.parts.mssql.batch import run_batch
from tests.parts.mssql.errors import TEXTS, Message, SqlError, message
from tests.parts.mssql.files import Disks
from tests.parts.mssql.options import Device
from tests.parts.mssql.session import Session
from tests.parts.mssql.state import (
    SYSTEM_DATABASES,
    BackupRecord,
    Credential,
    Database,
    DataFile,
    Login,
    Rows,
    Table,
    files_of,
)
from tests.parts.mssql.wire import Listener, ServerDiedError, Wire
from tests.parts.ports import free_port
from tests.parts.servers import private_folder

WINDOWS_FOLDER = "D:\\Backup"
LINUX_FOLDER = "/var/opt/mssql/backup"

DEVELOPER, EXPRESS = "Developer Edition (64-bit)", "Express Edition (64-bit)"


@dataclass
class _Fault:
    statement: str
    database: str | None
    message: Message
    times: int | None


@cache
def _certificate() -> Certificate:
    """Making one takes longer than all else of a start."""
    return self_signed("localhost")


class MssqlServer:
    """A SQL Server on a port of its own, with a folder that it and the tests both see.

    Change its attributes to make it another: `edition`, `engine_edition`, `build`, `windows`, `disks.denied`,
    `disks.space`, `databases[…].state`, `forgets_backups`, `rots`, `clock_is_wrong`, `dies_at`, `on_percent`; or let
    statements fail with `fail`.
    """

    user = "sa"
    password = "S3cr;et}{'$(x)ü"

    def __init__(self, *, windows: bool = False, s3_ca_file: Path | None = None) -> None:
        self.port = free_port()
        self.windows = windows
        self._folder = private_folder("mssql")
        self.local_dir = self._folder / "backup"
        self.local_dir.mkdir()
        self.server_dir = WINDOWS_FOLDER if windows else LINUX_FOLDER
        self.disks = Disks(windows, {self.server_dir: self.local_dir})
        self.certificate_file = self._folder / "server.pem"
        self.certificate_file.write_bytes(_certificate().cert_pem)
        self.s3_ca_file = s3_ca_file
        self._death: threading.Thread | None = None
        self._become_itself()
        self.start()

    def _become_itself(self) -> None:
        self.name = "TESTSQL"
        self.build: tuple[int, int, int, int] = (16, 0, 4135, 4)
        self.edition = DEVELOPER
        self.engine_edition = 3
        self.collation = "SQL_Latin1_General_CP1_CI_AS"
        self.forgets_backups = False
        self.rots = False
        self.clock_is_wrong = False
        self.dies_at: int | None = None
        self.on_percent: Callable[[int], None] = lambda _: None
        self.is_dead = False
        self.certificate_name, self.has_certificate = "TdeCertificate", True
        self.certificate_thumbprint = hashlib.sha1(b"tde", usedforsecurity=False).digest()
        self.batches: list[str] = []
        """Every batch that was sent."""
        self.error_log: list[int] = []
        self.sessions: list[Session] = []
        self.credentials: dict[str, Credential] = {}
        self.records: list[BackupRecord] = []
        self._faults: list[_Fault] = []
        self._hashes: dict[str, bytes] = {}
        self.logins: dict[str, Login] = {}
        self.add_login(Login(self.user, self.password, b"\x01", roles={"sysadmin"}))
        for login in self._own_logins():
            self.add_login(login)
        self.databases: dict[str, Database] = {}
        for name in SYSTEM_DATABASES:
            self.make_database(name, {}, recovery_model="SIMPLE")

    def _own_logins(self) -> list[Login]:
        """Those that every server has from its installation."""
        certificates = [
            Login(f"##MS_Policy{name}Login##", "unknown", is_disabled=True)
            for name in ("EventProcessing", "TsqlExecution")
        ]
        group = "NT SERVICE\\MSSQLSERVER" if self.windows else "BUILTIN\\Administrators"
        kind = "U" if self.windows else "G"
        return [*certificates, Login(group, kind=kind, roles={"sysadmin"})]

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def data_path(self) -> str:
        return "C:\\SQL\\DATA\\" if self.windows else "/var/opt/mssql/data/"

    @property
    def is_express(self) -> bool:
        return self.engine_edition == 4

    @property
    def version_text(self) -> str:
        return identity.version_text(self)

    def property(self, name: str) -> Any:
        """What SERVERPROPERTY says; None for one that it has not."""
        return identity.properties(self).get(name.casefold())

    # What the tests do with it.

    def make_express(self) -> None:
        self.edition, self.engine_edition = EXPRESS, 4

    def make_azure(self, engine_edition: int) -> None:
        """5: SQL Database; 8: Managed Instance."""
        self.edition, self.engine_edition = "SQL Azure", engine_edition

    def make_database(
        self, name: str, rows: Mapping[str, Rows] | Rows | None = None, *, owner: str = "sa", **settings: Any
    ) -> Database:
        """A database; `rows` are of one table `customers`, or by table."""
        tables = rows if isinstance(rows, Mapping) else {"customers": rows or []}
        number = max((one.id for one in self.databases.values()), default=0) + 1
        files = files_of(name, self.data_path, self.data_path, self.disks.path.join, 16 * 1024 * 1024)
        made = Database(name, number, files, owner=owner, **settings)
        made.tables = {known: Table(_columns(these), list(these)) for known, these in tables.items()}
        self.databases[name.casefold()] = made
        return made

    def rows(self, name: str) -> dict[str, Rows]:
        """What a database holds, by table."""
        return {known: table.rows for known, table in self.databases[name.casefold()].tables.items()}

    def make_customers(self, name: str, rows: Rows) -> None:
        self.make_database(name, rows)

    def has(self, name: str) -> bool:
        return self.find(name) is not None

    def drop(self, name: str) -> None:
        self.databases.pop(name.casefold(), None)

    def add_login(self, login: Login, hashed: bytes | None = None) -> None:
        """`hashed`: the password's hash in place of the password."""
        login.id = len(self.logins) + 259 if self.logins else 1
        login.sid = login.sid or hashlib.sha256(login.name.encode()).digest()[:16]
        if hashed is not None:
            self._hashes[login.name.casefold()] = hashed
        self.logins[login.name.casefold()] = login

    def fail(
        self,
        statement: str,
        number: int,
        *parts: object,
        database: str | None = None,
        text: str | None = None,
        times: int | None = None,
    ) -> None:
        """Let a statement fail with an error: BACKUP, RESTORE, VERIFYONLY, HEADERONLY, FILELISTONLY, CREDENTIAL,
        ALTER DATABASE, DROP DATABASE, DBCC; `times`: only so often."""
        said = message(number, *parts) if text is None else Message(number, TEXTS.get(number, (16, ""))[0], text)
        self._faults.append(_Fault(statement, database, said, times))

    def reset(self) -> None:
        """As it was when it started; for a server that tests share."""
        for entry in self.local_dir.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.server_dir = WINDOWS_FOLDER if self.windows else LINUX_FOLDER
        self.disks = Disks(self.windows, {self.server_dir: self.local_dir})
        dead = self.is_dead
        self._become_itself()
        if dead:
            self.start()

    def start(self) -> None:
        if self._death is not None:
            self._death.join()
        self._death, self.is_dead = None, False
        self._listener = Listener(self, self.port, _certificate())
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """End it with everything that it does."""
        self.is_dead = True
        self._listener.hang_up()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def close(self) -> None:
        if self._death is not None:
            self._death.join()
        elif not self.is_dead:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    # What its statements ask.

    def now(self) -> datetime:
        return datetime.now()  # noqa: DTZ005  # msdb keeps the server's local time, without a zone

    def find(self, name: str) -> Database | None:
        return self.databases.get(name.casefold())

    def number_of(self, name: str) -> int:
        return self.databases[name.casefold()].id if name.casefold() in self.databases else 1

    def may(self, login: Login, permission: str, database: Database | None) -> bool:
        """Whether a login has a permission on a database, or on the server."""
        return rights.may(login, permission, database)

    def may_enter(self, login: Login, database: Database) -> bool:
        return rights.may_enter(login, database)

    def may_see(self, login: Login, database: Database) -> bool:
        return rights.may_see(login, database)

    def is_used(self, database: Database, *, beside: Session | None) -> bool:
        others = [one for one in self.sessions if one is not beside and one.database == database.name]
        return bool(others) or database.in_use

    def throw_out(self, database: Database, *, beside: Session) -> None:
        database.in_use = False
        for one in self.sessions:
            if one is not beside and one.database == database.name:
                one.database = "master"

    def has_folder(self, folder: str) -> bool:
        known = {self.disks.normal(self.data_path.rstrip("/\\"))}
        return self.disks.normal(folder) in known or self.disks.look(folder)[1]

    def refuse_if_asked(self, statement: str, database: str) -> None:
        """Raises the SqlError that `fail` asked for."""
        for fault in self._faults:
            if fault.statement != statement or fault.times == 0 or fault.database not in (None, database):
                continue
            if fault.times is not None:
                fault.times -= 1
            raise SqlError(fault.message)

    def reached(self, percent: int) -> None:
        """A backup or restore got so far. Raises ServerDiedError."""
        self.on_percent(percent)
        if self.dies_at is not None and percent >= self.dies_at:
            self.is_dead = True
            self._death = threading.Thread(target=self.kill)
            self._death.start()
            raise ServerDiedError

    def rot(self, devices: Sequence[Device]) -> None:
        """Flip a bit of what was written, as a bad disk does."""
        if self.rots and devices[0].kind == "DISK":
            place = self.disks.local(devices[0].name)
            content = bytearray(place.read_bytes())
            content[-100] ^= 1
            place.write_bytes(bytes(content))

    def log(self, number: int, database: str) -> None:
        """What goes to the error log alone: 3041 of a failed backup."""
        self.error_log.append(number)

    def begin_restore(self, name: str, files: tuple[DataFile, ...], header: media.Header) -> Database:
        existing = self.find(name)
        made = existing or self.make_database(name, {})
        made.files, made.tables, made.state = files, {}, "RESTORING"
        made.family = uuid.UUID(header.family)
        made.recovery_model, made.is_encrypted = header.recovery_model, header.encrypted
        made.users = {name: bytes.fromhex(sid) for name, sid in header.users.items()}
        made.user_access, made.is_corrupt = "MULTI_USER", False
        return made

    # What the listener asks.

    def admits(self, login: str, password: str) -> bool:
        known = self.logins.get(login.casefold())
        if known is None or known.is_disabled or known.kind != "S":
            return False
        hashed = self._hashes.get(login.casefold())
        if hashed is None:
            return known.password == password
        return hashlib.sha512(password.encode("utf-16-le") + hashed[2:6]).digest() == hashed[6:]

    def can_open(self, login: str, database: str) -> bool:
        found = self.find(database)
        return found is not None and found.state == "ONLINE" and self.may_enter(self.logins[login.casefold()], found)

    def begin(self, login: str, database: str, wire: Wire) -> Session:
        found = self.find(database)
        session = Session(self, self.logins[login.casefold()], found.name if found else database, wire)
        self.sessions.append(session)
        return session

    def end(self, session: Session | None) -> None:
        if session in self.sessions:
            self.sessions.remove(session)

    def run(self, session: Session, sql: str) -> None:
        self.batches.append(sql)
        run_batch(session, sql)


def _columns(rows: Rows) -> tuple[str, ...]:
    width = len(rows[0]) if rows else 2
    return ("id", "name", *(f"c{at}" for at in range(3, width + 1)))[:width]
