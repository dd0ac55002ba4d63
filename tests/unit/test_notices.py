"""Who is told of what: each outcome, what a job wants to hear, and what became better or worse since."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backupctl import config
from backupctl.catalog import Catalog
from backupctl.events import CutOff, Ended, Event, Run, Started, Warned
from backupctl.model import Outcome, Trigger
from backupctl.notices import Notices
from backupctl.notifiers.base import Kind, Message
from backupctl.postman import Postman
from backupctl.standing import Facts, Standing, standing_of
from backupctl.state import StateFolder
from backupctl.watchman import Watchman
from tests.unit.runs import WHEN, begin, end, run

DAY = timedelta(days=1)

FILE = """\
version: 1
email: {{from: backups@example.com, host: mail.example.com}}
{top}
storages: {{disk: {{type: local, path: backups}}}}
jobs:
  - name: shop
    database: {{type: sqlite, path: shop.db}}
    storage: disk
    recipients: [ops@example.com, dba@example.com]
    {more}
  - name: notes
    database: {{type: sqlite, path: notes.db}}
    storage: disk
    recipients: [ops@example.com]
"""


class Post(Postman):
    """Keeps what is posted, for the test to look at."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        super().__init__(catalog, StateFolder(folder), lambda _: None, lambda: WHEN)
        self.posted: list[tuple[str, Message, tuple[str, ...]]] = []

    def post(self, channel: str, message: Message, recipients: Any = ()) -> None:
        self.posted.append((channel, message, tuple(recipients)))


@dataclass
class Desk:
    """Notices for a file, a catalog that hears what they hear, and what was posted."""

    folder: Path
    more: str = ""
    top: str = ""
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = self.folder / "jobs.yaml"
        path.write_text(FILE.format(more=self.more, top=self.top))
        self.configuration = config.load(path, environ={})
        self.catalog = Catalog.open(self.folder / "catalog.sqlite", warn=pytest.fail)
        self.post = Post(self.catalog, self.folder)
        self.notices = Notices(path, self.catalog, self.post, lambda: WHEN)
        self.notices.serve(self.configuration)
        self.watchman = Watchman(self.catalog, self.notices, self.post, self.events.append)
        self.watchman.serve(self.configuration, WHEN)

    def tell(self, told: Run, *, warnings: tuple[str, ...] = ()) -> list[Message]:
        """Let a run happen; returns what was posted of it."""
        before = len(self.post.posted)
        begin(self.catalog, told)
        self.notices.hear(Started(told.job, told.run_id, told.trigger, told.due_at, told.started_at, "a db", "/b"))
        for text in warnings:
            self.notices.hear(Warned(told.job, text))
        end(self.catalog, told)
        self.notices.hear(Ended(told.job, told))
        return [message for _, message, _ in self.post.posted[before:]]

    @property
    def kinds(self) -> list[Kind]:
        return [message.kind for _, message, _ in self.post.posted]


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Desk]:
    return lambda **more: Desk(tmp_path, **more)


def test_success_and_failure_are_told_to_the_recipients(desk: Callable[..., Desk]) -> None:
    one = desk()
    one.tell(run("1"))
    one.tell(run("2", Outcome.FAILED))
    assert one.kinds == [Kind.SUCCESS, Kind.FAILURE]
    assert {(channel, to) for channel, _, to in one.post.posted} == {("email", ("ops@example.com", "dba@example.com"))}
    (_, failure, _) = one.post.posted[-1]
    assert failure.subject == "[backupctl] FAILED shop: the server went away"
    assert "a db" in failure.text


def test_the_first_success_after_failures_is_a_recovery_also_across_a_restart(desk: Callable[..., Desk]) -> None:
    one = desk(more="notify_on: [failure, recovery]")
    one.tell(run("1"))
    one.tell(run("2", Outcome.FAILED))
    again = desk(more="notify_on: [failure, recovery]")
    (message,) = again.tell(run("3"))
    assert message.kind is Kind.RECOVERY
    assert again.tell(run("4")) == []


def test_a_retry_that_succeeds_recovers_from_nothing(desk: Callable[..., Desk]) -> None:
    one = desk()
    failed = run("1", Outcome.FAILED, trigger=Trigger.SCHEDULE, due_at=WHEN)
    begin(one.catalog, failed)
    end(one.catalog, failed)
    (message,) = one.tell(run("2", trigger=Trigger.RETRY, due_at=WHEN))
    assert message.kind is Kind.SUCCESS


@pytest.mark.parametrize(
    ("notify_on", "kinds"),
    [
        ("[success]", [Kind.SUCCESS, Kind.RECOVERY]),
        ("[failure]", [Kind.FAILURE]),
        ("[skipped]", [Kind.SKIPPED]),
        ("[]", []),
    ],
)
def test_only_what_the_job_wants_to_hear_is_told(desk: Callable[..., Desk], notify_on: str, kinds: list[Kind]) -> None:
    one = desk(more=f"notify_on: {notify_on}")
    one.tell(run("1"))
    one.tell(run("2", Outcome.FAILED))
    one.tell(run("3", Outcome.SKIPPED))
    one.tell(run("4"))
    assert one.kinds == kinds


def test_a_run_that_was_stopped_by_hand_is_told_to_nobody(desk: Callable[..., Desk]) -> None:
    assert desk(more="notify_on: [skipped, failure]").tell(run("1", Outcome.CANCELLED)) == []


