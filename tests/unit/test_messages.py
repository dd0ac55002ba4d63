"""A message survives being kept and read again."""

import json

import pytest

from backupctl.notifiers.base import Kind, Message

MESSAGE = Message(Kind.DRIFT, "shop", "subject", "text\nü", None, "summary", run_id="a-run")


@pytest.mark.parametrize("message", [MESSAGE, Message(Kind.DIGEST, None, "s", "t", "<p>", "s")])
def test_a_message_comes_back_as_it_was_kept(message: Message) -> None:
    assert Message.from_json(message.to_json()) == message


def test_a_field_of_a_later_version_is_left_out_and_one_of_an_earlier_one_may_be_missing() -> None:
    document = json.loads(MESSAGE.to_json()) | {"priority": 3}
    del document["run_id"]
    assert Message.from_json(json.dumps(document)).run_id is None
