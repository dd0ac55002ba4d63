"""A server process of a test: where its files are, who runs it, when it is ready, and its end."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ROOT / ".parts"
"""Where `python -m tests.parts.install` puts what it fetched."""

READY_TIMEOUT_S = 60.0
_POLL_S = 0.05


def private_folder(name: str) -> Path:
    """A new folder outside the checkout, which may lie where an unprivileged user cannot go.

    It is short, since a socket's path may have 107 bytes, and not in /tmp, which may be small memory.
    """
    return Path(tempfile.mkdtemp(prefix=f"bctl-{name}-", dir="/var/tmp"))


def unprivileged_user() -> str | None:
    """Who runs a server that refuses root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def give_to(user: str | None, folder: Path) -> None:
    if user:
        shutil.chown(folder, user)


class ServerProcess:
    """A child that is started, waited for until it answers, and killed."""

    def __init__(self, argv: Sequence[str], *, log: Path, env: Mapping[str, str], user: str | None = None) -> None:
        self._log = log
        group = pwd.getpwnam(user).pw_gid if user else None
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                user=user,
                group=group,
                extra_groups=[] if user else None,
                cwd="/",
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Raises RuntimeError, with the end of the log, when it ends first or is not ready in time."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self._process.args!r} did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(_POLL_S)

    def wait_for_success(self) -> None:
        """Raises RuntimeError, with the end of the log, when it ends with an error."""
        if self._process.wait(timeout=READY_TIMEOUT_S) != 0:
            raise RuntimeError(f"{self._process.args!r} failed:\n{self._log.read_text()[-3000:]}")

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> None:
        self._process.wait(timeout=READY_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL it and everything that it started."""
        family = [self._process.pid, *_descendants(self._process.pid)] if self._process.poll() is None else []
        for pid in family:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        self._process.wait()


def _descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(fields[1])
    found = [pid]
    for known in found:
        found.extend(child for child, parent in parents.items() if parent == known)
    return found[1:]
