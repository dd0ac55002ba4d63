"""Private servers and clients of Oracle's MySQL, fetched from Debian and run by a loader and libraries of their own."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from tests.parts.mariadb import PASSWORD, MariadbServer, literal
from tests.parts.missing import MYSQL, PartMissingError
from tests.parts.servers import PARTS, ServerProcess

FOLDER = PARTS / "mysql"
TOOLS = ("mysql", "mysqldump")
_PACKAGES = ("mysql-server-core", "mysql-client-core")
_NOT_NEEDED = ("perl", "libperl")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class MysqlServer(MariadbServer):
    """One running instance; `root` may do everything, and every login needs its password."""

    flavour: ClassVar[str] = "mysql"

    def _find(self) -> Path:
        clients = FOLDER / "bin"
        if not all((clients / tool).exists() for tool in TOOLS):
            raise PartMissingError(MYSQL, "not fetched by `make parts`, or from where it is fetched it is gone")
        return clients

    def _initialize(self) -> None:
        messages = f"--lc-messages-dir={FOLDER / 'root/usr/share/mysql'}"
        argv = [*self._server(), "--initialize-insecure", f"--datadir={self.data}", messages]
        ServerProcess(argv, log=self.folder / "log", env=self._env()).wait_for_success()

    def _server(self) -> list[str]:
        root = FOLDER / "root"
        argv = [str(FOLDER / "bin" / "mysqld"), "--no-defaults", *self._as_whom(), f"--basedir={root / 'usr'}"]
        argv += [f"--plugin-dir={root / 'usr/lib/mysql/plugin'}", "--secure-file-priv=NULL", "--mysqlx=OFF"]
        argv += [f"--character-sets-dir={root / 'usr/share/mysql/charsets'}"]
        return [*argv, "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--sync-binlog=0"]

    def _remote_root(self) -> str:
        return (
            f"CREATE USER root@'127.0.0.1' IDENTIFIED BY {literal(PASSWORD)};"
            "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION"
        )

    def _client_program(self) -> Path:
        return self.bin_dir / "mysql"


def fetch(run: Callable[[Sequence[str]], bool]) -> bool:
    """Fetch and unpack it with an apt state of its own; the system's is neither read for versions nor changed."""
    mirror, apt = debian_mirror(), FOLDER / "apt"
    if mirror is None:
        return False
    shutil.rmtree(FOLDER, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "sources").write_text(f"deb [signed-by={_KEYRING}] {mirror} sid main\n")
    options = {
        "Dir::Etc::sourcelist": apt / "sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "",
    }
    command = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    download = ["install", "--no-install-recommends", "--download-only", "-y", *_PACKAGES]
    fetched = run([*command, "update"]) and run([*command, *download]) and _unpack(apt / "cache" / "archives", run)
    shutil.rmtree(apt)
    if fetched:
        write_launchers()
    return fetched


def debian_mirror() -> str | None:
    """Where this machine's own apt gets Debian from, if it does."""
    if not shutil.which("apt-get") or os.uname().machine != "x86_64":
        return None
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return next((line for line in answer.splitlines() if line.rstrip("/").endswith("/debian")), None)


def _unpack(archives: Path, run: Callable[[Sequence[str]], bool]) -> bool:
    packages = [path for path in sorted(archives.glob("*.deb")) if not path.name.startswith(_NOT_NEEDED)]
    return bool(packages) and all(run(["dpkg-deb", "-x", str(path), str(FOLDER / "root")]) for path in packages)


def write_launchers(folder: Path = FOLDER) -> None:
    """Make the programs of an unpacked system startable, each with that system's loader and libraries."""
    root, launchers = folder / "root", folder / "bin"
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib/x86_64-linux-gnu/mysql"
    loader = [str(root / "usr/lib64/ld-linux-x86-64.so.2"), "--library-path", libraries]
    shutil.rmtree(launchers, ignore_errors=True)
    launchers.mkdir()
    for program in ("usr/sbin/mysqld", *(f"usr/bin/{tool}" for tool in TOOLS)):
        launcher = launchers / Path(program).name
        words = shlex.join([*loader, str(root / program)])
        plugins = shlex.quote(str(root / "usr/lib/mysql/plugin"))
        launcher.write_text(f'#!/bin/sh\nexport LIBMYSQL_PLUGIN_DIR={plugins}\nexec {words} "$@"\n')
        launcher.chmod(0o755)
