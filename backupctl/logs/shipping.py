"""Brings lines to a server in batches, on a thread of its own: whoever hands one in never waits."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from backupctl.logs.backlog import Backlog
from backupctl.logs.seq import Fate, Post, Verdict

THREAD = "seq"
_REFUSALS_AT_ONCE = 3
_TRIES_AT_THE_END = 2


@dataclass(frozen=True)
class Bounds:
    """How much is kept and sent at once, in lines and bytes, and how long things may take, in seconds.

    Seq takes 10 MB at once by default, servers before 2019 took 1 MiB.
    """

    kept: int = 20_000
    kept_bytes: int = 32 * 1024**2
    batch: int = 1000
    batch_bytes: int = 900_000
    linger_s: float = 1.0
    timeout_s: float = 15.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0


BOUNDS = Bounds()


@dataclass(frozen=True)
class _Outcome:
    """What is to be said of a batch, and how long to wait before the next one."""

    said: str = ""
    wait_s: float = 0.0


class Shipper:
    """Sends what it is given, and what could not be sent again and again, in order.

    `say` is told once that lines do not arrive, and once that they do again. `note_of` makes the line that tells
    the server itself how many were dropped.
    """

    def __init__(
        self, post: Post, say: Callable[[str], None], note_of: Callable[[int], bytes], bounds: Bounds = BOUNDS
    ) -> None:
        self._post = post
        self._say = say
        self._note_of = note_of
        self._bounds = bounds
        self._changed = threading.Condition()
        self._backlog = Backlog(bounds.kept, bounds.kept_bytes)
        self._in_flight = 0
        self._noted = 0
        self._ends_at: float | None = None
        self._over = False
        self._batch_most = bounds.batch
        self._failures = 0
        self._refusals = 0
        self._refusal_said = False
        self._thread = threading.Thread(target=self._work, name=THREAD, daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Take a line along. Never waits for the server, and never fails."""
        with self._changed:
            self._backlog.put(line)
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Send what there is, for so long at most; says how many lines did not arrive."""
        with self._changed:
            self._ends_at = time.monotonic() + seconds
            self._changed.notify()
        self._thread.join(seconds)
        with self._changed:
            self._over = True
            lost = self._backlog.dropped + len(self._backlog) + self._in_flight
        if lost:
            self._say(f"{lost} log event{'' if lost == 1 else 's'} did not reach Seq")

    @property
    def _left_s(self) -> float:
        return self._bounds.timeout_s if self._ends_at is None else self._ends_at - time.monotonic()

    @property
    def _is_ending(self) -> bool:
        return self._ends_at is not None

    @property
    def _is_hopeless(self) -> bool:
        return self._failures >= _TRIES_AT_THE_END or self._refusals > _REFUSALS_AT_ONCE

    def _work(self) -> None:
        while batch := self._next_batch():
            verdict = self._posted(batch)
            with self._changed:
                self._in_flight = 0
                outcome = self._settle(batch, verdict)
            if outcome.said and not self._over:
                self._say(outcome.said)
            with self._changed:
                self._changed.wait_for(lambda: self._is_ending, outcome.wait_s)

    def _next_batch(self) -> list[bytes]:
        """Waits for one; an empty one: there is no more, or no more time."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._backlog) or self._is_ending)
            self._changed.wait_for(self._is_worth_sending, self._bounds.linger_s)
            if self._left_s <= 0 or (self._is_ending and self._is_hopeless):
                return []
            batch = self._backlog.take(self._batch_most, self._bounds.batch_bytes)
            self._in_flight = len(batch)
            return batch

    def _is_worth_sending(self) -> bool:
        full = len(self._backlog) >= self._batch_most or self._backlog.size >= self._bounds.batch_bytes
        return full or self._is_ending

    def _posted(self, batch: list[bytes]) -> Verdict:
        timeout = max(0.1, min(self._left_s, self._bounds.timeout_s))
        try:
            return self._post(b"\n".join(batch) + b"\n", timeout=timeout)
        except Exception as error:  # a bug in us ends neither the thread nor, in silence, all logging
            return Verdict(Fate.FAILED, f"a bug in backupctl: {type(error).__name__}")

    def _settle(self, batch: list[bytes], verdict: Verdict) -> "_Outcome":
        if verdict.fate is Fate.TAKEN:
            return self._taken()
        if verdict.fate is Fate.FAILED:
            return self._failed(batch, verdict)
        if len(batch) == 1:
            return self._refused(verdict)
        # Half of it, and half of that, until what is refused stands alone.
        self._backlog.give_back(batch)
        self._batch_most = len(batch) // 2
        return _Outcome()

    def _taken(self) -> "_Outcome":
        was_down = self._failures > 0
        self._batch_most = min(self._batch_most * 2, self._bounds.batch)
        self._failures = self._refusals = 0
        if self._backlog.dropped > self._noted:
            note = self._note_of(self._backlog.dropped - self._noted)
            self._noted = self._backlog.dropped
            self._backlog.put(note)
        return _Outcome("Seq takes log events again" if was_down else "")

    def _failed(self, batch: list[bytes], verdict: Verdict) -> "_Outcome":
        self._backlog.give_back(batch)
        self._failures += 1
        said = f"log events do not reach Seq, and are kept for later: {verdict.why}" if self._failures == 1 else ""
        return _Outcome(said, min(max(self._back_off(self._failures), verdict.wait_s), self._bounds.longest_wait_s))

    def _refused(self, verdict: Verdict) -> "_Outcome":
        self._backlog.dropped += 1
        self._refusals += 1
        said = "" if self._refusal_said else f"Seq does not take a log event, which is dropped: {verdict.why}"
        self._refusal_said = True
        # What refuses each and every one is hardly a Seq, and need not be asked as fast as the line carries.
        number = self._refusals - _REFUSALS_AT_ONCE
        return _Outcome(said, self._back_off(number) if number > 0 else 0.0)

    def _back_off(self, number: int) -> float:
        return min(self._bounds.first_wait_s * 2.0 ** min(number - 1, 20), self._bounds.longest_wait_s)
