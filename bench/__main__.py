"""Times `backupctl run-once` against the hand-tuned pipeline, in turn, on one database and one S3 server.

    make bench                                       # a GB and more of dump, five pairs, every engine
    make bench ARGS="postgres --rows 800000 --pairs 1"

The pipeline is `pg_dump | zstd -3 -T0 | aws s3 cp -` (or `mariadb-dump | …`), under `set -o pipefail`, with the same
client. Our command also looks at database and bucket first, hashes both sides of the stream, checks the dump's end,
writes the manifest and compares the stored size; its time holds all of that, and Python's own start.
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.report import ROOT, machine, save, say, table
from bench.subjects import SUBJECTS, Subject
from tests.parts.s3 import S3Server, WeedServer

AWS = ROOT / ".parts" / "bench" / "bin" / "aws"
SLOWER_MOST = 1.05
MEMORY_MOST = 150 << 20


@dataclass(frozen=True)
class Measured:
    """One run of one command: seconds by the clock, the largest process and bytes written to disk by ours."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    disk_bytes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("engines", nargs="*", default=list(SUBJECTS), help=f"of {', '.join(SUBJECTS)}; without, all")
    parser.add_argument("--rows", type=int, help="rows of the table; without, so many that the dump has over a GB")
    parser.add_argument("--pairs", type=int, default=5)
    wanted = parser.parse_args()
    if not AWS.exists():
        raise SystemExit("the AWS command line is not there; `make bench` installs it")
    for engine in wanted.engines:
        _bench(engine, SUBJECTS[engine], wanted.rows, wanted.pairs)
    return 0


def _bench(engine: str, kind: type[Subject], rows: int | None, pairs: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bctl-bench-", dir="/var/tmp"))
    store = WeedServer()
    subject = kind()
    try:
        say(f"{engine}: filling a {subject.title} with {rows or subject.rows} rows")
        subject.fill(rows or subject.rows)
        result = _compare(_ours(folder, subject, store), _theirs(folder, subject, store), pairs)
        result |= {"engine": subject.title, "dump_bytes": _dump_bytes(folder, subject, store)}
    finally:
        subject.close()
        store.close()
        shutil.rmtree(folder)
    _report(engine, result)


def _compare(ours: Callable[[], Measured], theirs: Callable[[], Measured], pairs: int) -> dict[str, object]:
    """In turn, so that a machine that grows slower grows slower for both; the first pair only warms up."""
    measured: list[tuple[Measured, Measured]] = []
    for number in range(pairs + 1):
        pair = (ours(), theirs())
        say(f"pair {number}: backupctl {pair[0].seconds:.2f} s, pipeline {pair[1].seconds:.2f} s")
        measured.append(pair)
    counted = measured[1:]
    return {
        **machine(),
        "pairs": [{"backupctl": asdict(a), "pipeline": asdict(b)} for a, b in counted],
        "backupctl_s": statistics.median(a.seconds for a, _ in counted),
        "pipeline_s": statistics.median(b.seconds for _, b in counted),
        "ratio": statistics.median(a.seconds / b.seconds for a, b in counted),
        "peak_bytes": max(a.peak_bytes for a, _ in counted),
        "disk_bytes": max(a.disk_bytes for a, _ in counted),
    }


def _ours(folder: Path, subject: Subject, store: S3Server) -> Callable[[], Measured]:
    (folder / "jobs.yaml").write_text(
        "version: 1\n"
        "jobs:\n"
        "  - name: bench\n"
        f"    database: {subject.entry()}\n"
        "    storage:\n"
        f"      {{type: s3, endpoint_url: '{store.endpoint_url}', bucket: {store.bucket},"
        f" access_key_id: {store.access_key_id}, secret_access_key: '${{S3_SECRET}}'}}\n"
    )
    return lambda: _measure(_command(folder, "run-once", "bench"), _our_environment(folder, subject, store))


def _command(folder: Path, *args: str) -> list[str]:
    return [str(Path(sys.executable).with_name("backupctl")), "-f", str(folder / "jobs.yaml"), *args]


def _our_environment(folder: Path, subject: Subject, store: S3Server) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "BACKUPCTL_STATE_DIR": str(folder / "state"),
        "DB_PASSWORD": subject.password,
        "S3_SECRET": store.secret_access_key,
    }


def _theirs(folder: Path, subject: Subject, store: S3Server) -> Callable[[], Measured]:
    upload = f"{AWS} --endpoint-url {store.endpoint_url} s3 cp --quiet - s3://{store.bucket}/pipeline/dump.sql.zst"
    script = f"set -o pipefail; {shlex.join(subject.dump(folder))} | zstd -q -3 -T0 | {upload}"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_ACCESS_KEY_ID": store.access_key_id,
        "AWS_SECRET_ACCESS_KEY": store.secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        **subject.environment(),
    }
    return lambda: _measure(["bash", "-c", script], env)


def _measure(argv: Sequence[str], env: Mapping[str, str]) -> Measured:
    begun = time.monotonic()
    process = subprocess.Popen(argv, env=dict(env), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    messages = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{argv[0]} failed: {messages}")
    # wait4 counts the process and the children that it waited for; for memory, the largest of them (in KiB).
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10, usage.ru_oublock * 512)


def _dump_bytes(folder: Path, subject: Subject, store: S3Server) -> int:
    env = _our_environment(folder, subject, store)
    listed = subprocess.run(_command(folder, "list", "--json"), env=env, capture_output=True, check=True).stdout
    return int(json.loads(listed)[0]["artifacts"][0]["dump_size"])


def _report(engine: str, result: dict[str, object]) -> None:
    pairs = result["pairs"]
    assert isinstance(pairs, list)
    size = f"{_number(result, 'dump_bytes') / 1e9:.2f} GB"
    rows = [
        ("", "backupctl", "pipeline", "ratio", "bound"),
        (
            "median seconds",
            f"{_number(result, 'backupctl_s'):.2f}",
            f"{_number(result, 'pipeline_s'):.2f}",
            f"{_number(result, 'ratio'):.3f}",
            f"{SLOWER_MOST}",
        ),
        ("peak memory, MB", f"{_number(result, 'peak_bytes') / 1e6:.0f}", "", "", f"{MEMORY_MOST / 1e6:.0f}"),
        ("written to disk, MB", f"{_number(result, 'disk_bytes') / 1e6:.1f}", "", "", "0"),
    ]
    table(f"{result['engine']}: dump of {size}, {len(pairs)} pairs, {result['machine']}", rows, (20, 20, 20, 20, 20))
    save(engine, result)


def _number(result: Mapping[str, object], name: str) -> float:
    value = result[name]
    assert isinstance(value, int | float)
    return float(value)


if __name__ == "__main__":
    sys.exit(main())
