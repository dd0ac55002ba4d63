"""Messages by way of Apprise, to an HTTP receiver: what arrives, what is told when it does not, and what never is."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from backupctl.notifiers.apprise import AppriseNotifier, check
from backupctl.notifiers.base import Kind, Message, NotifyError
from tests.parts.receiver import HttpReceiver

SECRET = "s3cr3t-t0ken"
MESSAGE = Message(
    Kind.FAILURE, "shop", "[backupctl] FAILED shop: it", "line one\n<b>line two</b>", "<p>x</p>", "shop: it"
)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    made = HttpReceiver()
    yield made
    made.close()


class Everything(logging.Handler):
    """What is told to the log that all others end in; caplog hears also loggers that tell it nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[list[str]]:
    root, handler = logging.getLogger(), Everything()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.texts
    root.setLevel(level)
    root.removeHandler(handler)


def notifier(receiver: HttpReceiver) -> AppriseNotifier:
    return AppriseNotifier(f"json://user:{SECRET}@127.0.0.1:{receiver.port}/{SECRET}?-X-Token={SECRET}")


@pytest.mark.parametrize(
    ("kind", "type_"), [(Kind.FAILURE, "failure"), (Kind.RECOVERY, "success"), (Kind.TEST, "info")]
)
def test_subject_and_text_arrive_as_they_are(receiver: HttpReceiver, kind: Kind, type_: str) -> None:
    notifier(receiver).send(replace(MESSAGE, kind=kind), ("ignored@example.com",))
    (arrived,) = receiver.received
    told = json.loads(arrived.body)
    assert (told["title"], told["message"], told["type"]) == (MESSAGE.subject, MESSAGE.text, type_)


@pytest.mark.parametrize(("status", "transient"), [(500, True), (429, True), (404, False), (401, False)])
def test_a_refusal_is_an_error_that_shows_no_secret_anywhere(
    receiver: HttpReceiver, logged: list[str], status: int, transient: bool
) -> None:
    receiver.statuses = [status]
    with pytest.raises(NotifyError) as caught:
        notifier(receiver).send(MESSAGE)
    assert str(status) in caught.value.message
    assert caught.value.transient is transient
    assert SECRET not in f"{caught.value} {caught.value.hint}"
    assert SECRET not in "".join(logged)


def test_a_url_that_can_be_used_is_well() -> None:
    assert check(f"json://user:{SECRET}@localhost/path") is None
    assert check("mailto://user:pass@example.com") is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (SECRET, "this is not a URL of Apprise's, such as ntfy://host/topic"),
        (f"slak://{SECRET}", "Apprise knows no service slak://"),
        (f"slack://{SECRET}", "Apprise cannot use this slack:// URL: a part of it is missing or wrong"),
    ],
)
def test_a_url_that_cannot_be_used_is_found_before_anything_is_sent(url: str, problem: str, logged: list[str]) -> None:
    assert check(url) == problem
    with pytest.raises(NotifyError) as caught:
        AppriseNotifier(url).send(MESSAGE)
    assert not caught.value.transient
    assert SECRET not in str(caught.value)
    assert SECRET not in "".join(logged)


def test_channels_of_one_service_are_told_apart_without_their_secrets() -> None:
    one, other = AppriseNotifier(f"json://h/{SECRET}").channel, AppriseNotifier("json://h/another").channel
    assert one != other
    assert one.startswith("apprise:json:")
    assert SECRET not in one
