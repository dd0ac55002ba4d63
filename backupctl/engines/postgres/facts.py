"""What a database says of itself: its server, its size, and what a dump of it does not carry."""

from dataclasses import dataclass
from typing import Any, Self

from backupctl.engines.postgres.psql import Psql


@dataclass(frozen=True)
class Facts:
    """The server and the database that are about to be dumped."""

    major: int
    version: str
    user: str
    superuser: bool
    standby: bool
    size: int
    """A guess at the plain dump, in bytes: what is on the disk without indexes and system catalogues."""
    details: dict[str, Any]

    @classmethod
    def of(cls, psql: Psql) -> Self:
        answer = psql.ask(_FACTS)
        return cls(major=answer.pop("version_num") // 10000, **answer)


# A member of an extension comes with CREATE EXTENSION: the dump names neither it nor its owner.
_NOT_MEMBER = (
    "NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e' AND e.classid = {classid} AND e.objid = {objid})"
)

# What the bootstrap superuser owns is pinned, and so not in pg_shdepend.
_OWNED = " UNION ALL ".join(
    f"SELECT '{catalog}'::regclass::oid AS classid, oid AS objid FROM {catalog} WHERE {owner} = 10 AND oid >= 16384"  # noqa: S608 -- of the constants below
    for catalog, owner in (
        ("pg_class", "relowner"),
        ("pg_proc", "proowner"),
        ("pg_type", "typowner"),
        ("pg_namespace", "nspowner"),
        ("pg_operator", "oprowner"),
        ("pg_opclass", "opcowner"),
        ("pg_opfamily", "opfowner"),
        ("pg_collation", "collowner"),
        ("pg_conversion", "conowner"),
        ("pg_ts_config", "cfgowner"),
        ("pg_ts_dict", "dictowner"),
        ("pg_statistic_ext", "stxowner"),
        ("pg_language", "lanowner"),
        ("pg_largeobject_metadata", "lomowner"),
        ("pg_foreign_data_wrapper", "fdwowner"),
        ("pg_foreign_server", "srvowner"),
        ("pg_event_trigger", "evtowner"),
        ("pg_publication", "pubowner"),
    )
)

# row_to_json of pg_database instead of its columns: they were renamed in PostgreSQL 17 and added to in 15 and 16.
_FACTS = f"""
WITH here AS (SELECT d.*, to_jsonb(d) AS columns FROM pg_database d WHERE datname = current_database()),
dependency AS (
  SELECT s.classid, s.objid, s.deptype, pg_get_userbyid(s.refobjid) AS role
  FROM pg_shdepend s, here
  WHERE s.refclassid = 'pg_authid'::regclass AND s.dbid = here.oid AND s.deptype IN ('o', 'a', 'r')
    AND s.classid <> 'pg_extension'::regclass AND {_NOT_MEMBER.format(classid="s.classid", objid="s.objid")}
  UNION ALL
  SELECT owned.classid, owned.objid, 'o', pg_get_userbyid(10) FROM ({_OWNED}) owned
  WHERE {_NOT_MEMBER.format(classid="owned.classid", objid="owned.objid")}
),
setting AS (
  SELECT r.rolname AS role, unnest(s.setconfig) AS setting
  FROM here JOIN pg_db_role_setting s ON s.setdatabase = here.oid LEFT JOIN pg_roles r ON r.oid = s.setrole
),
database_grant AS (
  SELECT r.rolname AS role, a.privilege_type AS privilege, a.is_grantable AS grantable
  FROM here CROSS JOIN LATERAL aclexplode(here.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
),
role AS (
  SELECT role FROM dependency UNION SELECT role FROM setting UNION SELECT role FROM database_grant
  UNION SELECT pg_get_userbyid(datdba) FROM here
),
tablespace AS (
  SELECT DISTINCT t.spcname FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace
  WHERE c.oid >= 16384 AND t.spcname NOT IN ('pg_default', 'pg_global')
)
SELECT json_build_object(
  'version_num', current_setting('server_version_num')::int,
  'version', split_part(current_setting('server_version'), ' ', 1),
  'user', current_user,
  'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  'standby', pg_is_in_recovery(),
  'size', (
    SELECT greatest(pg_database_size(here.oid) - current_setting('block_size')::bigint * (
      SELECT coalesce(sum(relpages), 0) FROM pg_class
      WHERE relkind = 'i' OR (oid < 16384 AND oid <> 'pg_largeobject'::regclass)), 65536)::bigint FROM here),
  'details', (SELECT json_build_object(
    'encoding', pg_encoding_to_char(encoding),
    'collate', datcollate,
    'ctype', datctype,
    'locale_provider', CASE columns ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
    'locale', coalesce(columns ->> 'datlocale', columns ->> 'daticulocale'),
    'icu_rules', columns ->> 'daticurules',
    'owner', pg_get_userbyid(datdba),
    'connection_limit', datconnlimit,
    'comment', shobj_description(oid, 'pg_database'),
    'grants', CASE WHEN datacl IS NOT NULL THEN
      (SELECT coalesce(json_agg(to_jsonb(g) ORDER BY g), '[]') FROM database_grant g) END,
    'settings', (SELECT coalesce(json_agg(to_jsonb(s) ORDER BY s), '[]') FROM setting s),
    'roles', (SELECT coalesce(json_agg(role ORDER BY role), '[]') FROM role WHERE role IS NOT NULL),
    'owners', (SELECT coalesce(json_agg(DISTINCT role), '[]') FROM dependency WHERE deptype = 'o'),
    'roles_without_owner', (
      SELECT coalesce(json_agg(DISTINCT role), '[]') FROM dependency
      WHERE classid IN ('pg_policy'::regclass, 'pg_user_mapping'::regclass)),
    'extensions', (SELECT coalesce(json_agg(json_build_object(
        'name', extname, 'version', extversion, 'schema', nspname) ORDER BY extname), '[]')
      FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname <> 'plpgsql'),
    'tablespaces', (SELECT coalesce(json_agg(spcname ORDER BY spcname), '[]') FROM tablespace)
  ) FROM here)
)"""  # noqa: S608 -- of constants
