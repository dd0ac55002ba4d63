"""The only module that starts processes: each in its own group, drained, waited for, and its exit code checked."""

import contextlib
import os
import signal
import subprocess  # noqa: TID251 -- this is the one module that may
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from backupctl.cancel import Cancellation
from backupctl.errors import EngineError, ToolMissingError
from backupctl.pipes import LINGER_S, PIPE_BYTES, Pipe, Tail
from backupctl.redact import Redactor

# A tool writes some KiB at a time, and a reader that wakes for each costs both a third of a core. After a small read
# we let the pipe fill for a moment; it holds what 1 GB/s writes in that time.
_SMALL_READ = PIPE_BYTES // 8
_PACE_S = 0.001
GRACE_S = 5.0  # between SIGTERM and SIGKILL
PROBE_TIMEOUT_S = 60.0

# A child sees these of our environment and nothing else: it may hold the secrets of other jobs.
_INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "KRB5CCNAME",
)


class ProcessError(EngineError):
    """a program ended with an error"""

    def __init__(self, argv: Sequence[str], returncode: int, stderr: str) -> None:
        self.tool = Path(argv[0]).name
        self.returncode = returncode
        self.stderr = stderr.strip()
        how = f"was killed by {_signal_name(-returncode)}" if returncode < 0 else f"ended with exit code {returncode}"
        super().__init__(f"{self.tool} {how}" + (f": {self.stderr}" if self.stderr else ""))


def output_of(error: BaseException | None) -> str:
    """The end of what the program said on its stderr that an error came from; empty where none did."""
    while error is not None:
        if isinstance(error, ProcessError):
            return error.stderr
        error = error.__cause__
    return ""


