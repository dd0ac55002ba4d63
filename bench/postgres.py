"""Times `backupctl run-once` against the hand-tuned pipeline, in turn, on one PostgreSQL and one S3 server.

    make bench                                # one GB of dump, five pairs
    python -m bench.postgres --rows 800000 --pairs 1

The pipeline is `pg_dump | zstd -3 -T0 | aws s3 cp -`, under `set -o pipefail`, with the same clients.
Our command also checks that the bucket is there, hashes both sides of the stream, writes the manifest and compares
the stored size, and its time holds all of that, and Python's own start.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.parts.postgres import PostgresServer
from tests.parts.s3 import S3Server, WeedServer

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
AWS = ROOT / ".parts" / "bench" / "bin" / "aws"
DATABASE = "bench"
ROWS = 6_000_000
SLOWER_MOST = 1.05
MEMORY_MOST = 150 << 20

_FILL = """
CREATE TABLE orders (
  id bigint PRIMARY KEY, customer int NOT NULL, placed timestamptz NOT NULL,
  status text NOT NULL, total numeric(10, 2) NOT NULL, reference text NOT NULL, note text);
INSERT INTO orders SELECT n, (n::bigint * 7919) % 100000, timestamptz '2020-01-01' + n * interval '17 seconds',
  (ARRAY['new', 'paid', 'sent', 'returned'])[1 + n % 4], (n::bigint * 31 % 100000) / 100.0, md5(n::text),
  repeat(substr(md5((n % 5000)::text), 1, 8) || ' ', 8)
FROM generate_series(1, {rows}) n;
ANALYZE;
"""


@dataclass(frozen=True)
class Measured:
    """One run of one command: seconds by the clock, the largest process and bytes written to disk by ours."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    disk_bytes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--pairs", type=int, default=5)
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bctl-bench-", dir="/var/tmp"))
    server, store = PostgresServer(17), WeedServer()
    try:
        _say(f"filling a PostgreSQL 17 with {wanted.rows} rows")
        server.create_database(DATABASE)
        server.sql(_FILL.format(rows=wanted.rows), DATABASE)
        result = _compare(_ours(folder, server, store), _theirs(server, store), wanted.pairs)
        result["dump_bytes"] = _dump_bytes(folder, server, store)
    finally:
        server.close()
        store.close()
        shutil.rmtree(folder)
    _report(result)
    return 0


def _compare(ours: Callable[[], Measured], theirs: Callable[[], Measured], pairs: int) -> dict[str, object]:
    """In turn, so that a machine that grows slower grows slower for both; the first pair only warms up."""
    measured: list[tuple[Measured, Measured]] = []
    for number in range(pairs + 1):
        pair = (ours(), theirs())
        _say(f"pair {number}: backupctl {pair[0].seconds:.2f} s, pipeline {pair[1].seconds:.2f} s")
        measured.append(pair)
    counted = measured[1:]
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "pairs": [{"backupctl": asdict(a), "pipeline": asdict(b)} for a, b in counted],
        "backupctl_s": statistics.median(a.seconds for a, _ in counted),
        "pipeline_s": statistics.median(b.seconds for _, b in counted),
        "ratio": statistics.median(a.seconds / b.seconds for a, b in counted),
        "peak_bytes": max(a.peak_bytes for a, _ in counted),
        "disk_bytes": max(a.disk_bytes for a, _ in counted),
    }


def _ours(folder: Path, server: PostgresServer, store: S3Server) -> Callable[[], Measured]:
    (folder / "jobs.yaml").write_text(
        "version: 1\n"
        "jobs:\n"
        "  - name: bench\n"
        "    database:\n"
        f"      {{type: postgres, host: {server.host}, port: {server.port}, user: {server.user},"
        f" password: '${{PG_PASSWORD}}', name: {DATABASE}, bin_dir: '{server.bin_dir}'}}\n"
        "    storage:\n"
        f"      {{type: s3, endpoint_url: '{store.endpoint_url}', bucket: {store.bucket},"
        f" access_key_id: {store.access_key_id}, secret_access_key: '${{S3_SECRET}}'}}\n"
    )
    argv = [str(Path(sys.executable).with_name("backupctl")), "-f", str(folder / "jobs.yaml"), "run-once", "bench"]
    return lambda: _measure(argv, _our_environment(folder, server, store))


def _our_environment(folder: Path, server: PostgresServer, store: S3Server) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "BACKUPCTL_STATE_DIR": str(folder / "state"),
        "PG_PASSWORD": server.password,
        "S3_SECRET": store.secret_access_key,
    }


def _theirs(server: PostgresServer, store: S3Server) -> Callable[[], Measured]:
    if not AWS.exists():
        raise SystemExit("the AWS command line is not there; `make bench` installs it")
    dump = f"'{server.bin_dir}/pg_dump' -h {server.host} -p {server.port} -U {server.user} {DATABASE}"
    upload = f"'{AWS}' --endpoint-url {store.endpoint_url} s3 cp --quiet - s3://{store.bucket}/pipeline/dump.sql.zst"
    script = f"set -o pipefail; {dump} | zstd -q -3 -T0 | {upload}"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PGPASSWORD": server.password,
        "AWS_ACCESS_KEY_ID": store.access_key_id,
        "AWS_SECRET_ACCESS_KEY": store.secret_access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
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


def _dump_bytes(folder: Path, server: PostgresServer, store: S3Server) -> int:
    argv = [str(Path(sys.executable).with_name("backupctl")), "-f", str(folder / "jobs.yaml"), "list", "--json"]
    env = _our_environment(folder, server, store)
    listed = json.loads(subprocess.run(argv, env=env, capture_output=True, check=True).stdout)
    return int(listed[0]["artifacts"][0]["dump_size"])


def _report(result: dict[str, object]) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "postgres.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    pairs = result["pairs"]
    assert isinstance(pairs, list)
    print(f"dump of {_number(result, 'dump_bytes') / 1e9:.2f} GB, {len(pairs)} pairs, {result['machine']}")  # noqa: T201 -- the table
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
    for row in rows:
        print("".join(f"{cell:>20}" for cell in row))  # noqa: T201 -- the table
    _say(f"written to {path.relative_to(ROOT)}")


def _number(result: Mapping[str, object], name: str) -> float:
    value = result[name]
    assert isinstance(value, int | float)
    return float(value)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
