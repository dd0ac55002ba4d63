"""What a job's runs are about to store, written down so that the next run can clear what a killed one left."""

import threading
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from backupctl.errors import UsageError

_MOST = 100  # of runs that could not be cleared up after; older ones are given up


class Intent(BaseModel):
    """The keys that one run is about to store at `location`; once its manifest is there, they are a backup."""

    model_config = ConfigDict(frozen=True)

    location: str
    manifest_key: str
    keys: tuple[str, ...]


_INTENTS = TypeAdapter(tuple[Intent, ...])


class Journal:
    """The intents of a job's runs that did not end well.

    Only the holder of the job's lock may write, from any of its threads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()

    def intents(self) -> tuple[Intent, ...]:
        """What earlier runs left; nothing where the file is missing or damaged."""
        try:
            return _INTENTS.validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return ()

    def add(self, intent: Intent) -> None:
        """Raises UsageError when it cannot be written down."""
        try:
            with self._writing:
                self._write((*self.intents(), intent)[-_MOST:])
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(
                f"the state folder cannot be used: {self._path} could not be written: {reason}",
                hint="make room on the disk of state_dir, and let this user write there",
            ) from error

    def remove(self, intent: Intent) -> None:
        """Forget an intent; one that cannot be forgotten now is only looked at once more by the next run."""
        with suppress(OSError), self._writing:
            self._write(tuple(other for other in self.intents() if other != intent))

    def _write(self, intents: tuple[Intent, ...]) -> None:
        if not intents:
            self._path.unlink(missing_ok=True)
            return
        partial = self._path.with_suffix(".partial")
        partial.write_bytes(_INTENTS.dump_json(intents))
        partial.replace(self._path)
