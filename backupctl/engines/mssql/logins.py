"""The logins of a server as a script: what a restored database's users need, and no database holds."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from backupctl.engines.messages import named
from backupctl.engines.mssql import statements
from backupctl.engines.mssql.server import Server
from backupctl.engines.mssql.sqlcmd import Row, Sql
from backupctl.engines.mssql.statements import identifier, literal
from backupctl.stream import Reader

_HEADER = "-- Logins, server roles and their rights of {product}, stored by backupctl\nUSE master;\nGO\n"
TRAILER = "-- End of logins, server roles and their rights\n"
_OWN = "##"  # what the server makes for itself is called ##…##
_STATES = {"GRANT": ("GRANT", ""), "GRANT_WITH_GRANT_OPTION": ("GRANT", " WITH GRANT OPTION"), "DENY": ("DENY", "")}


@dataclass
class Script:
    """Makes the logins of a server that are not there, with their passwords as hashes and their own sids.

    What is there is left as it is: an administrator may run it on a server that is in use.
    """

    sql: Sql
    server: Server
    without_password: list[str] = field(default_factory=list)
    """Logins whose hash this one may not see; they are in the script as a comment."""

    def open(self) -> Reader:
        """Ask, and read the script. Raises EngineError."""
        answers = self.sql.answers(statements.LOGINS)
        logins = [row for row in answers.get("login_name", []) if not (row["login_name"] or "").startswith(_OWN)]
        roles = answers.get("role_name", [])
        lines = [_HEADER.format(product=self.server.product)]
        lines += [line for row in logins for line in self._login(row)]
        lines += [_role(row["role_name"] or "") for row in roles if row["is_fixed_role"] != "1"]
        known = {row["login_name"] for row in logins} | {row["role_name"] for row in roles}
        lines += _memberships(answers.get("member_of", []), known)
        lines += _rights(answers.get("grantee", []), known)
        return io.BytesIO("".join([*lines, TRAILER]).encode())

    def warnings(self) -> tuple[str, ...]:
        if not self.without_password:
            return ()
        return (
            f"the globals have no password for {named(self.without_password)}: the login {self.server.login} may not "
            "see it (CONTROL SERVER, or from SQL Server 2022 on VIEW ANY CRYPTOGRAPHICALLY SECURED DEFINITION)",
        )

    def _login(self, row: Row) -> Iterator[str]:
        name = row["login_name"] or ""
        words = self._words(row)
        if words is None:
            self.without_password.append(name)
            yield f"-- {_commented(name)}: its password could not be seen\n"
            return
        quoted = identifier(name)
        yield f"IF SUSER_ID({literal(name)}) IS NULL CREATE LOGIN {quoted} {words};\n"
        database = row["default_database"] or "master"
        # A login cannot be made with a default database that is not there yet.
        yield (
            f"IF DB_ID({literal(database)}) IS NOT NULL ALTER LOGIN {quoted} "
            f"WITH DEFAULT_DATABASE = {identifier(database)};\n"
        )
        if row["is_disabled"] == "1":
            yield f"ALTER LOGIN {quoted} DISABLE;\n"
        yield "GO\n"

    def _words(self, row: Row) -> str | None:
        if row["login_type"] != "S":
            return "FROM WINDOWS"
        if row["password_hash"] is None:
            return None
        policy, expiration = ("ON" if row[key] == "1" else "OFF" for key in _CHECKS)
        return (
            f"WITH PASSWORD = {row['password_hash']} HASHED, SID = {row['sid']}, "
            f"CHECK_POLICY = {policy}, CHECK_EXPIRATION = {expiration}"
        )


_CHECKS = ("is_policy_checked", "is_expiration_checked")


def _role(name: str) -> str:
    return f"IF SUSER_ID({literal(name)}) IS NULL CREATE SERVER ROLE {identifier(name)};\nGO\n"


def _memberships(rows: Sequence[Row], known: set[str | None]) -> Iterator[str]:
    for row in rows:
        if row["member"] in known:
            role, member = identifier(row["member_of"] or ""), identifier(row["member"] or "")
            yield f"ALTER SERVER ROLE {role} ADD MEMBER {member};\nGO\n"


def _rights(rows: Sequence[Mapping[str, str | None]], known: set[str | None]) -> Iterator[str]:
    for row in rows:
        verb, rest = _STATES.get(row["state_desc"] or "", ("", ""))
        if verb and row["grantee"] in known:
            yield f"{verb} {row['permission_name']} TO {identifier(row['grantee'] or '')}{rest};\nGO\n"


def _commented(name: str) -> str:
    return " ".join(name.split())
