"""A container engine of the tests' own, beside any other that the machine runs."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.parts.servers import ServerProcess, private_folder

# The distribution's own docker first: its version is the engine's, and it has the builder.
SEARCHED = "/usr/bin:/usr/sbin:/bin:/sbin:" + os.environ.get("PATH", os.defpath)
PROGRAMS = ("dockerd", "docker", "mmdebstrap")


class Engine:
    """One running dockerd, its images and containers in a private folder; its networks are none and the host's."""

    def __init__(self) -> None:
        self._folder = private_folder("docker")
        self._socket = f"unix://{self._folder}/s"
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def docker(self, *args: str | Path, stdin: int | None = subprocess.DEVNULL) -> "subprocess.CompletedProcess[str]":
        """Run the docker command to its end."""
        argv = [program("docker"), *map(str, args)]
        return subprocess.run(argv, env=self.env, stdin=stdin, capture_output=True, text=True, check=False)

    def ok(self, *args: str | Path, stdin: int | None = subprocess.DEVNULL) -> str:
        """Run a docker command that must succeed; what it said."""
        done = self.docker(*args, stdin=stdin)
        assert done.returncode == 0, f"docker {args}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    @property
    def env(self) -> dict[str, str]:
        home = str(self._folder)
        return {"PATH": SEARCHED, "HOME": home, "DOCKER_HOST": self._socket, "DOCKER_BUILDKIT": "1"}

    def close(self) -> None:
        if hasattr(self, "_process"):
            for container in self.docker("ps", "--all", "--quiet").stdout.split():
                self.docker("rm", "--force", "--volumes", container)
            self._process.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait()
            self._process.kill()
        for mount in reversed(self._mounts()):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        settings = self._folder / "daemon.json"
        settings.write_text(json.dumps(self._settings()))
        argv = [program("dockerd"), "--config-file", str(settings)]
        self._process = ServerProcess(argv, log=self._folder / "log", env=self.env)
        self._process.wait_until(lambda: self.docker("info").returncode == 0)

    def _settings(self) -> dict[str, object]:
        return {
            "data-root": str(self._folder / "data"),
            "exec-root": str(self._folder / "run"),
            "pidfile": str(self._folder / "pid"),
            "hosts": [self._socket],
            "iptables": False,
            "ip6tables": False,
            "bridge": "none",
            # The default is more than a machine in a container of its own may have.
            "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 4096, "Soft": 4096}},
        }

    def _mounts(self) -> list[str]:
        places = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
        return [place for place in places if place.startswith(f"{self._folder}/")]


def program(name: str) -> str:
    found = shutil.which(name, path=SEARCHED)
    assert found, f"{name} is not installed"
    return found
