"""The server's own view of disks: its folders, as its operating system names them, over folders of this machine."""

import ntpath
import os
import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from tests.parts.mssql.errors import OsError


@dataclass
class Disks:
    """Maps paths of the server to paths here, and fails as its operating system would.

    `folders` maps a folder of the server to one here; `denied` are folders of the server that its service account may
    not write to; `space` is what is left in all of them, in bytes.
    """

    windows: bool
    folders: dict[str, Path] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    space: int | None = None

    @property
    def path(self) -> ModuleType:
        return ntpath if self.windows else posixpath

    def normal(self, name: str) -> str:
        """One spelling of a path: Windows takes either slash, and any case."""
        normal: str = self.path.normpath(name)
        return normal.casefold() if self.windows else normal

    def is_absolute(self, name: str) -> bool:
        return bool(self.path.splitdrive(name)[0]) or name.startswith("\\\\") if self.windows else name.startswith("/")

    def local(self, name: str) -> Path:
        """Where a path of the server is here. Raises OsError 123, or 3 where the server has no such folder."""
        if not self.is_absolute(name):
            raise OsError(123)
        # Case is the file's own below a mapped folder: the folder here may tell names apart that Windows does not.
        wanted = self.path.normpath(name)
        for folder, here in self.folders.items():
            root = self.path.normpath(folder).rstrip("/\\")
            if self.normal(wanted) == self.normal(root):
                return here
            if self.normal(wanted).startswith(self.normal(root) + self.path.sep):
                return here.joinpath(*wanted[len(root) + 1 :].split(self.path.sep))
        raise OsError(3)

    def for_writing(self, name: str) -> Path:
        """Raises OsError 3, 5 or 123."""
        place = self.local(name)
        self._check_rights(name)
        if place.is_dir():
            raise OsError(5)
        if not place.parent.is_dir():
            raise OsError(3)
        return place

    def for_reading(self, name: str) -> Path:
        """Raises OsError 2, 3, 5 or 123."""
        place = self.local(name)
        self._check_rights(name)
        if not place.parent.is_dir():
            raise OsError(3)
        if place.is_dir():
            raise OsError(5)
        if not place.exists():
            raise OsError(2)
        return place

    def look(self, name: str) -> tuple[bool, bool, bool]:
        """Whether a path is a file, is a folder, and has a parent folder; what cannot be seen is not there."""
        try:
            place = self.local(name)
        except OsError:
            return False, False, False
        return place.is_file(), place.is_dir(), place.parent.is_dir() or place.is_dir()

    def entries(self, folder: str) -> list[Path]:
        """What is in a folder, as far as the service may see."""
        try:
            place = self.local(folder)
        except OsError:
            return []
        return sorted(place.iterdir()) if place.is_dir() and os.access(place, os.R_OK) else []

    def room_for(self, size: int) -> bool:
        return self.space is None or size <= self.space

    def _check_rights(self, name: str) -> None:
        folder = self.normal(name)
        if any(folder.startswith(self.normal(denied)) for denied in self.denied):
            raise OsError(5)
