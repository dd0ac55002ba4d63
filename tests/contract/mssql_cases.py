"""A SQL Server with a database, sqlcmd, and engines and runs that back it up."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from backupctl.access import BucketAccess
from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.engines.base import DirectPart
from backupctl.engines.mssql import MssqlEngine, MssqlOptions
from backupctl.events import Event, Run
from backupctl.process import Session
from backupctl.redact import Redactor
from backupctl.runner import Request, Runner
from backupctl.state import StateFolder
from backupctl.storages.local import LocalOptions
from backupctl.storages.s3.options import S3Options
from backupctl.stream import Compression
from tests.parts.mssql import MssqlServer
from tests.parts.mssql.state import Rows
from tests.parts.mssql.store import HttpsStore

CUSTOMERS: Rows = [(1, "käufer 🛒"), (2, None), (3, "it's ]")]
NO_FOLDER: dict[str, Any] = {"server_dir": None, "local_dir": None}


def options_for(server: MssqlServer, sqlcmd: Path, **changes: Any) -> MssqlOptions:
    given: dict[str, Any] = {
        "type": "mssql",
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": SecretStr(server.password),
        "server_dir": server.server_dir,
        "local_dir": server.local_dir,
        "bin_dir": sqlcmd,
    }
    given |= {} if "names" in changes else {"name": "shop"}
    return MssqlOptions(**(given | changes))


def engine_for(
    server: MssqlServer, sqlcmd: Path, session: Session, access: BucketAccess | None = None, **changes: Any
) -> MssqlEngine:
    return MssqlEngine.build(options_for(server, sqlcmd, **changes), session, access)


class Cases:
    """What one test does with the server."""

    def __init__(self, server: MssqlServer, sqlcmd: Path, folder: Path) -> None:
        self.server = server
        self.sqlcmd = sqlcmd
        self.folder = folder
        self.cancel = Cancellation()
        self.said: list[str] = []
        self.events: list[Event] = []
        self.scratch = folder / "scratch"
        self.scratch.mkdir(mode=0o700)

    def engine(self, access: BucketAccess | None = None, **changes: Any) -> MssqlEngine:
        redact = Redactor([self.server.password, HttpsStore.secret_access_key])
        session = Session(self.scratch, self.cancel, redact, self.said.append)
        return engine_for(self.server, self.sqlcmd, session, access, **changes)

    def direct(self, store: HttpsStore, **changes: Any) -> DirectPart:
        """A backup that the server writes to the store by itself, once it is asked to."""
        return self.engine(access_to(store), **NO_FOLDER, **changes).preflight().direct[0]

    def job(self, store: HttpsStore | None = None, **changes: Any) -> Job:
        where = NO_FOLDER if store else {}
        storage = s3_options(store) if store else LocalOptions(type="local", path=self.folder / "backups")
        compression = Compression(algorithm="none") if store else Compression()
        return Job(
            "all",
            options_for(self.server, self.sqlcmd, **where, **changes),
            storage,
            "s",
            "0 3 * * *",
            "UTC",
            compression=compression,
        )

    def run(self, job: Job) -> Run:
        redact = Redactor([self.server.password, HttpsStore.secret_access_key])
        return Runner(StateFolder(self.folder / "state"), redact, self.events.append).run(Request(job), self.cancel)

    @property
    def left_over(self) -> list[Path]:
        """What is still in the shared folder and in the private one."""
        return [*self.server.local_dir.iterdir(), *(path for path in self.scratch.rglob("*") if path.is_file())]


def s3_options(store: HttpsStore) -> S3Options:
    return S3Options(
        type="s3",
        endpoint_url=store.endpoint_url,
        bucket=store.bucket,
        access_key_id=store.access_key_id,
        secret_access_key=SecretStr(store.secret_access_key),
    )


def access_to(store: HttpsStore) -> BucketAccess:
    return s3_options(store).access
