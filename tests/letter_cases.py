"""Letters of every kind, for the tests of what they say and of how they look."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from backupctl.events import Run
from backupctl.letters import Day, Facts, Good, JobDay, Place, about_day, about_run, about_sample, about_stale
from backupctl.model import Artifact, Manifest, Outcome, Trigger
from backupctl.notifiers.base import Message
from backupctl.standing import Standing

NOW = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)
PLACE = Place("vault-1", "/etc/backupctl/jobs.yaml", "Production", "America/Sao_Paulo")
NASTY = '<script>alert("1")</script>&amp;\r\nBcc: everyone@example.com'

_MIB = 1 << 20


def manifest(stored: int = 310 * _MIB, dumped: int | None = 1250 * _MIB) -> Manifest:
    return Manifest(
        id="20260301T033000Z-4f2a91",
        job="shop",
        engine="postgres",
        database="shop",
        server_version="16.4",
        client="pg_dump 16.4",
        host="vault-1",
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=185),
        timezone=PLACE.zone,
        format="plain",
        compression="zstd",
        artifacts=(
            Artifact(
                role="dump",
                key="backups/shop/20260301/shop_20260301T003000-0300_4f2a91.sql.zst",
                size=stored,
                sha256=None,
                dump_size=dumped,
                dump_sha256=None,
            ),
        ),
        tool="tests",
    )


GOOD_RUN = Run(
    "20260301T033000Z-4f2a91",
    "shop",
    Trigger.SCHEDULE,
    NOW,
    Outcome.SUCCEEDED,
    NOW,
    NOW + timedelta(seconds=185),
    "s3://company-backups/backups/ at s3.eu-central-1.amazonaws.com",
    manifests=(manifest(),),
)
BAD_RUN = replace(
    GOOD_RUN,
    outcome=Outcome.FAILED,
    manifests=(),
    error="password authentication failed for user backup",
    hint="check `user` and `password`, and the server's pg_hba.conf",
)
FACTS = Facts(
    job="shop",
    engine="postgres",
    target="shop at db1.internal:5432",
    place=PLACE,
    last_good=Good(NOW - timedelta(days=1), 300 * _MIB, 1240 * _MIB),
    next_run_at=NOW + timedelta(days=1),
)
OUTPUT = (
    'pg_dump: error: connection to server at "db1.internal" (10.0.0.5), port 5432 failed: '
    'FATAL:  password authentication failed for user "backup"\n'
    "pg_dump: detail: a-name-without-any-place-to-break-it-" + "x" * 120
)
STALE = Standing(
    job="shop",
    enabled=True,
    last_good_at=NOW - timedelta(days=3, hours=4),
    age=timedelta(days=3, hours=4),
    last_outcome=Outcome.FAILED,
    next_run_at=NOW + timedelta(hours=5),
    stale=True,
    failing=True,
    note="from the catalog: storage could not be read: the store does not answer",
)


def day(jobs: int, bad: int = 0) -> Day:
    """A day of so many jobs, of which the first `bad` ones need attention, each in its way."""
    made = [_job(number, bad=number < bad) for number in range(jobs)]
    return Day(NOW - timedelta(days=1), NOW, tuple(made))


def _job(number: int, *, bad: bool) -> JobDay:
    sizes = tuple((10 + (number * 7 + step * step) % 23) * _MIB for step in range(10))
    name = f"customer-{number:04d}-orders"
    if not bad:
        return JobDay(name, 2, 0, stored=sizes[-1] * 2, sizes=sizes, last_good_at=NOW)
    error = "the server closed the connection: FATAL: terminating connection due to administrator command"
    states = (
        JobDay(name, 0, 2, stale=True, failing=True, last_good_at=NOW - timedelta(days=4), sizes=sizes, error=error),
        JobDay(name, 0, 2, failing=True, last_good_at=NOW - timedelta(days=1), sizes=sizes, error=error),
        JobDay(name, 1, 1, stored=sizes[-1], sizes=sizes, last_good_at=NOW, error=error),
        JobDay(name, 2, 0, stored=sizes[-1], sizes=sizes, last_good_at=NOW, warnings=1),
    )
    return states[number % len(states)]


def letters() -> dict[str, Message]:
    """One of each kind, by a name for its picture."""
    shrunk = "the backup is 71 % smaller than the median of the last 10: 90.0 MiB instead of 310.0 MiB"
    drifted = replace(
        FACTS,
        drift=(shrunk, "the table public.orders is gone; it had 1,204,331 rows"),
        warnings=("large objects are not in it: the user may not read them; GRANT SELECT ON pg_largeobject TO backup",),
    )
    small = replace(GOOD_RUN, manifests=(manifest(90 * _MIB, 240 * _MIB).model_copy(update={"drift": drifted.drift}),))
    several = tuple(
        manifest().model_copy(update={"database": name, "databases": ("crm", "erp", "shop")})
        for name in ("crm", "shop")
    )
    of_several = replace(
        FACTS, target="* at db1.internal:5432", last_good=Good(NOW - timedelta(days=1), 900 * _MIB, 3600 * _MIB)
    )
    partial = replace(
        BAD_RUN,
        outcome=Outcome.PARTIAL,
        manifests=several,
        failures={"erp": "permission denied for table invoices"},
        error="1 of 3 databases has no backup: erp: permission denied for table invoices",
        hint="GRANT pg_read_all_data TO backup",
    )
    failing = replace(FACTS, failed_before=3, failing_since=NOW - timedelta(days=2))
    return {
        "success": about_run(GOOD_RUN, FACTS),
        "failure": about_run(BAD_RUN, replace(FACTS, output=OUTPUT)),
        "recovery": about_run(GOOD_RUN, failing),
        "drift": about_run(small, drifted),
        "several": about_run(replace(GOOD_RUN, manifests=several), of_several),
        "partial": about_run(partial, of_several),
        "skipped": about_run(
            replace(BAD_RUN, outcome=Outcome.SKIPPED, error="the job is already running", hint=None), FACTS
        ),
        "stale": about_stale(replace(FACTS, standing=STALE, max_age_s=86400 * 2), NOW),
        "test": about_sample(PLACE, "shop", NOW),
        "digest": about_day(day(12, 4), PLACE),
        "digest-well": about_day(day(3), PLACE),
        "digest-huge": about_day(day(1000, 120), PLACE),
        "nasty": about_run(
            replace(BAD_RUN, error=NASTY, hint=NASTY), replace(FACTS, target=NASTY, output=NASTY * 50, drift=(NASTY,))
        ),
    }
