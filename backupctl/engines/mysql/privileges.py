"""Finds out before a dump what would stop it or be silently left out of it, and which GRANT mends that."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from backupctl.engines.messages import named
from backupctl.engines.mysql.clients import Client
from backupctl.engines.mysql.facts import Facts, shown
from backupctl.engines.mysql.server import Server
from backupctl.engines.mysql.sql import Sql, identifier
from backupctl.errors import EngineError

_NAME = r"`(?:[^`]|``)*`"
_COLUMNS = rf"\((?:{_NAME}|[^`)])*\)"
_GRANT = re.compile(
    rf"^(GRANT|REVOKE) ((?:[A-Z_, ]|{_COLUMNS})+) ON (\*\.\*|{_NAME}\.(?:\*|{_NAME})) (?:TO|FROM) ", re.MULTILINE
)
_ALL = "ALL PRIVILEGES"
# Any right to what is in databases, given for the whole server, shows them all (sql_show.cc, DB_ACLS); these are the
# ones that a user who dumps may have.
_SHOWING = ("SHOW DATABASES", "SELECT", "LOCK TABLES", "SHOW VIEW", "EVENT", "TRIGGER", "EXECUTE")

Problem = tuple[str, str]
"""A fact, and what the server's administrator runs to mend it."""


@dataclass(frozen=True)
class Rights:
    """What this user may do: on the whole server, on one database, on the server's own routine table."""

    server: frozenset[str]
    database: frozenset[str]
    catalogue: frozenset[str]

    @classmethod
    def of(cls, sql: Sql, server: Server, database: str) -> Self:
        # MySQL tells the rights of an active role only when asked for that role.
        using = f" FOR CURRENT_USER() USING {server.role}" if server.flavour == "mysql" and server.role else ""
        return cls.granted(sql.execute("SHOW GRANTS" + using), database)

    @classmethod
    def granted(cls, grants: str, database: str) -> Self:
        """The rights that the lines of SHOW GRANTS give."""
        on_server: set[str] = set()
        on_database: set[str] = set()
        catalogue: set[str] = set()
        revoked: set[str] = set()
        for verb, privileges, scope in _GRANT.findall(grants):
            words = {word.strip() for word in re.sub(_COLUMNS, "", privileges).split(",")}
            if verb == "REVOKE":
                # A partial revoke of MySQL takes a right of the whole server back for one database.
                revoked |= words if _covers(scope, database) else set()
            elif scope == "*.*":
                on_server |= words
            elif _covers(scope, database):
                on_database |= words
            elif scope in ("`mysql`.*", "`mysql`.`proc`"):
                catalogue |= words
        everywhere = frozenset() if _ALL in revoked else frozenset(on_server - revoked)
        return cls(everywhere, frozenset(on_database), frozenset(catalogue))

    def on_server(self, privilege: str) -> bool:
        return bool({privilege, _ALL} & self.server)

    @property
    def sees_databases(self) -> bool:
        """Whether this user is shown those too that it has no right to."""
        return any(map(self.on_server, _SHOWING))

    def on_database(self, privilege: str) -> bool:
        return self.on_server(privilege) or bool({privilege, _ALL} & self.database)

    def on_catalogue(self, privilege: str) -> bool:
        return self.on_server(privilege) or bool({privilege, _ALL} & self.catalogue)


