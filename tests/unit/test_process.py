"""Child processes: what they say is read whole, and how they end is never lost."""

import base64
import contextlib
import io
import os
import select
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backupctl import pipes, process
from backupctl.errors import CancelledError, EngineError, ToolMissingError
from backupctl.pipes import PIPE_BYTES
from backupctl.process import ProcessError, Session
from backupctl.redact import Redactor

SLEEP = ["sleep", "600"]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(scratch=tmp_path, redact=Redactor(["s3cret"]))


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_S", 0.2)
    monkeypatch.setattr(process, "LINGER_S", 0.2)
    monkeypatch.setattr(pipes, "LINGER_S", 0.1)


@pytest.fixture
def strays(tmp_path: Path) -> Iterator[Callable[[], list[int]]]:
    """The process ids that a script wrote to the file `strays`, one a line; ended after the test."""
    path = tmp_path / "strays"

    def read() -> list[int]:
        return [int(line) for line in path.read_text().split()]

    yield read
    for pid in read() if path.exists() else []:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def has_ended(pid: int) -> bool:
    """Whether it is gone, or is so within the moments that the kernel takes for a kill."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    try:
        return bool(poll.poll(5000))
    finally:
        os.close(watch)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


class Failing:
    """A source that gives some bytes and then fails."""

    def __init__(self, data: bytes) -> None:
        self._source = io.BytesIO(data)

    def read(self, size: int, /) -> bytes:
        chunk = self._source.read(size)
        if not chunk:
            raise OSError("the source is gone")
        return chunk


# Reading


def test_the_output_is_read_whole_and_then_ends(session: Session) -> None:
    with session.reader(sh("printf abc; printf def")) as reader:
        assert [reader.read(4), reader.read(4), reader.read(4)] == [b"abcd", b"ef", b""]


def test_a_read_gives_exactly_what_was_asked_for_though_the_program_writes_in_drops(session: Session) -> None:
    drops = "import os, time\nfor _ in range(200): os.write(1, b'x' * 7); time.sleep(0.0005)"
    with session.reader(python(drops)) as reader:
        assert [len(reader.read(500)) for _ in range(4)] == [500, 500, 400, 0]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 3 * PIPE_BYTES), asked=st.lists(st.integers(1, 2 * PIPE_BYTES), max_size=5))
def test_reads_are_exact_for_every_size(session: Session, size: int, asked: list[int]) -> None:
    with session.reader(["head", "-c", str(size), "/dev/zero"]) as reader:
        left = size
        for wanted in [*asked, size + 1]:
            assert len(reader.read(wanted)) == min(wanted, left)
            left -= min(wanted, left)
        assert reader.read(1) == b""


def test_the_end_is_never_reached_when_the_program_fails_after_its_last_byte(session: Session) -> None:
    with session.reader(sh("head -c 3000000 /dev/zero; echo went wrong >&2; exit 3")) as reader:
        assert len(reader.read(2_000_000)) == 2_000_000
        with pytest.raises(ProcessError, match=r"^sh ended with exit code 3: went wrong$"):
            reader.read(2_000_000)


def test_a_failed_reader_fails_again_instead_of_ending(session: Session) -> None:
    with session.reader(sh("echo half; exit 1")) as reader:
        for _ in range(3):
            with pytest.raises(EngineError):
                reader.read(100)


def test_a_closed_reader_does_not_end_though_the_program_succeeded(session: Session) -> None:
    reader = session.reader(["true"])
    reader.close()
    with pytest.raises(EngineError, match="true was stopped before the end of its output"):
        reader.read(1)


def test_an_ended_reader_stays_at_its_end(session: Session) -> None:
    with session.reader(["true"]) as reader:
        assert [reader.read(1), reader.read(1)] == [b"", b""]


def test_a_killed_program_is_told_by_the_signals_name(session: Session) -> None:
    with (
        session.reader(sh("printf abc; kill -KILL $$")) as reader,
        pytest.raises(ProcessError, match="sh was killed by SIGKILL"),
    ):
        reader.read(100)


def test_a_flood_on_stderr_does_not_stop_the_program(session: Session) -> None:
    flood = "import sys\nfor n in range(20000): sys.stderr.write(f'line {n} ' + 'x' * 50 + '\\n')\nprint('done')"
    with session.reader(python(flood)) as reader:
        assert reader.read(100) == b"done\n"


def test_of_a_flood_on_stderr_the_end_is_kept(session: Session) -> None:
    with (
        session.reader(sh("yes some words | head -c 1000000 >&2; echo the reason >&2; exit 1")) as reader,
        pytest.raises(ProcessError) as caught,
    ):
        reader.read(1)
    assert caught.value.stderr.endswith("the reason")
    assert len(caught.value.stderr) < 20_000


def test_a_secret_on_stderr_is_masked_wherever_the_kept_end_begins(session: Session) -> None:
    for filler in range(2 * pipes.TAIL_BYTES - 12, 2 * pipes.TAIL_BYTES + 4):
        script = f"(printf 'password s3cret\\n'; head -c {filler} /dev/zero | tr '\\0' y; echo; exit 1) >&2; exit 1"
        with session.reader(sh(script)) as reader, pytest.raises(ProcessError) as caught:
            reader.read(1)
        assert "cret" not in str(caught.value)


def test_a_secret_of_several_lines_is_masked_wherever_the_kept_end_begins(tmp_path: Path) -> None:
    key = base64.b64encode(bytes(range(200))).decode()
    session = Session(tmp_path, redact=Redactor([key]))
    (tmp_path / "said").write_text("\n".join(textwrap.wrap(key, 64)) + "\n")
    lines = (2 * pipes.TAIL_BYTES - 150) // 64
    for more in range(3):  # the cut falls into another of the lines
        script = f"(cat {tmp_path}/said; yes {'y' * 63} | head -n {lines + more}; echo the reason) >&2; exit 1"
        with session.reader(sh(script)) as reader, pytest.raises(ProcessError) as caught:
            reader.read(1)
        assert caught.value.stderr.endswith("the reason")
        assert not any(part in caught.value.stderr for part in textwrap.wrap(key, 16))


# Starting


def test_a_missing_program_is_named(session: Session) -> None:
    with pytest.raises(ToolMissingError, match="the program /nosuch/pg_dump is not installed"):
        session.reader(["/nosuch/pg_dump"])


def test_a_file_that_is_no_program_is_an_error(session: Session) -> None:
    path = session.private_file("not-a-program", "")
    with pytest.raises(EngineError, match="could not be started: Permission denied"):
        session.reader([str(path)])


def test_an_argument_that_no_program_can_get_is_an_error(session: Session) -> None:
    with pytest.raises(EngineError, match="the program echo could not be started: embedded null byte"):
        session.reader(["echo", "a\0b"])


def test_a_child_does_not_see_our_environment(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_JOBS_PASSWORD", "s3cret")
    monkeypatch.setenv("PGPASSFILE", "/somewhere")
    seen = dict(line.split("=", 1) for line in session.run(["env"], env={"PGAPPNAME": "backupctl"}).splitlines())
    assert seen.keys().isdisjoint({"OTHER_JOBS_PASSWORD", "PGPASSFILE"})
    assert (seen["PGAPPNAME"], seen["LC_ALL"], seen["PATH"]) == ("backupctl", "C.UTF-8", os.environ["PATH"])


def test_a_child_inherits_no_file_of_ours(session: Session, tmp_path: Path) -> None:
    with (tmp_path / "held").open("w"):
        held = session.run(sh("ls -l /proc/$$/fd"))
    assert "held" not in held


def test_a_private_file_is_readable_for_us_alone(session: Session) -> None:
    previous = os.umask(0)
    try:
        path = session.private_file("passfile", "pä:ss")
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == "pä:ss".encode()


def test_a_private_file_replaces_one_that_was_open_to_others_or_a_link(session: Session, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    (tmp_path / "linked").symlink_to(elsewhere)
    (tmp_path / "open").touch(mode=0o666)
    for name in ("linked", "open"):
        path = session.private_file(name, "s3cret")
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert not path.is_symlink()
    assert elsewhere.read_text() == "untouched"


# Short commands


def test_a_short_commands_output_is_returned(session: Session) -> None:
    assert session.run(["cat"], text="grüße\n") == "grüße\n"


def test_a_short_command_may_leave_its_input_unread(session: Session) -> None:
    assert session.run(["echo", "hello"], text="x" * 5_000_000) == "hello\n"


def test_input_and_output_larger_than_every_buffer_pass_through_a_short_command(session: Session) -> None:
    text = "0123456789" * 500_000
    assert session.run(["cat"], text=text) == text


def test_what_a_command_says_is_heard_while_it_runs(session: Session, tmp_path: Path) -> None:
    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        (tmp_path / "heard").touch()

    script = f"echo half >&2; until [ -e {tmp_path}/heard ]; do sleep 0.01; done; printf 'of s3cret' >&2; echo out"
    assert session.run(sh(script), heard=hear) == "out\n"
    assert heard == ["half", "of ***"]


def test_a_line_without_an_end_is_heard_within_bounds(session: Session) -> None:
    heard: list[str] = []
    session.run(sh("head -c 1000000 /dev/zero | tr '\\0' x >&2"), heard=heard.append)
    assert [set(line) for line in heard] == [{"x"}]
    assert len(heard[0]) <= pipes.TAIL_BYTES


def test_a_failing_short_command_raises_with_its_masked_message(session: Session) -> None:
    with pytest.raises(ProcessError, match=r"sh ended with exit code 2: no login as \*\*\*$") as caught:
        session.run(sh("echo no login as s3cret >&2; exit 2"))
    assert (caught.value.tool, caught.value.returncode) == ("sh", 2)


@pytest.mark.parametrize("script", ["exec sleep 600", "trap '' TERM; while :; do sleep 0.05; done"])
def test_a_command_that_does_not_answer_is_ended(session: Session, script: str) -> None:
    with pytest.raises(EngineError, match=r"sh did not answer within 0\.2 s") as caught:
        session.run(sh(script), timeout=0.2)
    assert caught.value.transient


def test_an_answer_that_was_cut_short_by_the_timeout_is_not_taken(session: Session) -> None:
    with pytest.raises(EngineError, match="did not answer"):
        session.run(sh("trap 'exit 0' TERM; echo half; while :; do sleep 0.05; done"), timeout=0.2)


# Feeding


def test_a_program_gets_all_of_its_input(session: Session, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    session.feed(sh(f"cat > {tmp_path}/copy"), io.BytesIO(data))
    assert (tmp_path / "copy").read_bytes() == data


def test_a_program_that_is_fed_may_say_a_lot(session: Session) -> None:
    session.feed(["cat"], io.BytesIO(bytes(5_000_000)))


def test_a_source_that_fails_kills_the_program_before_it_sees_an_end(session: Session, tmp_path: Path) -> None:
    committed = tmp_path / "committed"
    with pytest.raises(OSError, match="the source is gone"):
        session.feed(sh(f"cat > /dev/null; touch {committed}"), Failing(bytes(2_000_000)))
    assert not committed.exists()


def test_a_failing_source_kills_also_a_program_that_ignores_sigterm(session: Session, tmp_path: Path) -> None:
    committed = tmp_path / "committed"
    with pytest.raises(OSError, match="the source is gone"):
        session.feed(sh(f"trap '' TERM; cat > /dev/null; touch {committed}"), Failing(b"x"))
    assert not committed.exists()


def test_a_program_that_gives_up_reading_tells_why(session: Session) -> None:
    with pytest.raises(ProcessError, match="sh ended with exit code 1: relation exists already"):
        session.feed(sh("head -c 10 > /dev/null; echo relation exists already >&2; exit 1"), io.BytesIO(bytes(9 << 20)))


def test_a_program_that_stops_reading_and_succeeds_is_an_error_all_the_same(session: Session) -> None:
    with pytest.raises(EngineError, match="true stopped reading before the end of its input"):
        session.feed(["true"], io.BytesIO(bytes(9 << 20)))


def test_a_fed_program_that_fails_at_the_end_is_an_error(session: Session) -> None:
    with pytest.raises(ProcessError, match="sh ended with exit code 5: on stdout"):
        session.feed(sh("cat > /dev/null; echo on stdout; exit 5"), io.BytesIO(b"x"))


# Stopping


def test_cancelling_ends_a_read_that_waits(session: Session) -> None:
    with session.reader(sh("printf abc; exec sleep 600")) as reader:
        assert reader.read(3) == b"abc"
        thread = in_background(session.cancel.request)
        with pytest.raises(CancelledError):
            reader.read(1)
        thread.join()


def test_cancelling_ends_a_program_that_ignores_sigterm_and_its_children(
    session: Session, strays: Callable[[], list[int]], tmp_path: Path
) -> None:
    script = f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/strays; echo ready; while :; do sleep 0.05; done"
    with session.reader(sh(script)) as reader:
        assert reader.read(6) == b"ready\n"
        session.cancel.request()
        with pytest.raises(CancelledError):
            reader.read(1)
    assert all(map(has_ended, strays()))


def test_cancelling_ends_a_program_that_does_not_read_its_input(session: Session) -> None:
    reading = threading.Event()

    class Endless:
        def read(self, size: int, /) -> bytes:
            reading.set()
            return bytes(size)

    def cancel() -> None:
        reading.wait()
        session.cancel.request()

    thread = in_background(cancel)
    with pytest.raises(CancelledError):
        session.feed(SLEEP, Endless())
    thread.join()


def test_cancelling_wins_over_a_program_that_then_succeeds(session: Session) -> None:
    with session.reader(sh("trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")) as reader:
        assert reader.read(6) == b"ready\n"
        session.cancel.request()
        with pytest.raises(CancelledError):
            reader.read(1)


def test_nothing_is_started_for_a_run_that_was_cancelled(session: Session, tmp_path: Path) -> None:
    session.cancel.request()
    with pytest.raises(CancelledError):
        session.run(["touch", str(tmp_path / "started")])
    assert not (tmp_path / "started").exists()


def test_closing_a_reader_ends_the_program_and_what_it_started(
    session: Session, strays: Callable[[], list[int]], tmp_path: Path
) -> None:
    with session.reader(sh(f"sleep 600 & echo $! $$ > {tmp_path}/strays; echo ready; wait")) as reader:
        reader.read(6)
    assert all(map(has_ended, strays()))


def test_what_a_program_leaves_behind_in_its_group_goes_with_it(
    session: Session, strays: Callable[[], list[int]], tmp_path: Path
) -> None:
    assert session.run(sh(f"sleep 600 > /dev/null & echo $! > {tmp_path}/strays; echo done")) == "done\n"
    assert all(map(has_ended, strays()))


def test_a_process_that_left_the_group_and_holds_stderr_does_not_hold_us(
    session: Session, strays: Callable[[], list[int]], tmp_path: Path
) -> None:
    script = f"setsid sh -c 'echo $$ > {tmp_path}/strays; echo ready; exec sleep 600 > /dev/null' & wait_for_it"
    waiting = f"wait_for_it() {{ while ! [ -s {tmp_path}/strays ]; do sleep 0.01; done; }}; {script}"
    with session.reader(sh(waiting)) as reader:
        assert reader.read(100) == b"ready\n"
    assert len(strays()) == 1


def test_a_process_that_left_the_group_and_holds_stdout_does_not_outlast_the_cancel(
    session: Session, strays: Callable[[], list[int]], tmp_path: Path
) -> None:
    script = f"setsid sh -c 'echo $$ > {tmp_path}/strays; echo ready; exec sleep 600' & exit 0"
    with session.reader(sh(script)) as reader:
        assert reader.read(6) == b"ready\n"
        session.cancel.request()
        with pytest.raises(CancelledError):
            reader.read(1)
    assert len(strays()) == 1


def test_a_reader_may_be_closed_by_several_threads_at_once(session: Session) -> None:
    reader = session.reader(SLEEP)
    threads = [in_background(reader.close) for _ in range(8)]
    for thread in threads:
        thread.join()
    with pytest.raises(EngineError):
        reader.read(1)


def test_many_runs_leave_neither_open_files_nor_threads(session: Session) -> None:
    files, threads = open_files(), set(threading.enumerate())
    for _ in range(20):
        session.run(["true"])
        session.reader(SLEEP).close()
        session.feed(["cat"], io.BytesIO(b"x"))
    for thread in set(threading.enumerate()) - threads:
        thread.join(process.GRACE_S)
    assert set(threading.enumerate()) <= threads
    assert open_files() == files


def test_an_exit_code_that_the_system_kept_to_itself_is_no_success(tmp_path: Path) -> None:
    script = """
from pathlib import Path
from backupctl.errors import EngineError
from backupctl.process import Session
try:
    Session(scratch=Path("/nonexistent")).run(["false"])
except EngineError as error:
    print(error, "|", error.hint)
"""
    ignoring = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )
    assert ignoring.stdout == (
        "it is not known whether false succeeded: the system reported no exit code"
        " | start backupctl from something that does not ignore the signal SIGCHLD\n"
    )
