"""What the runner says while it works; whoever wants to know listens."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from backupctl.errors import BackupctlError, ExitCode
from backupctl.model import Artifact, Manifest, Outcome, Trigger

_log = logging.getLogger(__name__)


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
    manifests: tuple[Manifest, ...] = ()
    """The backups that it made: one of each database."""
    error: str | None = None
    hint: str | None = None
    output: str = ""
    """The end of what the tool said that failed; without any secret."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Of a job with several databases: those without a backup, and why."""
    gone: tuple[str, ...] = ()
    """Of a job with several databases: those that the run before had, and that the server has no more."""

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def manifest(self) -> Manifest | None:
        """The backup, where the run made a single one."""
        return self.manifests[0] if len(self.manifests) == 1 else None

    @property
    def stored(self) -> int | None:
        """The bytes of all its artifacts; None: there are none."""
        return sum(one.size for one in self._artifacts) if self.manifests else None

    @property
    def dumped(self) -> int | None:
        """The bytes of all its dumps, before compression; None: there are none, or nobody knows."""
        sizes = [one.dump_size for one in self._artifacts]
        return None if not sizes or None in sizes else sum(size or 0 for size in sizes)

    @property
    def drift(self) -> tuple[str, ...]:
        """Sentences about what is much less than in the runs before."""
        gone = [f"database {name} is gone from the server" for name in self.gone]
        return (*gone, *(told_of(manifest, text) for manifest in self.manifests for text in manifest.drift))

    def after(self, failed: "Run") -> Self:
        """The same with what had come of the runs that it tries again."""
        made = {manifest.database: manifest for manifest in (*failed.manifests, *self.manifests)}
        lacking = {} if self.outcome is Outcome.SUCCEEDED else {**failed.failures, **self.failures}
        return replace(
            self,
            outcome=Outcome.PARTIAL if self.outcome is Outcome.FAILED and made else self.outcome,
            manifests=tuple(manifest for _, manifest in sorted(made.items())),
            failures={name: why for name, why in sorted(lacking.items()) if name not in made},
            gone=tuple(sorted({*failed.gone, *self.gone})),
        )

    @property
    def _artifacts(self) -> tuple[Artifact, ...]:
        return tuple(artifact for manifest in self.manifests for artifact in manifest.artifacts)


def told_of(manifest: Manifest, text: str) -> str:
    """A sentence about a backup; where the job has several databases, it says of which."""
    return f"{manifest.database}: {text}" if manifest.databases else text


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
    """The preflight passed and the first byte is about to be asked for; `size_estimate` is in bytes.

    Here and in the events below, `database` says which of the job's several it is; empty where the job has one.
    """

    job: str
    role: str
    client: str
    server_version: str
    size_estimate: int | None
    database: str = ""


@dataclass(frozen=True)
class Doing:
    """What a run is at while no bytes flow: `text` is for whoever watches."""

    job: str
    text: str
    database: str = ""


@dataclass(frozen=True)
class Progress:
    """So many bytes so far: `dumped` came out of the engine, `stored` went to the storage."""

    job: str
    role: str
    dumped: int
    stored: int
    database: str = ""


@dataclass(frozen=True)
class Warned:
    """Something about this backup deserves attention; it stands in the manifest too."""

    job: str
    text: str


@dataclass(frozen=True)
class Pruned:
    """After a success, the backups that no retention rule keeps: ids that are removed, and why others are not yet."""

    job: str
    removed: tuple[str, ...]
    failed: Mapping[str, str]


@dataclass(frozen=True)
class DatabaseEnded:
    """One of the job's several databases is done: it has a backup, or an error says why not."""

    job: str
    database: str
    manifest: Manifest | None = None
    error: str | None = None
    hint: str | None = None


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


@dataclass(frozen=True)
class Ended:
    """The last word on a run that was asked for: it is not tried again. Comes after its `Finished`."""

    job: str
    run: Run


@dataclass(frozen=True)
class CutOff:
    """A run of an earlier process was found that nobody saw the end of."""

    job: str


@dataclass(frozen=True)
class Alarm:
    """The newest good backup of a job has become too old; again for each day that it stays so."""

    job: str


@dataclass(frozen=True)
class NotDelivered:
    """A message could not be sent over a channel; it is kept and tried again, or given up."""

    channel: str
    job: str | None
    error: str
    hint: str | None
    given_up: bool


@dataclass(frozen=True)
class Serving:
    """The long-running runner begins, with so many jobs on its schedule."""

    jobs: int
    next_at: datetime | None


@dataclass(frozen=True)
class Reloaded:
    """The jobs file was read again and holds from now on."""

    jobs: int
    next_at: datetime | None


@dataclass(frozen=True)
class NotReloaded:
    """The jobs file was changed and cannot be used; the one before it goes on to hold."""

    error: BackupctlError


@dataclass(frozen=True)
class ClockChanged:
    """The clock was set, or the machine slept: it is so many seconds later than expected, or (negative) earlier."""

    seconds: float


@dataclass(frozen=True)
class Stopping:
    """The runner was told to stop. What runs may go on for `grace` seconds; None: it is ended now."""

    running: tuple[str, ...]
    grace: float | None


Event = (
    Waiting
    | Started
    | Dumping
    | Doing
    | Progress
    | Warned
    | Pruned
    | DatabaseEnded
    | Finished
    | Retrying
    | Ended
    | CutOff
    | Alarm
    | NotDelivered
    | Serving
    | Reloaded
    | NotReloaded
    | ClockChanged
    | Stopping
)
Listener = Callable[[Event], None]


def to_all(*listeners: Listener) -> Listener:
    """One listener for several: what goes wrong in one of them is logged, and neither stops a run nor the others."""

    def listen(event: Event) -> None:
        for listener in listeners:
            try:
                listener(event)
            except Exception:
                _log.exception("a listener failed")

    return listen
