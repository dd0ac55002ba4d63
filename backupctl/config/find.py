"""Where the jobs file is."""

import os
from pathlib import Path

from backupctl.errors import UsageError

VARIABLE = "BACKUPCTL_CONFIG"
_USUAL = (Path("jobs.yaml"), Path("/etc/backupctl/jobs.yaml"))


def find_file(explicit: Path | None) -> Path:
    """The file named by -f, by $BACKUPCTL_CONFIG, or in a usual place. Raises UsageError when it is not there."""
    if explicit is not None:
        return _present(explicit, "-f")
    from_environment = os.environ.get(VARIABLE)
    if from_environment:
        return _present(Path(from_environment), f"${VARIABLE}")
    for path in _USUAL:
        if _is_there(path):
            return path
    raise UsageError(
        f"there is no {' and no '.join(str(path) for path in _USUAL)}",
        hint="name the file with -f, in a container mount it there, or write a first one with: backupctl init",
    )


def _present(path: Path, origin: str) -> Path:
    if not _is_there(path):
        raise UsageError(
            f"there is no file {path}, which {origin} names",
            hint="write a first one with: backupctl init",
        )
    return path


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a folder that this user may not enter: reading the file will say so
        return True
