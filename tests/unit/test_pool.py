"""The shared workers: who runs, who waits and for what, what is tried again, and how all of it stops."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue

import pytest

from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.engines.postgres import PostgresOptions
from backupctl.engines.sqlite import SqliteOptions
from backupctl.errors import BusyError
from backupctl.events import Event, Retrying, Run, Waiting
from backupctl.model import Outcome, Trigger
from backupctl.pool import Limits, Pool
from backupctl.runner import Request
from backupctl.storages.local import LocalOptions

NOW = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
WAIT_S = 20


def job(name: str, *, host: str | None = None, retries: int = 0, retry_delay: int = 0) -> Job:
    database = (
        PostgresOptions(type="postgres", host=host, name=name)
        if host
        else SqliteOptions(type="sqlite", path=Path("/nowhere"))
    )
    storage = LocalOptions(type="local", path=Path("/nowhere"))
    return Job(name, database, storage, "disk", "0 3 * * *", "UTC", retries=retries, retry_delay=retry_delay)


class Stage:
    """Runs that end when the test says so."""

    def __init__(self) -> None:
        self.begun: Queue[str] = Queue()
        self.ends: dict[str, threading.Event] = {}
        self.outcomes: dict[str, list[Run]] = {}
        self.requests: list[Request] = []
        self.skipped: list[tuple[str, str]] = []

    def run(self, request: Request, cancel: Cancellation) -> Run:
        name = request.job.name
        self.requests.append(request)
        if cancel.requested:
            return ended(request, Outcome.CANCELLED)
        gate = self.ends.setdefault(name, threading.Event())
        self.begun.put(name)
        with cancel.calling(gate.set):
            assert gate.wait(WAIT_S)
        if cancel.requested:
            return ended(request, Outcome.CANCELLED)
        planned = self.outcomes.get(name)
        return planned.pop(0) if planned else ended(request, Outcome.SUCCEEDED)

    def skip(self, request: Request, why: str, hint: str) -> Run:
        self.skipped.append((request.job.name, why))
        return ended(request, Outcome.SKIPPED)

    def end(self, name: str) -> None:
        self.ends.setdefault(name, threading.Event()).set()

    def next_begun(self) -> str:
        return self.begun.get(timeout=WAIT_S)


def ended(request: Request, outcome: Outcome, *, transient: bool = False) -> Run:
    return Run("id", request.job.name, request.trigger, None, outcome, NOW, NOW, "disk", transient=transient)


class Place:
    """A pool on a stage, and what it told."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.events: list[Event] = []
        self.done: Queue[Run] = Queue()
        self.pool = Pool(Limits(2, 1), self.events.append, lambda _, run: self.done.put(run))

    def submit(self, *jobs: Job) -> None:
        for one in jobs:
            self.pool.submit(Request(one), self.stage)

    def next_done(self) -> Run:
        return self.done.get(timeout=WAIT_S)


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place(Stage())
    yield made
    made.pool.cancel()
    for gate in made.stage.ends.values():
        gate.set()


def test_no_more_run_than_there_are_workers_and_the_longest_waiting_is_next(place: Place) -> None:
    place.submit(job("a"), job("b"), job("c"), job("d"))
    assert {place.stage.next_begun(), place.stage.next_begun()} == {"a", "b"}
    assert [request.job.name for request in place.pool.waiting] == ["c", "d"]
    assert Waiting("c", "all 2 workers are busy") in place.events
    place.stage.end("b")
    assert place.stage.next_begun() == "c"
    assert [request.job.name for request in place.pool.waiting] == ["d"]


def test_a_server_is_not_dumped_by_too_many_at_a_time_and_others_go_first(place: Place) -> None:
    place.submit(job("a", host="db1"), job("b", host="DB1"), job("c", host="db2"))
    assert {place.stage.next_begun(), place.stage.next_begun()} == {"a", "c"}
    assert Waiting("b", "1 runs go on db1 already") in place.events
    place.stage.end("c")
    place.next_done()
    assert [request.job.name for request in place.pool.waiting] == ["b"]
    place.stage.end("a")
    assert place.stage.next_begun() == "b"


@pytest.mark.parametrize(("jobs", "why"), [(1, "still goes"), (3, "still waits for a worker")])
def test_a_job_whose_last_request_is_not_done_is_skipped(place: Place, jobs: int, why: str) -> None:
    names = [job(f"j{number}") for number in range(jobs)]
    place.submit(*names)
    place.submit(names[-1])
    assert place.next_done().outcome is Outcome.SKIPPED
    assert place.stage.skipped == [(names[-1].name, f"the job's last run {why}")]


def test_what_may_pass_is_tried_again_as_often_as_the_job_says(place: Place) -> None:
    one = job("a", retries=2)
    place.stage.outcomes["a"] = [ended(Request(one), Outcome.FAILED, transient=True) for _ in range(5)]
    place.stage.end("a")
    place.submit(one)
    assert place.next_done().outcome is Outcome.FAILED
    assert [(request.trigger, request.attempt) for request in place.stage.requests] == [
        (Trigger.MANUAL, 1),
        (Trigger.RETRY, 2),
        (Trigger.RETRY, 3),
    ]
    assert [event.retry for event in place.events if isinstance(event, Retrying)] == [1, 2]


def test_what_will_not_pass_is_not_tried_again(place: Place) -> None:
    one = job("a", retries=2)
    place.stage.outcomes["a"] = [ended(Request(one), Outcome.FAILED)]
    place.stage.end("a")
    place.submit(one)
    assert place.next_done().outcome is Outcome.FAILED
    assert len(place.stage.requests) == 1


