"""One restore: looks before it touches anything, and puts a database in place only when it is whole."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from backupctl.engines.base import Restore
from backupctl.engines.postgres.clients import Clients, Version, parse_version
from backupctl.engines.postgres.connection import Connection
from backupctl.engines.postgres.load import Loading
from backupctl.engines.postgres.psql import Psql, outside
from backupctl.engines.postgres.roles import Making, make_roles
from backupctl.engines.postgres.target import (
    Content,
    Details,
    Server,
    create_database,
    drop_database,
    properties,
    rename_database,
    swap_databases,
)
from backupctl.errors import BackupctlError, EngineError, UsageError
from backupctl.model import DUMP_ROLE, GLOBALS_ROLE
from backupctl.stream import CHUNK, Reader

_LONGEST_NAME = 63  # bytes; PostgreSQL cuts a longer one without an error (NAMEDATALEN)


@dataclass(frozen=True)
class Restoration:
    """The steps of one restore."""

    connection: Connection
    clients: Clients
    request: Restore

    def run(self) -> None:
        """Restore. Raises EngineError, IntegrityError, UsageError."""
        if len(self.request.into.encode()) > _LONGEST_NAME:
            raise UsageError(f"the name {self.request.into} is longer than PostgreSQL's {_LONGEST_NAME} bytes")
        content = Content.of(self._psql.at(self.request.into)) if self._server.exists else None
        if content and content.objects:
            self._agree_to_replace(content)
        self._check_server()
        if self._missing_roles:
            self._make_roles()
        if not content:
            self._into_new(self._put_in_place)
        elif content.objects:
            self._into_new(self._replace)
        else:
            self._into_empty()

    @cached_property
    def _details(self) -> Details:
        return dict(self.request.manifest.details)

    @cached_property
    def _dumped_by(self) -> Version:
        manifest = self.request.manifest
        return parse_version(manifest.client) or parse_version(manifest.server_version) or (0, 0)

    @cached_property
    def _psql(self) -> Psql:
        return outside(str(self.clients.any("psql").program), self.connection, but=self.request.into)

    @cached_property
    def _server(self) -> Server:
        return Server.inspect(self._psql, into=self.request.into, details=self._details)

    @property
    def _missing_roles(self) -> frozenset[str]:
        """The roles without which the restore would fail: policies name theirs also where owners do not matter."""
        missing = frozenset(self._server.missing_roles)
        if self.request.owner:
            return missing
        return missing & frozenset(self._details.get("roles_without_owner", []))

    def _agree_to_replace(self, content: Content) -> None:
        request = self.request
        name = f'the database "{request.into}" on {self.connection.server}'
        if not request.clean:
            raise UsageError(
                f"{name} is not empty: {content}", hint="--clean replaces it; or restore --into another name"
            )
        if not request.confirm(f"replace {name} ({content}) with the backup {request.manifest.id}?"):
            raise UsageError(f"{name} was left as it is", hint="answer yes, or give --yes")

    def _check_server(self) -> None:
        server, manifest = self._server, self.request.manifest
        if server.missing_extensions:
            names = ", ".join(server.missing_extensions)
            raise EngineError(
                f"the server {self.connection.server} does not have the extensions that the backup needs: {names}",
                hint="install their packages on the server",
            )
        if self._missing_roles and not self.request.create_roles:
            raise EngineError(
                f"the server {self.connection.server} does not have roles that the backup names: "
                + ", ".join(sorted(self._missing_roles)),
                hint="--create-roles makes them; --no-owner restores without owners and grants",
            )
        if self.request.owner and server.foreign_owners:
            raise EngineError(
                f'the user "{server.user}" may not make these roles owners: {", ".join(server.foreign_owners)}',
                hint="restore as a superuser, or with --no-owner",
            )
        source = parse_version(manifest.server_version.split()[0])
        if source and source[0] > server.major:
            self.request.say(
                f"the backup is of PostgreSQL {source[0]} and the server is {server.version}: "
                "what only the newer one knows makes the restore fail"
            )
        if server.missing_tablespaces:
            names = ", ".join(server.missing_tablespaces)
            self.request.say(f"the server has no tablespaces {names}: everything goes to the database's own")

    def _make_roles(self) -> None:
        making = Making(self._missing_roles, frozenset(self._server.roles), self._server.major)
        dump = b""
        if self.request.manifest.artifact(GLOBALS_ROLE):
            dump = _whole(self.request.open(GLOBALS_ROLE))
        make_roles(self._psql, making, dump, say=self.request.say)

    def _into_new(self, finish: Callable[[str], None]) -> None:
        """Restore under a passing name, so that the asked-for one never stands for half a database."""
        name = f"backupctl_restore_{secrets.token_hex(4)}"
        try:
            create_database(self._psql, name, self._details)
            self._load(name, in_one_transaction=False)
            self._set_properties(name)
            finish(name)
        except BaseException:
            self._clear_away(name)
            raise

    def _clear_away(self, name: str) -> None:
        try:
            drop_database(self._psql.not_cancelled(), name)
        except EngineError as error:
            self.request.say(f'the unfinished database "{name}" is still there, drop it by hand: {error.message}')

    def _put_in_place(self, name: str) -> None:
        rename_database(self._psql, name, self.request.into)
        self.request.say(f'the database "{self.request.into}" is restored')

    def _replace(self, name: str) -> None:
        aside = f"backupctl_old_{secrets.token_hex(4)}"
        swap_databases(self._psql, new=name, name=self.request.into, aside=aside)
        self.request.say(f'the database "{self.request.into}" is replaced')
        try:
            drop_database(self._psql.not_cancelled(), aside)
        except EngineError as error:
            self.request.say(f'the old database is still there as "{aside}", drop it by hand: {error.message}')

    def _into_empty(self) -> None:
        into = self.request.into
        try:
            self._load(into, in_one_transaction=True)
        except BackupctlError as error:
            note = f'the restore into "{into}" is unfinished; the database was there before, so it was not dropped'
            error.args = (f"{error.message}; {note}",)
            raise
        if self._details.get("settings") or self._details.get("grants"):
            self.request.say(f'the settings and grants of the database "{into}" itself are left as they were')
        self.request.say(f'the database "{into}" is restored')

    def _load(self, database: str, *, in_one_transaction: bool) -> None:
        loading = Loading(
            connection=self.connection,
            clients=self.clients,
            database=database,
            dumped_by=self._dumped_by,
            server_major=self._server.major,
            owner=self.request.owner,
            in_one_transaction=in_one_transaction,
            default_tablespace=bool(self._server.missing_tablespaces),
        )
        dump = self.request.open(DUMP_ROLE)
        try:
            self.request.say(f"restoring into PostgreSQL {self._server.version}")
            client = loading.custom(dump) if self.request.manifest.format == "custom" else loading.plain(dump)
        finally:
            dump.close()
        self.request.say(f"restored with {client}; gathering statistics")
        self._analyze(database)

    def _analyze(self, database: str) -> None:
        try:
            self._psql.at(database).execute("ANALYZE;", timeout=None)
        except EngineError as error:
            self.request.say(f"no statistics could be gathered, run ANALYZE by hand: {error.message}")

    def _set_properties(self, name: str) -> None:
        for statement in properties(name, self._details, owner=self.request.owner):
            try:
                self._psql.execute(statement)
            except EngineError as error:
                self.request.say(f"not set: {statement.replace(name, self.request.into)} ({error.message})")


def _whole(reader: Reader) -> bytes:
    try:
        return b"".join(iter(lambda: reader.read(CHUNK), b""))
    finally:
        reader.close()
