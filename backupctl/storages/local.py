"""The storage that is a folder of this machine."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, Literal, Self

from pydantic import Field

from backupctl.cancel import Cancellation
from backupctl.errors import StorageError
from backupctl.options import FilePath
from backupctl.storages.base import Storage, StorageOptions, StoredObject, Unfinished
from backupctl.stream import CHUNK, Reader

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_TEMPORARY_SUFFIX = ".partial"
_OUR_TEMPORARY = re.compile(r"\.[0-9a-f]{16}-[0-9a-f]{8}\.partial")
# Another put that failed may remove the empty folder that this one is about to write into.
_FOLDER_ATTEMPTS = 10
_HINTS = {
    errno.ENOSPC: "make room in {path}, or choose another `path`",
    errno.EDQUOT: "raise the quota of the user that backupctl runs as, or choose another `path`",
    errno.EACCES: "let the user that backupctl runs as read and write {path}, or choose another `path`",
    errno.EPERM: "let the user that backupctl runs as read and write {path}, or choose another `path`",
    errno.EROFS: "mount the file system of {path} for writing, or choose another `path`",
    errno.ENAMETOOLONG: "choose a shorter `path`, or a shorter name for the job",
}


class LocalOptions(StorageOptions):
    """A folder of this machine, or one that is mounted on it."""

    type: Literal["local"]
    path: FilePath = Field(description="The folder; made, for its owner alone, when it is missing")


class LocalStorage(Storage):
    """Artifacts as files below a folder, which is made (0700) when it is missing; files are 0600.

    Symbolic links below the folder are not followed: what they point at is not listed, read or replaced.
    """

    Options = LocalOptions

    def __init__(self, options: LocalOptions) -> None:
        self._root = options.path

    @property
    def location(self) -> str:
        return str(self._root)

    def check(self) -> None:
        with self._errors("cannot be used"):
            folder = _nearest_existing(self._root)
            if not S_ISDIR(folder.stat().st_mode):
                raise StorageError(f"{folder} is not a folder", hint="choose another `path` for the storage")
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    def put(
        self,
        key: str,
        source: Reader,
        *,
        metadata: Mapping[str, str],
        size_estimate: int | None = None,
        cancel: Cancellation | None = None,
    ) -> int:
        cancel = cancel or Cancellation()
        with _NewFile(self._path(key), key, self._error) as file:
            cancel.check()
            while chunk := source.read(CHUNK):
                cancel.check()
                file.write(chunk)
            cancel.check()
            return file.commit()

    def open(self, key: str) -> Reader:
        path = self._path(key)
        try:
            # O_NONBLOCK: a fifo of that name would block for ever; it means nothing to a file.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StorageError(f"{key} is not in {self._root}", hint="it was deleted, or never stored here") from error
        except OSError as error:
            raise self._error(f"cannot read {key}", error) from error
        if not S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise StorageError(f"{key} in {self._root} is not a file")
        return _FileReader(os.fdopen(descriptor, "rb"), key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        with self._errors("cannot list"):
            yield from (found for found in _walk(self._root, "", prefix) if not _is_temporary(_name(found.key)))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._errors(f"cannot delete {key}"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            self._remove_empty_above(path)

    def clear_unfinished(self, key: str) -> None:
        path = self._path(key)
        with self._errors(f"cannot clear what was left of {key}"):
            for left in path.parent.glob(f"{_temporary_beginning(key)}*{_TEMPORARY_SUFFIX}"):
                left.unlink(missing_ok=True)
            self._remove_empty_above(path)

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        with self._errors("cannot list the unfinished files"):
            for found in _walk(self._root, "", prefix):
                if _OUR_TEMPORARY.fullmatch(_name(found.key)):
                    # A file that still grows is new: its time is that of the last byte.
                    yield Unfinished(found.key, None, "", found.modified, found.size)

    def remove_unfinished(self, left: Unfinished) -> None:
        path = self._root / left.place
        with self._errors(f"cannot remove the unfinished {left.place}"):
            path.unlink(missing_ok=True)
            self._remove_empty_above(path)

    def _remove_empty_above(self, path: Path) -> None:
        parents = path.relative_to(self._root).parents
        _remove_empty([self._root / parent for parent in reversed(parents[:-1])])

    def _path(self, key: str) -> Path:
        """Where a key's file is; raises StorageError for one that is no place below the folder."""
        names = key.split("/")
        if "\0" in key or any(name in ("", ".", "..") for name in names):
            raise StorageError(f"{key!r} is no key of a local storage")
        if _is_temporary(names[-1]):
            raise StorageError(f"{key!r} is a name that is kept for unfinished files")
        for parent in reversed(PurePosixPath(key).parents[:-1]):
            if (self._root / parent).is_symlink():
                raise StorageError(
                    f"{self._root / parent} is a symbolic link, and those are not followed",
                    hint="mount or bind the other place there, or make it the `path` of a storage of its own",
                )
        return self._root / key

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._error(what, error) from error

    def _error(self, what: str, error: OSError) -> StorageError:
        hint = _HINTS.get(error.errno or 0)
        place = f"{self._root}: " if error.filename is None else f"{os.fsdecode(error.filename)}: "
        reason = (error.strerror or str(error)).lower()
        return StorageError(f"{place}{what}: {reason}", hint=hint and hint.format(path=self._root))


