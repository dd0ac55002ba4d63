"""What a storage is: a configured place that puts, opens, lists and deletes artifacts."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from backupctl.access import BucketAccess
from backupctl.cancel import Cancellation
from backupctl.options import Options
from backupctl.stream import Reader


class StorageOptions(Options):
    """One entry of the file's `storages`, or a job's inline `storage`."""

    type: str

    @property
    def access(self) -> BucketAccess | None:
        """How a database server gets at the place by itself; None: it cannot."""
        return None


@dataclass(frozen=True)
class StoredObject:
    """One object as the storage lists it; `size` in bytes, `modified` with its offset."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Unfinished:
    """What a put that has not ended, or was killed, has stored so far.

    `place` says where it is and `key` what was being put, None where the storage can't tell; `upload_id` is the
    store's own name for it, empty where it has none. `size` in bytes, None where it is not known.
    """

    place: str
    key: str | None
    upload_id: str
    started_at: datetime
    size: int | None


class Storage(ABC):
    """A place for artifacts. Keys are `/`-separated and include the storage's own prefix."""

    Options: ClassVar[type[StorageOptions]]

    prefix: str = ""
    """What every key of ours begins with; empty, or ending in "/"."""

    @abstractmethod
    def __init__(self, options: Any) -> None:
        """The storage for these options, of the class's own Options type; connects to nothing yet."""

    @property
    @abstractmethod
    def location(self) -> str:
        """Where this is, for people; without any secret."""

    @abstractmethod
    def check(self) -> None:
        """Find out whether the place is there and lets us in, leaving nothing behind. Raises StorageError."""

    @abstractmethod
    def put(
        self,
        key: str,
        source: Reader,
        *,
        metadata: Mapping[str, str],
        size_estimate: int | None = None,
        cancel: Cancellation | None = None,
    ) -> int:
        """Store all of `source`, or nothing; returns the bytes sent.

        The object appears only after the source's last byte. Whatever is raised, by the source too,
        leaves nothing behind: no object, no unfinished upload, no temporary file. An object of that
        key is replaced. `size_estimate` (bytes) is a guess at the size, to choose parts from.
        Does not close the source. Raises StorageError, CancelledError, and what the source raises.
        """

    @abstractmethod
    def open(self, key: str) -> Reader:
        """Read an object. Raises StorageError when it is not there; a connection lost half-way is an error too."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every finished object whose key begins with `prefix`, in key order; none where there is no folder yet."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""

    @abstractmethod
    def clear_unfinished(self, key: str) -> None:
        """Remove what a put of this key left when its process was killed: open uploads, temporary files.

        A finished object of that key stays. Nothing there is no error. Raises StorageError.
        """

    @abstractmethod
    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        """What puts of keys that begin with `prefix`, a folder, have left or are still storing, of any host."""

    @abstractmethod
    def remove_unfinished(self, left: Unfinished) -> None:
        """Remove precisely this one; a put that is still at it fails. One that is gone, or done, is no error."""