def test_drift_is_told_to_whoever_hears_of_failures(desk: Callable[..., Desk]) -> None:
    one = desk(more="notify_on: [failure]")
    good = run("1")
    assert good.manifest
    drifted = replace(good, manifests=(good.manifests[0].model_copy(update={"drift": ("table x is gone",)}),))
    (message,) = one.tell(drifted, warnings=("table x is gone", "a table is not transactional"))
    assert message.kind is Kind.DRIFT
    assert message.text.count("table x is gone") == 1
    assert "a table is not transactional" in message.text


def test_every_channel_of_the_job_is_told_and_the_ping_of_every_run(desk: Callable[..., Desk]) -> None:
    one = desk(more="notify_on: [failure]\n    notify: ['json://127.0.0.1:1/x']\n    ping: http://127.0.0.1:1/uuid")
    one.tell(run("1"))
    (ping,) = (channel for channel, _, _ in one.post.posted)
    assert ping.startswith("ping:")
    one.tell(run("2", Outcome.FAILED))
    assert [channel.split(":")[0] for channel, _, _ in one.post.posted[1:]] == ["email", "apprise", "ping"]
    assert all("uuid" not in channel for channel, _, _ in one.post.posted)


def test_a_run_that_nobody_saw_the_end_of_is_told_as_a_failure(desk: Callable[..., Desk]) -> None:
    one = desk()
    begin(one.catalog, run("1"))
    one.catalog.cut_off("shop")
    one.notices.hear(CutOff("shop"))
    (message,) = (message for _, message, _ in one.post.posted)
    assert message.kind is Kind.FAILURE
    assert "the process ended in the middle of the run" in message.text


def test_a_letter_holds_no_secret_of_the_file(desk: Callable[..., Desk]) -> None:
    one = desk(more="ping: http://127.0.0.1:1/s3cret-uuid")
    assert SecretStr("http://127.0.0.1:1/s3cret-uuid") == one.configuration.job("shop").ping
    one.tell(run("1", Outcome.FAILED))
    assert "s3cret-uuid" not in str(one.post.posted)


def shop_at(moment: datetime) -> Callable[[], list[Standing]]:
    """How a job stands that had its last backup at WHEN, and is stale after two days."""
    facts = Facts(job="shop", enabled=True, good=(WHEN,), since=WHEN - DAY, max_age=2 * DAY)
    return lambda: [standing_of(facts, moment)]


def test_a_stale_job_is_told_once_a_day_and_anew_when_it_was_well_in_between(desk: Callable[..., Desk]) -> None:
    one = desk()

    def look(hours: float) -> int:
        now = WHEN + timedelta(hours=hours)
        before = len(one.post.posted)
        for second in (0, 301, 602):
            moment = now + timedelta(seconds=second)
            one.watchman.tick(moment, shop_at(moment))
        return len(one.post.posted) - before

    assert [look(hours) for hours in (1, 47, 49, 50, 74)] == [0, 0, 1, 0, 1]
    assert one.kinds == [Kind.STALE, Kind.STALE]
    assert len(one.events) == 2
    again = desk()
    again.watchman.tick(WHEN + timedelta(hours=75), list)
    moment = WHEN + timedelta(hours=76)
    again.watchman.tick(moment, shop_at(moment))
    assert again.post.posted == []  # it was told two hours ago, before the restart
    again.watchman.tick(moment + timedelta(minutes=6), list)
    later = moment + timedelta(minutes=12)
    again.watchman.tick(later, shop_at(later))
    assert again.kinds == [Kind.STALE]


def digests(one: Desk, moment: Any) -> list[tuple[Message, tuple[str, ...]]]:
    """Let the watchman look at that moment, and wait for what it posts beside the loop."""
    before = len(one.post.posted)
    one.watchman.tick(moment, list)
    for thread in threading.enumerate():
        if thread.name == "digest":
            thread.join()
    return [(message, to) for _, message, to in one.post.posted[before:]]


def test_the_digest_tells_each_recipient_of_their_jobs_alone_once_a_day(desk: Callable[..., Desk]) -> None:
    one = desk(more="notify_on: []", top='digest: "0 8 * * *"')
    one.tell(run("1"))
    one.tell(run("2", Outcome.FAILED, job="notes"))
    eight = WHEN.replace(hour=8, minute=0)
    assert digests(one, eight - timedelta(minutes=1)) == []
    sent = {to: message for message, to in digests(one, eight)}
    assert set(sent) == {("ops@example.com",), ("dba@example.com",)}
    assert "notes" in sent[("ops@example.com",)].text
    assert "notes" not in sent[("dba@example.com",)].text
    assert digests(one, eight + timedelta(hours=1)) == []
    assert len(digests(one, eight + DAY)) == 2


def test_a_digest_that_was_missed_is_made_up_at_the_start_and_a_first_one_is_not(desk: Callable[..., Desk]) -> None:
    top = 'digest: "0 8 * * *"'
    one = desk(top=top)
    assert digests(one, WHEN + timedelta(minutes=1)) == []
    again = desk(top=top)
    later = WHEN.replace(hour=11)
    again.watchman.serve(again.configuration, later)
    assert len(digests(again, later)) == 2
    assert digests(again, later + timedelta(hours=1)) == []


def test_the_end_of_what_the_tool_said_is_told_where_the_error_has_not_said_it(desk: Callable[..., Desk]) -> None:
    one, failed = desk(), run("1", Outcome.FAILED)
    (message,) = one.tell(replace(failed, output="first line\npg_dump: detail: the last line"))
    assert "pg_dump: detail: the last line" in message.text
    (message,) = one.tell(replace(failed, run_id="2", error="sh ended with exit code 3: oops", output="oops"))
    assert message.text.count("oops") == 1