def test_the_delay_doubles_is_spread_and_has_a_limit(place: Place) -> None:
    one = job("a", retries=20, retry_delay=60)
    place.stage.outcomes["a"] = [ended(Request(one), Outcome.FAILED, transient=True)]
    for attempt, about in ((1, 60), (2, 120), (4, 480), (20, 3600)):
        again = Place(Stage())
        again.stage.outcomes["a"] = [ended(Request(one), Outcome.FAILED, transient=True)]
        again.stage.end("a")
        again.pool.submit(replace(Request(one), attempt=attempt), again.stage)
        until(lambda again=again: bool(again.events))  # type: ignore[misc]  # bound now
        (event,) = again.events
        assert isinstance(event, Retrying)
        assert about * 0.75 <= event.seconds <= about * 1.25
        again.pool.stop()


def test_a_retry_that_never_comes_leaves_the_failed_run_as_the_last(place: Place) -> None:
    one = job("a", retries=1, retry_delay=600)
    place.stage.outcomes["a"] = [ended(Request(one), Outcome.FAILED, transient=True)]
    place.stage.end("a")
    place.submit(one)
    until(lambda: any(isinstance(event, Retrying) for event in place.events))
    assert not place.pool.is_idle
    place.pool.stop()
    assert place.next_done().outcome is Outcome.FAILED
    assert place.pool.is_idle


def test_stopping_begins_nothing_more_and_lets_go_on_what_runs(place: Place) -> None:
    place.submit(job("a"), job("b"), job("c"))
    place.stage.next_begun()
    place.stage.next_begun()
    place.pool.stop()
    assert place.next_done() == ended(Request(job("c")), Outcome.CANCELLED)
    place.stage.end("a")
    place.stage.end("b")
    assert {place.next_done().outcome, place.next_done().outcome} == {Outcome.SUCCEEDED}
    assert place.pool.is_idle


def test_cancelling_ends_what_runs_and_what_waits(place: Place) -> None:
    place.submit(job("a"), job("b"), job("c"))
    place.stage.next_begun()
    place.stage.next_begun()
    place.pool.cancel()
    runs = [place.next_done() for _ in range(3)]
    assert {run.job for run in runs} == {"a", "b", "c"}
    assert {run.outcome for run in runs} == {Outcome.CANCELLED}


def test_what_runs_is_ended_before_thousands_are_told_that_they_wait_no_longer(place: Place) -> None:
    class Watching(Stage):
        ended_first: bool | None = None

        def run(self, request: Request, cancel: Cancellation) -> Run:
            if cancel.requested:
                self.ended_first = self.ends["a"].is_set()
            return super().run(request, cancel)

    place.stage = stage = Watching()
    place.submit(job("a", host="db"), job("b", host="db"))
    assert stage.next_begun() == "a"
    place.pool.cancel()
    assert stage.ended_first


def test_what_waits_takes_its_new_shape_or_goes(place: Place) -> None:
    place.submit(job("a"), job("b"), job("c"), job("d"))
    place.stage.next_begun()
    place.stage.next_begun()

    def changed(request: Request) -> tuple[Request, Stage] | None:
        if request.job.name == "d":
            return None
        return replace(request, job=replace(request.job, tags=("new",))), place.stage

    place.pool.revise(changed)
    assert place.next_done().outcome is Outcome.CANCELLED
    assert [request.job.tags for request in place.pool.waiting] == [("new",)]


@pytest.mark.parametrize("other", ["127.0.0.1", "::1", "LOCALHOST", "/run/postgresql"])
def test_this_machine_is_one_server_whatever_it_is_called(place: Place, other: str) -> None:
    place.submit(job("a", host="localhost"), job("b", host=other))
    assert Waiting("b", "1 runs go on localhost already") in place.events


def test_a_retry_is_of_the_job_as_the_new_file_has_it(place: Place) -> None:
    first = job("a", retries=1, retry_delay=1)
    place.stage.outcomes["a"] = [ended(Request(first), Outcome.FAILED, transient=True)]
    place.submit(first)
    assert place.stage.next_begun() == "a"
    place.pool.revise(lambda request: (replace(request, job=job("a", host="new", retries=1)), place.stage))
    place.stage.end("a")
    assert place.next_done().outcome is Outcome.SUCCEEDED
    assert [request.job.database.server for request in place.stage.requests] == [None, "new"]


def test_a_job_that_is_no_longer_in_the_file_is_not_tried_again(place: Place) -> None:
    gone = job("a", retries=3)
    place.stage.outcomes["a"] = [ended(Request(gone), Outcome.FAILED, transient=True)]
    place.submit(gone)
    assert place.stage.next_begun() == "a"
    place.pool.revise(lambda request: None)
    place.stage.end("a")
    assert place.next_done().outcome is Outcome.FAILED
    assert place.pool.is_idle


def test_no_run_of_a_job_begins_while_it_is_held_and_others_do(place: Place) -> None:
    with place.pool.holding("a"):
        place.submit(job("a"), job("b"))
        assert place.stage.next_begun() == "b"
        assert Waiting("a", "what a killed run left is cleared up first") in place.events
        place.stage.end("b")
        place.next_done()
        assert [request.job.name for request in place.pool.waiting] == ["a"]
    assert place.stage.next_begun() == "a"
    with pytest.raises(BusyError), place.pool.holding("a"):
        pass


def test_more_workers_take_up_what_waits(place: Place) -> None:
    place.submit(job("a"), job("b"), job("c"))
    place.pool.set_limits(Limits(3, 1))
    assert {place.stage.next_begun() for _ in range(3)} == {"a", "b", "c"}


def until(condition: Callable[[], bool]) -> None:
    ticks = threading.Event()
    for _ in range(WAIT_S * 100):
        if condition():
            return
        ticks.wait(0.01)
    raise AssertionError("it did not come")
