"""One restore: looks before it touches anything, and replaces a database only by a backup that was seen to restore."""

import re
import secrets
from dataclasses import dataclass
from functools import cached_property

from backupctl.engines.base import Restore
from backupctl.engines.messages import named
from backupctl.engines.mysql.accounts import Making, give_grants, make_accounts, whole_script
from backupctl.engines.mysql.clients import Clients
from backupctl.engines.mysql.connection import Connection
from backupctl.engines.mysql.facts import Account, accounts, shown
from backupctl.engines.mysql.load import Loading
from backupctl.engines.mysql.options import PRODUCTS, SYSTEM_SCHEMAS, Flavour
from backupctl.engines.mysql.server import Server, connected
from backupctl.engines.mysql.sql import Sql
from backupctl.engines.mysql.target import Content, Details, create_database, drop_database, knows_collation
from backupctl.errors import BackupctlError, EngineError, UsageError
from backupctl.model import DUMP_ROLE, GLOBALS_ROLE

_LONGEST_NAME = 64  # characters; of a database, in both products


@dataclass(frozen=True)
class Restoration:
    """The steps of one restore."""

    connection: Connection
    clients: Clients
    request: Restore

    def run(self) -> None:
        """Restore. Raises EngineError, IntegrityError, UsageError."""
        self._check_name()
        self._check_flavour()
        content = Content.of(self._sql, self.request.into)
        if content and not content.is_empty:
            self._agree_to_replace(content)
        self._check_server()
        if self._missing and self.request.create_roles:
            make_accounts(self._sql, self._making, say=self.request.say)
        if content is None:
            self._into_new()
        elif content.is_empty:
            self._into_empty(content)
        else:
            self._replace()
        if self._missing and self.request.create_roles:
            give_grants(self._sql, self._making, say=self.request.say)

    @cached_property
    def _details(self) -> Details:
        return dict(self.request.manifest.details)

    @property
    def _source_flavour(self) -> Flavour:
        source: Flavour = self._details.get("flavour", self._server.flavour)
        return source

    @cached_property
    def _connected(self) -> tuple[Sql, Server]:
        return connected(self.connection, self.clients)

    @property
    def _sql(self) -> Sql:
        return self._connected[0]

    @property
    def _server(self) -> Server:
        return self._connected[1]

    @cached_property
    def _missing(self) -> tuple[Account, ...]:
        """Accounts that something is defined by and that the server lacks; not those that were missing before."""
        if not self.request.owner:
            return ()
        there = accounts(self._sql)
        if there is None:
            self.request.say("whether the accounts are there that the backup names is not known: they may not be seen")
            return ()
        known = {*there, *_accounts(self._details, "missing_definers")}
        return tuple(definer for definer in _accounts(self._details, "definers") if definer not in known)

    @cached_property
    def _making(self) -> Making:
        has_globals = self.request.manifest.artifact(GLOBALS_ROLE) is not None
        return Making(self._missing, whole_script(self.request.open(GLOBALS_ROLE)) if has_globals else "")

    def _check_name(self) -> None:
        into = self.request.into
        if into.lower() in SYSTEM_SCHEMAS:
            raise UsageError(f"{into} belongs to the server", hint="restore --into another name")
        if len(into) > _LONGEST_NAME or into.endswith(" ") or not into:
            raise UsageError(f"a database's name has 1 to {_LONGEST_NAME} characters and no space at its end: {into}")

    def _check_flavour(self) -> None:
        source, server = self._source_flavour, self._server
        if source == server.flavour:
            return
        if not self.request.other_flavour:
            raise UsageError(
                f"the backup is of {PRODUCTS[source]}, and {self.connection.server} is {server.product}",
                hint="--other-flavour tries it all the same: what only one of the two knows makes it fail",
            )
        self.request.say(
            f"the backup is of {PRODUCTS[source]} and goes into {server.product}, as was asked for; "
            "collations and modes that are not known there are replaced by the nearest"
        )

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
        server, details, say = self._server, self._details, self.request.say
        if self._missing and not self.request.create_roles:
            raise EngineError(
                f"the server {self.connection.server} does not have accounts that routines, views, triggers or events "
                f"of the backup are defined by: {named(map(shown, self._missing))}",
                hint="--create-roles makes them; --no-owner restores as if all were defined by the restoring user",
            )
        source = re.match(r"(\d+)\.(\d+)", self.request.manifest.server_version)
        if source and details.get("flavour") == server.flavour and (int(source[1]), int(source[2])) > server.number[:2]:
            say(
                f"the backup is of {PRODUCTS[server.flavour]} {source[0]} and the server is {server.product}: "
                "what only the newer one knows makes the restore fail"
            )
        if details.get("lower_case_table_names") == 0 and server.lower_case_table_names:
            say("the server does not tell upper case from lower case in names of tables, which the backup's did")

    def _into_new(self) -> None:
        """A database cannot be renamed, so it stands under its own name while it is made; if that fails it goes."""
        into = self.request.into
        try:
            self._make(into)
        except BaseException:
            drop_database(self._sql.not_cancelled(), into)
            raise
        self.request.say(f'the database "{into}" is restored')

    def _into_empty(self, content: Content) -> None:
        into = self.request.into
        try:
            self._load(into)
        except BackupctlError as error:
            error.args = (f"{error.message}; {self._emptied(content)}",)
            raise
        self.request.say(f'the database "{into}" is restored')

    def _emptied(self, content: Content) -> str:
        """Empty a database again that was empty before; what became of it, in words."""
        into, sql = self.request.into, self._sql.not_cancelled()
        try:
            drop_database(sql, into)
            create_database(sql, self._server, into, {"charset": content.charset, "collation": content.collation})
        except EngineError as error:
            return f'the restore into "{into}" is unfinished, and what is there of it could not be removed: {error}'
        return f'the database "{into}" was made empty again'

    def _replace(self) -> None:
        """Neither product can swap databases: so the old one goes only when the backup was restored beside it."""
        into, say = self.request.into, self.request.say
        beside = f"backupctl_restore_{secrets.token_hex(4)}"
        say(f'restoring beside "{into}" first, to see that the backup restores')
        try:
            self._make(beside)
        except BaseException:
            drop_database(self._sql.not_cancelled(), beside)
            raise
        say(f'it restores; now replacing "{into}"')
        try:
            drop_database(self._sql, into)
            self._make(into)
        except BaseException as error:
            note = f'"{into}" is not whole; the whole backup is in the database "{beside}"'
            error.args = (f"{error}; {note}",)
            say(note)
            raise
        say(f'the database "{into}" is replaced')
        try:
            drop_database(self._sql.not_cancelled(), beside)
        except EngineError as error:
            say(f'the database "{beside}" is still there, drop it by hand: {error.message}')

    def _make(self, name: str) -> None:
        create_database(self._sql, self._server, name, self._creation)
        self._load(name)

    @cached_property
    def _creation(self) -> Details:
        collation = self._details.get("collation")
        if collation is None or knows_collation(self._sql, collation):
            return self._details
        self.request.say(f"the server does not know the collation {collation}: the database gets the server's own")
        return {key: value for key, value in self._details.items() if key not in ("charset", "collation")}

    def _load(self, database: str) -> None:
        client = self._sql.client
        server = self._server
        loading = Loading(
            connection=self.connection,
            client=client,
            source=self.request.manifest.database,
            owner=self.request.owner,
            translate_to=server.flavour if self._source_flavour != server.flavour else None,
        )
        dump = self.request.open(DUMP_ROLE)
        try:
            self.request.say(f"restoring into {self._server.product} with {client}")
            loading.load(dump, database)
        finally:
            dump.close()


def _accounts(details: Details, key: str) -> list[Account]:
    return [(user, host) for user, host in details.get(key, [])]
