"""What a server says of itself: whose it is, which version, and who we are to it."""

import re
from dataclasses import dataclass
from typing import Self

from backupctl.engines.mysql.clients import Clients, Version
from backupctl.engines.mysql.connection import Connection
from backupctl.engines.mysql.options import PRODUCTS, Flavour
from backupctl.engines.mysql.sql import Sql, account
from backupctl.errors import EngineError, UsageError

_QUESTION = """SELECT JSON_ARRAY(VERSION(), @@version_comment,
  CURRENT_USER(), CONVERT(CURRENT_ROLE() USING utf8mb4), @@GLOBAL.sql_mode,
  @@lower_case_table_names)"""
# CURRENT_ROLE() came with MySQL 8.
_WITHOUT_ROLE = _QUESTION.replace("CURRENT_ROLE()", "NULL")
_NO_SUCH_FUNCTION = "1305"


@dataclass(frozen=True)
class Server:
    """One server, and the user that we are on it."""

    flavour: Flavour
    version: str
    number: Version
    user: str
    """As the server knows it: `name@host`."""
    role: str | None
    sql_mode: str
    lower_case_table_names: int

    @classmethod
    def of(cls, sql: Sql) -> Self:
        try:
            answer = sql.row(_QUESTION)
        except EngineError as error:
            if _NO_SUCH_FUNCTION not in error.message and "CURRENT_ROLE" not in error.message:
                raise
            answer = sql.row(_WITHOUT_ROLE)
        text, comment, user, role, sql_mode, lower_case = answer
        number = re.match(r"(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)", text)
        if not number:
            raise EngineError(f"the server says that its version is {text}, which is none that is known")
        version = (int(number[1]), int(number[2]), int(number[3]))
        flavour: Flavour = "mariadb" if "mariadb" in f"{text} {comment}".lower() else "mysql"
        return cls(
            flavour=flavour,
            version=".".join(map(str, version)) + ("-MariaDB" if flavour == "mariadb" else ""),
            number=version,
            user=user,
            role=None if role in (None, "NONE") else role,
            sql_mode=sql_mode,
            lower_case_table_names=lower_case,
        )

    @property
    def account(self) -> str:
        """Who we are, as a GRANT names it."""
        user, _, host = self.user.rpartition("@")
        return account(user, host)

    @property
    def product(self) -> str:
        return f"{PRODUCTS[self.flavour]} {'.'.join(map(str, self.number))}"


def connected(connection: Connection, clients: Clients) -> tuple[Sql, Server]:
    """The server, asked by the client that suits it. Raises EngineError, and UsageError for one of another flavour."""
    wanted = connection.options.flavour
    sql = Sql(clients.any("sql", wanted), connection)
    server = Server.of(sql)
    if server.flavour != wanted:
        raise UsageError(
            f"the server {connection.server} is {PRODUCTS[server.flavour]}, and the job says type: {wanted}",
            hint=f"set type: {server.flavour}",
        )
    best = Sql(clients.best("sql", wanted, server.number), connection)
    _refuse_plaintext(best)
    return best, server


def _refuse_plaintext(sql: Sql) -> None:
    """MariaDB's clients take --ssl for a wish (10.11): to a server without TLS they talk in the clear."""
    connection = sql.connection
    if sql.client.flavour == "mysql" or not connection.over_network or connection.options.tls in ("off", "prefer"):
        return
    cipher = sql.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'").partition("\t")[2].strip()
    if not cipher:
        raise EngineError(
            f"the server {connection.server} does not offer TLS", hint="turn TLS on at the server, or set tls: prefer"
        )
