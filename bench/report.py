"""Says what was measured: progress on stderr, tables on stdout, figures as JSON in bench/results."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"


def machine() -> dict[str, object]:
    """Where it was measured."""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
    }


def save(name: str, result: Mapping[str, object]) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    say(f"written to {path.relative_to(ROOT)}")


def table(title: str, rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
    """The first column to the left, the others to the right."""
    sys.stdout.write(f"\n{title}\n")
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        sys.stdout.write(f"{first:<{widths[0]}}{''.join(cells)}".rstrip() + "\n")
    sys.stdout.flush()


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