@dataclass(frozen=True)
class Survey:
    """What this user can, and what it lacks, to dump one database whole."""

    facts: Facts
    server: Server
    rights: Rights
    database: str

    def problems(self) -> list[Problem]:
        """What would stop the dump."""
        problems: list[Problem] = []
        if self.facts.invalid_views:
            views = named(map(identifier, self.facts.invalid_views))
            fact = f"the database has views that are not valid, and a dump stops at the first of them: {views}"
            first = identifier(self.facts.invalid_views[0])
            problems.append((fact, f"mend or drop them: SHOW CREATE VIEW {first} shows what it needs"))
        if self.facts.views and not self.rights.on_database("SHOW VIEW"):
            grant = self._grant("SHOW VIEW")
            problems.append((f"the user {self.server.user} may not see the definitions of views", f"run: {grant}"))
        return problems

    def beyond(self, client: Client) -> list[Problem]:
        """What the other vendor's client gets wrong without a word (mysqldump 9.7, mariadb-dump 10.11)."""
        facts = self.facts
        if client.flavour == self.server.flavour:
            return []
        install = "install mariadb-client" if self.server.flavour == "mariadb" else "install MySQL's own mysqldump"
        said = [
            (facts.sequences, f"{client} leaves sequences out: {{names}}"),
            (facts.generated_columns, f"{client} writes values for generated columns, which do not restore: {{names}}"),
        ]
        return [(sentence.format(names=named(map(identifier, names))), install) for names, sentence in said if names]

    def incomplete(self) -> list[Problem]:
        """What this user may be unable to see, so that a dump would lack it and nobody be told."""
        user = self.server.user
        lacking = [
            (privilege, things)
            for privilege, things in (("SELECT", "tables"), ("TRIGGER", "triggers"), ("EVENT", "events"))
            if not self.rights.on_database(privilege)
        ]
        found = [(f"the user {user} does not see all {things}", self._grant(right)) for right, things in lacking]
        if not self._sees_routines:
            found.append((f"the user {user} does not see all routines", self._routine_grant))
        return found

    def warnings(self) -> list[str]:
        """What deserves attention although the dump succeeds."""
        facts = self.facts
        said = [
            (facts.not_transactional, "tables without transactions are not consistent with the rest: {names}"),
            (
                [shown(definer) for definer in facts.missing_definers],
                "accounts that routines, views, triggers or events are defined by are not there: {names}",
            ),
        ]
        return [sentence.format(names=named(names)) for names, sentence in said if names]

    @cached_property
    def _sees_routines(self) -> bool:
        rights, server = self.rights, self.server
        if rights.on_server("SELECT"):
            return True
        if server.flavour == "mysql":
            if server.number >= (8, 0, 0):
                return rights.on_server("SHOW_ROUTINE")
            return rights.on_catalogue("SELECT")
        return rights.on_catalogue("SELECT") or rights.on_database("SHOW CREATE ROUTINE")

    @property
    def _routine_grant(self) -> str:
        server = self.server
        if server.flavour == "mysql" and server.number >= (8, 0, 20):
            return f"GRANT SHOW_ROUTINE ON *.* TO {self.server.account};"
        if server.flavour == "mysql" and server.number >= (8, 0, 0):
            return f"GRANT SELECT ON *.* TO {self.server.account};"
        if server.flavour == "mariadb" and server.number >= (11, 3, 0):
            return self._grant("SHOW CREATE ROUTINE")
        return f"GRANT SELECT ON mysql.proc TO {self.server.account};"

    def _grant(self, privilege: str) -> str:
        return f"GRANT {privilege} ON {identifier(self.database)}.* TO {self.server.account};"


def refuse(problems: list[Problem]) -> None:
    """Raise EngineError when the dump would fail."""
    if problems:
        what = "; ".join(fact for fact, _ in problems)
        raise EngineError(what, hint="; ".join(remedy for _, remedy in problems))


def refuse_incomplete(found: list[Problem]) -> None:
    """Raise EngineError when the dump could lack something without anybody being told."""
    if found:
        what = "; ".join(fact for fact, _ in found)
        raise EngineError(
            f"the dump may be incomplete: {what}",
            hint="as an administrator run: "
            + " ".join(grant for _, grant in found)
            + " Or set allow_incomplete: true, and it becomes a warning",
        )


def _covers(scope: str, database: str) -> bool:
    """Whether a scope of SHOW GRANTS is all of this database; its name there is a pattern, `\\_` is no wildcard."""
    if not scope.endswith(".*") or scope == "*.*":
        return False
    name = scope[1:-3].replace("``", "`")
    if name == database:
        return True
    pattern = re.sub(r"\\([_%\\])|([_%])|(.)", _as_regex, name, flags=re.DOTALL)
    return re.fullmatch(pattern, database, re.DOTALL) is not None


def _as_regex(match: "re.Match[str]") -> str:
    if match[2]:
        return "." if match[2] == "_" else ".*"
    return re.escape(match[1] or match[3])
