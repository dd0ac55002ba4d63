"""The configuration as the rest of the program sees it: resolved, validated, frozen."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr

from backupctl.config.problems import nearest
from backupctl.config.schema import (
    DEFAULT_HOOK_TIMEOUT_S,
    DEFAULT_MAX_SHRINK,
    DEFAULT_NOTIFY_ON,
    DEFAULT_RETRY_DELAY_S,
    Email,
    Seq,
)
from backupctl.config.source import is_secret
from backupctl.engines.base import EngineOptions
from backupctl.errors import UsageError
from backupctl.redact import Redactor
from backupctl.retention import Retention
from backupctl.storages.base import StorageOptions
from backupctl.stream import Compression

INLINE = "inline"

_URL_PASSWORD = re.compile(r"://[^\s/@:]*:([^\s/@]+)@")


@dataclass(frozen=True)
class Job:
    """One job: what `defaults` and the top level say is already in it. Durations are seconds."""

    name: str
    database: EngineOptions
    storage: StorageOptions
    storage_name: str
    cron: str
    timezone: str
    recipients: tuple[str, ...] = ()
    compression: Compression = field(default_factory=Compression)
    enabled: bool = True
    tags: tuple[str, ...] = ()
    retention: Retention | None = None
    jitter: int = 0
    catch_up: int | None = None
    max_age: int | None = None
    timeout: int | None = None
    retries: int = 0
    retry_delay: int = DEFAULT_RETRY_DELAY_S
    before: tuple[str, ...] | None = None
    after: tuple[str, ...] | None = None
    hook_timeout: int = DEFAULT_HOOK_TIMEOUT_S
    notify_on: frozenset[str] = frozenset(DEFAULT_NOTIFY_ON)
    notify: tuple[SecretStr, ...] = ()
    ping: SecretStr | None = None
    max_shrink: float = DEFAULT_MAX_SHRINK


@dataclass(frozen=True)
class Config:
    """The file. `jobs` are those that were asked for, in the file's order."""

    version: int
    timezone: str
    workers: int
    max_per_host: int
    shutdown_grace: int
    state_dir: Path
    environment: str
    email: Email | None
    digest: str | None
    seq: Seq | None
    storages: Mapping[str, StorageOptions]
    jobs: tuple[Job, ...]
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """What came from variables and files that are named as secrets, wherever it is used."""

    def job(self, name: str) -> Job:
        """Raises UsageError when there is no such job."""
        for job in self.jobs:
            if job.name == name:
                return job
        raise unknown_job(name, [job.name for job in self.jobs])

    @cached_property
    def redactor(self) -> Redactor:
        """Takes every secret of this configuration out of a text."""
        return Redactor(self._secrets())

    def _secrets(self) -> Iterator[str]:
        yield from self.secrets
        models: list[BaseModel | None] = [self.email, self.seq, *self.storages.values()]
        for job in self.jobs:
            models += [job.database, job.storage]
            yield from secrets_of((*job.notify, job.ping, job.before, job.after))
        for model in models:
            if model is not None:
                yield from secrets_of(model)


def secrets_of(value: object, *, named: bool = False) -> Iterator[str]:
    """Every secret's text within an option model: by its type, by its field's name, and passwords within URLs."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, str):
        yield from (value,) if named else _passwords_in(value)
    elif isinstance(value, BaseModel):
        for name, part in value:
            yield from secrets_of(part, named=named or is_secret(name))
    elif isinstance(value, Mapping):
        yield from secrets_of(tuple(value.values()), named=named)
    elif isinstance(value, tuple | list | frozenset | set):
        for part in value:
            yield from secrets_of(part, named=named)


def _passwords_in(text: str) -> Iterator[str]:
    for password in _URL_PASSWORD.findall(text):
        yield from {password, unquote(password)}


def unknown_job(name: str, known: Iterable[str]) -> UsageError:
    """The error for a job that the file doesn't have."""
    names = list(known)
    near = nearest(name, names)
    if near:
        hint = f"did you mean {near}?"
    else:
        hint = f"the jobs are {', '.join(names[:20])}" if names else "the file has no jobs"
    return UsageError(f"there is no job named {name!r}", hint=hint)
