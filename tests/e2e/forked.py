"""Starts the command as a fork of a process that has imported it: hundreds of starts take half a second less each."""

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.parts.servers import ROOT

PARENT = Path(__file__).with_name("parent.py")
# What Python, the C library or the loader reads before the first line of ours.
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "FAKETIME")


def can_be_forked(env: Mapping[str, str] | None) -> bool:
    """Whether these further variables mean the same to a process that runs already."""
    return not any(name.startswith(_READ_AT_START) for name in env or {})


class Forked:
    """A command that runs; it has of `subprocess.Popen` what the tests use."""

    def __init__(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str], stderr: IO[str], is_patient: bool
    ) -> None:
        told = {"args": args, "cwd": str(cwd), "env": dict(env), "is_patient": is_patient}
        stdin, self._stdin = os.pipe()
        self._stdout, stdout = os.pipe()
        self._status, status = os.pipe()
        theirs = [stdin, stdout, stderr.fileno(), status]
        _parent().ask(told, theirs)
        for descriptor in (stdin, stdout, status):
            os.close(descriptor)
        self.returncode: int | None = None
        self._polling = threading.Lock()
        self.pid = int(self._told())

    def poll(self) -> int | None:
        with self._polling:
            if self.returncode is None and select.select([self._status], [], [], 0)[0]:
                self.returncode = int(self._told())
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, text: str = "", timeout: float = 120) -> tuple[str, None]:
        """Give it its input, and wait for its end. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout
        os.write(self._stdin, text.encode())
        os.close(self._stdin)
        out = bytearray()
        while chunk := self._read(deadline):
            out += chunk
        os.close(self._stdout)
        self._wait_for(self._status, deadline)
        self.poll()
        os.close(self._status)
        return out.decode(), None

    def _read(self, deadline: float) -> bytes:
        self._wait_for(self._stdout, deadline)
        return os.read(self._stdout, 1 << 16)

    def _wait_for(self, descriptor: int, deadline: float) -> None:
        if not select.select([descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
            raise subprocess.TimeoutExpired(str(PARENT), deadline)

    def _told(self) -> str:
        """One line of who watches it, which is as long as it may take."""
        line = b""
        while not line.endswith(b"\n"):
            came = os.read(self._status, 1)
            assert came, "the process that watches the command has died"
            line += came
        return line.decode()


class _Parent:
    """The process that is forked."""

    def __init__(self) -> None:
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)}
        with its:
            self._process = subprocess.Popen(
                [sys.executable, str(PARENT), str(its.fileno())],
                env=env,
                pass_fds=[its.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,  # not a terminal, nor a file: Python looks once
            )
        atexit.register(self.close)

    def ask(self, told: Mapping[str, object], descriptors: list[int]) -> None:
        socket.send_fds(self._control, [json.dumps(told).encode()], descriptors)

    def close(self) -> None:
        self._control.close()
        self._process.communicate()


_parent = functools.cache(_Parent)