class _FileReader:
    def __init__(self, file: BinaryIO, key: str) -> None:
        self._file = file
        self._key = key

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise StorageError(f"{self._key} cannot be read to its end: {error.strerror}") from error

    def close(self) -> None:
        self._file.close()


class _NewFile:
    """A file under a temporary name beside its target, gone at the end of the block unless it was committed."""

    def __init__(self, target: Path, key: str, as_error: Callable[[str, OSError], StorageError]) -> None:
        self._target = target
        self._temporary = target.with_name(f"{_temporary_beginning(key)}{secrets.token_hex(4)}{_TEMPORARY_SUFFIX}")
        self._what = f"cannot store {key}"
        self._as_error = as_error
        self._made: list[Path] = []
        self._size = 0

    def __enter__(self) -> Self:
        with self._errors(), self._discarding():
            self._file = os.fdopen(self._create(), "wb", buffering=0)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is not None:
            with self._errors():
                self._discard()

    def write(self, chunk: bytes) -> None:
        with self._errors():
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        self._size += len(chunk)

    def commit(self) -> int:
        """Give the file its name, for good; returns its size."""
        with self._errors():
            os.fsync(self._file.fileno())
            size = os.fstat(self._file.fileno()).st_size
            if size != self._size:
                raise StorageError(f"{self._target} has {size} bytes on disk where {self._size} were written")
            self._temporary.replace(self._target)
            self._temporary = self._target
            _sync_folder(self._target.parent)
        return size

    def _create(self) -> int:
        for _ in range(_FOLDER_ATTEMPTS):
            self._make_folders()
            with contextlib.suppress(FileNotFoundError):
                return os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._target.parent))

    def _make_folders(self) -> None:
        folder = self._target.parent
        for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=_FOLDER_MODE)
                self._made.append(path)
            _sync_folder(path.parent)

    def _discard(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()
        _remove_empty(self._made)

    @contextlib.contextmanager
    def _discarding(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._discard()
            raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._as_error(self._what, error) from error


def _remove_empty(folders: list[Path]) -> None:
    """Remove those folders that hold nothing, the innermost (last) first."""
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder outlive a power cut (fsync(2): syncing the file does not sync its entry)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _nearest_existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _walk(folder: Path, key: str, prefix: str) -> Iterator[StoredObject]:
    for name, path in sorted(_entries(folder)):
        child = key + name.decode()
        if not (child.startswith(prefix) or prefix.startswith(child)):
            continue
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # deleted since the folder was read
        if S_ISDIR(status.st_mode):
            yield from _walk(path, child, prefix)
        elif S_ISREG(status.st_mode) and child.startswith(prefix):
            yield StoredObject(child, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _entries(folder: Path) -> Iterator[tuple[bytes, Path]]:
    """What is in a folder, named so that sorting gives the order of whole keys: a folder's name ends with "/"."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if not entry.is_symlink() and _is_text(entry.name):
                    yield (entry.name + "/" * is_folder).encode(), Path(entry.path)
    except FileNotFoundError:
        return  # deleted since its parent was read, or never made


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _temporary_beginning(key: str) -> str:
    """What the temporary names of one key begin with; a hash, since the key itself may fill a name."""
    return f".{hashlib.sha256(key.encode()).hexdigest()[:16]}-"


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(_TEMPORARY_SUFFIX)


def _is_text(name: str) -> bool:
    """Whether a name is valid UTF-8: one that is not was never a key of ours."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
