"""Every T-SQL text that is sent to a SQL Server; what is not ours in one is quoted here and nowhere else."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backupctl.errors import EngineError

STATS_PERCENT = 5
# Of the S3 connector (SQL Server 2022): parts of 5 to 20 MB; other sizes than 10 MB go with COMPRESSION alone.
TRANSFER_BYTES = 20 << 20
_DEFAULT_REGION = "us-east-1"
_REGIONS_OF_NO_STORE = frozenset({None, "", "auto", _DEFAULT_REGION})

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# Messages in English, so that ours can quote and recognize them; and no "(1 rows affected)" among the answers.
PRELUDE = "SET NOCOUNT ON;\nSET LANGUAGE us_english;\n"

SERVER = """\
SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS server_version,
  CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition,
  CAST(SERVERPROPERTY('EngineEdition') AS int) AS engine_edition,
  CAST(SERVERPROPERTY('InstanceDefaultDataPath') AS nvarchar(260)) AS data_path,
  CAST(SERVERPROPERTY('InstanceDefaultLogPath') AS nvarchar(260)) AS log_path,
  SUSER_SNAME() AS login,
  IS_SRVROLEMEMBER('sysadmin') AS is_sysadmin,
  HAS_PERMS_BY_NAME(NULL, NULL, 'CREATE ANY DATABASE') AS may_create,
  HAS_PERMS_BY_NAME(NULL, NULL, 'ALTER ANY CREDENTIAL') AS may_alter_credentials;
"""

# The first four ids are master, tempdb, model and msdb; a snapshot cannot be backed up.
DATABASES = """\
SELECT name AS database_name, state_desc
FROM sys.databases
WHERE database_id > 4 AND source_database_id IS NULL
ORDER BY name;
"""

CREDENTIALS = """\
SELECT name AS credential_name
FROM sys.credentials
WHERE credential_identity IN (N'S3 Access Key', N'backupctl')
ORDER BY name;
"""

LOGINS = """\
SELECT p.name AS login_name, p.type AS login_type, p.is_disabled AS is_disabled,
  CONVERT(varchar(180), p.sid, 1) AS sid,
  p.default_database_name AS default_database, p.default_language_name AS default_language,
  CONVERT(varchar(514), l.password_hash, 1) AS password_hash,
  l.is_policy_checked AS is_policy_checked, l.is_expiration_checked AS is_expiration_checked
FROM sys.server_principals AS p
LEFT JOIN sys.sql_logins AS l ON l.principal_id = p.principal_id
WHERE p.type IN ('S', 'U', 'G') AND p.principal_id > 1
ORDER BY p.name;
SELECT name AS role_name, is_fixed_role
FROM sys.server_principals
WHERE type = 'R' AND name <> N'public'
ORDER BY name;
SELECT r.name AS member_of, m.name AS member
FROM sys.server_role_members AS x
INNER JOIN sys.server_principals AS r ON r.principal_id = x.role_principal_id
INNER JOIN sys.server_principals AS m ON m.principal_id = x.member_principal_id
ORDER BY r.name, m.name;
SELECT g.name AS grantee, s.state_desc AS state_desc, s.permission_name AS permission_name
FROM sys.server_permissions AS s
INNER JOIN sys.server_principals AS g ON g.principal_id = s.grantee_principal_id
WHERE s.class_desc = 'SERVER' AND s.permission_name <> 'CONNECT SQL'
ORDER BY g.name, s.permission_name;
SELECT HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW ANY DEFINITION') AS sees_definitions,
  HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW ANY SECURITY DEFINITION') AS sees_security;
