"""A private Redis server, which begins with the dump that is put into its folder."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.parts.missing import PartMissingError
from tests.parts.ports import free_port
from tests.parts.servers import ServerProcess, private_folder

PASSWORD = "p:a\\s s'w#%40"  # within redis-cli's REDISCLI_AUTH every character stands for itself


class RedisServer:
    """One running instance; every login needs its password."""

    host = "127.0.0.1"
    password = PASSWORD

    def __init__(self, dump: Path | None = None) -> None:
        self.port = free_port()
        self._folder = private_folder("redis")
        try:
            if dump:
                shutil.copy(dump, self._folder / "dump.rdb")
            self._start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def ask(self, *words: str) -> str:
        """The answer to one command, as redis-cli prints it. Raises RuntimeError."""
        argv = ["redis-cli", "-p", str(self.port), "-e", *words]
        env = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": PASSWORD}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.removesuffix("\n")

    def close(self) -> None:
        self._process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        (self._folder / "redis.conf").write_text(
            f'port {self.port}\nbind {self.host}\nrequirepass "{PASSWORD.replace(chr(92), chr(92) * 2)}"\n'
            f'dir {self._folder}\nsave ""\nrepl-diskless-sync-delay 0\n'
        )
        argv = [str(self._program()), str(self._folder / "redis.conf")]
        self._process = ServerProcess(argv, log=self._folder / "log", env={"PATH": os.environ["PATH"]})
        self._process.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return self.ask("PING") == "PONG"
        except RuntimeError:
            return False

    def _program(self) -> Path:
        """Debian's redis-tools has the server under the name of a checker; it goes by the name it is called by."""
        found = shutil.which("redis-server")
        checker = shutil.which("redis-check-rdb")
        if found:
            return Path(found)
        if not checker or not shutil.which("redis-cli"):
            raise PartMissingError("Redis", "neither redis-server nor redis-check-rdb is on PATH")
        server = self._folder / "redis-server"
        server.symlink_to(checker)
        return server
