"""Work beside the thread that wants it: in order, so many at a time, and nobody waits for what hangs."""

import subprocess
import sys
import threading
from concurrent.futures import Future

import pytest

from backupctl.beside import each, result_of
from backupctl.cancel import Cancellation
from backupctl.errors import CancelledError

WAIT_S = 20


def test_what_comes_back_is_in_the_order_of_what_was_given() -> None:
    second_is_done = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            assert second_is_done.wait(WAIT_S)
        if number == 2:
            second_is_done.set()
        return number * 10

    assert each(work, [1, 2, 3], 2) == [10, 20, 30]
    assert each(work, [], 2) == []


def test_no_more_go_on_at_once_than_were_allowed() -> None:
    both = threading.Barrier(2, timeout=WAIT_S)
    threads: set[int] = set()

    def work(_: int) -> None:
        threads.add(threading.get_ident())
        both.wait()

    each(work, range(10), 2)
    assert len(threads) == 2


def test_a_failure_is_raised_and_nothing_more_is_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        each(work, range(100_000), 1)
    assert len(begun) < 100_000


def test_a_run_that_is_cancelled_waits_for_no_result() -> None:
    cancel = Cancellation()
    cancel.request()
    with pytest.raises(CancelledError):
        result_of(Future[None](), cancel)


def test_the_end_of_the_process_waits_for_nothing_that_hangs() -> None:
    program = (
        "import threading; from backupctl.beside import each, in_background\n"
        "hang = threading.Event().wait\n"
        "in_background(hang, 'a')\n"
        "in_background(lambda: each(lambda _: hang(), [1], 1), 'b')\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=WAIT_S, check=False).returncode == 0
