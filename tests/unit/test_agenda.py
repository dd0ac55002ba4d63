"""Which job is due when, on a clock that is set, slept through and changed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backupctl.agenda import Agenda, missed
from backupctl.config import Job
from backupctl.engines.sqlite import SqliteOptions
from backupctl.model import Trigger
from backupctl.storages.local import LocalOptions

MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


def at(hour: float, *, day: int = 0) -> datetime:
    return MIDNIGHT + timedelta(days=day, hours=hour)


def job(name: str = "shop", cron: str = "30 3 * * *", zone: str = "UTC", **more: int) -> Job:
    database = SqliteOptions(type="sqlite", path=Path("/nowhere"))
    storage = LocalOptions(type="local", path=Path("/nowhere"))
    return replace(Job(name, database, storage, "disk", cron, zone), **more)  # type: ignore[arg-type]  # numbers all


class Clock:
    """An agenda, and the day that it is taken through."""

    def __init__(self, *jobs: Job, now: datetime = MIDNIGHT, answered: dict[str, datetime] | None = None) -> None:
        self.submitted: list[tuple[str, str, datetime]] = []
        self.agenda = Agenda(lambda one, why, due: self.submitted.append((one.name, why.value, due)), now)
        self.put(*jobs, now=now, answered=answered)

    def put(self, *jobs: Job, now: datetime, answered: dict[str, datetime] | None = None) -> None:
        self.agenda.put(jobs, now, answered=(answered or {}).get)

    def at(self, *moments: datetime) -> list[tuple[str, str, datetime]]:
        """What is submitted when the agenda is asked at these moments."""
        self.submitted.clear()
        for moment in moments:
            self.agenda.run_due(moment)
        return list(self.submitted)


def test_a_job_is_submitted_once_when_it_is_due_and_again_the_next_day() -> None:
    clock = Clock(job())
    assert clock.agenda.next_at == at(3.5)
    assert clock.at(at(3.49)) == []
    assert clock.at(at(3.5), at(3.5), at(3.51)) == [("shop", "schedule", at(3.5))]
    assert clock.agenda.next_at == at(3.5, day=1)


def test_jobs_that_are_due_together_come_the_longest_waiting_first() -> None:
    clock = Clock(job("late", "50 * * * *"), job("early", "10 * * * *"), job("middle", "30 * * * *"))
    assert [name for name, _, _ in clock.at(at(0.9))] == ["early", "middle", "late"]


def test_times_an_hour_apart_on_one_clock_face_are_told_apart() -> None:
    # On 1 November 2026, 01:30 comes twice in New York; hourly jobs run in both hours.
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    clock = Clock(job(cron="30 * * * *", zone="America/New_York"), now=first - timedelta(minutes=1))
    runs = [due for moment in range(3) for _, _, due in clock.at(first + timedelta(hours=moment))]
    assert runs == [first, first + timedelta(hours=1), first + timedelta(hours=2)]


def test_however_long_the_machine_slept_it_is_one_run_for_the_newest_due_time() -> None:
    clock = Clock(job(cron="0 * * * *"))
    assert clock.at(at(10.25)) == [("shop", "catch-up", at(10))]
    assert clock.agenda.next_at == at(11)


def test_a_clock_that_is_set_back_a_little_repeats_nothing() -> None:
    clock = Clock(job())
    assert len(clock.at(at(3.5))) == 1
    clock.agenda.set_back(at(2.5), timedelta(hours=1))
    assert clock.at(at(2.5), at(3.5), at(3.6)) == []
    assert clock.agenda.next_at == at(3.5, day=1)


def test_what_runs_every_few_minutes_goes_on_when_the_clock_is_set_back_a_little() -> None:
    clock = Clock(job(cron="*/5 * * * *"), now=at(3))
    clock.agenda.set_back(at(2), timedelta(hours=1))
    assert clock.agenda.next_at == at(2) + timedelta(minutes=5)


def test_a_clock_that_was_a_year_ahead_loses_no_run_when_it_is_set_right() -> None:
    clock = Clock(job())
    assert len(clock.at(at(3.6, day=365))) == 1
    clock.agenda.set_back(at(1), timedelta(days=365))
    assert clock.at(at(3.5)) == [("shop", "schedule", at(3.5))]


def test_a_clock_that_was_ahead_for_an_hour_neither_doubles_nor_loses_a_run() -> None:
    clock = Clock(job())
    early = clock.at(at(3.6))
    clock.agenda.set_back(at(2.7), timedelta(hours=1))
    assert len(early) + len(clock.at(at(3.5), at(3.6))) == 1


def test_a_new_file_keeps_the_time_of_a_job_whose_timetable_stays() -> None:
    clock = Clock(job(), job("notes", "0 4 * * *"))
    # The file is read some seconds after 03:30, and the loop has not come to the run of 03:30 yet.
    clock.put(replace(job(), tags=("new",)), job("wiki", "0 5 * * *"), now=at(3.505))
    assert clock.at(at(3.51)) == [("shop", "schedule", at(3.5))]
    assert clock.at(at(4.5), at(5)) == [("wiki", "schedule", at(5))]


def test_a_changed_cron_holds_from_now_on() -> None:
    clock = Clock(job())
    clock.put(job(cron="0 2 * * *"), now=at(3))
    assert clock.agenda.next_at == at(2, day=1)


def test_a_start_does_not_repeat_what_an_hour_ahead_was_done() -> None:
    """The clock was set back by an hour while nothing was running."""
    clock = Clock(job(), now=at(3), answered={"shop": at(3.5)})
    assert clock.agenda.next_at == at(3.5, day=1)


def test_a_start_does_not_believe_that_next_year_was_done() -> None:
    clock = Clock(job(), now=at(3), answered={"shop": at(3.5, day=365)})
    assert clock.agenda.next_at == at(3.5)


def test_an_agenda_without_jobs_waits_for_none() -> None:
    clock = Clock()
    assert clock.agenda.next_at is None
    assert clock.at(at(5)) == []


@pytest.mark.parametrize(
    ("now", "made_up"),
    [
        (at(3.49), None),  # nothing was missed since yesterday's
        (at(3.5), at(3.5)),
        (at(15.4), at(3.5)),  # half a day is half of the interval
        (at(15.6), None),
    ],
)
def test_a_missed_run_is_made_up_while_half_the_interval_has_not_passed(
    now: datetime, made_up: datetime | None
) -> None:
    assert missed(job(), since=at(-100), answered=at(3.5, day=-1), now=now) == made_up


def test_of_many_missed_runs_the_newest_alone_is_made_up() -> None:
    assert missed(job(cron="0 * * * *"), since=at(-100), answered=at(-90), now=at(7.2)) == at(7)


def test_catch_up_says_how_old_a_missed_run_may_be_and_nothing_switches_it_off() -> None:
    for catch_up, made_up in ((0, None), (3600, None), (6 * 3600, at(3.5))):
        assert missed(job(catch_up=catch_up), since=at(-100), answered=None, now=at(5)) == made_up


def test_a_rare_job_is_made_up_for_a_day_at_most() -> None:
    yearly = job(cron="0 0 1 1 *")
    due = datetime(2026, 1, 1, tzinfo=UTC)
    since = due - timedelta(days=900)
    assert missed(yearly, since=since, answered=None, now=due + timedelta(hours=23)) == due
    assert missed(yearly, since=since, answered=None, now=due + timedelta(hours=25)) is None


def test_a_job_that_was_not_known_then_has_missed_nothing() -> None:
    assert missed(job(), since=at(4), answered=None, now=at(5)) is None


def test_what_was_answered_for_is_not_made_up() -> None:
    assert missed(job(), since=at(-100), answered=at(3.5), now=at(5)) is None


def test_a_new_jitter_makes_no_run_that_was_done_a_missed_one() -> None:
    spread = job(jitter=3600)
    assert missed(spread, since=at(0, day=-9), answered=at(3.5), now=at(5)) is None
    assert missed(spread, since=at(0, day=-9), answered=at(3.5, day=-1), now=at(5)) is not None


def test_the_jitter_of_a_job_is_part_of_when_it_is_due() -> None:
    clock = Clock(job(jitter=600))
    due = clock.agenda.next_at
    assert due is not None
    assert at(3.5) <= due <= at(3.5) + timedelta(minutes=10)
    assert clock.at(due) == [("shop", Trigger.SCHEDULE.value, due)]
    assert clock.agenda.next_at == due + timedelta(days=1)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
def test_over_a_whole_year_every_day_has_its_one_run_whatever_the_clocks_do(zone: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    clock = Clock(job(cron="30 2 * * *", zone=zone), now=start)
    days = []
    while clock.agenda.next_at and clock.agenda.next_at < start + timedelta(days=365):
        for _, _, due in clock.at(clock.agenda.next_at + timedelta(seconds=0.3)):
            days.append(due.astimezone(ZoneInfo(zone)).date())
    assert len(days) == len(set(days)) == 365
