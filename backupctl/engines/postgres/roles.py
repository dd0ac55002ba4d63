"""Makes the roles that a dump names and a server lacks."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backupctl.engines.postgres.psql import Psql, identifier
from backupctl.engines.postgres.statements import Splitter

_NAME = r'("(?:[^"]|"")+"|[^\s";]+)'
_ABOUT = re.compile(rf"(?:CREATE ROLE|ALTER ROLE|COMMENT ON ROLE) {_NAME}[\s;]")
_MEMBERSHIP = re.compile(rf"GRANT {_NAME} TO {_NAME}(.*?)(?: GRANTED BY {_NAME})?;", re.DOTALL)


@dataclass(frozen=True)
class Making:
    """The roles that are to be made, on a server of a major version that has `there` already."""

    missing: frozenset[str]
    there: frozenset[str]
    major: int

    def statements(self, globals_dump: bytes) -> list[str]:
        """The statements of `pg_dumpall --globals-only` that make these roles, and bare ones for the rest."""
        taken = [statement for statement in _statements(globals_dump) if _about(statement) in self.missing]
        known = {_about(statement) for statement in taken}
        bare = [f"CREATE ROLE {identifier(role)} NOLOGIN;" for role in sorted(self.missing - known)]
        return [*taken, *bare, *self._memberships(globals_dump)]

    def _memberships(self, globals_dump: bytes) -> Iterator[str]:
        for statement in _statements(globals_dump):
            match = _MEMBERSHIP.fullmatch(statement)
            if not match:
                continue
            role, member = _unquoted(match[1]), _unquoted(match[2])
            if {role, member} & self.missing and {role, member} <= self.missing | self.there:
                # The grantor is left to the server: it may lack the one that the backup names.
                yield f"GRANT {match[1]} TO {match[2]}{self._with(match[3])};"

    def _with(self, clause: str) -> str:
        # WITH INHERIT and WITH SET came with PostgreSQL 16.
        if self.major >= 16 or not clause:
            return clause
        return " WITH ADMIN OPTION" if re.search(r"ADMIN (?:OPTION|TRUE)", clause) else ""


def make_roles(psql: Psql, making: Making, globals_dump: bytes, *, say: Callable[[str], None]) -> None:
    """Make them all or none. Raises EngineError."""
    statements = making.statements(globals_dump)
    psql.execute("\n".join(["BEGIN;", *statements, "COMMIT;"]))
    names = ", ".join(sorted(making.missing))
    if globals_dump:
        say(f"made the roles {names}")
    else:
        say(f"made the roles {names}, without a login or a password: the backup has no globals")


def _statements(dump: bytes) -> Iterator[str]:
    splitter = Splitter()
    for pieces in (splitter.feed(dump), splitter.end()):
        for piece in pieces:
            if piece.is_statement:
                yield piece.text.decode()


def _about(statement: str) -> str | None:
    match = _ABOUT.match(statement)
    return _unquoted(match[1]) if match else None


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
