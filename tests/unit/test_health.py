"""What the runner tells over HTTP of its health, asked as Prometheus, Kubernetes and a person ask it."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from backupctl.address import Address
from backupctl.health import serve
from backupctl.metrics import Metrics
from backupctl.model import Outcome
from tests.parts.ports import free_port
from tests.unit.vitals import NOW, Vitals, standing


class Place:
    """A runner that is served."""

    def __init__(self) -> None:
        self.address = Address("127.0.0.1", free_port())
        self.vitals = Vitals()

    def ask(self, path: str, accept: str = "*/*") -> tuple[int, str, str]:
        """The status, the content type and the body."""
        connection = http.client.HTTPConnection(self.address.host, self.address.port, timeout=20)
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()


@pytest.fixture(scope="module")
def served() -> Iterator[Place]:
    made = Place()
    with serve(made.address, made.vitals, Metrics()):
        yield made


@pytest.fixture
def place(served: Place) -> Place:
    """A runner that is well."""
    served.vitals.jobs, served.vitals.seconds_since_beat = [standing("shop")], 0.0
    return served


def test_a_runner_whose_loop_goes_round_is_healthy(place: Place) -> None:
    place.vitals.seconds_since_beat = 60.0
    assert place.ask("/healthz") == (200, "text/plain; charset=utf-8", "ok\n")


def test_a_runner_whose_loop_hangs_is_not(place: Place) -> None:
    place.vitals.seconds_since_beat = 61.2
    status, _, body = place.ask("/healthz")
    assert (status, body) == (503, "the scheduler hangs: its loop went round 61 s ago\n")


def test_a_runner_with_a_stale_job_is_healthy_and_not_ready(place: Place) -> None:
    place.vitals.jobs = [standing("shop", stale=True)]
    assert place.ask("/healthz")[0] == 200
    assert place.ask("/readyz")[0] == 503


def test_a_runner_whose_jobs_are_well_is_ready(place: Place) -> None:
    status, content_type, body = place.ask("/readyz")
    assert (status, content_type) == (200, "application/json")
    assert json.loads(body) == {"ready": True, "jobs": []}


def test_one_that_is_not_ready_says_which_jobs_are_unwell_and_why(place: Place) -> None:
    young = replace(standing("young", stale=True), last_good_at=None)
    failed = replace(standing("failed", stale=True, failing=True), last_outcome=Outcome.FAILED)
    unread = standing("unread", failing=True, note="from the catalog: storage could not be read: denied")
    place.vitals.jobs = [standing("shop"), young, standing("old", stale=True), failed, unread]
    status, _, body = place.ask("/readyz")
    document = json.loads(body)
    assert (status, document["ready"]) == (503, False)
    assert [(job["job"], job["problem"]) for job in document["jobs"]] == [
        ("young", "there is no good backup"),
        ("old", "the newest good backup is too old"),
        ("failed", "the last run failed"),
        ("unread", "from the catalog: storage could not be read: denied"),
    ]
    assert [job["last_good_at"] for job in document["jobs"]] == [None, *[NOW.isoformat()] * 3]
    assert document["jobs"][2] | {"stale": True, "failing": True, "last_outcome": "failed"} == document["jobs"][2]


def test_the_metrics_are_served_in_the_form_that_is_asked_for(place: Place) -> None:
    status, content_type, body = place.ask("/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    plain = {family.name for family in text_string_to_metric_families(body)}
    assert {"backupctl_runs", "backupctl_job_stale", "backupctl_waiting"} <= plain
    status, content_type, body = place.ask("/metrics", "application/openmetrics-text;version=1.0.0")
    assert (status, content_type.partition(";")[0]) == (200, "application/openmetrics-text")
    assert body.endswith("backupctl_jobs 1.0\n# EOF\n")


def test_an_accept_header_that_makes_no_sense_is_let_pass(place: Place) -> None:
    assert place.ask("/metrics", "application/openmetrics-text;version=abc")[0] == 200
