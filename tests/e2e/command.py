"""The command, run as a user runs it, with nothing of ours in its environment; most of its starts are forks."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.forked import PARENT, Forked, can_be_forked

assert Path("/proc/thread-self/children").exists(), "the kernel must tell the children of a process"

COMMAND = Path(sys.executable).with_name("backupctl")
TIMEOUT_S = 120


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Workplace:
    """A folder with a jobs.yaml, a state folder of its own, and the variables that hold its secrets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.secrets: dict[str, str] = {}
        self.seen_in_children: set[str] = set()
        self.is_patient = True
        """Whether a store that is out of order is waited for as long as users want it: most of a minute."""
        self.is_forked = True
        """Whether the command may be a fork of what has been imported; else it is started as users start it."""

    def write(self, yaml: str) -> None:
        (self.folder / "jobs.yaml").write_text(yaml)

    def run(self, *args: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Ended:
        """Run to the end. Whatever it printed, no secret is in it, nor in its children while they ran."""
        with self.start(*args, env=env) as running:
            return running.wait(stdin)

    def ok(self, *args: str, env: Mapping[str, str] | None = None) -> Ended:
        """Run a command that must succeed."""
        ended = self.run(*args, env=env)
        assert ended.code == 0, f"{args}: exit {ended.code}\n{ended.out}\n{ended.err}"
        return ended

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> "Running":
        return Running(self, args, env)

    def backups(self, job: str) -> list[dict[str, Any]]:
        """What `list --json` shows."""
        listed: list[dict[str, Any]] = self.ok("list", job, "--json").json
        return listed

    def leftovers(self) -> list[Path]:
        """Files of the state folder that a finished command must not leave; locks, journals and the catalog stay."""
        kept = {"locks", "journals"}
        files = [path for path in self.state.rglob("*") if path.is_file() and path.parent.name not in kept]
        return [path for path in files if path.name not in {"catalog.sqlite", "catalog.lock", "runner.lock"}]

    def environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "SSL_CERT_FILE") if name in os.environ}
        ours = {"HOME": str(self.folder), "BACKUPCTL_STATE_DIR": str(self.state), "LC_ALL": "C.UTF-8"}
        return kept | ours | self.secrets | dict(more or {})


class Running:
    """A started command. Its children's arguments and environments are looked at while it runs."""

    def __init__(self, place: Workplace, args: tuple[str, ...], env: Mapping[str, str] | None) -> None:
        self._place = place
        self.children: set[int] = set()
        self._messages = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- lives as long as the command
        self.process = self._forked(args, env) if place.is_forked and can_be_forked(env) else self._started(args, env)
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def told(self) -> str:
        """What it has printed on stderr so far."""
        return os.pread(self._messages.fileno(), 1 << 24, 0).decode()

    def wait(self, stdin: str = "") -> Ended:
        out, _ = self.process.communicate(stdin, timeout=TIMEOUT_S)
        err = self.told
        self._ended.set()
        self._watcher.join()
        for name, secret in self._place.secrets.items():
            assert secret not in out + err, f"the value of {name} was printed:\n{out}\n{err}"
        assert not self._place.seen_in_children, f"secrets were seen in {self._place.seen_in_children}"
        alive = {pid for pid in self.children if _is_alive(pid)}
        assert not alive, f"processes were left: {[_read(pid, 'cmdline') for pid in alive]}"
        assert "Traceback" not in err, err
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out, err)

    def _forked(self, args: tuple[str, ...], env: Mapping[str, str] | None) -> Forked:
        place = self._place
        environment = place.environment(env)
        return Forked(args, cwd=place.folder, env=environment, stderr=self._messages, is_patient=place.is_patient)

    def _started(self, args: tuple[str, ...], env: Mapping[str, str] | None) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(COMMAND), *args],
            cwd=self._place.folder,
            env=self._place.environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
        )

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        for pid in self.children:
            if _is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self._messages.close()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            for pid in _descendants(self.process.pid):
                self.children.add(pid)
                # In this order: what ran our code a moment ago had our environment then.
                cmdline, environ = _read(pid, "cmdline"), _read(pid, "environ")
                if str(COMMAND).encode() in cmdline or str(PARENT).encode() in cmdline:
                    continue  # between fork and exec a child still looks like its parent
                for name, secret in self._place.secrets.items():
                    if secret.encode() in environ + cmdline:
                        self._place.seen_in_children.add(f"{name} in {cmdline!r}")


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process brings about; the test fails if it does not come."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.03)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    wanted = [pid]
    while wanted:
        wanted = [child for parent in wanted for child in _children(parent)]
        found += wanted
    return found


def _children(pid: int) -> list[int]:
    """Those of each of its threads: the kernel keeps them by the one that started them."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 -- twenty times a second
    except OSError:
        return []
    return [int(child) for thread in threads for child in _read(pid, f"task/{thread}/children").split()]


def _is_alive(pid: int) -> bool:
    stat = _read(pid, "stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[0] != b"Z"


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