class Source(Protocol):
    """What can be read: exactly the bytes asked for, until the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Session:
    """What the work of one run shares: a private folder (0700), the stop signal, the secrets, who is told of it."""

    scratch: Path
    cancel: Cancellation = field(default_factory=Cancellation)
    redact: Redactor = field(default_factory=Redactor)
    say: Callable[[str], None] = lambda _: None
    """Told, in a few words, what a long step is at that no bytes flow in."""

    def reader(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> "ProcessReader":
        """Start a program and read what it writes. Raises ToolMissingError."""
        return ProcessReader(_Child(argv, self, env=env, stdin=subprocess.DEVNULL))

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        text: str = "",
        timeout: float | None = PROBE_TIMEOUT_S,
        heard: Callable[[str], None] | None = None,
    ) -> str:
        """Run a short command with `text` on its stdin and return its stdout.

        `heard` is told each line of its stderr as it comes, redacted, on another thread; it must not raise.
        Raises ProcessError, also after `timeout` seconds, ToolMissingError, CancelledError.
        """
        with _Child(argv, self, env=env, stdin=subprocess.PIPE, heard=heard) as child:
            return child.communicate(text.encode(), timeout).decode(errors="replace")

    def call(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float) -> None:
        """Run a program for what it does; of what it says only the end is kept, for the message when it fails.

        It is done when the program itself has ended: what it started may have its stdout and go on, and is ended.
        Raises ProcessError, also after `timeout` seconds, ToolMissingError, CancelledError.
        """
        with _Child(argv, self, env=env, stdin=subprocess.DEVNULL) as child:
            child.drain_stdout()
            child.finish_within(timeout)

    def feed(self, argv: Sequence[str], source: Source, *, env: Mapping[str, str] | None = None) -> None:
        """Run a program with all of `source` on its stdin.

        If reading `source` raises, the program is killed before it can see an end of its input:
        a tool that takes the end of its input for the end of its work would keep half of it.
        Raises ProcessError, ToolMissingError, CancelledError, and what `source` raises.
        """
        with _Child(argv, self, env=env, stdin=subprocess.PIPE) as child:
            child.drain_stdout()
            child.write_all(source)
            child.finish()

    def private_file(self, name: str, content: str) -> Path:
        """A 0600 file in the run's private folder, for what must not stand in an argv or environment.

        Raises EngineError.
        """
        path = self.scratch / name
        try:
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(content)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise EngineError(f"{path} could not be written: {reason}", hint="look at the disk of state_dir") from error
        return path


class ProcessReader:
    """The stdout of a program, which ends only if the program succeeded."""

    def __init__(self, child: "_Child") -> None:
        self._child = child
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """Exactly `size` bytes until the end; b"" only after exit code 0. Raises EngineError, CancelledError."""
        chunks: list[bytes] = []
        missing = size
        while missing and not self._ended:
            chunk = self._child.read_some(min(missing, PIPE_BYTES))
            if 0 < len(chunk) < _SMALL_READ:
                time.sleep(_PACE_S)
            if not chunk:
                self._child.finish()
                self._ended = True
            chunks.append(chunk)
            missing -= len(chunk)
        return b"".join(chunks)

    def close(self) -> None:
        """End the program if it still runs, and reap it."""
        self._child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Child:
    def __init__(
        self,
        argv: Sequence[str],
        session: Session,
        *,
        env: Mapping[str, str] | None,
        stdin: int,
        heard: Callable[[str], None] | None = None,
    ) -> None:
        self._argv = list(argv)
        self._tool = Path(self._argv[0]).name
        self._session = session
        self._killer: threading.Timer | None = None
        self._abandoned = threading.Event()
        self._reaped = False
        self._unreported = False
        self._lock = threading.Lock()
        self._reaping = threading.Lock()
        session.cancel.check()
        try:
            self._process = subprocess.Popen(
                self._argv,
                env=_environment(env or {}),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # Ctrl-C reaches us alone; and one signal ends the whole group
            )
        except FileNotFoundError as error:
            raise ToolMissingError(f"the program {self._argv[0]} is not installed") from error
        except OSError as error:
            raise EngineError(f"the program {self._argv[0]} could not be started: {error.strerror}") from error
        except ValueError as error:  # a NUL character, or half of a surrogate pair
            raise EngineError(f"the program {self._argv[0]} could not be started: {error}") from error
        self._stdin = Pipe(self._process.stdin, self._abandoned) if self._process.stdin else None
        self._stdout = Pipe(self._process.stdout, self._abandoned)
        self._stdout.widen()
        redacted = (lambda line: heard(session.redact(line))) if heard else None
        self._tails = [Tail(Pipe(self._process.stderr, self._abandoned), redacted)]
        self._cancelling = session.cancel.calling(self._stop)
        self._cancelling.__enter__()

    def read_some(self, size: int) -> bytes:
        if self._reaped:
            raise EngineError(f"{self._tool} was stopped before the end of its output")
        return self._stdout.read(size)

    def write_all(self, source: Source) -> None:
        assert self._stdin
        self._stdin.widen()
        try:
            while chunk := source.read(PIPE_BYTES):
                self._session.cancel.check()
                self._stdin.write(chunk)
        except BrokenPipeError:
            # The program gave up reading; its exit code and its messages say why.
            self._stdin.close()
            self.finish()
            raise EngineError(f"{self._tool} stopped reading before the end of its input") from None
        self._stdin.close()

    def communicate(self, data: bytes, timeout: float | None) -> bytes:
        writer = threading.Thread(target=self._write, args=(data,), daemon=True)
        with self._limited(timeout):
            writer.start()
            output = b"".join(iter(lambda: self.read_some(PIPE_BYTES), b""))
            self._reap()
            writer.join()
        self.finish()
        return output

    def finish_within(self, timeout: float) -> None:
        """Like `finish`, but the program is stopped after so many seconds, which raises EngineError."""
        with self._limited(timeout):
            self._reap()
        self.finish()

    @contextlib.contextmanager
    def _limited(self, timeout: float | None) -> Iterator[None]:
        """Stop the program when the time is up; for a block that ends with the program."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._stop()

        timer = threading.Timer(timeout, expire) if timeout is not None else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            if timer:
                timer.cancel()
        self._session.cancel.check()
        if expired.is_set():
            raise EngineError(f"{self._tool} did not answer within {timeout:g} s", transient=True)

    def drain_stdout(self) -> None:
        """Read what the program says on stdout too, so that it never waits for us; it belongs to its messages."""
        self._tails.append(Tail(self._stdout))

    def finish(self) -> None:
        """Wait for the program and raise unless it succeeded."""
        self._reap()
        self._session.cancel.check()
        if self._unreported:
            raise EngineError(
                f"it is not known whether {self._tool} succeeded: the system reported no exit code",
                hint="start backupctl from something that does not ignore the signal SIGCHLD",
            )
        if self._process.returncode != 0:
            raise ProcessError(self._argv, self._process.returncode, self.messages())

    def messages(self) -> str:
        return "".join(tail.text(self._session.redact) for tail in self._tails)

    def close(self) -> None:
        if not self._reaped:
            self._stop()
            self._reap()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        assert self._stdin
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(data)
        self._stdin.close()

    def _stop(self) -> None:
        """SIGTERM to the whole group now, SIGKILL after a grace; never waits, so it can be called on cancel."""
        self._signal(signal.SIGTERM)
        with self._lock:
            if self._killer or self._reaped:
                return
            self._killer = threading.Timer(GRACE_S, self._kill)
            self._killer.daemon = True
            self._killer.start()

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._abandoned.set()

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)

    def _reap(self) -> None:
        with self._reaping:
            if not self._reaped:
                self._wait()
                self._cancelling.__exit__(None, None, None)
                self._let_go()

    def _wait(self) -> None:
        try:
            # WNOWAIT keeps the process id ours until the rest of its group is gone: what the program
            # started and left behind goes with it, and never a stranger that was given the same id.
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            self._signal(signal.SIGKILL)
        except ChildProcessError:
            # With SIGCHLD ignored the kernel keeps no exit code, and Popen would say 0.
            self._unreported = True
        with self._lock:
            self._process.wait()
            self._reaped = True
            if self._killer:
                self._killer.cancel()

    def _let_go(self) -> None:
        for tail in self._tails:
            tail.join(LINGER_S)
        self._abandoned.set()
        for tail in self._tails:
            tail.join()
        for pipe in (self._stdin, self._stdout):
            if pipe:
                pipe.close()


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # Messages in English, so that ours can quote and recognize them.
    return inherited | {"LC_ALL": "C.UTF-8"} | dict(extra)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
