"""The functions by which a server shows its disks as tables."""

import re
from typing import TYPE_CHECKING, Any

from tests.parts.mssql.errors import OsError
from tests.parts.mssql.shape import Content

if TYPE_CHECKING:
    from tests.parts.mssql.session import Session


def file_exists(session: "Session", path: Any) -> Content:
    is_file, is_folder, has_parent = session.server.disks.look(str(path))
    return ("file_exists", "file_is_a_directory", "parent_directory_exists"), [
        (int(is_file), int(is_folder), int(has_parent))
    ]


def enumerate_filesystem(session: "Session", folder: Any, pattern: Any) -> Content:
    columns = (
        "full_filesystem_path",
        "parent_directory",
        "file_or_directory_name",
        "level",
        "is_directory",
        "is_read_only",
        "is_system",
        "is_hidden",
        "has_integrity_stream",
        "is_temporary",
        "is_sparse",
        "creation_time",
        "last_access_time",
        "last_write_time",
        "size_in_bytes",
    )
    matches = re.compile(re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", "."), re.IGNORECASE)
    disks = session.server.disks
    rows = []
    for entry in disks.entries(str(folder)):
        if not matches.fullmatch(entry.name):
            continue
        try:
            path = disks.path.join(str(folder), entry.name)
        except OsError:
            continue
        is_folder = int(entry.is_dir())
        size = 0 if is_folder else entry.stat().st_size
        times = (None, None, None)
        rows.append((path, str(folder), entry.name, 0, is_folder, 0, 0, 0, 0, 0, 0, *times, size))
    return columns, rows
