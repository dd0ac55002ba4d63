"""Puts a backup into a database: under its name, its files at the server's own places."""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from backupctl.access import BucketAccess
from backupctl.engines.base import Restore
from backupctl.engines.mssql import statements
from backupctl.engines.mssql.credentials import credential
from backupctl.engines.mssql.explain import DAMAGE
from backupctl.engines.mssql.facts import ONLINE, Facts
from backupctl.engines.mssql.folder import Folder
from backupctl.engines.mssql.options import SYSTEM_DATABASES, against_s3
from backupctl.engines.mssql.server import Server
from backupctl.engines.mssql.shared import SharedFile
from backupctl.engines.mssql.sqlcmd import Sql
from backupctl.engines.mssql.sqlcmd import name as name_of
from backupctl.engines.mssql.statements import Devices, identifier
from backupctl.engines.mssql.url import Bucket
from backupctl.errors import BackupctlError, EngineError, IntegrityError, UsageError
from backupctl.model import DUMP_ROLE, STRIPE_ROLE, Manifest

_LONGEST_NAME = 128
_RESTORING = "RESTORING"
_LOG, _FILESTREAM = "L", "S"
LETS_GO_WITHIN_S = 15.0  # a server that was told to stop works on the database for a moment longer
_PAUSE_S = 0.5
_NO_FILE_NAME = re.compile(r"[^\w.-]")


@dataclass(frozen=True)
class Restoration:
    """The steps of one restore."""

    sql: Sql
    server: Server
    request: Restore
    folder: Folder | None
    access: BucketAccess | None

    def run(self) -> None:
        """Restore. Raises EngineError, IntegrityError, UsageError."""
        self._check_request()
        existing = Facts.of(self.sql, self.request.into)
        if existing:
            self._agree_to_replace(existing)
        with self._devices() as devices:
            # What would not restore is found out before anything is replaced.
            self._look_at(devices)
            self._restore(devices, existing)
        self._afterwards()

    def _check_request(self) -> None:
        into = self.request.into
        if self.request.create_roles or not self.request.owner:
            raise UsageError(
                "SQL Server restores a database with the users that are in it",
                hint="leave out --create-roles and --no-owner; globals: true stores the logins as a script",
            )
        if not into or len(into) > _LONGEST_NAME or any(sign < " " or sign == "\x7f" for sign in into):
            raise UsageError(f"a database's name has 1 to {_LONGEST_NAME} characters, and no control characters")
        _refuse_system(into)
        if not (self.server.is_sysadmin or self.server.may_create):
            raise EngineError(
                f'the login "{self.server.login}" may not make databases on {self._where}',
                hint=f"as an administrator run: GRANT CREATE ANY DATABASE TO {identifier(self.server.login)}",
            )

    def _agree_to_replace(self, existing: Facts) -> None:
        what = f'the database "{existing.name}" on {self._where}'
        _refuse_system(existing.name)
        if not self.request.clean:
            raise UsageError(f"{what} is there already", hint="restore --into another name, or replace it with --clean")
        if not self.request.confirm(f"{what} is replaced, and everybody who uses it is disconnected"):
            raise UsageError("nothing was changed")

    def _look_at(self, devices: Devices) -> None:
        """Raises IntegrityError, EngineError for what would not restore."""
        with _as_damage():
            self.sql.work(statements.verify_only(devices), "the server reads the backup")
        if not devices.is_url:
            return
        # The sums of what the server reads by itself nobody has held against the manifest's.
        manifest = self.request.manifest
        wanted = manifest.details.get("database") or manifest.database
        found = [
            name_of(row["DatabaseName"]) for row in self.sql.rows(statements.header_only(devices.first), timeout=None)
        ]
        if [name.casefold() for name in found] != [wanted.casefold()]:
            raise IntegrityError(f'{devices} is a backup of "{", ".join(found)}", and was one of "{wanted}"')

    @contextmanager
    def _devices(self) -> Iterator[Devices]:
        """Where the server reads the backup from: its bucket, if it wrote that itself; else the shared folder."""
        manifest, access = self.request.manifest, self.access
        if _was_written_by_a_server(manifest) and access and not self._against_s3(access):
            keys = _keys(manifest)
            bucket = Bucket(access)
            # Not the folder that a backup takes, which may end, and take its credential away, in the middle of this.
            folder = bucket.url(keys[0].rpartition("/")[0])
            with credential(self.sql, self.server, folder, bucket.keys, self.request.say):
                yield bucket.devices(keys)
            return
        if self.folder is None:
            raise EngineError(
                f"the server {self._where} has no way to the backup: there is no folder that both see",
                hint="set server_dir and local_dir in the job's database",
            )
        with self._files(self.folder) as files:
            yield Devices.disk(*(file.as_server_sees for file in files))

    def _against_s3(self, access: BucketAccess) -> str | None:
        return self.server.against_s3() or against_s3(access, None)

    @contextmanager
    def _files(self, folder: Folder) -> Iterator[list[SharedFile]]:
        say = self.request.say
        folder.prove(self.sql)
        folder.clear(say)
        files: list[SharedFile] = []
        try:
            for role in _roles(self.request.manifest):
                files.append(folder.new_file())
                source = self.request.open(role)
                try:
                    files[-1].write(source)
                finally:
                    source.close()
            yield files
        finally:
            for file in files:
                file.remove(say)

    def _restore(self, devices: Devices, existing: Facts | None) -> None:
        into = self.request.into
        moves = self._moves(devices)
        batch = statements.restore(into, devices, moves, replace=existing is not None)
        if existing is None and Facts.of(self.sql, into):
            raise UsageError(f'somebody made a database "{into}" on {self._where} in the meantime')
        if existing and existing.state == ONLINE:
            batch = statements.single_user(existing.name) + batch
        try:
            self.sql.work(batch, "the server restores the backup")
        except BaseException:
            self._clear_up(existing, moves)
            raise
        if existing:
            self._let_people_in()

    def _moves(self, devices: Devices) -> Mapping[str, str]:
        """Each file's place, by its logical name: new files, in the folders that the server keeps its databases in."""
        rows = self.sql.rows(statements.file_list_only(devices.first), timeout=None)
        stem = f"{_NO_FILE_NAME.sub('_', self.request.into)[:60]}_{secrets.token_hex(3)}"
        moves: dict[str, str] = {}
        for row in rows:
            logical, was, kind = name_of(row["LogicalName"]), row["PhysicalName"] or "", row["Type"]
            suffix = "" if kind == _FILESTREAM else _suffix(was)
            count = f"_{len(moves)}" if moves else ""
            moves[logical] = self._place(f"{stem}{count}{suffix}", is_log=kind == _LOG)
        return moves

    def _place(self, name: str, *, is_log: bool) -> str:
        folder = (self.server.log_path if is_log else None) or self.server.data_path
        if not folder:
            raise EngineError(
                f"the server {self._where} does not say where it keeps its databases",
                hint="set its default folders for data and log files",
            )
        separator = "/" if folder.startswith("/") else "\\"
        return f"{folder.rstrip('/').rstrip(chr(92))}{separator}{name}"

    def _let_people_in(self) -> None:
        """A database that one alone could use may be left so, if the backup says nothing else of it."""
        found = Facts.of(self.sql, self.request.into)
        if found and found.is_single_user:
            self.sql.execute(statements.user_access(found.name, "MULTI_USER"))

    def _clear_up(self, existing: Facts | None, moves: Mapping[str, str]) -> None:
        """Take away what a failed restore made, and let people back into what was there."""
        until = time.monotonic() + LETS_GO_WITHIN_S
        while problem := self._problem_with_undoing(existing, moves):
            if not problem.transient or time.monotonic() > until:
                self.request.say(f'what is left of "{self.request.into}" must be looked at: {problem.message}')
                return
            time.sleep(_PAUSE_S)

    def _problem_with_undoing(self, existing: Facts | None, moves: Mapping[str, str]) -> BackupctlError | None:
        try:
            self._undo(self.sql.not_cancelled(), existing, moves)
        except BackupctlError as error:
            return error
        return None

    def _undo(self, sql: Sql, existing: Facts | None, moves: Mapping[str, str]) -> None:
        found = Facts.of(sql, self.request.into)
        if found is None:
            return
        if existing is None and found.state == _RESTORING and self._is_ours(sql, found, moves):
            sql.execute(statements.drop_database(found.name))
        elif existing is None:
            self.request.say(f'there is a database "{found.name}" now: it may not be what was backed up')
        elif found.state == _RESTORING:
            self.request.say(
                f"{found.name} was being replaced when it failed: it is no database until a restore succeeds"
            )
        elif existing.state == ONLINE and found.user_access != existing.user_access:
            sql.execute(statements.user_access(found.name, existing.user_access))

    def _is_ours(self, sql: Sql, found: Facts, moves: Mapping[str, str]) -> bool:
        """Somebody else may have begun to restore one of this name: ours is where we told the server to put it."""
        files = {(row["file_path"] or "").casefold() for row in sql.rows(statements.files(found.name))}
        return bool(files) and files <= {path.casefold() for path in moves.values()}

    def _afterwards(self) -> None:
        request = self.request
        if request.check:
            with _as_damage():
                self.sql.work(
                    statements.check_database(request.into), "the server checks what came back (DBCC CHECKDB)"
                )
        with suppress(EngineError):
            orphans = [name_of(row["user_name"]) for row in self.sql.rows(statements.orphans(request.into))]
            if orphans:
                request.say(
                    f"no login of this server stands behind the users {', '.join(orphans)}: run the script that "
                    "globals: true stores, or ALTER USER … WITH LOGIN = …"
                )

    @property
    def _where(self) -> str:
        return self.sql.connection.server


