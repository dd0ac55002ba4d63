"""The logins of a server as a script: what a restored database's users need, and no database holds."""

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from backupctl.engines.base import Findings
from backupctl.engines.messages import named
from backupctl.engines.mssql import statements
from backupctl.engines.mssql.server import Server
from backupctl.engines.mssql.sqlcmd import Row, Sql, name
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
    sees_all: bool = True

    def open(self) -> Reader:
        """Ask, and read the script. Raises EngineError."""
        answers = self.sql.answers(statements.LOGINS)
        logins = [row for row in answers.get("login_name", []) if not name(row["login_name"]).startswith(_OWN)]
        roles = {name(row["role_name"]) for row in answers.get("role_name", []) if row["is_fixed_role"] != "1"}
        given = _given(answers.get("member_of", []), answers.get("grantee", []))
        self.sees_all = any(value == "1" for row in answers.get("sees_definitions", []) for value in row.values())
        lines = [_HEADER.format(product=self.server.product)]
        lines += [_made(role, f"CREATE SERVER ROLE {identifier(role)}", given[role]) for role in _ordered(roles, given)]
        lines += [self._login(row, given[name(row["login_name"])]) for row in logins]
        return io.BytesIO("".join([*lines, TRAILER]).encode())

    def findings(self) -> Findings:
        """What the script lacks."""
        who = f"the login {self.server.login} may not see"
        found = []
        if not self.sees_all:
            found.append(f"the globals lack logins: {who} all of them (VIEW ANY DEFINITION)")
        if self.without_password:
            found.append(
                f"the globals have no password for {named(self.without_password)}: {who} it (CONTROL SERVER, or from "
                "SQL Server 2022 on VIEW ANY CRYPTOGRAPHICALLY SECURED DEFINITION)"
            )
        return Findings(warnings=tuple(found))

    def _login(self, row: Row, given: Sequence["_Given"]) -> str:
        login, words = name(row["login_name"]), self._words(row)
        if words is None:
            self.without_password.append(login)
            return f"-- {_commented(login)}: its password could not be seen\n"
        quoted = identifier(login)
        default = name(row["default_database"] or "master")
        # A login cannot be made with a default database that is not there yet.
        more = [
            f"IF DB_ID({literal(default)}) IS NOT NULL "
            f"ALTER LOGIN {quoted} WITH DEFAULT_DATABASE = {identifier(default)}"
        ]
        more += [f"ALTER LOGIN {quoted} DISABLE"] if row["is_disabled"] == "1" else []
        return _made(login, f"CREATE LOGIN {quoted} {words}", given, *more)

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


@dataclass(frozen=True)
class _Given:
    """What a login or a role was given: a statement, and the role that it makes it a member of."""

    statement: str
    role: str | None = None


def _given(memberships: Sequence[Row], rights: Sequence[Row]) -> defaultdict[str, list[_Given]]:
    given: defaultdict[str, list[_Given]] = defaultdict(list)
    for row in memberships:
        role, member = name(row["member_of"]), name(row["member"])
        given[member].append(_Given(f"ALTER SERVER ROLE {identifier(role)} ADD MEMBER {identifier(member)}", role))
    for row in rights:
        verb, rest = _STATES.get(row["state_desc"] or "", ("", ""))
        if verb:
            grantee = name(row["grantee"])
            given[grantee].append(_Given(f"{verb} {row['permission_name']} TO {identifier(grantee)}{rest}"))
    return given


def _ordered(roles: set[str], given: Mapping[str, Sequence[_Given]]) -> Iterator[str]:
    """Each role after those that it is a member of, which the server lets be no circle."""
    left = sorted(roles)
    while left:
        free = [role for role in left if not any(one.role in left for one in given.get(role, ()))] or left
        yield from free
        left = [role for role in left if role not in free]


def _made(principal: str, create: str, given: Sequence[_Given], *more: str) -> str:
    """One batch, which does nothing where there is such a principal: that one's rights are not ours to change."""
    listed = ";\n  ".join([create, *more, *(one.statement for one in given)])
    there = f"SELECT 1 FROM sys.server_principals WHERE name = {literal(principal)}"  # noqa: S608 -- quoted
    return f"IF NOT EXISTS ({there})\nBEGIN\n  {listed};\nEND;\nGO\n"


def _commented(name: str) -> str:
    return " ".join(name.split())
