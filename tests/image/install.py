"""Installs what builds and runs the image: `python -m tests.image.install`."""

import os
import shutil
import subprocess
import sys

from tests.image.engine import PROGRAMS, SEARCHED
from tests.parts.install import install_packages

_PACKAGES = {"dockerd": "docker.io", "docker": "docker-cli", "mmdebstrap": "mmdebstrap"}
_BUILDX = "docker-buildx"
"""Since Docker 23 the builder is a program of its own, and in Debian since 13 also a package."""


def main() -> int:
    if os.geteuid() != 0:
        return _fail("only root can start a container engine: run it as root, on a machine of its own")
    if missing := _missing():
        # On a machine whose init is SysV's, a package's service is not started in runlevel 1.
        os.environ["RUNLEVEL"] = "1"
        install_packages(_known([*(_PACKAGES[program] for program in missing), _BUILDX]))
    if missing := _missing():
        return _fail(f"{', '.join(missing)} could not be installed; this needs a Debian-like machine and its mirror")
    return 0


def _missing() -> list[str]:
    return [program for program in PROGRAMS if not shutil.which(program, path=SEARCHED)]


def _known(packages: list[str]) -> list[str]:
    """Those that this distribution has: before Debian 13, docker.io held them all."""
    subprocess.run(["apt-get", "update", "-qq"], check=False)
    return [
        name for name in packages if subprocess.run(["apt-cache", "show", name], capture_output=True).returncode == 0
    ]


def _fail(why: str) -> int:
    sys.stderr.write(f"image: {why}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
