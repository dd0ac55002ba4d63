"""The state folder: one lock a job across processes, and each run's private scratch folder."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from backupctl.errors import BusyError, UsageError
from backupctl.journal import Journal

# Who looks whether a run still goes on holds its lock for a moment, and must not cost anybody a run.
_LOOKED_AT_S = 1.0


class StateFolder:
    """Where a machine keeps what belongs to its runs. Nothing in it is needed to restore."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def catalog(self) -> Path:
        """The file that remembers runs."""
        return self._path / "catalog.sqlite"

    @contextmanager
    def running(self, job: str) -> Iterator[Path]:
        """Hold the job's lock, with a private empty folder for the run, removed afterwards.

        What a killed run left in its folder goes first. Raises BusyError when another process
        holds the lock; the system releases it when its holder dies.
        """
        with self.holding(job), self._emptied(self._folder("runs") / job) as folder:
            yield folder

    @contextmanager
    def holding(self, job: str) -> Iterator[None]:
        """Hold the job's lock: while it is held, no run of the job goes on anywhere. Raises BusyError."""
        path = self._folder("locks") / f"{job}.lock"
        hint = "wait until it has ended, then try again"
        with self._locked(path, _LOOKED_AT_S, BusyError(f"job {job} is already running in another process", hint=hint)):
            yield

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Be the one long-running runner of this folder. Raises BusyError when another process is."""
        text = f"another `backupctl run` works with the state folder {self._path}"
        hint = "stop that one first, or give this one a state_dir of its own"
        with self._locked(self._made(self._path) / "runner.lock", 0, BusyError(text, hint=hint)):
            yield

    @contextmanager
    def sending(self, channel: str) -> Iterator[None]:
        """Be the one who sends over a channel. Raises BusyError while another process does."""
        name = hashlib.sha256(channel.encode()).hexdigest()[:16]
        with self._locked(
            self._folder("channels") / f"{name}.lock", 0, BusyError(f"another process sends over {channel}")
        ):
            yield

    @contextmanager
    def _locked(self, path: Path, patience_s: float, busy: BusyError) -> Iterator[None]:
        lock = FileLock(path, mode=0o600)
        try:
            held = lock.acquire(timeout=patience_s)
        except Timeout:
            raise busy from None
        except OSError as error:
            raise self._unusable(error) from error
        with held:
            yield

    def journal(self, job: str) -> Journal:
        """What the job's runs were about to store; for the holder of the job's lock."""
        return Journal(self._folder("journals") / f"{job}.json")

    @contextmanager
    def working(self) -> Iterator[Path]:
        """A private folder for work that needs no job's lock, removed with all it holds.

        What killed work left goes first; there may be a password's file in it.
        """
        place = self._folder("work")
        _clear_abandoned(place)
        folder = place / secrets.token_hex(8)
        lock = _lock_beside(folder)
        try:
            held = lock.acquire()
        except OSError as error:
            raise self._unusable(error) from error
        with held, self._emptied(folder):
            try:
                yield folder
            finally:
                Path(lock.lock_file).unlink(missing_ok=True)

    @contextmanager
    def _emptied(self, folder: Path) -> Iterator[Path]:
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, name: str) -> Path:
        return self._made(self._path / name)

    def _made(self, folder: Path) -> Path:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        return folder

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(
            f"the state folder {self._path} cannot be used: {(error.strerror or str(error)).lower()}",
            hint="set state_dir in the file, or $BACKUPCTL_STATE_DIR, to a folder that this user can write",
        )


def _lock_beside(folder: Path) -> FileLock:
    return FileLock(folder.with_suffix(".lock"), mode=0o600)


def _clear_abandoned(place: Path) -> None:
    """Remove the folders whose lock nobody holds: the system released it when its holder died."""
    for file in place.glob("*.lock"):
        with suppress(Timeout, OSError), _lock_beside(file).acquire(timeout=0):
            shutil.rmtree(file.with_suffix(""), ignore_errors=True)
            file.unlink(missing_ok=True)
