"""What Prometheus reads: every metric, in both of its formats, for what the runner told."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from backupctl import __version__
from backupctl.errors import ConfigError
from backupctl.events import Event, Finished, NotReloaded, Progress, Pruned, Reloaded, Retrying, Run, Serving
from backupctl.metrics import Metrics
from backupctl.model import Artifact, Manifest, Outcome, Trigger
from tests.unit.vitals import NOW, Vitals, standing

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@dataclass(frozen=True)
class Remembered:
    """A row of the catalog, as far as it matters here."""

    job: str
    started_at: datetime
    finished_at: datetime | None
    dumped: int | None = None
    stored: int | None = None


@dataclass
class Place:
    """Metrics, a runner beside them, and a scrape of both."""

    vitals: Vitals = field(default_factory=Vitals)
    metrics: Metrics = field(default_factory=lambda: Metrics(lambda: NOW))

    def tell(self, *events: Event) -> None:
        for event in events:
            self.metrics.hear(event)

    def families(self, accept: str = "") -> list[Metric]:
        body, _ = self.metrics.render(self.vitals, accept)
        parse = openmetrics.text_string_to_metric_families if accept else text_string_to_metric_families
        return list(parse(body.decode()))

    def samples(self, accept: str = "") -> Iterator[tuple[str, float]]:
        for family in self.families(accept):
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                yield (f"{sample.name}{{{labels}}}" if labels else sample.name), sample.value

    def __getitem__(self, name: str) -> float | None:
        """The value of `name{label=value}` without its prefix; None: there is none."""
        return dict(self.samples()).get(f"backupctl_{name}")


def run(
    job: str, outcome: Outcome = Outcome.SUCCEEDED, trigger: Trigger = Trigger.SCHEDULE, *, seconds: int = 90
) -> Run:
    ended = NOW + timedelta(seconds=seconds)
    manifest = backup(job) if outcome is Outcome.SUCCEEDED else None
    return Run(
        "id",
        job,
        trigger,
        None,
        outcome,
        NOW,
        ended,
        "disk",
        manifests=(manifest,) if manifest else (),
        error="a secret",
    )


def backup(job: str, globals_size: int | None = 100) -> Manifest:
    artifacts = (
        Artifact(role="dump", key="a", size=1000, sha256=None, dump_size=5000, dump_sha256=None),
        Artifact(role="globals", key="b", size=10, sha256=None, dump_size=globals_size, dump_sha256=None),
    )
    facts = {"engine": "postgres", "database": "shop", "server_version": "16", "client": "pg_dump", "host": "here"}
    facts |= {"timezone": "UTC", "format": "plain", "compression": "zstd", "tool": "tests"}
    return Manifest.model_validate(
        {"id": "x", "job": job, "started_at": NOW, "finished_at": NOW, "artifacts": artifacts, **facts}
    )


@pytest.fixture
def place() -> Place:
    """A runner to which everything happened that is counted."""
    made = Place(
        Vitals(
            [standing("shop"), standing("app.eu-1_x", stale=True, failing=True)],
            seconds_since_beat=1.5,
            waiting=3,
            running=2,
        )
    )
    made.tell(Serving(2, NOW), Finished("shop", run("shop")), Finished("shop", run("shop", Outcome.FAILED)))
    made.tell(Retrying("shop", 60, 1, 2), Pruned("shop", ("1", "2"), {"3": "refused"}))
    made.tell(Reloaded(2, NOW), NotReloaded(ConfigError()))
    return made


def test_runs_are_counted_by_job_trigger_and_outcome(place: Place) -> None:
    place.tell(*[Finished("shop", run("shop", Outcome.FAILED, Trigger.RETRY))] * 2)
    assert place["runs_total{job=shop,outcome=succeeded,trigger=schedule}"] == 1
    assert place["runs_total{job=shop,outcome=failed,trigger=schedule}"] == 1
    assert place["runs_total{job=shop,outcome=failed,trigger=retry}"] == 2
    assert place["runs_total{job=shop,outcome=failed,trigger=manual}"] is None


def test_what_an_alert_looks_for_is_there_before_it_happens(place: Place) -> None:
    assert place["runs_total{job=app.eu-1_x,outcome=failed,trigger=schedule}"] == 0
    assert place["retries_total{job=app.eu-1_x}"] == 0
    assert place["removed_backups_total{job=app.eu-1_x}"] == 0


def test_how_each_job_stands_is_told(place: Place) -> None:
    assert (place["job_stale{job=shop}"], place["job_failing{job=shop}"]) == (0, 0)
    assert (place["job_stale{job=app.eu-1_x}"], place["job_failing{job=app.eu-1_x}"]) == (1, 1)
    assert place["last_success_timestamp_seconds{job=shop}"] == NOW.timestamp()
    assert place["next_run_timestamp_seconds{job=shop}"] == NOW.timestamp() + 3600


def test_a_job_that_was_never_backed_up_has_no_time_of_it(place: Place) -> None:
    place.vitals.jobs = [replace(standing("shop"), last_good_at=None, next_run_at=None)]
    assert place["last_success_timestamp_seconds{job=shop}"] is None
    assert place["next_run_timestamp_seconds{job=shop}"] is None


def test_the_last_run_and_the_last_backup_are_told_apart(place: Place) -> None:
    place.tell(Finished("shop", run("shop", Outcome.FAILED, seconds=7)))
    assert place["last_run_timestamp_seconds{job=shop}"] == NOW.timestamp() + 7
    assert place["last_run_duration_seconds{job=shop}"] == 7
    assert place["last_backup_dumped_bytes{job=shop}"] == 5100
    assert place["last_backup_stored_bytes{job=shop}"] == 1010


def test_a_size_that_is_not_known_is_not_told(place: Place) -> None:
    place.tell(Finished("shop", replace(run("shop"), manifests=(backup("shop", globals_size=None),))))
    assert place["last_backup_dumped_bytes{job=shop}"] is None
    assert place["last_backup_stored_bytes{job=shop}"] == 1010


def test_a_run_that_never_began_is_counted_and_leaves_the_last_one(place: Place) -> None:
    place.tell(Finished("shop", run("shop", Outcome.SKIPPED, seconds=0)))
    assert place["runs_total{job=shop,outcome=skipped,trigger=schedule}"] == 1
    assert place["last_run_duration_seconds{job=shop}"] == 90
    assert place["run_duration_seconds_count{outcome=skipped}"] is None


def test_durations_fall_into_buckets_from_seconds_to_a_day(place: Place) -> None:
    place.tell(Finished("shop", run("shop", seconds=5 * 3600)))
    for le, count in (("60.0", 0), ("120.0", 1), ("14400.0", 1), ("28800.0", 2), ("86400.0", 2), ("+Inf", 2)):
        assert place[f"run_duration_seconds_bucket{{le={le},outcome=succeeded}}"] == count
    assert place["run_duration_seconds_sum{outcome=succeeded}"] == 90 + 5 * 3600


def test_retries_removals_and_the_pool_are_told(place: Place) -> None:
    place.tell(Pruned("shop", ("4",), {}))
    assert (place["retries_total{job=shop}"], place["removed_backups_total{job=shop}"]) == (1, 3)
    assert (place["waiting"], place["running"], place["jobs"]) == (3, 2, 2)
    assert place["beat_age_seconds"] == place.vitals.seconds_since_beat
    assert place[f"build_info{{version={__version__}}}"] == 1


def test_reloads_are_counted_and_the_last_good_one_has_its_time() -> None:
    place = Place()
    assert place["config_last_reload_success_timestamp_seconds"] is None
    place.tell(Serving(1, None))
    assert place["config_last_reload_success_timestamp_seconds"] == NOW.timestamp()
    place.tell(NotReloaded(ConfigError()), NotReloaded(ConfigError()))
    assert place["config_last_reload_successful"] == 0
    place.tell(Reloaded(1, None))
    assert place["config_last_reload_successful"] == 1
    assert place["config_reloads_total{result=success}"] == 1
    assert place["config_reloads_total{result=failure}"] == 2


def test_a_job_that_left_the_file_leaves_no_series(place: Place) -> None:
    place.vitals.jobs = [standing("app.eu-1_x")]
    place.tell(Finished("shop", run("shop")))
    assert not [name for name, _ in place.samples() if "shop" in name]
    assert place["jobs"] == 1


def test_what_earlier_processes_did_is_recalled_in_any_order() -> None:
    place = Place(Vitals([standing("shop")]))
    older = Remembered("shop", NOW - timedelta(days=2), NOW - timedelta(days=2, seconds=-60), dumped=9, stored=3)
    newer = Remembered("shop", NOW - timedelta(days=1), NOW - timedelta(days=1, seconds=-5))
    place.metrics.recall([newer, older, Remembered("shop", NOW, None)])
    assert place["last_run_timestamp_seconds{job=shop}"] == (NOW - timedelta(days=1, seconds=-5)).timestamp()
    assert place["last_run_duration_seconds{job=shop}"] == 5
    assert (place["last_backup_dumped_bytes{job=shop}"], place["last_backup_stored_bytes{job=shop}"]) == (9, 3)
    assert place["runs_total{job=shop,outcome=succeeded,trigger=schedule}"] == 0


def test_both_formats_say_the_same(place: Place) -> None:
    plain = {name: value for name, value in place.samples() if "_created" not in name}
    assert {name: value for name, value in place.samples(OPENMETRICS) if "_created" not in name} == plain


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;version=abc", "text/plain; version=0.0.4"),
        (";;==,\x00\xff,application/", "text/plain; version=0.0.4"),
    ],
)
def test_the_format_is_the_one_asked_for(place: Place, accept: str, expected: str) -> None:
    _, content_type = place.metrics.render(place.vitals, accept)
    assert content_type.startswith(expected)


def test_names_follow_the_rules_of_prometheus(place: Place) -> None:
    """The rules of prometheus.io/docs/practices/naming that `promtool check metrics` asks for, and its label rules."""
    families = place.families()
    assert len(families) >= 20
    for family in families:
        assert re.fullmatch(r"backupctl_[a-z][a-z_]*[a-z]", family.name)
        assert family.documentation.endswith(".")
        assert not re.search(r"_(total|count|sum|bucket|counter|gauge|histogram)$", family.name)
        assert not re.search(r"(?:^|_)(ms|milliseconds|minutes|hours|days|kb|mb|mib|gb|percent)(?:_|$)", family.name)
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
            assert set(sample.labels) <= {"job", "trigger", "outcome", "result", "version", "le"}
    assert len({family.name for family in families}) == len(families)


def test_labels_are_names_and_words_of_ours_alone(place: Place) -> None:
    values = {value for family in place.families() for sample in family.samples for value in sample.labels.values()}
    words = {*Outcome, *Trigger, "success", "failure", __version__, "shop", "app.eu-1_x"}
    assert {value for value in values if not re.fullmatch(r"[0-9.]+|\+Inf", value)} <= words | {__version__}


def test_bytes_on_their_way_change_nothing(place: Place) -> None:
    before = list(place.samples())
    place.tell(Progress("shop", "dump", 1, 1))
    assert list(place.samples()) == before


def test_the_page_about_health_names_every_metric_and_no_other(place: Place) -> None:
    page = (Path(__file__).parents[2] / "docs" / "health.md").read_text()
    names = {sample.name for family in place.families() for sample in family.samples}
    told = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in names}
    assert set(re.findall(r"backupctl_[a-z_]+", page)) == told
