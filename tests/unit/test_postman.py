"""Messages are kept until they are sent: in order, across restarts and processes, and not for ever."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from backupctl.catalog import Catalog
from backupctl.events import Event, NotDelivered
from backupctl.notifiers.base import Kind, Message, Notifier, NotifyError, Sent
from backupctl.postman import Postman
from backupctl.state import StateFolder
from tests.unit.runs import WHEN

WAIT_S = 20
HOUR = timedelta(hours=1)


def message(subject: str) -> Message:
    return Message(Kind.FAILURE, "shop", subject, "text", None, subject)


class Channel(Notifier):
    """A channel that takes messages, or answers as the test says."""

    channel = "email"

    def __init__(self) -> None:
        self.taken: list[tuple[str, tuple[str, ...]]] = []
        self.tried = 0
        self.answer: Callable[[], Sent] = Sent

    def send(self, message: Message, recipients: tuple[str, ...] = ()) -> Sent:
        self.tried += 1
        sent = self.answer()
        self.taken.append((message.subject, recipients))
        return sent

    def fail(self, *, transient: bool, of_message: bool = False) -> None:
        def answer() -> Sent:
            raise NotifyError("the server is away", transient=transient, of_message=of_message)

        self.answer = answer


@dataclass
class Office:
    """A postman with a catalog, on a clock of the test's."""

    folder: Path
    now: datetime = WHEN
    events: list[Event] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    channel: Channel = field(default_factory=Channel)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Begin as a new process does."""
        state = StateFolder(self.folder)
        self.catalog = Catalog.open(state.catalog, warn=self.warnings.append)
        self.postman = Postman(self.catalog, state, self.events.append, lambda: self.now)
        self.postman.serve({"email": self.channel})

    def post(self, *subjects: str) -> int:
        for subject in subjects:
            self.postman.post("email", message(subject), ("a@example.com", "b@example.com"))
        return self.postman.flush(WAIT_S)

    @property
    def subjects(self) -> list[str]:
        return [subject for subject, _ in self.channel.taken]

    @property
    def given_up(self) -> list[bool]:
        return [event.given_up for event in self.events if isinstance(event, NotDelivered)]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.postman.stop()


def test_messages_go_out_in_their_order_to_their_recipients(office: Office) -> None:
    assert office.post("one", "two", "three") == 0
    assert office.channel.taken == [(name, ("a@example.com", "b@example.com")) for name in ("one", "two", "three")]
    assert office.events == []


def test_what_cannot_be_sent_now_is_kept_told_once_and_tried_with_growing_pauses(office: Office) -> None:
    office.channel.fail(transient=True)
    assert office.post("one", "two") == 2
    assert (office.channel.tried, office.given_up) == (1, [False])
    pauses = []
    for _ in range(5):
        kept = office.catalog.oldest_message("email")
        assert kept
        pauses.append((kept.next_at - office.now).total_seconds() / 60)
        office.now = kept.next_at
        office.postman.flush(WAIT_S)
    assert [round(pause / expected, 0) for pause, expected in zip(pauses, (1, 2, 4, 8, 16), strict=True)] == [1] * 5
    assert (office.channel.tried, office.given_up) == (6, [False])


def test_a_restart_loses_nothing_and_turns_no_order_around(office: Office) -> None:
    office.channel.fail(transient=True)
    office.post("one", "two")
    office.postman.stop()
    office.open()
    office.now += HOUR
    office.channel.answer = Sent
    assert office.post("three") == 0
    assert office.subjects == ["one", "two", "three"]


def test_what_waits_for_a_day_is_given_up_aloud_and_holds_up_no_other(office: Office) -> None:
    office.channel.fail(transient=True)
    office.post("one")
    office.now += timedelta(days=1, minutes=1)
    assert office.post("two") == 1
    assert office.given_up == [False, True, False]


def test_what_will_never_be_taken_is_given_up_at_once(office: Office) -> None:
    office.channel.fail(transient=False, of_message=True)
    assert office.post("one", "two") == 0
    assert office.given_up == [True, True]


def test_a_wrong_password_may_be_mended_within_the_day_and_loses_no_message(office: Office) -> None:
    office.channel.fail(transient=False)
    assert office.post("one", "two") == 2
    office.channel.answer = Sent
    office.now += HOUR
    assert office.postman.flush(WAIT_S) == 0
    assert office.subjects == ["one", "two"]


def test_a_refused_recipient_is_told_of_and_one_that_is_put_off_is_tried_again_alone(office: Office) -> None:
    office.channel.answer = lambda: Sent({"a@example.com": "550 unknown"}, {"b@example.com": "451 later"})
    assert office.post("one") == 1
    told = [event.error for event in office.events if isinstance(event, NotDelivered)]
    assert told == ["a@example.com was refused: 550 unknown", "451 later"]
    office.channel.answer = Sent
    office.now += HOUR
    assert office.postman.flush(WAIT_S) == 0
    assert office.channel.taken[-1] == ("one", ("b@example.com",))


def test_a_channel_that_left_the_file_is_given_up_when_its_day_is_over(office: Office) -> None:
    office.postman.serve({})
    office.post("one")
    assert office.given_up == [False]
    office.now += timedelta(days=2)
    office.postman.flush(WAIT_S)
    assert office.given_up == [False, True]


def test_a_slow_channel_holds_up_no_other(office: Office) -> None:
    slow, quick, go = Channel(), office.channel, threading.Event()

    def wait() -> Sent:
        assert go.wait(WAIT_S)
        return Sent()

    slow.answer = wait
    office.postman.serve({"slow": slow, "email": quick})
    office.postman.post("slow", message("one"))
    office.postman.post("email", message("two"))
    while not quick.taken:
        assert office.postman.flush(0.01) >= 0
    assert not slow.taken
    go.set()
    assert office.postman.flush(WAIT_S) == 0


def test_two_processes_send_a_message_once(office: Office) -> None:
    other = Office(office.folder, channel=office.channel)
    office.channel.fail(transient=True)
    office.post(*(str(number) for number in range(20)))
    office.now = other.now = office.now + HOUR
    office.channel.answer = Sent
    threads = [threading.Thread(target=one.postman.flush, args=(WAIT_S,)) for one in (office, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    office.postman.flush(WAIT_S)
    assert office.subjects == [str(number) for number in range(20)]
    other.postman.stop()


def test_without_a_catalog_messages_are_sent_all_the_same(office: Office) -> None:
    office.folder.joinpath("catalog.sqlite").mkdir()
    assert office.post("one", "two") == 0
    assert office.subjects == ["one", "two"]
    assert len(office.warnings) == 1


def test_a_bug_in_a_channel_is_told_and_ends_no_thread(office: Office) -> None:
    def fall_over() -> Sent:
        raise RuntimeError("what now")

    office.channel.answer = fall_over
    office.post("one")
    assert office.given_up == [True]
    office.channel.answer = Sent
    assert office.post("two") == 0
    assert office.subjects == ["two"]


def test_a_message_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    one = message("one")
    text = one.to_json().replace('"kind"', '"more": 1, "kind"')
    assert Message.from_json(text) == replace(one)
