"""What every notifier must do, shown with an SMTP server, Apprise to an HTTP receiver, and a check that is pinged."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from backupctl.config.schema import Email
from backupctl.notifiers import NOTIFIERS
from backupctl.notifiers.apprise import AppriseNotifier
from backupctl.notifiers.base import Kind, Message, Notifier, NotifyError
from backupctl.notifiers.email import EmailNotifier
from backupctl.notifiers.ping import PingNotifier
from tests.parts.ports import free_port
from tests.parts.receiver import HttpReceiver
from tests.parts.slow import SlowServer
from tests.parts.smtp import SmtpServer

SECRET = "s3cr3t-t0ken"
WHO = ("ops@example.com",)
MESSAGE = Message(
    kind=Kind.FAILURE,
    job="shop",
    subject="[backupctl] FAILED shop: the server went away",
    text="shop failed\nthe server went away: übel",
    html="<p>shop failed</p>",
    summary="shop failed: the server went away",
    run_id="20260301T033000Z-abc123",
)
TIMEOUT_S = 0.4
MUCH_LATER_S = 10  # far beyond the time-out, on any machine


@dataclass(frozen=True)
class Member:
    """A notifier, made for a port of this machine, and a server that it can talk to."""

    make: Callable[[int, float], Notifier]
    server: Callable[[], Any]
    arrived: Callable[[Any], list[str]]
    greeting: bytes


def email(port: int, timeout: float) -> EmailNotifier:
    account = {"from": "b@example.com", "host": "127.0.0.1", "port": port, "security": "none"}
    return EmailNotifier(Email.model_validate(account).model_copy(update={"timeout": timeout}))


MEMBERS = {
    "email": Member(
        email,
        SmtpServer,
        lambda server: [each.data.decode() for each in server.delivered],
        b"220 here\r\n",
    ),
    "notify": Member(
        lambda port, timeout: AppriseNotifier(f"json://user:{SECRET}@127.0.0.1:{port}/hook", timeout=timeout),
        HttpReceiver,
        lambda server: [each.body.decode() for each in server.received],
        b"HTTP/1.1 200 OK\r\n",
    ),
    "ping": Member(
        lambda port, timeout: PingNotifier(f"http://127.0.0.1:{port}/{SECRET}", timeout=timeout, pause=0.01),
        HttpReceiver,
        lambda server: [each.body.decode() for each in server.received],
        b"HTTP/1.1 200 OK\r\n",
    ),
}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture(params=MEMBERS)
def member(request: pytest.FixtureRequest) -> Member:
    return MEMBERS[request.param]


def test_every_notifier_is_in_the_suite() -> None:
    assert set(MEMBERS) == set(NOTIFIERS)


def test_a_message_arrives_once(member: Member, stack: ExitStack) -> None:
    server = member.server()
    stack.callback(server.close)
    sent = member.make(server.port, 10).send(MESSAGE, WHO)
    assert (dict(sent.refused), dict(sent.deferred)) == ({}, {})
    assert len(member.arrived(server)) == 1
    assert "FAILED shop" in member.arrived(server)[0]


def test_a_text_with_bytes_that_are_no_letters_arrives_all_the_same(member: Member, stack: ExitStack) -> None:
    server = member.server()
    stack.callback(server.close)
    member.make(server.port, 10).send(replace(MESSAGE, subject="a\udce9b", text="/srv/caf\udce9", html="\udce9"), WHO)
    assert "/srv/caf" in member.arrived(server)[0]


def test_a_dead_port_may_come_alive_and_is_told_without_secrets(member: Member) -> None:
    notifier = member.make(free_port(), 10)
    with pytest.raises(NotifyError) as caught:
        notifier.send(MESSAGE, WHO)
    assert caught.value.transient
    assert caught.value.message.startswith(notifier.channel)
    assert caught.value.hint
    assert SECRET not in f"{caught.value} {caught.value.hint} {notifier.channel}"


@pytest.mark.parametrize("manner", ["hangs", "drips", "answers half and drips"])
def test_a_server_without_end_is_left_when_the_time_is_up(member: Member, stack: ExitStack, manner: str) -> None:
    opening = member.greeting if manner == "answers half and drips" else b""
    server = SlowServer(opening, b"" if manner == "hangs" else b"2")
    stack.callback(server.close)
    notifier = member.make(server.port, TIMEOUT_S)
    begun = time.monotonic()
    with pytest.raises(NotifyError) as caught:
        notifier.send(MESSAGE, WHO)
    assert time.monotonic() - begun < MUCH_LATER_S
    assert caught.value.transient
    assert SECRET not in str(caught.value)


def test_a_channel_whose_server_never_ends_does_not_fill_the_machine_with_threads(
    member: Member, stack: ExitStack
) -> None:
    server = SlowServer(b"", b"2")
    stack.callback(server.close)
    notifier = member.make(server.port, 0.05)
    for _ in range(8):
        with pytest.raises(NotifyError):
            notifier.send(MESSAGE, WHO)
    assert len([thread for thread in threading.enumerate() if notifier.channel in thread.name]) <= 3


def test_a_channel_has_the_same_name_after_a_restart_and_another_one_for_another_place(member: Member) -> None:
    assert member.make(1234, 1).channel == member.make(1234, 9).channel
    assert SECRET not in member.make(1234, 1).channel
