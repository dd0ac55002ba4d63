"""Waiting for signals: none is lost, whoever the kernel hands it to."""

import os
import signal
import threading

from backupctl.signals import Signals

NUMBERS = (signal.SIGTERM, signal.SIGHUP)


def test_a_signal_ends_the_wait_and_is_told() -> None:
    with Signals(NUMBERS) as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.wait(20) == [signal.SIGHUP]


def test_a_signal_that_came_before_the_wait_is_not_lost() -> None:
    with Signals(NUMBERS) as signals:
        for number in (signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert sorted(signals.wait(20)) == [signal.SIGHUP, signal.SIGTERM]
        assert signals.wait(0) == []


def test_another_thread_takes_the_signal_and_the_wait_still_ends() -> None:
    with Signals(NUMBERS) as signals:
        thread = threading.Thread(
            target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM),
        )
        thread.start()
        assert signals.wait(20) == [signal.SIGTERM]
        thread.join()


def test_waking_ends_the_wait_and_is_no_signal() -> None:
    with Signals(NUMBERS) as signals:
        threading.Thread(target=signals.wake).start()
        assert signals.wait(20) == []


def test_any_number_of_wakes_blocks_nobody() -> None:
    with Signals(NUMBERS) as signals:
        for _ in range(200_000):
            signals.wake()
        assert signals.wait(20) == []


def test_what_the_signals_did_before_they_do_again_afterwards() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with Signals(NUMBERS) as signals:
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before
    signals.wake()


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals(NUMBERS) as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            assert signals.wait(20) == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_closes_says_so_twice_and_a_second_stop_means_it() -> None:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    with Signals(NUMBERS) as signals:
        for number in NUMBERS:
            signals.let_go(number)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert {number: signal.getsignal(number) for number in NUMBERS} == before
