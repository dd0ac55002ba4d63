"""A server whose databases are the files of a folder, and runs of a job that backs all of them up."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import SecretStr

from backupctl.access import BucketAccess
from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.engines.base import EngineOptions, Findings, Part, Preflight, Restore, ServerEngine, ServerOptions
from backupctl.errors import EngineError
from backupctl.events import Event, Run, Warned
from backupctl.model import DUMP_ROLE, Manifest
from backupctl.process import Session
from backupctl.redact import Redactor
from backupctl.repository import Repository
from backupctl.runner import Request, Runner
from backupctl.state import StateFolder
from backupctl.storages.local import LocalOptions
from backupctl.stream import Reader
from backupctl.wiring import repository_of, storage_of

WHEN = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)
Opening = Callable[[str, Session], None]


class FolderOptions(ServerOptions):
    """A file of a folder, or several."""

    type: Literal["folder"] = "folder"
    folder: Path


class FolderEngine(ServerEngine):
    """A database is a file with a line `table rows` for each table."""

    Options: ClassVar[type[EngineOptions]] = FolderOptions
    opening: ClassVar[Opening] = lambda name, session: None
    """Called when a dump begins, and may raise."""
    hidden: ClassVar[str | None] = None

    def __init__(self, options: FolderOptions, session: Session) -> None:
        self._options = options
        self._session = session

    @classmethod
    def build(cls, options: Any, session: Session, access: BucketAccess | None = None) -> Self:
        return cls(options, session)

    @property
    def database(self) -> str:
        return self._options.name

    @property
    def target(self) -> str:
        return f"here/{self._options.shown}"

    def databases(self) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in self._options.folder.iterdir()))

    def unseen(self) -> str | None:
        return self.hidden

    def preflight(self) -> Preflight:
        if not self._file.exists():
            raise EngineError(f"there is no file {self.database}")
        return Preflight("1", "cat", (Part(DUMP_ROLE, ".txt", self._open, findings=self._findings),))

    def check_dump(self, manifest: Manifest, dump: Reader, *, say: Callable[[str], None]) -> None:
        raise AssertionError("nobody checks these")

    def restore(self, request: Restore) -> None:
        raise AssertionError("nobody restores these")

    @property
    def _file(self) -> Path:
        return self._options.folder / self._options.name

    def _open(self) -> Reader:
        self._session.private_file("the same name for each", self.database)
        type(self).opening(self.database, self._session)
        return BytesIO(self._file.read_bytes())

    def _findings(self) -> Findings:
        lines = [line.split() for line in self._file.read_text().splitlines()]
        return Findings({table: int(rows) for table, rows in lines}, "rows")


class Place:
    """Databases, a storage and a runner; each run is a day later than the one before."""

    def __init__(self, folder: Path) -> None:
        self.databases = folder / "databases"
        self.databases.mkdir()
        self.storage = folder / "backups"
        self.events: list[Event] = []
        self.now = WHEN
        self.state = StateFolder(folder / "state")
        self.runner = Runner(self.state, Redactor(["s3cret"]), self.events.append, self.clock)
        options = FolderOptions(folder=self.databases, names=("*",), password=SecretStr("s3cret"))
        self.job = Job("all", options, LocalOptions(type="local", path=self.storage), "disk", "0 3 * * *", "UTC")

    def clock(self) -> datetime:
        """A second later each time."""
        self.now += timedelta(seconds=1)
        return self.now

    def make(self, *names: str, content: str = "t 5000\n") -> None:
        for name in names:
            (self.databases / name).write_text(content)

    def choose(self, *names: str, exclude: tuple[str, ...] = (), parallel: int = 1) -> None:
        changes = {"names": names, "exclude": exclude, "parallel": parallel}
        self.job = replace(self.job, database=self.job.database.model_copy(update=changes))

    def run(self, cancel: Cancellation | None = None, *, only: frozenset[str] | None = None) -> Run:
        self.events.clear()
        self.now += timedelta(days=1)
        return self.runner.run(Request(self.job, only=only), cancel or Cancellation())

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.told(Warned)]

    @property
    def repository(self) -> Repository:
        return repository_of(self.job, storage_of(self.job))

    @property
    def stored(self) -> list[str]:
        """The databases of the good backups, one for each backup."""
        return sorted(manifest.database for manifest in self.repository.listing().good)


def names_of(run: Run) -> list[str]:
    return [manifest.database for manifest in run.manifests]
