"""A workplace for every test, and the servers' entries of a jobs.yaml."""

from pathlib import Path

import pytest

from tests.e2e.command import Workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)
