"""Private MariaDB servers of the distribution's version, and what MySQL's have in common with them."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from tests.parts.missing import PartMissingError
from tests.parts.ports import free_port
from tests.parts.servers import ServerProcess, private_folder

PASSWORD = 'p#a;s\\s\'w"or\\"d \\n%40 é '
"""Every character that an option file gives a meaning to, and a space at the end."""

_SEARCHED = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
_SETTINGS = (
    "--skip-name-resolve",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-buffer-pool-size=64M",
    "--innodb-doublewrite=0",
    "--max-allowed-packet=256M",
    "--log-bin-trust-function-creators=ON",
    "--event-scheduler=OFF",
)


class MariadbServer:
    """One running instance; `root` may do everything, and every login needs its password."""

    flavour: ClassVar[str] = "mariadb"
    host = "127.0.0.1"
    user = "root"
    password = PASSWORD

    def __init__(self, *settings: str) -> None:
        self.bin_dir = self._find()
        self.port = free_port()
        self.folder = private_folder(self.flavour)
        self.socket = self.folder / "s.sock"
        self.data = self.folder / "data"
        self._settings = settings
        self._options = self.folder / "client.cnf"
        self._options.write_text("")
        try:
            self._initialize()
            self.start()
            self.sql(f"ALTER USER root@localhost IDENTIFIED BY {literal(PASSWORD)}")
            self._options.write_text(f"[client]\npassword={_quoted(PASSWORD)}\n", encoding="utf-8")
            self.sql(self._remote_root())
        except BaseException:
            self.close()
            raise

    def sql(self, text: str, database: str | None = None) -> str:
        """Run statements as root; the rows as text, columns parted by tabs. Raises RuntimeError."""
        done = self._client(text, database)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.removesuffix("\n")

    def create_database(self, name: str) -> None:
        self.sql(f"CREATE DATABASE {quoted(name)}")

    def start(self) -> None:
        argv = [*self._server(), f"--datadir={self.data}", f"--port={self.port}", "--bind-address=127.0.0.1"]
        argv += [f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}", *_SETTINGS, *self._settings]
        self._process = ServerProcess(argv, log=self.folder / "log", env=self._env())
        self._process.wait_until(lambda: self._client("SELECT 1").returncode == 0)

    def stop(self) -> None:
        """An orderly shutdown, which ends the connections that there are."""
        self._process.signal(signal.SIGTERM)
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory is short."""
        self._process.kill()

    def close(self) -> None:
        if hasattr(self, "_process"):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _find(self) -> Path:
        """The folder of the clients. Raises PartMissingError."""
        for tool in ("mariadbd", "mariadb-install-db", "mariadb-dump"):
            if not shutil.which(tool, path=_SEARCHED):
                raise PartMissingError("MariaDB", f"the distribution's {tool} is not installed")
        return Path(shutil.which("mariadb-dump", path=_SEARCHED) or "").parent

    def _initialize(self) -> None:
        argv = ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", *self._as_whom()]
        argv += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        ServerProcess(argv, log=self.folder / "log", env=self._env()).wait_for_success()

    def _server(self) -> list[str]:
        program = shutil.which("mariadbd", path=_SEARCHED)
        assert program
        return [program, "--no-defaults", *self._as_whom()]

    def _remote_root(self) -> str:
        return f"GRANT ALL ON *.* TO root@'127.0.0.1' IDENTIFIED BY {literal(PASSWORD)} WITH GRANT OPTION"

    def _as_whom(self) -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []

    def _client_program(self) -> Path:
        return self.bin_dir / "mariadb"

    def _client(self, text: str, database: str | None = None) -> "subprocess.CompletedProcess[str]":
        argv = [
            str(self._client_program()),
            f"--defaults-file={self._options}",
            f"--socket={self.socket}",
            "--user=root",
        ]
        argv += [
            "--default-character-set=utf8mb4",
            "--batch",
            "--raw",
            "--skip-column-names",
            "--binary-mode",
            "--comments",
        ]
        if database is not None:
            argv.append(f"--database={database}")
        return run(argv, text, self._env())

    def _env(self) -> dict[str, str]:
        # A server that starts deletes every temporary table in TMPDIR, those of other servers too.
        folder = str(self.folder)
        return {"PATH": _SEARCHED, "LC_ALL": "C.UTF-8", "HOME": folder, "TMPDIR": folder, "TZ": "UTC"}


def run(argv: Sequence[str], text: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    # Newlines are not translated: they may be data.
    return subprocess.run(argv, input=text, env=env, capture_output=True, encoding="utf-8", check=False)


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
