"""A `backupctl run` that is looked at from outside: its lines as they come, its memory, its time on the processor."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

COMMAND = Path(sys.executable).with_name("backupctl")
_PATIENCE_S = 600


@dataclass(frozen=True)
class Line:
    """What it said, and when that could be read, in seconds since 1970."""

    at: float
    text: str


class Daemon:
    """Goes on for as long as the context lasts, and must then end with success."""

    def __init__(self, folder: Path, *args: str) -> None:
        self.begun = time.time()
        env = {name: value for name, value in os.environ.items() if not name.startswith("BACKUPCTL_")}
        self._process = subprocess.Popen(
            [str(COMMAND), "run", "--log-format", "json", *args],
            cwd=folder,
            env=env,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        self._lines: list[Line] = []
        self._ended = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def lines(self) -> list[Line]:
        with self._news:
            return list(self._lines)

    def wait_for(self, text: str, *, times: int = 1) -> Line:
        """The line that says it, or says it for the so-many-th time."""
        found = 0
        for number in itertools.count():
            line = self._line(number)
            if line is None:
                last = "\n".join(line.text for line in self.lines[-10:])
                raise SystemExit(f"the runner said {text!r} {found} times, not {times}; at last:\n{last}")
            found += text in line.text
            if found == times:
                return line
        raise AssertionError

    def signal(self, number: signal.Signals) -> float:
        """Send it, and say when."""
        at = time.time()
        self._process.send_signal(number)
        return at

    @property
    def resident_bytes(self) -> int:
        return self._status("VmRSS")

    @property
    def peak_bytes(self) -> int:
        return self._status("VmHWM")

    @property
    def cpu_seconds(self) -> float:
        """Of all its threads, in steps of 0.01 s."""
        # The second field, the name, is in parentheses and may hold spaces; utime and stime are fields 14 and 15.
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM if error is None else signal.SIGKILL)
        code = self._process.wait()
        self._reader.join()
        if error is None and code != 0:
            raise SystemExit(f"the runner ended with {code}: {self._lines[-1].text}")

    def _line(self, number: int) -> Line | None:
        """None: it has ended before, or says nothing more for very long."""
        with self._news:
            self._news.wait_for(lambda: len(self._lines) > number or self._ended, _PATIENCE_S)
            return self._lines[number] if len(self._lines) > number else None

    def _read(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            with self._news:
                self._lines.append(Line(time.time(), line.decode().rstrip("\n")))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) << 10
        raise SystemExit(f"no {name} in /proc/{self._process.pid}/status")