"""


@dataclass(frozen=True)
class Devices:
    """What a backup is written to or read from: files as the server sees them, or URLs of a store in one region."""

    kind: str
    names: tuple[str, ...]
    region: str | None = None

    @classmethod
    def disk(cls, *paths: str) -> "Devices":
        return cls("DISK", paths)

    @classmethod
    def url(cls, urls: Iterable[str], region: str | None) -> "Devices":
        return cls("URL", tuple(urls), region)

    @property
    def is_url(self) -> bool:
        return self.kind == "URL"

    @property
    def first(self) -> "Devices":
        """The first alone: what only describes a backup names one device, and each has the whole description."""
        return Devices(self.kind, self.names[:1], self.region)

    def options(self, name: str) -> list[str]:
        """The region as an option of that name; the store's own default is not sent."""
        if not self.is_url or self.region in _REGIONS_OF_NO_STORE:
            return []
        document = json.dumps({"s3": {"region": self.region}})
        return [f"{name} = {literal(document).removeprefix('N')}"]

    def __str__(self) -> str:
        return ", ".join(f"{self.kind} = {literal(name)}" for name in self.names)


def identifier(name: str) -> str:
    """Raises EngineError for what `literal` does."""
    return "[" + _on_one_line(name).replace("]", "]]") + "]"


def literal(text: str) -> str:
    """Raises EngineError for a text with control characters.

    Of a line that begins with !! or a colon sqlcmd makes a command of this machine, also amid a name.
    """
    return "N'" + _on_one_line(text).replace("'", "''") + "'"


def _on_one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise EngineError(
            "a name, a path or a key has a line break or another control character in it",
            hint="rename it: sqlcmd could take the rest of it for a command of its own",
        )
    return text


def database(name: str) -> str:
    """Asks for what matters of one database before it is backed up or replaced; no row: there is none."""
    return f"""\
SELECT d.name AS database_name, d.state_desc, d.user_access_desc, d.recovery_model_desc,
  d.is_in_standby, d.is_encrypted, d.source_database_id, d.compatibility_level, d.collation_name,
  HAS_PERMS_BY_NAME(QUOTENAME(d.name), 'DATABASE', 'BACKUP DATABASE') AS may_back_up,
  (SELECT SUM(CAST(f.size AS bigint)) * 8192 FROM sys.master_files AS f
    WHERE f.database_id = d.database_id AND f.type <> 1) AS data_bytes
FROM sys.databases AS d
WHERE d.name = {literal(name)};
"""  # noqa: S608 -- quoted


def certificate(name: str) -> str:
    """Asks what the database's encryption key (TDE) is itself encrypted by."""
    return f"""\
SELECT k.encryptor_type AS encryptor_type, c.name AS certificate_name
FROM sys.dm_database_encryption_keys AS k
LEFT JOIN master.sys.certificates AS c ON c.thumbprint = k.encryptor_thumbprint
WHERE k.database_id = DB_ID({literal(name)});
"""  # noqa: S608 -- quoted


def file_exists(path: str) -> str:
    return f"EXEC master.sys.xp_fileexist {literal(path)};\n"


def backup(name: str, devices: Devices, *, compression: bool | None) -> str:
    """The whole database. `compression` None says nothing of it, for editions that know none.

    COPY_ONLY: the server's own chain of differential backups is not touched. FORMAT: nothing is appended to.
    """
    words = ["COPY_ONLY", "FORMAT", *([] if devices.is_url else ["INIT"]), "CHECKSUM"]
    if compression is not None:
        words.append("COMPRESSION" if compression else "NO_COMPRESSION")
    if devices.is_url and compression:
        words.append(f"MAXTRANSFERSIZE = {TRANSFER_BYTES}")
    words += ["NAME = N'backupctl'", f"STATS = {STATS_PERCENT}", *devices.options("BACKUP_OPTIONS")]
    return f"BACKUP DATABASE {identifier(name)}\nTO {devices}\nWITH {', '.join(words)};\n"


def recorded(path: str) -> str:
    """Asks msdb for what the server wrote down of the backup in this file."""
    return f"""\
SELECT TOP (1) s.database_name AS recorded_database, s.backup_size, s.compressed_backup_size,
  s.has_backup_checksums, s.is_copy_only
FROM msdb.dbo.backupset AS s
INNER JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = s.media_set_id
WHERE f.physical_device_name = {literal(path)}
ORDER BY s.backup_set_id DESC;
"""  # noqa: S608 -- quoted


