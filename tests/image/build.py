"""Builds the image out of docker/Dockerfile, on a base made of the distribution's packages: no registry is asked."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.image.engine import Engine, program
from tests.parts.mysql import debian_mirror
from tests.parts.servers import PARTS, ROOT

DOCKERFILE = ROOT / "docker" / "Dockerfile"
IMAGE = "backupctl"
_SUITE = "trixie"
_PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def build(engine: Engine) -> None:
    """Make IMAGE, with the clients that the distribution has: the vendors' own packages may not be in reach."""
    _import(engine, _base())
    proxies = [name for lower in _PROXIES for name in (lower, lower.upper()) if name in os.environ]
    # Without a value, the docker command takes it from its environment.
    arguments = [f"--build-arg={name}={os.environ[name]}" for name in proxies]
    arguments += ["--build-arg=POSTGRES_CLIENTS=distribution", "--build-arg=REVISION=of-the-tests"]
    engine.ok("build", "--quiet", "--network=host", "--tag", IMAGE, "--file", DOCKERFILE, *arguments, ROOT)


def _import(engine: Engine, base: Path) -> None:
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found
    engine.ok("import", base, found[1])


def _base() -> Path:
    """The archive of a base, with what this machine needs to reach its mirrors; made once for each configuration."""
    recipe = "\n".join([_SUITE, _PACKAGES, debian_mirror() or "", *_apt_settings(), *_pip_settings()])
    bundle = _BUNDLE.read_bytes() if _BUNDLE.exists() else b""
    archive = PARTS / "image" / f"base-{hashlib.sha256(recipe.encode() + bundle).hexdigest()[:12]}.tar"
    if not archive.exists():
        # Its pip.conf may hold a password for an index.
        archive.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(archive)
    return archive


def _make(archive: Path) -> None:
    unfinished, settings = archive.with_suffix(".new"), archive.parent / "pip.conf"
    settings.write_text("[global]\n" + "".join(f"{line}\n" for line in _pip_settings()))
    argv = [program("mmdebstrap"), "--quiet", "--variant=minbase", "--format=tar", f"--include={_PACKAGES}"]
    argv += [f"--aptopt={line}" for line in _apt_settings()]
    argv.append(f"--customize-hook=copy-in {settings} /etc")
    if _BUNDLE.exists():
        argv.append(f"--customize-hook=copy-in {_BUNDLE} {_BUNDLE.parent}")
    subprocess.run([*argv, _SUITE, str(unfinished), *filter(None, [debian_mirror()])], check=True)
    unfinished.rename(archive)


def _apt_settings() -> Iterator[str]:
    """How this machine's apt gets to its mirror."""
    for line in _said("apt-config", "dump").splitlines():
        if re.match(r"Acquire::(https?::|Check-)", line):
            yield line


def _pip_settings() -> Iterator[str]:
    """Where this machine's pip gets packages from, but for folders, which the base does not have."""
    for key, value in re.findall(
        r"^\S+?\.([a-z-]+)='(.*)'$", _said(sys.executable, "-m", "pip", "config", "list"), re.M
    ):
        reachable = [word for word in value.split() if not word.startswith("file:")]
        if key in _PIP_KEYS and reachable:
            yield f"{key} = {' '.join(reachable)}"


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout
