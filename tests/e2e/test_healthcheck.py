"""`healthcheck`, as a container runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backupctl.address import Address
from backupctl.health import serve
from backupctl.metrics import Metrics
from tests.e2e.command import Ended, Workplace
from tests.parts.ports import free_port
from tests.unit.vitals import Vitals, standing

VITALS = Vitals()


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    made = Address("127.0.0.1", free_port())
    with serve(made, VITALS, Metrics()):
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A folder without a jobs file."""
    VITALS.jobs, VITALS.seconds_since_beat = [standing("shop")], 0.0
    return Workplace(tmp_path)


def said(ended: Ended) -> tuple[int, str, list[str]]:
    return ended.code, ended.out, ended.err.splitlines()


def test_a_healthy_runner_is_asked_without_a_jobs_file_and_past_any_proxy(place: Workplace, address: Address) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    env = {"BACKUPCTL_LISTEN": f"0.0.0.0:{address.port}", "http_proxy": nowhere, "HTTP_PROXY": nowhere}
    assert said(place.run("healthcheck", "--ready", env=env)) == (0, "ok\n", [])


def test_a_runner_that_hangs_is_unhealthy_and_the_option_goes_before_the_environment(
    place: Workplace, address: Address
) -> None:
    VITALS.seconds_since_beat = 3600.0
    ended = place.run("healthcheck", "--listen", str(address.port), env={"BACKUPCTL_LISTEN": str(free_port())})
    assert said(ended) == (1, "", ["error: the scheduler hangs: its loop went round 3600 s ago"])


def test_a_runner_that_is_not_ready_says_why_in_one_line(place: Workplace, address: Address) -> None:
    VITALS.jobs = [standing(f"job-{number}", failing=True) for number in range(7)]
    ended = place.run("healthcheck", "--ready", "--listen", str(address))
    jobs = ", ".join(f"job-{number} (the last run failed)" for number in range(5))
    assert said(ended) == (1, "", [f"error: not ready: {jobs} and 2 more"])


def test_where_nothing_listens_the_runner_is_unhealthy(place: Workplace) -> None:
    port = free_port()
    ended = place.run("healthcheck", "--listen", str(port))
    assert said(ended) == (1, "", [f"error: the runner does not answer on 127.0.0.1:{port}: connection refused"])
