"""What the runner says while it works; whoever wants to know listens."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from backupctl.errors import ExitCode
from backupctl.model import Manifest, Outcome, Trigger


@dataclass(frozen=True)
class Run:
    """One execution of a job, finished. `error` and `hint` hold no secret; `due_at` is None for a manual one.

    `transient` says of a failure that trying again may help.
    """

    run_id: str
    job: str
    trigger: Trigger
    due_at: datetime | None
    outcome: Outcome
    started_at: datetime
    finished_at: datetime
    location: str
    transient: bool = False
    exit_code: ExitCode = ExitCode.OK
    manifest: Manifest | None = None
    error: str | None = None
    hint: str | None = None

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Waiting:
    """A run was asked for and cannot begin yet."""

    job: str
    why: str


@dataclass(frozen=True)
class Started:
    """A run has its lock and begins."""

    job: str
    run_id: str
    trigger: Trigger
    due_at: datetime | None
    started_at: datetime
    target: str
    location: str


@dataclass(frozen=True)
class Dumping:
    """The preflight passed and the first byte is about to be asked for; `size_estimate` is in bytes."""

    job: str
    role: str
    client: str
    server_version: str
    size_estimate: int | None


@dataclass(frozen=True)
class Progress:
    """So many bytes so far: `dumped` came out of the engine, `stored` went to the storage."""

    job: str
    role: str
    dumped: int
    stored: int


@dataclass(frozen=True)
class Warned:
    """Something about this backup deserves attention; it stands in the manifest too."""

    job: str
    text: str


@dataclass(frozen=True)
class Finished:
    """The run is over, whatever became of it."""

    job: str
    run: Run


@dataclass(frozen=True)
class Retrying:
    """A run failed in a way that may pass, and is tried again after so many seconds; `retry` counts from 1."""

    job: str
    seconds: float
    retry: int
    retries: int


Event = Waiting | Started | Dumping | Progress | Warned | Finished | Retrying
Listener = Callable[[Event], None]
