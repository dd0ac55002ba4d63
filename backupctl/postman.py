"""Delivers messages: kept until they are sent, each channel in its order and on its own thread, and none for ever."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from backupctl.catalog import Catalog, Kept
from backupctl.errors import BackupctlError, BusyError
from backupctl.events import Listener, NotDelivered
from backupctl.notifiers.base import Message, Notifier, NotifyError
from backupctl.state import StateFolder

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

_GIVEN_UP_AFTER = timedelta(days=1)
_FIRST_DELAY_S = 60.0
_MOST_DELAY_S = 3600.0
_LOOK_EVERY_S = 15.0
"""Another process may have kept a message, or gone without sending its own."""


class Postman:
    """Sends what is kept. Safe to use from several threads; several processes share one outbox."""

    def __init__(self, catalog: Catalog, state: StateFolder, listener: Listener, clock: Clock) -> None:
        self._catalog = catalog
        self._state = state
        self._listener = listener
        self._clock = clock
        self._lock = threading.Lock()
        self._channels: Mapping[str, Notifier] = {}
        self._rounds: dict[str, _Round] = {}
        self._unkept: list[Kept] = []

    def serve(self, channels: Mapping[str, Notifier]) -> None:
        """From now on messages go over these channels; what waits for another one is given up when its time is over."""
        with self._lock:
            self._channels = dict(channels)

    def post(self, channel: str, message: Message, recipients: Sequence[str] = ()) -> None:
        """Keep a message and send it as soon as it can be; returns at once."""
        now, text = self._clock(), message.to_json()
        if not self._catalog.keep_message(channel, message.job, recipients, text, now):
            # Without a catalog it is not kept across a restart, but it is sent.
            with self._lock:
                self._unkept.append(Kept(0, channel, message.job, tuple(recipients), text, now, now, 0, None))
        self._round(channel).look()

    def start(self) -> None:
        """Send also what earlier processes left, and what others leave."""
        for channel in {*self._catalog.channels_with_messages(), *self._channels}:
            self._round(channel).look()

    def flush(self, seconds: float) -> int:
        """Send what is due, for so long at most; returns how many messages of these channels are left for later."""
        deadline = time.monotonic() + seconds
        self.start()
        for channel_round in list(self._rounds.values()):
            channel_round.until_idle(deadline)
        return self._catalog.messages(list(self._channels)) + len(self._unkept)

    def stop(self) -> None:
        for channel_round in list(self._rounds.values()):
            channel_round.stop()

    def _round(self, channel: str) -> "_Round":
        with self._lock:
            if channel not in self._rounds:
                self._rounds[channel] = _Round(channel, lambda: self._deliver(channel))
            return self._rounds[channel]

    def _deliver(self, channel: str) -> bool:
        """Try the channel's oldest message; True: there may be another one to send now."""
        try:
            # Two processes that send at once would turn the order around, and send twice.
            with self._state.sending(channel):
                kept = self._take_unkept(channel) or self._catalog.oldest_message(channel)
                return kept is not None and kept.next_at <= self._clock() and self._try(kept)
        except BusyError:
            return False
        except BackupctlError as error:
            self._tell(channel, None, error)
            return False

    def _take_unkept(self, channel: str) -> Kept | None:
        with self._lock:
            found = next((kept for kept in self._unkept if kept.channel == channel), None)
            if found:
                self._unkept.remove(found)
            return found

    def _try(self, kept: Kept) -> bool:
        """Send one message; True: it is done with."""
        notifier = self._channels.get(kept.channel)
        try:
            if notifier is None:
                raise NotifyError("the jobs file has this channel no longer", transient=True)
            sent = notifier.send(Message.from_json(kept.message), kept.recipients)
        except NotifyError as error:
            return self._failed(kept, error, kept.recipients)
        except Exception as error:
            _log.exception("the channel %s met a bug", kept.channel)
            text = f"a bug in backupctl: {type(error).__name__}"
            bug = NotifyError(text, hint="the log has more; report it", of_message=True)
            return self._failed(kept, bug, kept.recipients)
        for recipient, answer in sent.refused.items():
            self._tell(kept.channel, kept.job, NotifyError(f"{recipient} was refused: {answer}"), given_up=True)
        if sent.deferred:
            answer = next(iter(sent.deferred.values()))
            return self._failed(kept, NotifyError(answer, transient=True), tuple(sent.deferred))
        self._catalog.remove_message(kept.seq)
        return True

    def _failed(self, kept: Kept, error: NotifyError, recipients: tuple[str, ...]) -> bool:
        """Put it off, or give it up; True: it is done with."""
        now = self._clock()
        # What is wrong with the account may be mended within the day; a message that is refused for good stays so.
        refused = error.of_message and not error.transient
        given_up = refused or not timedelta(0) <= now - kept.kept_at < _GIVEN_UP_AFTER
        if given_up:
            self._catalog.remove_message(kept.seq)
        else:
            self._put_off(replace(kept, recipients=recipients), now + _delay(kept.tries), error.message)
        # A mail server that is down for a night is no news at each try.
        if given_up or kept.tries == 0:
            self._tell(kept.channel, kept.job, error, given_up=given_up)
        return given_up

    def _put_off(self, kept: Kept, next_at: datetime, error: str) -> None:
        if kept.seq:
            self._catalog.postpone_message(kept.seq, next_at, error, kept.recipients)
        elif not self._catalog.keep_message(kept.channel, kept.job, kept.recipients, kept.message, kept.kept_at):
            with self._lock:
                self._unkept.append(replace(kept, next_at=next_at, tries=kept.tries + 1))

    def _tell(self, channel: str, job: str | None, error: BackupctlError, *, given_up: bool = False) -> None:
        self._listener(NotDelivered(channel, job, error.message, error.hint, given_up))


class _Round:
    """One channel's thread: sends until nothing is due, then sleeps."""

    def __init__(self, channel: str, deliver: Callable[[], bool]) -> None:
        self._deliver = deliver
        self._condition = threading.Condition()
        self._wanted = 0
        self._done = 0
        self._stopped = False
        threading.Thread(target=self._go, name=f"send-{channel}", daemon=True).start()

    def look(self) -> None:
        """There may be something to send."""
        with self._condition:
            self._wanted += 1
            self._condition.notify_all()

    def until_idle(self, deadline: float) -> None:
        """Wait until everything that was due when this was called has been tried, or time is up."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._done >= self._wanted or self._stopped, timeout=max(0.0, deadline - time.monotonic())
            )

    def stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def _go(self) -> None:
        while not self._stopped:
            with self._condition:
                wanted = self._wanted
            while self._deliver() and not self._stopped:
                pass
            with self._condition:
                self._done = wanted
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._wanted > self._done or self._stopped, timeout=_LOOK_EVERY_S)


def _delay(tries: int) -> timedelta:
    seconds = min(_FIRST_DELAY_S * 2.0**tries, _MOST_DELAY_S)
    return timedelta(seconds=seconds * random.uniform(0.9, 1.1))  # noqa: S311 -- no secret comes of it