def _refuse_system(name: str) -> None:
    # Spaces at the end of a name mean nothing to SQL Server.
    if name.rstrip().lower() in SYSTEM_DATABASES:
        raise UsageError(
            f"{name} belongs to the server, and is not restored over while it runs", hint="restore --into another"
        )


@contextmanager
def _as_damage() -> Iterator[None]:
    """Within the block, what the server finds damaged does not check out."""
    try:
        yield
    except EngineError as error:
        if DAMAGE in error.message:
            raise IntegrityError(error.message, hint=error.hint) from error
        raise


def _was_written_by_a_server(manifest: Manifest) -> bool:
    return manifest.details.get("mode") == "s3_url"


def _roles(manifest: Manifest) -> list[str]:
    """Of the stripes, in their order: a server wants all of them."""
    stripes = [one.role for one in manifest.artifacts if one.role.startswith(STRIPE_ROLE)]
    return [DUMP_ROLE, *sorted(stripes, key=lambda role: int(role.removeprefix(STRIPE_ROLE)))]


def _keys(manifest: Manifest) -> tuple[str, ...]:
    artifacts = {artifact.role: artifact.key for artifact in manifest.artifacts}
    return tuple(artifacts[role] for role in _roles(manifest))


def _suffix(path: str) -> str:
    kind: Callable[[str], PurePosixPath | PureWindowsPath] = PurePosixPath if path.startswith("/") else PureWindowsPath
    return kind(path).suffix
