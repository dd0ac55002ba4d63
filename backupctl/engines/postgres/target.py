"""The database that a restore ends up in: what is there before, how it is made, swapped in and cleared away."""

from dataclasses import dataclass
from typing import Any, Self

from backupctl.engines.postgres.psql import Psql, identifier, json_literal, literal

# Settings whose value is a list of names: quoting the whole would make one name of it (guc_tables.c, GUC_LIST_QUOTE).
_LISTS = frozenset(
    {
        "search_path",
        "temp_tablespaces",
        "session_preload_libraries",
        "shared_preload_libraries",
        "local_preload_libraries",
        "unix_socket_directories",
    }
)

Details = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """The server that is restored to, as far as this backup is concerned."""

    major: int
    version: str
    user: str
    superuser: bool
    exists: bool
    """Whether the database is there already."""
    missing_roles: list[str]
    foreign_owners: list[str]
    """Roles that this user may not make the owner of anything."""
    missing_extensions: list[str]
    missing_tablespaces: list[str]
    roles: list[str]

    @classmethod
    def inspect(cls, psql: Psql, *, into: str, details: Details) -> Self:
        answer = psql.ask(_inspection(into, details))
        return cls(major=answer.pop("version_num") // 10000, **answer)


def _inspection(into: str, details: Details) -> str:
    def wanted(key: str) -> str:
        return f"json_array_elements_text({json_literal(details.get(key, []))}) AS wanted(name)"

    extensions = json_literal([extension["name"] for extension in details.get("extensions", [])])
    return f"""SELECT json_build_object(
  'version_num', current_setting('server_version_num')::int,
  'version', split_part(current_setting('server_version'), ' ', 1),
  'user', current_user,
  'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  'exists', EXISTS (SELECT FROM pg_database WHERE datname = {literal(into)}),
  'missing_roles', (SELECT coalesce(json_agg(name), '[]') FROM {wanted("roles")}
    WHERE name NOT IN (SELECT rolname FROM pg_roles)),
  'foreign_owners', (SELECT coalesce(json_agg(name), '[]') FROM {wanted("owners")}
    JOIN pg_roles ON rolname = name WHERE NOT pg_has_role(oid, 'MEMBER')),
  'missing_extensions', (SELECT coalesce(json_agg(name), '[]')
    FROM json_array_elements_text({extensions}) AS wanted(name)
    WHERE name NOT IN (SELECT e.name FROM pg_available_extensions e)),
  'missing_tablespaces', (SELECT coalesce(json_agg(name), '[]') FROM {wanted("tablespaces")}
    WHERE name NOT IN (SELECT spcname FROM pg_tablespace)),
  'roles', (SELECT json_agg(rolname) FROM pg_roles)
)"""  # noqa: S608 -- every value is quoted as a literal


# A database that somebody made ready, with extensions, is still empty.
_CONTENT = """WITH content AS (
  SELECT 'pg_class'::regclass AS classid, oid, relnamespace AS schema, relkind = 'r' AS is_table FROM pg_class
  UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace, false FROM pg_proc
  UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace, false FROM pg_type
  UNION ALL SELECT 'pg_namespace'::regclass, oid, oid, false FROM pg_namespace WHERE nspname <> 'public'
  UNION ALL SELECT 'pg_largeobject_metadata'::regclass, oid, NULL, false FROM pg_largeobject_metadata
)
SELECT json_build_object('objects', count(*), 'tables', count(*) FILTER (WHERE is_table),
  'size', pg_size_pretty(pg_database_size(current_database())))
FROM content c LEFT JOIN pg_namespace n ON n.oid = c.schema
WHERE coalesce(n.nspname !~ '^pg_' AND n.nspname <> 'information_schema', true)
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e' AND e.classid = c.classid AND e.objid = c.oid)"""


@dataclass(frozen=True)
class Content:
    """What is in a database already."""

    objects: int
    tables: int
    size: str

    @classmethod
    def of(cls, psql: Psql) -> Self:
        return cls(**psql.ask(_CONTENT))

    def __str__(self) -> str:
        return f"{self.tables} tables, {self.size}" if self.tables else f"{self.objects} objects, {self.size}"


def create_database(psql: Psql, name: str, details: Details) -> None:
    """Make an empty database with the encoding and the locale of the backup's. Raises EngineError."""
    psql.execute(creation(name, details), timeout=None)


def creation(name: str, details: Details) -> str:
    """The statement that makes an empty database like the one that was dumped."""
    words = [f"CREATE DATABASE {identifier(name)} TEMPLATE template0"]
    if details:
        words += [f"ENCODING {literal(details['encoding'])}", f"LC_COLLATE {literal(details['collate'])}"]
        words += [f"LC_CTYPE {literal(details['ctype'])}", *_locale(details)]
    return " ".join(words) + ";"


def _locale(details: Details) -> list[str]:
    locale = literal(details["locale"] or "")
    match details["locale_provider"]:
        case "icu":
            rules = [f"ICU_RULES {literal(details['icu_rules'])}"] if details["icu_rules"] else []
            return ["LOCALE_PROVIDER icu", f"ICU_LOCALE {locale}", *rules]
        case "builtin":
            return ["LOCALE_PROVIDER builtin", f"BUILTIN_LOCALE {locale}"]
        case _:
            return []  # the word LOCALE_PROVIDER itself came with PostgreSQL 15


def drop_database(psql: Psql, name: str) -> None:
    """Drop a database, whoever is still connected to it. Raises EngineError."""
    psql.execute(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE);", timeout=None)


def rename_database(psql: Psql, old: str, new: str) -> None:
    psql.execute(f"ALTER DATABASE {identifier(old)} RENAME TO {identifier(new)};", timeout=None)


def swap_databases(psql: Psql, *, new: str, name: str, aside: str) -> None:
    """Put `new` in the place of `name`, which becomes `aside`: both, or neither. Raises EngineError."""
    old, open_again = identifier(name), f"ALTER DATABASE {identifier(name)} ALLOW_CONNECTIONS true;"
    psql.execute(f"ALTER DATABASE {old} ALLOW_CONNECTIONS false;")
    try:
        psql.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {literal(name)};\n"  # noqa: S608 -- quoted
            f"BEGIN; ALTER DATABASE {old} RENAME TO {identifier(aside)};\n"
            f"ALTER DATABASE {identifier(new)} RENAME TO {old}; COMMIT;",
            timeout=None,
        )
    except BaseException:
        psql.not_cancelled().execute(open_again)
        raise


