"""The long-running runner, as a service manager runs it: on time, stopped, killed, reloaded, and its clock set."""

import json
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import Running, Workplace, until
from tests.e2e.fake_clock import FakeClock
from tests.e2e.places import make_shop
from tests.parts.ports import free_port

EARLY = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
ALMOST = datetime(2026, 11, 23, 3, 29, 59, tzinfo=UTC)
"""A moment before the daily job is due."""

DAILY = "30 3 * * *"


class Service:
    """A `backupctl run` on a clock of the test's, over jobs with small databases."""

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self.clock = FakeClock(place.folder, EARLY)
        make_shop(place.folder / "shop.db")

    def jobs(self, *jobs: str, **more: str) -> None:
        """Write the file: each job is `name: more YAML`."""
        top = "".join(f"{key}: {value}\n" for key, value in more.items())
        entries = "".join(
            f"  - {{name: {name}, database: {{type: sqlite, path: ./shop.db}}, storage: there, {rest}}}\n"
            for name, _, rest in (job.partition(": ") for job in jobs)
        )
        self.place.write(
            f"version: 1\n{top}storages: {{there: {{type: local, path: ./backups}}}}\njobs:\n{entries or '  []'}\n"
        )

    @contextmanager
    def running(self, *args: str) -> Iterator[Running]:
        with self.place.start("run", "--log-format", "text", *args, env=self.clock.environment) as running:
            until(lambda: "serving" in running.told or running.process.poll() is not None)
            if self.clock.now < ALMOST:
                self.clock.set(ALMOST)
            yield running

    def stopped(self, running: Running) -> str:
        """End it as a service manager does; returns what it has told."""
        running.terminate()
        ended = running.wait()
        assert ended.code == 0, ended.err
        return ended.err

    def backups(self, job: str = "shop") -> list[Path]:
        return sorted((self.place.folder / "backups" / job).rglob("*.manifest.json"))

    def rows(self, columns: str = '"trigger", outcome', job: str = "shop") -> list[tuple[Any, ...]]:
        """The catalog's runs, the oldest first."""
        path = self.place.state / "catalog.sqlite"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(f"SELECT {columns} FROM runs WHERE job = ? ORDER BY seq", (job,)).fetchall()

    def slow(self, *, seconds: int = 600) -> str:
        """A `before` that says that it has begun, and goes on until the test says `go`."""
        script = self.place.folder / "slow"
        script.write_text(
            f"#!/bin/sh\ntouch {self.place.folder}/begun\n"
            f"for i in $(seq {seconds * 20}); do [ -e {self.place.folder}/go ] && exit 0; sleep 0.05; done\nexit 1\n"
        )
        script.chmod(0o700)
        return f"before: [{script}]"

    def wait_until_begun(self) -> None:
        until(lambda: (self.place.folder / "begun").exists())

    def go(self) -> None:
        (self.place.folder / "go").touch()


@pytest.fixture
def service(place: Workplace) -> Service:
    return Service(place)


def test_a_job_runs_when_it_is_due_and_an_idle_runner_stops_at_once(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}"', 'later: cron: "0 4 * * *"')
    with service.running() as running:
        until(lambda: service.rows() == [("schedule", "succeeded")])
        told = service.stopped(running)
    (manifest,) = (json.loads(path.read_text()) for path in service.backups())
    # The run is for this very time, and did not begin before it.
    assert manifest["started_at"] >= "2026-11-23T03:30:00"
    assert service.rows('"trigger", outcome, due_at') == [("schedule", "succeeded", "2026-11-23T03:30:00.000000+00:00")]
    assert not service.backups("later")
    assert "serving 2 jobs, the next at 2026-11-23T03:30:00+00:00" in told
    assert "stopping; " in told


def test_a_second_runner_on_the_same_state_folder_is_refused_and_run_once_is_not(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}"')
    port = free_port()
    with service.running("--listen", str(port)) as running:
        second = service.place.run("run", "--listen", str(port))
        assert second.code == 4
        assert "another `backupctl run` works with the state folder" in second.err
        service.place.ok("run-once", "shop")
        service.stopped(running)


def test_a_signal_that_comes_while_the_runner_begins_does_what_it_does_later(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}"')
    file = service.place.folder / "jobs.yaml"
    text = file.read_text()
    file.unlink()
    os.mkfifo(file)
    with service.place.start("run", env=service.clock.environment) as running:
        with file.open("w") as reading:  # opens when the runner does
            running.process.send_signal(signal.SIGHUP)
            running.terminate()
            reading.write(text)
        told = running.wait()
    assert (told.code, "serving 1 job" in told.err, "stopping; nothing is running" in told.err) == (0, True, True)


