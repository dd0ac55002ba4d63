"""The stop signal of a run."""

import threading

import pytest

from backupctl.cancel import Cancellation
from backupctl.errors import CancelledError, ExitCode


def test_a_run_that_nobody_stopped_goes_on() -> None:
    cancel = Cancellation()
    cancel.check()
    cancel.wait(0)
    assert not cancel.requested


def test_a_run_that_was_stopped_ends_with_the_exit_code_of_an_interruption() -> None:
    cancel = Cancellation()
    cancel.request()
    assert cancel.requested
    with pytest.raises(CancelledError) as caught:
        cancel.check()
    assert caught.value.exit_code is ExitCode.INTERRUPTED


def test_what_registered_is_called_once_however_often_the_run_is_stopped() -> None:
    cancel, calls = Cancellation(), []
    with cancel.calling(lambda: calls.append("first")), cancel.calling(lambda: calls.append("second")):
        cancel.request()
        cancel.request()
    assert calls == ["first", "second"]


def test_what_registers_after_the_stop_is_called_at_once() -> None:
    cancel, calls = Cancellation(), []
    cancel.request()
    with cancel.calling(lambda: calls.append("late")):
        assert calls == ["late"]


def test_what_left_is_not_called() -> None:
    cancel, calls = Cancellation(), []
    with cancel.calling(lambda: calls.append("left")):
        pass
    cancel.request()
    assert calls == []


def test_what_left_by_an_error_is_not_called() -> None:
    cancel, calls = Cancellation(), []
    with pytest.raises(ValueError, match="broken"), cancel.calling(lambda: calls.append("left")):
        raise ValueError("broken")
    cancel.request()
    assert calls == []


def test_a_callback_may_register_and_leave_on_its_own() -> None:
    cancel, calls = Cancellation(), []

    def nested() -> None:
        with cancel.calling(lambda: calls.append("inner")):
            calls.append("outer")

    with cancel.calling(nested):
        cancel.request()
    assert calls == ["inner", "outer"]


def test_a_callback_that_fails_does_not_keep_the_others_from_being_called() -> None:
    cancel, calls = Cancellation(), []

    def broken() -> None:
        raise RuntimeError("no more threads")

    with cancel.calling(broken), cancel.calling(lambda: calls.append("next")):
        with pytest.raises(RuntimeError, match="no more threads"):
            cancel.request()
        assert calls == ["next"]


def test_a_wait_ends_when_the_run_is_stopped() -> None:
    cancel = Cancellation()
    stopper = threading.Thread(target=cancel.request)
    stopper.start()
    with pytest.raises(CancelledError):
        cancel.wait(600)
    stopper.join()


def test_every_callback_is_called_exactly_once_when_registering_and_stopping_race() -> None:
    for _ in range(200):
        cancel, calls, start = Cancellation(), [0] * 4, threading.Barrier(5)
        done = threading.Event()

        def register(
            place: int,
            cancel: Cancellation = cancel,
            calls: list[int] = calls,
            start: threading.Barrier = start,
            done: threading.Event = done,
        ) -> None:
            def called() -> None:
                calls[place] += 1

            start.wait()
            with cancel.calling(called):
                done.wait()

        threads = [threading.Thread(target=register, args=(place,)) for place in range(4)]
        for thread in threads:
            thread.start()
        start.wait()
        cancel.request()
        done.set()
        for thread in threads:
            thread.join()
        assert calls == [1, 1, 1, 1]