def verify_only(devices: Devices) -> str:
    words = ["CHECKSUM", f"STATS = {STATS_PERCENT}", *devices.options("RESTORE_OPTIONS")]
    return f"RESTORE VERIFYONLY FROM {devices} WITH {', '.join(words)};\n"


def header_only(devices: Devices) -> str:
    return _described("HEADERONLY", devices)


def file_list_only(devices: Devices) -> str:
    return _described("FILELISTONLY", devices)


def _described(what: str, devices: Devices) -> str:
    options = devices.options("RESTORE_OPTIONS")
    return f"RESTORE {what} FROM {devices}{' WITH ' + ', '.join(options) if options else ''};\n"


def restore(name: str, devices: Devices, moves: Mapping[str, str], *, replace: bool) -> str:
    """The whole database under a name, its files (by their logical names) at these paths."""
    words = [f"MOVE {literal(logical)} TO {literal(path)}" for logical, path in moves.items()]
    words += ["CHECKSUM", "RECOVERY", *(["REPLACE"] if replace else []), f"STATS = {STATS_PERCENT}"]
    words += devices.options("RESTORE_OPTIONS")
    listed = ",\n  ".join(words)
    return f"RESTORE DATABASE {identifier(name)}\nFROM {devices}\nWITH {listed};\n"


def single_user(name: str) -> str:
    """Ends everybody's sessions in it: a database that is in use cannot be replaced."""
    return f"ALTER DATABASE {identifier(name)} SET SINGLE_USER WITH ROLLBACK IMMEDIATE;\n"


def user_access(name: str, access: str) -> str:
    """Who may use it: MULTI_USER, RESTRICTED_USER, SINGLE_USER, as sys.databases says it."""
    return f"ALTER DATABASE {identifier(name)} SET {access};\n"


def files(name: str) -> str:
    """Asks where the files of a database are."""
    return f"""\
SELECT f.physical_name AS file_path, f.type AS file_type
FROM sys.master_files AS f
WHERE f.database_id = DB_ID({literal(name)});
"""  # noqa: S608 -- quoted


def drop_database(name: str) -> str:
    return f"DROP DATABASE {identifier(name)};\n"


def check_database(name: str) -> str:
    return f"DBCC CHECKDB ({literal(name)}) WITH NO_INFOMSGS, ALL_ERRORMSGS;\n"


def orphans(name: str) -> str:
    """Asks for the users of a database that no login of the server stands behind."""
    return f"""\
SELECT u.name AS user_name
FROM {identifier(name)}.sys.database_principals AS u
LEFT JOIN sys.server_principals AS p ON p.sid = u.sid
WHERE u.type IN ('S', 'U', 'G') AND u.principal_id > 4 AND u.authentication_type IN (1, 3) AND p.sid IS NULL
ORDER BY u.name;
"""  # noqa: S608 -- quoted


def create_credential(name: str, access_key_id: str, secret: str) -> str:
    return f"CREATE CREDENTIAL {identifier(name)} {_keys(access_key_id, secret)}"


def alter_credential(name: str, access_key_id: str, secret: str) -> str:
    return f"ALTER CREDENTIAL {identifier(name)} {_keys(access_key_id, secret)}"


def _keys(access_key_id: str, secret: str) -> str:
    return f"WITH IDENTITY = N'S3 Access Key', SECRET = {literal(f'{access_key_id}:{secret}')};\n"


def create_mark(name: str) -> str:
    """A credential that opens nothing: it says of another one that it was made here. Made only after that one."""
    return f"GO\nCREATE CREDENTIAL {identifier(name)} WITH IDENTITY = N'backupctl';\n"


def drop_credential(name: str, mark: str) -> str:
    """The mark, if there is one, goes first: what has one is taken for ours.

    Without IF EXISTS, for a login may drop what it is not shown.
    """
    return (
        f"BEGIN TRY DROP CREDENTIAL {identifier(mark)}; END TRY BEGIN CATCH END CATCH;\n"
        f"DROP CREDENTIAL {identifier(name)};\n"
    )
