"""Jobs files for the tests: written, loaded, and their problems as short lines."""

from collections.abc import Collection, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from backupctl import config

ONE_JOB = """\
version: 1
storages:
  disk: {type: local, path: backups}
jobs:
  - name: notes
    database: {type: sqlite, path: notes.sqlite}
    storage: disk
"""


class Files:
    """A folder in which each test writes its jobs file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "jobs.yaml"

    def load(
        self,
        text: str,
        *,
        environ: Mapping[str, str] | None = None,
        jobs: Collection[str] | None = None,
        database: bool = True,
        schedule_only: bool = False,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
    ) -> config.Config:
        self.path.write_text(dedent(text), encoding="utf-8")
        return config.load(
            self.path,
            environ=environ or {},
            jobs=jobs,
            database=database,
            schedule_only=schedule_only,
            overrides=overrides,
        )

    def problems(self, text: str, **options: object) -> tuple[config.Problem, ...]:
        with pytest.raises(config.InvalidFile) as caught:
            self.load(text, **options)  # type: ignore[arg-type]  # handed on as they are
        return caught.value.problems

    def told(self, text: str, **options: object) -> list[str]:
        """Each problem as `line:column path: message`."""
        return [f"{one.line}:{one.column} {one.path}: {one.message}" for one in self.problems(text, **options)]
