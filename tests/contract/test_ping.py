"""Pings of a check, as a server of the Healthchecks kind takes them."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from backupctl.notifiers.base import Kind, Message, NotifyError
from backupctl.notifiers.ping import BODY_LIMIT, PingNotifier
from tests.parts.receiver import HttpReceiver

CHECK = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
RUN = "20260301T033000Z-4f2a91"
MESSAGE = Message(Kind.SUCCESS, "shop", "[backupctl] OK shop", "all is well", None, "shop: well", run_id=RUN)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    made = HttpReceiver()
    yield made
    made.close()


def notifier(receiver: HttpReceiver, path: str = f"/{CHECK}") -> PingNotifier:
    return PingNotifier(f"http://127.0.0.1:{receiver.port}{path}", pause=0.01)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (Kind.SUCCESS, ""),
        (Kind.RECOVERY, ""),
        (Kind.DRIFT, ""),
        (Kind.FAILURE, "/fail"),
        (Kind.STALE, "/fail"),
        (Kind.SKIPPED, "/log"),
        (Kind.TEST, "/log"),
    ],
)
def test_each_kind_of_message_has_its_signal(receiver: HttpReceiver, kind: Kind, path: str) -> None:
    notifier(receiver).send(replace(MESSAGE, kind=kind))
    (arrived,) = receiver.received
    assert (arrived.method, urlsplit(arrived.path).path) == ("POST", f"/{CHECK}{path}")
    assert arrived.body == b"[backupctl] OK shop\n\nall is well"
    assert arrived.headers["User-Agent"].startswith("backupctl/")


def test_beginning_and_end_of_a_run_carry_the_same_id_which_is_a_uuid(receiver: HttpReceiver) -> None:
    notifier(receiver).begin(RUN)
    notifier(receiver).send(MESSAGE)
    notifier(receiver).send(replace(MESSAGE, run_id="another"))
    begun, ended, other = (parse_qs(urlsplit(each.path).query)["rid"][0] for each in receiver.received)
    assert urlsplit(receiver.received[0].path).path == f"/{CHECK}/start"
    assert str(uuid.UUID(begun)) == begun == ended != other


def test_what_the_url_asks_for_is_kept(receiver: HttpReceiver) -> None:
    notifier(receiver, "/ping-key/shop/?create=1").send(replace(MESSAGE, kind=Kind.FAILURE, run_id=None))
    assert receiver.received[0].path == "/ping-key/shop/fail?create=1"


def test_a_body_is_cut_at_the_limit_on_a_whole_character(receiver: HttpReceiver) -> None:
    notifier(receiver).send(replace(MESSAGE, text="ü" * BODY_LIMIT))
    body = receiver.received[0].body
    assert BODY_LIMIT - 2 < len(body) <= BODY_LIMIT
    assert body.decode().endswith("ü")


def test_what_may_pass_is_tried_again_a_few_times(receiver: HttpReceiver) -> None:
    receiver.statuses = [503, 429]
    notifier(receiver).send(MESSAGE)
    assert len(receiver.received) == 3
    receiver.statuses = [500] * 10
    with pytest.raises(NotifyError) as caught:
        notifier(receiver).send(MESSAGE)
    assert len(receiver.received) == 6
    assert caught.value.transient


@pytest.mark.parametrize("status", [301, 400, 404, 409])
def test_a_check_that_is_not_there_is_not_asked_again(receiver: HttpReceiver, status: int) -> None:
    receiver.statuses = [status]
    with pytest.raises(NotifyError) as caught:
        notifier(receiver).send(MESSAGE)
    assert f"the check answers {status}" in caught.value.message
    assert not caught.value.transient
    assert len(receiver.received) == 1
    assert CHECK not in caught.value.message


def test_an_ok_that_is_none_is_an_error(receiver: HttpReceiver) -> None:
    receiver.answer = b"OK (not found)"
    with pytest.raises(NotifyError) as caught:
        notifier(receiver).send(MESSAGE)
    assert not caught.value.transient
