"""The image, built once, and containers of it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.build import build
from tests.image.container import Place
from tests.image.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine, with the image."""
    with contextlib.closing(Engine()) as started:
        build(started)
        yield started


@pytest.fixture
def place(engine: Engine, tmp_path: Path) -> Place:
    return Place(engine, tmp_path)
