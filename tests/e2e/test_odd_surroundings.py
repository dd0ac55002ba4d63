"""The command where nobody reads what it says, where a terminal is odd, or where the machine lacks something."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.e2e.command import COMMAND, Workplace, until
from tests.e2e.places import sqlite_job


def _shell(place: Workplace, line: str) -> "subprocess.CompletedProcess[str]":
    """A line of bash, in which $B is the command."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=place.folder,
        env=place.environment({"B": str(COMMAND)}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "line",
    ["$B run-once shop 2>&1 | true", "$B run-once shop 2>&-", "$B run-once shop >&-", "$B run-once shop 2>/dev/full"],
    ids=["the reader went away", "stderr is closed", "stdout is closed", "the log's disk is full"],
)
def test_a_run_that_nobody_listens_to_makes_its_backup(place: Workplace, line: str) -> None:
    sqlite_job(place)
    assert _shell(place, line).returncode == 0
    assert len(place.backups("shop")) == 1


def test_a_failed_run_that_nobody_listens_to_still_fails(place: Workplace) -> None:
    sqlite_job(place)
    (place.folder / "shop.db").unlink()
    assert _shell(place, "$B run-once shop 2>&1 | true").returncode == 1


def test_a_reader_that_has_read_enough_is_no_error(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    for line in ("$B list | true", "$B list --json | true", "$B list --json >&-"):
        ended = _shell(place, line)
        assert (ended.returncode, ended.stderr) == (0, ""), line


def test_output_that_is_lost_is_an_error(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    for line in ("$B list >/dev/full", "$B list --json >/dev/full"):
        ended = _shell(place, line)
        assert ended.returncode == 1, line
        assert ended.stderr == "error: the output could not be written: no space left on device\n"


@pytest.mark.parametrize("where", ["| true", ">/dev/full", ">&-"])
def test_a_dump_that_did_not_get_through_to_stdout_is_an_error(place: Workplace, where: str) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    ended = _shell(place, f"$B restore shop --to-file - {where}")
    assert ended.returncode == 1
    assert "error: stdout " in ended.stderr
    assert "bug" not in ended.stderr


def _sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def _on_a_terminal(place: Workplace, *args: str, typed: bytes) -> tuple[int, str]:
    """Run on a terminal, and type when the command asks; its exit code, and what the terminal showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        # Who runs the tests in the background has them ignore SIGINT.
        ["env", "--default-signal", "setsid", "--ctty", "--wait", str(COMMAND), *args],
        cwd=place.folder,
        env=place.environment({"TERM": "dumb"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown, asked = b"", False
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
            # Once: an interrupted prompt is drawn anew, and is no second question.
            if b"[y/N]" in shown and not asked:
                asked = True
                # A signal between the prompt and the reading would be heeded at the next key only (CPython 3.11).
                until(lambda: _sleeps(process.pid))
                os.write(ours, typed)
    except OSError:  # so a terminal ends on Linux
        pass
    finally:
        os.close(ours)
    return process.wait(timeout=60), shown.decode()


@pytest.mark.parametrize(
    ("typed", "code"),
    [(b"y\n", 0), (b"n\n", 2), (b"\x03", 130), (b"\x04", 130)],
    ids=["yes", "no", "Ctrl-C", "end of input"],
)
def test_a_restore_over_something_asks_and_does_what_it_is_told(place: Workplace, typed: bytes, code: int) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    (place.folder / "mine.db").write_text("precious")
    ended, shown = _on_a_terminal(place, "restore", "shop", "--into", "mine.db", "--clean", typed=typed)
    assert ended == code, shown
    assert ((place.folder / "mine.db").read_bytes() == b"precious") == (code != 0)


def test_where_nobody_can_be_asked_nothing_is_replaced(place: Workplace) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    (place.folder / "mine.db").write_text("precious")
    ended = place.run("restore", "shop", "--into", "mine.db", "--clean")
    assert ended.code == 2
    assert "hint: add --yes" in ended.err
    assert (place.folder / "mine.db").read_text() == "precious"


LONG = "x" * 300


@pytest.mark.parametrize(
    "args",
    [
        ["-f", LONG, "list"],
        ["restore", "shop", "--into", LONG],
        ["restore", "shop", "--into", f"{LONG}/x"],
        ["restore", "shop", "--into", ""],
        ["restore", "shop", "--to-file", LONG],
        ["restore", "shop", "--to-file", ""],
    ],
)
def test_a_path_that_cannot_be_is_an_error_and_no_bug(place: Workplace, args: list[str]) -> None:
    sqlite_job(place)
    place.ok("run-once", "shop")
    ended = place.run(*args)
    assert ended.code in (1, 2), ended.err
    assert "bug" not in ended.err


def test_a_database_whose_path_cannot_be_looked_at_fails_its_job(place: Workplace) -> None:
    sqlite_job(place)
    text = (place.folder / "jobs.yaml").read_text()
    place.write(text.replace("./shop.db", LONG))
    ended = place.run("run-once", "shop")
    assert ended.code == 1
    assert "cannot be reached: file name too long" in ended.err


def test_a_state_folder_in_a_home_that_is_not_there_is_a_usage_error(place: Workplace) -> None:
    sqlite_job(place)
    ended = place.run("list", env={"BACKUPCTL_STATE_DIR": "~no-such-user/state"})
    assert ended.code == 2
    assert "no home folder for ~no-such-user" in ended.err


def test_a_job_that_is_named_like_an_unfinished_file_is_listed(place: Workplace) -> None:
    sqlite_job(place)
    text = (place.folder / "jobs.yaml").read_text()
    place.write(text.replace("name: shop,", "name: .shop.partial,"))
    place.ok("run-once", ".shop.partial")
    assert len(place.backups(".shop.partial")) == 1


def test_a_long_name_of_characters_that_grow_in_a_key_is_stored(place: Workplace) -> None:
    sqlite_job(place)
    name = "x" + "~" * 200 + ".db"
    (place.folder / "shop.db").rename(place.folder / name)
    text = (place.folder / "jobs.yaml").read_text()
    place.write(text.replace("./shop.db", f"./{name}"))
    place.ok("run-once", "shop")
    assert len(place.backups("shop")) == 1
