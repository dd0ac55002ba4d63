"""Finds out before a dump what would stop it or be left out of it, and which GRANT mends that."""

from dataclasses import dataclass
from typing import Any, Self

from backupctl.engines.postgres.facts import Facts
from backupctl.engines.postgres.psql import Psql, identifier, literal
from backupctl.errors import EngineError

_NAMED = 5


@dataclass(frozen=True)
class Survey:
    """What in the database this user cannot read, and what no dump of it holds. Names are quoted for SQL."""

    schemas: list[str]
    tables: list[str]
    sequences: list[str]
    row_security: list[str]
    large_objects: list[int]
    foreign_tables: list[str]
    unlogged: list[str]
    user_mappings: list[str]
    subscriptions: int
    reads_passwords: bool

    @classmethod
    def of(cls, psql: Psql) -> Self:
        answer: dict[str, Any] = psql.ask(_SURVEY)
        return cls(**answer)

    def warnings(self, facts: Facts) -> list[str]:
        """What a dump by this user lacks, although it succeeds."""
        said = [
            (self.foreign_tables, "the rows of foreign tables are not in the dump: {names}"),
            (self.unlogged if facts.standby else [], "a standby has no rows of unlogged tables: {names}"),
            (
                [] if facts.superuser else self.user_mappings,
                "options of user mappings that this user may not see (passwords) are not in the dump: servers {names}",
            ),
        ]
        warnings = [sentence.format(names=_named(names)) for names, sentence in said if names]
        if self.subscriptions and not facts.superuser:
            warnings.append(f"{self.subscriptions} subscriptions are not in the dump: only a superuser may see them")
        return warnings

    def problems(self, facts: Facts) -> list[tuple[str, str]]:
        """What would stop the dump: a fact, and what the server's administrator runs to mend it."""
        user = identifier(facts.user)
        unreadable = [*self.schemas, *self.tables, *self.sequences]
        problems = []
        if unreadable:
            problems.append((f"may not read {_named(unreadable)}", self._grant_to_read(user)))
        if self.large_objects:
            problems.append((f"may not read {self._large_object_count} large objects", self._grant_large_objects(user)))
        if self.row_security:
            fact = f"does not see every row of {_named(self.row_security)}, which row-level security guards"
            problems.append((fact, f"ALTER ROLE {user} BYPASSRLS;"))
        return problems

    @property
    def _large_object_count(self) -> str:
        count = len(self.large_objects)
        return f"{count} or more" if count > _NAMED else str(count)

    def _grant_to_read(self, user: str) -> str:
        if len(self.schemas) + len(self.tables) + len(self.sequences) > _NAMED:
            return f"GRANT pg_read_all_data TO {user};"  # of PostgreSQL 14 and later
        return " ".join(
            [f"GRANT USAGE ON SCHEMA {name} TO {user};" for name in self.schemas]
            + [f"GRANT SELECT ON TABLE {name} TO {user};" for name in self.tables]
            + [f"GRANT SELECT ON SEQUENCE {name} TO {user};" for name in self.sequences]
        )

    def _grant_large_objects(self, user: str) -> str:
        if len(self.large_objects) <= _NAMED:
            return f"GRANT SELECT ON LARGE OBJECT {', '.join(map(str, self.large_objects))} TO {user};"
        # pg_read_all_data does not cover large objects (PostgreSQL 14 to 18).
        grant = f"'GRANT SELECT ON LARGE OBJECT ' || o || {literal(' TO ' + user)}"
        loop = f"FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP EXECUTE {grant}; END LOOP"  # noqa: S608 -- quoted
        return f"DO $$ DECLARE o oid; BEGIN {loop}; END $$;"


def refuse_unreadable(survey: Survey, facts: Facts) -> None:
    """Raise EngineError when the dump would fail for want of a right."""
    problems = survey.problems(facts)
    if problems:
        what = ", and ".join(problem for problem, _ in problems)
        raise EngineError(
            f"the user {identifier(facts.user)} {what}",
            hint="as a superuser in this database run: " + " ".join(remedy for _, remedy in problems),
        )


def _named(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


# CASE, since PostgreSQL evaluates an AND in any order, and has_sequence_privilege refuses a table.
# pg_dump asks for SELECT on what it locks (tables, partitioned tables) and on sequences; not on views.
_SURVEY = f"""
WITH relation AS (
  SELECT c.oid, c.relkind, c.relpersistence, n.oid AS schema, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (NOT EXISTS (SELECT FROM pg_depend e
                     WHERE e.deptype = 'e' AND e.classid = 'pg_class'::regclass AND e.objid = c.oid)
         OR EXISTS (SELECT FROM pg_extension WHERE c.oid = ANY (extconfig)))
),
large_object AS (
  SELECT m.oid FROM pg_largeobject_metadata m
  WHERE NOT pg_has_role(m.lomowner, 'USAGE') AND current_setting('lo_compat_privileges') = 'off'
    AND NOT EXISTS (SELECT FROM aclexplode(m.lomacl) a
                    WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
  LIMIT {_NAMED + 1}
)
SELECT json_build_object(
  'schemas', (SELECT coalesce(json_agg(quote_ident(n.nspname) ORDER BY n.nspname), '[]') FROM pg_namespace n
    WHERE n.oid IN (SELECT schema FROM relation) AND NOT has_schema_privilege(n.oid, 'USAGE')),
  'tables', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM relation
    WHERE relkind IN ('r', 'p') AND NOT has_table_privilege(oid, 'SELECT')),
  'sequences', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM relation
    WHERE CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege(oid, 'SELECT') ELSE false END),
  'row_security', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM relation
    WHERE relkind IN ('r', 'p') AND row_security_active(oid)),
  'large_objects', (SELECT coalesce(json_agg(oid::bigint ORDER BY oid), '[]') FROM large_object),
  'foreign_tables', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM relation WHERE relkind = 'f'),
  'unlogged', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM relation
    WHERE relkind = 'r' AND relpersistence = 'u'),
  'user_mappings', (SELECT coalesce(json_agg(DISTINCT srvname), '[]') FROM pg_user_mappings WHERE umoptions IS NULL),
  'subscriptions', (SELECT count(*) FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())),
  'reads_passwords', has_table_privilege('pg_authid', 'SELECT')
)"""  # noqa: S608 -- of constants
