"""Every event of the runner becomes a sentence and the values to search for."""

import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from backupctl.errors import ConfigError
from backupctl.events import (
    Alarm,
    ClockChanged,
    CutOff,
    Dumping,
    Ended,
    Event,
    Finished,
    NotDelivered,
    NotReloaded,
    Progress,
    Pruned,
    Reloaded,
    Retrying,
    Serving,
    Started,
    Stopping,
    Waiting,
    Warned,
)
from backupctl.logs.entries import About, Entry, Narrator
from backupctl.logs.templates import renamed, rendered
from backupctl.model import Outcome, Trigger
from tests.unit.runs import WHEN, run

ABOUT = {"shop": About("postgres", "shopdb", "offsite")}
STARTED = Started("shop", "r1", Trigger.SCHEDULE, WHEN, WHEN, "shopdb on db1", "s3://bkt/backups")


def narrator(clock: list[float] | None = None) -> Narrator:
    made = Narrator(progress_every_s=60, monotonic=lambda: clock[0] if clock else 0.0)
    made.know(ABOUT)
    return made


def one(told: Narrator, event: Event) -> Entry:
    (entry,) = told.tell(event)
    return entry


@pytest.mark.parametrize(
    ("event", "level", "sentence"),
    [
        (Waiting("shop", "two runs of db1 go on"), logging.INFO, "shop: waits, two runs of db1 go on"),
        (STARTED, logging.INFO, "shop: shopdb on db1 to s3://bkt/backups"),
        (
            Dumping("shop", "dump", "pg_dump 16", "16.1", 3 * 1024**2),
            logging.INFO,
            "shop: dumping with pg_dump 16, server 16.1, about 3.0 MiB",
        ),
        (
            Dumping("shop", "globals", "pg_dumpall 16", "16.1", None),
            logging.INFO,
            "shop: dumping globals with pg_dumpall 16, server 16.1",
        ),
        (Warned("shop", "no {braces} are holes"), logging.WARNING, "shop: no {braces} are holes"),
        (Pruned("shop", ("a",), {}), logging.INFO, "shop: 1 old backup removed"),
        (Pruned("shop", ("a", "b"), {"c": "no"}), logging.WARNING, "shop: 2 old backups removed, 1 could not be"),
        (
            Finished("shop", run("r1")),
            logging.INFO,
            "shop: succeeded in 10s: 2.9 KiB dumped, 300 B stored as r1",
        ),
        (Finished("shop", run("r1", Outcome.FAILED)), logging.ERROR, "shop: failed: the server went away"),
        (Finished("shop", run("r1", Outcome.SKIPPED)), logging.WARNING, "shop: skipped: the server went away"),
        (Finished("shop", run("r1", Outcome.CANCELLED)), logging.WARNING, "shop: cancelled; nothing was stored"),
        (Retrying("shop", 65, 1, 3), logging.WARNING, "shop: is tried again in 1m 05s, retry 1 of 3"),
        (Serving(1, None), logging.INFO, "serving 1 job, and none is due ever"),
        (Serving(2, WHEN), logging.INFO, f"serving 2 jobs, the next at {WHEN}"),
        (Reloaded(2, WHEN), logging.INFO, f"the jobs file was read again: 2 jobs, the next at {WHEN}"),
        (NotReloaded(ConfigError("bad file")), logging.ERROR, "bad file; the jobs go on as before"),
        (ClockChanged(-3600), logging.WARNING, "the clock went 1h 00m back, or the machine slept"),
        (Stopping((), None), logging.INFO, "stopping; nothing is running"),
        (
            Stopping(tuple("abcdefg"), 300),
            logging.INFO,
            "stopping; a, b, c, d, e and 2 more may go on for 5m 00s, a second signal ends it now",
        ),
        (CutOff("shop"), logging.WARNING, "shop: a run of an earlier process did not come to its end"),
        (Alarm("shop"), logging.ERROR, "shop: the newest good backup is too old"),
        (
            NotDelivered("email", "shop", "no route to host", "look at the network", given_up=False),
            logging.WARNING,
            "a message over email could not be sent, and is tried again: no route to host",
        ),
        (
            NotDelivered("email", None, "no route to host", None, given_up=True),
            logging.ERROR,
            "a message over email could not be sent, and is given up: no route to host",
        ),
        (Stopping(("a",), None), logging.INFO, "stopping; ending a now"),
    ],
)
def test_each_event_has_its_level_and_its_sentence(event: Event, level: int, sentence: str) -> None:
    entry = one(narrator(), event)
    assert (entry.level, rendered(entry.template, entry.values)) == (level, sentence)


def test_what_a_run_does_is_found_by_its_job_its_run_and_its_database() -> None:
    told = narrator()
    whole = {"job": "shop", "run_id": "r1", "trigger": "schedule", "engine": "postgres", "storage": "offsite"}
    events: list[Event] = [STARTED, Dumping("shop", "dump", "pg_dump", "16", None), Warned("shop", "slow")]
    for event in [*events, Finished("shop", replace(run("r1"), trigger=Trigger.SCHEDULE))]:
        entry = one(told, event)
        assert entry.values.items() >= whole.items()
    assert entry.values.items() >= {"outcome": "succeeded", "duration": 10.0, "bytes": 300, "dump_bytes": 3000}.items()
    assert "run_id" not in one(told, Waiting("shop", "a worker is missing")).values


def test_a_failure_is_told_with_its_hint() -> None:
    assert one(narrator(), Finished("shop", run("r1", Outcome.FAILED))).values["hint"] == "look at it"


def test_progress_is_told_now_and_then() -> None:
    clock = [0.0]
    told = narrator(clock)
    progress = Progress("shop", "dump", 2048, 1024)
    assert list(told.tell(progress)) == []
    one(told, Dumping("shop", "dump", "pg_dump", "16", None))
    seen = []
    for clock[0] in (1, 59, 60, 61, 119, 120):
        seen += [(clock[0], rendered(entry.template, entry.values)) for entry in told.tell(progress)]
    assert seen == [(60, "shop: 2.0 KiB dumped, 1.0 KiB stored"), (120, "shop: 2.0 KiB dumped, 1.0 KiB stored")]


@pytest.mark.parametrize("event", [Pruned("shop", (), {}), Ended("shop", run("r1"))])
def test_what_is_no_news_is_not_told(event: Event) -> None:
    assert list(narrator().tell(event)) == []


def test_a_job_that_nothing_is_known_of_is_told_of_as_well() -> None:
    entry = one(narrator(), replace(STARTED, job="other"))
    assert entry.values["job"] == "other"
    assert "engine" not in entry.values


def test_a_template_keeps_its_braces_and_is_said_although_a_value_is_missing() -> None:
    assert rendered("{{a}} {b} {c}", {"b": "{d}"}) == "{a} {d} ?"
    assert renamed("{{a}} {b}", str.upper) == "{{a}} {B}"


def test_times_stand_as_they_are_until_they_are_written() -> None:
    assert one(narrator(), Serving(1, datetime(2026, 3, 1, tzinfo=UTC))).values["next_at"].year == 2026