def test_what_runs_may_end_when_the_runner_is_stopped(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}", {service.slow()}')
    with service.running() as running:
        service.wait_until_begun()
        running.terminate()
        until(lambda: "stopping; shop may go on for 5m 00s" in running.told)
        service.go()
        assert running.wait().code == 0
    assert service.rows() == [("schedule", "succeeded")]
    assert len(service.backups()) == 1


@pytest.mark.parametrize("how", ["a second signal", "no grace"])
def test_a_run_that_may_not_go_on_is_cancelled_recorded_and_leaves_nothing(service: Service, how: str) -> None:
    service.jobs(f'shop: cron: "{DAILY}", {service.slow()}', shutdown_grace="0s" if how == "no grace" else "1h")
    with service.running() as running:
        service.wait_until_begun()
        running.terminate()
        if how == "a second signal":
            until(lambda: "stopping;" in running.told)
            running.terminate()
        ended = running.wait()
    assert ended.code == 0
    assert "ending shop now" in ended.err
    assert "shop: cancelled; nothing was stored" in ended.err
    assert service.rows() == [("schedule", "cancelled")]
    assert not service.backups()


def test_a_killed_runner_holds_up_nothing_and_its_run_is_made_up_once(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}", {service.slow()}')
    with service.running() as running:
        service.wait_until_begun()
        running.process.kill()
        running.process.communicate()
    assert service.rows() == [("schedule", None)]
    service.go()
    service.clock.jump(hours=1)
    with service.running() as running:
        until(lambda: service.rows() == [("schedule", "interrupted"), ("catch-up", "succeeded")])
        service.stopped(running)
    assert len(service.backups()) == 1
    with service.running() as running:
        service.stopped(running)
    assert len(service.rows()) == 2


def test_a_run_waits_for_what_a_killed_one_left_to_be_cleared_up_and_the_end_waits_for_nothing(
    service: Service,
) -> None:
    service.place.secrets["S3_SECRET"] = "s3cret-enough"
    journal = service.place.state / "journals" / "shop.json"
    journal.parent.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = f"127.0.0.1:{silent.getsockname()[1]}"
        intent = {"location": f"s3://bkt/backups/ at {store}", "manifest_key": "backups/shop/m", "keys": ["k"]}
        journal.write_text(json.dumps([intent]))
        service.place.write(
            "version: 1\nstorages:\n  there: {type: s3, bucket: bkt, access_key_id: AK,"
            f" secret_access_key: '${{S3_SECRET}}', endpoint_url: 'http://{store}'}}\njobs:\n"
            f'  - {{name: shop, database: {{type: sqlite, path: ./shop.db}}, storage: there, cron: "{DAILY}"}}\n'
        )
        with service.running() as running:
            until(lambda: "shop: waits, what a killed run left is cleared up first" in running.told)
            service.stopped(running)
    assert service.rows() == [("schedule", "cancelled")]


def test_a_run_that_was_missed_is_made_up_at_the_start_and_an_old_one_is_not(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}"', 'notes: cron: "0 22 * * *", catch_up: 6h')
    with service.running() as running:
        until(lambda: bool(service.backups()))
        service.stopped(running)
    service.clock.set(datetime(2026, 11, 24, 4, 30, tzinfo=UTC))
    with service.running() as running:
        until(lambda: len(service.backups()) == 2)
        service.stopped(running)
    assert service.rows() == [("schedule", "succeeded"), ("catch-up", "succeeded")]
    assert service.rows(job="notes") == []


def test_a_job_that_is_due_while_its_last_run_goes_on_is_skipped_and_recorded(service: Service) -> None:
    service.jobs(f'shop: cron: "* * * * *", {service.slow()}')
    with service.running() as running:
        service.wait_until_begun()
        service.clock.jump(seconds=57)
        until(lambda: "skipped" in running.told)
        service.go()
        until(lambda: ("schedule", "succeeded") in service.rows())
        told = service.stopped(running)
    assert "shop: skipped: the job's last run still goes" in told
    assert ("schedule", "skipped") in service.rows()


