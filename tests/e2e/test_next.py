"""`next`: when jobs will run, in their zones and in UTC."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.command import Workplace

SKIPPED = "moved from 02:30, which the clock change skips"
JOBS = """\
version: 1
timezone: Europe/Berlin
email: {from: a@example.com, host: smtp.example.com, user: a, password: "${SMTP_PASSWORD}"}
storages:
  offsite: {type: r2, bucket: "${BUCKET}", endpoint_url: "${URL}", access_key_id: "${ID}", secret_access_key: "${KEY}"}
defaults: {storage: offsite}
jobs:
  - name: shop
    cron: "30 2 * * *"
    database: {type: postgres, name: shop, port: "${PORT}", password: "${SHOP_PASSWORD}"}
  - name: notes
    cron: "0 */6 * * *"
    timezone: Asia/Kathmandu
    jitter: 10m
    database: {type: sqlite, path: notes.sqlite}
  - name: old
    enabled: false
    database: {type: sqlite, path: old.sqlite}
"""


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    workplace = Workplace(tmp_path)
    workplace.write(JOBS)
    return workplace


def test_next_shows_the_next_run_of_every_enabled_job_in_its_order_and_needs_no_variable(place: Workplace) -> None:
    ended = place.ok("next", "--from", "2026-03-28T19:30:00Z")
    assert [re.split(r" {2,}", line) for line in ended.out.splitlines()[1:]] == [
        ["notes", "2026-03-29 06:06:42 +0545", "Asia/Kathmandu", "2026-03-29 00:21:42", "6m 42s of jitter"],
        ["shop", "2026-03-29 03:00:00 +0200", "Europe/Berlin", "2026-03-29 01:00:00", SKIPPED],
    ]
    assert ended.err == ""


def test_next_of_a_job_shows_five_and_says_what_comes_twice(place: Workplace) -> None:
    ended = place.ok("next", "shop", "--from", "2026-10-24T12:00")
    first, *others = ended.out.splitlines()[1:]
    assert first.endswith("02:30 comes twice that day; this is the first")
    assert len(others) == 4


def test_next_gives_one_json_array_of_future_times(place: Workplace) -> None:
    before = datetime.now(UTC)
    runs = place.ok("next", "--json", "--count", "2").json
    assert sorted(run["job"] for run in runs) == ["notes", "notes", "shop", "shop"]
    assert {tuple(run) for run in runs} == {("job", "at_utc", "at_local")}
    times = [datetime.fromisoformat(run["at_utc"]) for run in runs]
    assert times == sorted(times)
    assert times[0] > before
    assert times == [datetime.fromisoformat(run["at_local"]) for run in runs]
    assert {run["at_local"][-6:] for run in runs if run["job"] == "notes"} == {"+05:45"}


def test_a_disabled_job_is_shown_when_it_is_named_and_marked(place: Workplace) -> None:
    ended = place.ok("next", "old", "-n", "1", "--from", "2026-06-01")
    (line,) = ended.out.splitlines()[1:]
    assert line.split()[1:] == [
        "2026-06-01",
        "12:00:00",
        "+0200",
        "Europe/Berlin",
        "2026-06-01",
        "10:00:00",
        "disabled",
    ]
    assert ended.err == "old is disabled: it would run then, but is not run by itself\n"


def test_without_an_enabled_job_the_array_is_empty(place: Workplace) -> None:
    place.write(JOBS.replace("defaults: {", "defaults: {enabled: false, "))
    ended = place.ok("next", "--json")
    assert (ended.json, ended.err) == ([], "there are no enabled jobs\n")


@pytest.mark.parametrize(
    ("time", "said"), [("tomorrow", "'tomorrow' is not a time"), ("9999-12-31", "the year 9999 is too far away")]
)
def test_a_time_that_cannot_be_read_is_a_usage_error(place: Workplace, time: str, said: str) -> None:
    ended = place.run("next", "--from", time)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[0] == f"error: {said}"
    assert ended.err.splitlines()[1].startswith("hint: ")