def properties(name: str, details: Details, *, owner: bool) -> list[str]:
    """The statements that give a database its comment, settings, limit, grants and owner."""
    database = identifier(name)
    statements = []
    if details.get("comment"):
        statements.append(f"COMMENT ON DATABASE {database} IS {literal(details['comment'])};")
    settings = [setting for setting in details.get("settings", []) if owner or setting["role"] is None]
    statements += [_setting(database, setting) for setting in settings]
    if details.get("connection_limit", -1) >= 0:
        # Not before: it might not let the restore itself in.
        statements.append(f"ALTER DATABASE {database} CONNECTION LIMIT {int(details['connection_limit'])};")
    if owner and details:
        statements += _grants(database, details["grants"])
        statements.append(f"ALTER DATABASE {database} OWNER TO {identifier(details['owner'])};")
    return statements


def _setting(database: str, setting: dict[str, Any]) -> str:
    name, _, value = setting["setting"].partition("=")
    whose = f"ROLE {identifier(setting['role'])} IN DATABASE" if setting["role"] is not None else "DATABASE"
    values = _listed(value) if name.lower() in _LISTS else [value]
    # A setting of an extension has two names: quoted as one, PostgreSQL takes it all the same.
    return f"ALTER {whose} {database} SET {identifier(name)} TO {', '.join(map(literal, values))};"


def _listed(value: str) -> list[str]:
    """The names of a list as PostgreSQL stores it: separated by commas, quoted where they must be."""
    names, rest = [], value.strip()
    while rest:
        if rest.startswith('"'):
            end = 1
            while (end := rest.index('"', end) + 1) < len(rest) and rest[end] == '"':
                end += 1
            name, rest = rest[1 : end - 1].replace('""', '"'), rest[end:].strip()
        else:
            name, comma, tail = rest.partition(",")
            name, rest = name.strip(), comma + tail
        names.append(name)
        rest = rest.removeprefix(",").strip()
    return names or [""]


def _grants(database: str, grants: list[dict[str, Any]] | None) -> list[str]:
    if grants is None:
        return []  # nobody ever changed them
    statements = [f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;"]
    for grant in grants:
        to = "PUBLIC" if grant["role"] is None else identifier(grant["role"])
        option = " WITH GRANT OPTION" if grant["grantable"] else ""
        statements.append(f"GRANT {grant['privilege']} ON DATABASE {database} TO {to}{option};")
    return statements
