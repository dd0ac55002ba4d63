"""Containers of the image: hardened, with a jobs file and secrets that are files, beside the servers of the tests."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.image.build import IMAGE
from tests.image.engine import Engine

HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
BESIDE = "--network=host"
"""In the host's network, where the servers of the tests listen on the loopback."""

_TIMEOUT_S = 150.0
_POLL_S = 0.1


class Place:
    """The folders that are mounted: one with the jobs file, one with the secrets."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.folder = folder
        self._engine = engine
        self._config = folder / "config"
        self._secrets = folder / "secrets"
        self._config.mkdir()
        self._secrets.mkdir()

    def write(self, yaml: str) -> None:
        """Put the jobs file there, or another one in its place, as an editor does."""
        new = self._config / "jobs.yaml.new"
        new.write_text(yaml)
        new.rename(self._config / "jobs.yaml")

    def secret(self, name: str, value: str) -> str:
        """Put a secret into a file of its own; how a jobs file refers to it."""
        (self._secrets / name).write_text(value)
        return f"${{file:/run/secrets/{name}}}"

    def run(self, *args: str, options: tuple[str, ...] = (BESIDE,)) -> "subprocess.CompletedProcess[str]":
        """`docker run IMAGE ARGS` to its end."""
        return self._engine.docker("run", "--rm", *self._options(), *options, IMAGE, *args)

    def ok(self, *args: str, options: tuple[str, ...] = (BESIDE,)) -> str:
        """Run a command that must succeed; what it said on stdout."""
        done = self.run(*args, options=options)
        assert done.returncode == 0, f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *args: str, options: tuple[str, ...] = (BESIDE,)) -> "Container":
        """`docker run --detach IMAGE ARGS`; it ends with the engine at the latest."""
        return Container(self._engine, self._engine.ok("run", "--detach", *self._options(), *options, IMAGE, *args))

    def _options(self) -> list[str]:
        mounts = [f"--volume={self._config}:/etc/backupctl:ro", f"--volume={self._secrets}:/run/secrets:ro"]
        return [*HARDENED, *mounts]


class Container:
    """A started container."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    @property
    def state(self) -> dict[str, Any]:
        """What docker says of it."""
        found: dict[str, Any] = json.loads(self._engine.ok("inspect", "--format", "{{json .State}}", self._name))
        return found

    def log(self) -> str:
        done = self._engine.docker("logs", self._name)
        return done.stdout + done.stderr

    @property
    def is_healthy(self) -> bool:
        healthy: bool = self.state["Health"]["Status"] == "healthy"
        return healthy

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the container brings about; the test fails if it ends first, or nothing comes."""
        deadline = time.monotonic() + _TIMEOUT_S
        while not condition():
            assert self.state["Running"], self.log()
            assert time.monotonic() < deadline, f"{self.state}\n{self.log()}"
            time.sleep(_POLL_S)

    def signal(self, name: str) -> None:
        self._engine.ok("kill", f"--signal={name}", self._name)

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return int(self._engine.ok("wait", self._name))

    def stop(self) -> int:
        """`docker stop`, which sends SIGTERM; the exit code. It is killed, with 137, when it takes no notice."""
        self._engine.ok("stop", "-t", "60", self._name)
        code: int = self.state["ExitCode"]
        return code
