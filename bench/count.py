"""Times `backupctl run-once` with and without counting what is in the dump, in turn, to a local folder.

    python -m bench.count                            # a GB and more of dump, five rounds, every engine
    python -m bench.count mariadb --rows 800000 --rounds 3

To a local folder, since there a run is shortest and the counting costs most of it. Each round makes one backup with
each setting of count_rows. Told are the medians of the time by the clock, and of that on the processors, the server's
left out.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.report import machine, save, say, table
from bench.subjects import SUBJECTS, Subject

COSTS_MOST_PERCENT = 10.0
SETTINGS = ("off", "auto", "exact")


@dataclass(frozen=True)
class Measured:
    """One run, in seconds."""

    clock: float
    processor: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("engines", nargs="*", default=list(SUBJECTS), help=f"of {', '.join(SUBJECTS)}; without, all")
    parser.add_argument("--rows", type=int, help="rows of the table; without, so many that the dump has over a GB")
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    for engine in wanted.engines:
        _bench(engine, SUBJECTS[engine], wanted.rows, wanted.rounds)
    return 0


def _bench(engine: str, kind: type[Subject], rows: int | None, rounds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bctl-bench-", dir="/var/tmp"))
    subject = kind()
    try:
        say(f"{engine}: filling a {subject.title} with {rows or subject.rows} rows")
        subject.fill(rows or subject.rows)
        _write_jobs(folder, subject)
        measured = [_round(folder, subject, number) for number in range(rounds + 1)][1:]  # the first warms up
    finally:
        subject.close()
        shutil.rmtree(folder)
    _report(engine, subject.title, measured)


def _write_jobs(folder: Path, subject: Subject) -> None:
    entry = subject.entry().removesuffix("}")
    jobs = [
        f"  - {{name: '{setting}', database: {entry}, count_rows: '{setting}'}}, storage: disk}}\n"
        for setting in SETTINGS
    ]
    storages = f"storages: {{disk: {{type: local, path: '{folder / 'backups'}'}}}}\n"
    (folder / "jobs.yaml").write_text(f"version: 1\n{storages}jobs:\n{''.join(jobs)}")


def _round(folder: Path, subject: Subject, number: int) -> dict[str, Measured]:
    measured = {setting: _run(folder, subject, setting) for setting in _turned(number)}
    shutil.rmtree(folder / "backups")
    told = ", ".join(f"{setting} {measured[setting].clock:.2f} s" for setting in SETTINGS)
    say(f"round {number}: {told}")
    return measured


def _turned(number: int) -> tuple[str, ...]:
    """Another one first in each round: what one run leaves in the caches is not always to the good of the same."""
    start = number % len(SETTINGS)
    return SETTINGS[start:] + SETTINGS[:start]


def _run(folder: Path, subject: Subject, job: str) -> Measured:
    argv = [str(Path(sys.executable).with_name("backupctl")), "-f", str(folder / "jobs.yaml"), "run-once", job]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "BACKUPCTL_STATE_DIR": str(folder / "state"),
        "DB_PASSWORD": subject.password,
    }
    begun, before = time.monotonic(), _children_s()
    done = subprocess.run(argv, env=env, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{argv[0]} failed: {done.stderr.decode()}")
    return Measured(time.monotonic() - begun, _children_s() - before)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _report(engine: str, title: str, rounds: list[dict[str, Measured]]) -> None:
    clock = {setting: statistics.median(one[setting].clock for one in rounds) for setting in SETTINGS}
    processor = {setting: statistics.median(one[setting].processor for one in rounds) for setting in SETTINGS}
    rows = [("count_rows", "seconds", "dearer", "on processors", "dearer", "bound")]
    for setting in SETTINGS:
        by_clock, by_processor = (100 * (of[setting] / of["off"] - 1) for of in (clock, processor))
        bound = f"{COSTS_MOST_PERCENT:.0f} %" if setting == "auto" else ""
        times = (f"{clock[setting]:.2f}", f"{by_clock:.1f} %", f"{processor[setting]:.2f}", f"{by_processor:.1f} %")
        rows.append((setting, *times, bound))
    where = machine()
    table(f"{title}: {len(rounds)} rounds, {where['machine']}", rows, (12, 12, 12, 16, 12, 12))
    told = [{setting: asdict(one) for setting, one in measured.items()} for measured in rounds]
    save(f"count-{engine}", {**where, "engine": title, "clock_s": clock, "processor_s": processor, "rounds": told})


if __name__ == "__main__":
    sys.exit(main())
