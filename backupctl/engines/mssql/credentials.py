"""The keys of the job's bucket as a credential of the server: there while they are used, and nobody else's dropped."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from backupctl.engines.mssql import statements
from backupctl.engines.mssql.explain import NO_CREDENTIAL
from backupctl.engines.mssql.server import Server
from backupctl.engines.mssql.sqlcmd import Sql
from backupctl.errors import BackupctlError, EngineError

_LONGEST_NAME = 128  # characters; sysname
_EXISTS = "(15530)"


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
    name is given our keys, and stays; one that is made here goes with the last who uses it, be that a later run. Where
    none can be made, one that is there is used. One that cannot be dropped is no error: `warn` is told.
    """
    obstacle = _obstacle(server, name, keys)
    if keys is None or obstacle:
        with _explaining(name, obstacle or ""):
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
    batch = statements.create_credential(name, *keys) + ("" if mark in there else statements.create_mark(mark))
    try:
        sql.execute(batch)
    except EngineError as error:
        if _EXISTS not in error.message:
            raise
        # A login may alter what it is not shown.
        sql.execute(statements.alter_credential(name, *keys))
        return False
    return True


def _drop(sql: Sql, name: str, warn: Callable[[str], None]) -> None:
    try:
        sql.not_cancelled().execute(statements.drop_credential(name, _mark(name)))
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


@contextmanager
def _explaining(name: str, why: str) -> Iterator[None]:
    """Whether there is one that fits cannot be asked: a login is not shown each. The server says when it lacks one."""
    try:
        yield
    except EngineError as error:
        if NO_CREDENTIAL not in error.message:
            raise
        url = name if len(name) <= _LONGEST_NAME else "the bucket's URL"
        raise EngineError(
            f"{error.message}, and {why}",
            hint="as an administrator run: GRANT ALTER ANY CREDENTIAL to the login, or CREATE CREDENTIAL "
            f"{statements.identifier(url)} WITH IDENTITY = 'S3 Access Key', SECRET = '<access key id>:<secret>'",
        ) from error
