"""One client's session: who it is, where it is, its variables, and how its answers leave."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.parts.mssql.errors import Message, SqlError, failure, message
from tests.parts.mssql.state import Database, Login

if TYPE_CHECKING:
    from tests.parts.mssql.server import MssqlServer
    from tests.parts.mssql.wire import Wire


class Session:
    """A session of one login."""

    def __init__(self, server: "MssqlServer", login: Login, database: str, wire: "Wire") -> None:
        self.server = server
        self.login = login
        self.database = database
        self.variables: dict[str, Any] = {}
        self.quoted_identifiers = True
        self.aborts_on_error = False
        self.counts = True
        self.caught: Message | None = None
        self.tries = 0
        self._wire = wire

    @property
    def is_admin(self) -> bool:
        return "sysadmin" in self.login.roles

    def tell(self, number: int, *parts: object) -> None:
        self._wire.tell(message(number, *parts))

    def say(self, said: Message) -> None:
        self._wire.tell(said)

    def progress(self, number: int, *parts: object) -> None:
        """A message that the client has at once. Raises ClientGoneError once nobody wants it."""
        self.tell(number, *parts)
        # BACKUP ends each step like a statement: a client that reads only the first answer cancels the rest.
        self._wire.end_statement()
        self._wire.flush()

    def rows(self, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        self._wire.rows(list(columns), list(rows), counts=self.counts)

    def end_statement(self) -> None:
        self._wire.end_statement()

    def fail(self, failed: SqlError) -> None:
        for said in failed.messages:
            self._wire.tell(said)
        self._wire.end_statement()

    def use(self, name: str) -> None:
        """Raises SqlError 911, 916, 927, 942."""
        database = self.open_database(name)
        self._wire.changed_database(database.name, self.database)
        self.database = database.name
        self.tell(5701, database.name)

    def open_database(self, name: str) -> Database:
        """A database that this login may enter now."""
        database = self.server.find(name)
        if database is None:
            raise failure(911, name)
        if database.state == "RESTORING":
            raise failure(927, database.name)
        if database.state != "ONLINE":
            raise failure(942, database.name)
        if not self.server.may_enter(self.login, database):
            raise failure(916, self.login.name, database.name)
        return database

    def variable(self, name: str) -> Any:
        """Raises SqlError 137."""
        if name.lower() not in self.variables:
            raise failure(137, name)
        return self.variables[name.lower()]