def test_a_clock_that_is_set_doubles_and_loses_no_run(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}"')
    with service.running() as running:
        until(lambda: len(service.backups()) == 1)
        service.clock.jump(hours=-1)
        until(lambda: " back, or the machine slept" in running.told)
        service.clock.set(datetime(2026, 11, 23, 3, 30, 30, tzinfo=UTC))
        until(lambda: running.told.count("forward, or the machine slept") == 2)
        service.clock.set(datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
        until(lambda: len(service.backups()) == 2)
        service.stopped(running)
    due = [when for (when,) in service.rows("due_at")]
    assert due == ["2026-11-23T03:30:00.000000+00:00", "2026-11-24T03:30:00.000000+00:00"]


def test_a_changed_file_is_taken_as_a_whole_and_a_bad_one_not_at_all(service: Service) -> None:
    service.jobs('shop: cron: "0 12 * * *"')
    with service.running() as running:
        good = (service.place.folder / "jobs.yaml").read_text()
        service.place.write(good.replace("0 12 * * *", "0 12 * *"))
        until(lambda: "the jobs go on as before" in running.told)
        assert "a cron expression has five fields" in running.told
        assert "was read again" not in running.told
        service.jobs(f'fresh: cron: "{DAILY}"')
        running.process.send_signal(signal.SIGHUP)
        until(lambda: "was read again" in running.told)
        service.clock.set(ALMOST + timedelta(days=1))
        until(lambda: bool(service.backups("fresh")))
        told = service.stopped(running)
    assert "the jobs file was read again: 1 job, the next at 2026-11-2" in told
    assert not service.backups("shop")


def test_a_run_goes_on_under_the_file_that_it_began_with(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}", {service.slow()}, tags: [old]')
    with service.running() as running:
        service.wait_until_begun()
        (service.place.folder / "elsewhere").mkdir()
        text = (service.place.folder / "jobs.yaml").read_text()
        service.place.write(text.replace("./backups", "./elsewhere"))
        until(lambda: "was read again" in running.told)
        service.go()
        until(lambda: bool(service.backups()))
        service.stopped(running)
    assert not list((service.place.folder / "elsewhere").iterdir())


def test_no_more_than_the_workers_run_and_who_waits_is_told(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}", {service.slow()}', f'notes: cron: "{DAILY}"', workers="1")
    with service.running() as running:
        until(lambda: "notes: waits, all 1 workers are busy" in running.told)
        service.go()
        until(lambda: bool(service.backups("shop") and service.backups("notes")))
        service.stopped(running)


def test_what_may_pass_is_tried_again_and_recorded_as_such(service: Service) -> None:
    database = f"{{type: postgres, host: 127.0.0.1, port: {free_port()}, user: u, name: nothing}}"
    service.place.write(
        "version: 1\nstorages: {there: {type: local, path: ./backups}}\n"
        f'jobs: [{{name: shop, database: {database}, storage: there, cron: "{DAILY}", retries: 1, retry_delay: 1s}}]\n'
    )
    with service.running() as running:
        until(lambda: len([row for row in service.rows() if row[1] == "failed"]) == 2)
        told = service.stopped(running)
    assert service.rows() == [("schedule", "failed"), ("retry", "failed")]
    assert "retry 1 of 1" in told


def test_its_health_can_be_asked_for_while_it_goes(service: Service) -> None:
    service.jobs(f'shop: cron: "{DAILY}"', f'bad: cron: "{DAILY}", before: ["false"]')
    port = free_port()
    with service.running("--listen", f"127.0.0.1:{port}") as running:
        assert _get(port, "/healthz") == (200, "ok\n")
        assert service.place.ok("healthcheck", "--listen", f"127.0.0.1:{port}").code == 0
        until(lambda: _get(port, "/readyz")[0] == 503)
        (failing,) = json.loads(_get(port, "/readyz")[1])["jobs"]
        assert (failing["job"], failing["failing"], failing["stale"]) == ("bad", True, False)
        until(lambda: 'backupctl_runs_total{job="shop",outcome="succeeded",trigger="schedule"} 1.0' in _metrics(port))
        assert "backupctl_jobs 2.0" in _metrics(port)
        assert service.place.run("healthcheck", "--ready", "--listen", f"127.0.0.1:{port}").code == 1
        service.stopped(running)
    assert service.place.run("healthcheck", "--listen", f"127.0.0.1:{port}").code == 1


def _get(port: int, path: str) -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def _metrics(port: int) -> str:
    return _get(port, "/metrics")[1]
