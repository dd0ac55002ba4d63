"""The keys of the job's bucket as a credential of the server: there while they are used, and nobody else's dropped."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from backupctl.engines.mssql import statements
from backupctl.engines.mssql.server import Server
from backupctl.engines.mssql.sqlcmd import Sql
from backupctl.errors import BackupctlError, EngineError

_LONGEST_NAME = 128  # characters; sysname


@dataclass
class _Use:
    """One credential of one server, as far as this process uses it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    is_ours: bool = False


_used: dict[tuple[str, str], _Use] = {}


@contextmanager
def credential(
    sql: Sql, server: Server, name: str, keys: tuple[str, str] | None, warn: Callable[[str], None]
) -> Iterator[None]:
    """Within the block the server has the keys for what is below `name`, a URL.

    SQL Server takes the credential whose name is the longest beginning of a URL, in whole segments. One of that very
    name is given our keys, and stays; one that is made here goes with the last who uses it, be that a later run. A
    login that may make none needs one that is there. One that cannot be dropped is no error: `warn` is told.
    """
    obstacle = _obstacle(server, name, keys)
    if keys is None or obstacle:
        _require(sql, name, obstacle or "")
        yield
        return
    use = _used.setdefault((sql.connection.server, name), _Use())
    with use.lock:
        if not use.users:
            use.is_ours = _put(sql, name, keys)
        use.users += 1
    try:
        yield
    finally:
        with use.lock:
            use.users -= 1
            if use.is_ours and not use.users:
                _drop(sql, name, warn)


def _put(sql: Sql, name: str, keys: tuple[str, str]) -> bool:
    """Give the server the keys; whether the credential is ours, also of a run that was killed."""
    there, mark = _there(sql), _mark(name)
    if name in there:
        sql.execute(statements.alter_credential(name, *keys))
        return mark in there
    sql.execute(statements.create_credential(name, *keys) + (statements.create_mark(mark) if mark not in there else ""))
    return True


def _drop(sql: Sql, name: str, warn: Callable[[str], None]) -> None:
    """The mark goes first: what has it is taken for ours, and somebody may make a credential of that name."""
    try:
        sql.not_cancelled().execute(statements.drop_credential(_mark(name)) + statements.drop_credential(name))
    except BackupctlError as error:
        warn(
            f"the credential {name} is still on {sql.connection.server}, and is dropped by a later run: {error.message}"
        )


def _mark(name: str) -> str:
    """The name of what stands beside a credential that was made here, as long as that is there."""
    return f"backupctl_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _there(sql: Sql) -> list[str]:
    return [row["credential_name"] or "" for row in sql.rows(statements.CREDENTIALS)]


def _obstacle(server: Server, name: str, keys: tuple[str, str] | None) -> str | None:
    if keys is None:
        return "the storage has no keys in the file that could be handed to the server"
    if not (server.is_sysadmin or server.may_alter_credentials):
        return f'the login "{server.login}" may make no credential'
    if len(name) > _LONGEST_NAME:
        return f"one of that name cannot be made: it has {len(name)} characters, and {_LONGEST_NAME} are the most"
    return None


def _require(sql: Sql, name: str, why: str) -> None:
    if _covers(_there(sql), name):
        return
    bucket = name if len(name) <= _LONGEST_NAME else "the bucket's URL"
    raise EngineError(
        f"the server has no credential for {name}, and {why}",
        hint="as an administrator run: GRANT ALTER ANY CREDENTIAL to the login, or CREATE CREDENTIAL "
        f"{statements.identifier(bucket)} WITH IDENTITY = 'S3 Access Key', SECRET = '<access key id>:<secret>'",
    )


def _covers(there: Sequence[str], name: str) -> bool:
    return any(name == one or name.startswith(f"{one}/") for one in there)
