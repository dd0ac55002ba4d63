"""The models of the jobs file: which keys there are, what each may hold, and its default."""

import re
from collections.abc import Mapping
from email.utils import parseaddr
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from backupctl import cron
from backupctl.config.families import UNRESOLVED, FamilyMember
from backupctl.engines import ENGINES
from backupctl.engines.base import EngineOptions
from backupctl.options import Command, Duration, FilePath, Options, Secret, Share
from backupctl.retention import Retention
from backupctl.storages import STORAGES
from backupctl.storages.base import StorageOptions
from backupctl.stream import Algorithm, Compression

VERSION = 1
DEFAULT_CRON = "0 */12 * * *"
DEFAULT_ZONE = "UTC"
DEFAULT_WORKERS = 4
DEFAULT_MAX_PER_HOST = 2
DEFAULT_SHUTDOWN_GRACE_S = 300
DEFAULT_RETRY_DELAY_S = 60
DEFAULT_HOOK_TIMEOUT_S = 300
Occasion = Literal["success", "failure", "recovery", "stale", "skipped"]
DEFAULT_NOTIFY_ON: tuple[Occasion, ...] = ("success", "failure", "recovery", "stale")
DEFAULT_MAX_SHRINK = 0.5
DEFAULT_ENVIRONMENT = "Development"

_JOB_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")
_URL = re.compile(r"https?://[^\s/]+\S*")


def _job_name(name: str) -> str:
    if not _JOB_NAME.fullmatch(name) or name in {".", ".."}:
        raise ValueError("a job's name is made of letters, digits, '.', '_' and '-', at most 100 of them")
    return name


def _cron(expression: str) -> str:
    expression = " ".join(expression.split())
    cron.check(expression)
    return expression


@lru_cache(maxsize=1024)
def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("there is no such time zone") from None
    return name


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("this is not a mail address, such as ops@example.com")
    return text


def _sender(text: str) -> str:
    _address(parseaddr(text)[1])
    return text


def _url(text: str) -> str:
    if text and not _URL.fullmatch(text):
        raise ValueError("a URL begins with http:// or https://")
    return text


@lru_cache(maxsize=1024)
def _wrong_with(url: str) -> str | None:
    # Imported late: it takes a while, and few files need it.
    from backupctl.notifiers.apprise import check

    return check(url)


def _apprise(url: Secret) -> Secret:
    wrong = _wrong_with(url.get_secret_value())
    if wrong:
        raise ValueError(wrong)
    return url


def _ping(url: Secret) -> Secret:
    if not _URL.fullmatch(url.get_secret_value()):
        raise ValueError("a URL begins with http:// or https://")
    return url


def _version(version: int) -> int:
    if version != VERSION:
        raise ValueError(f"this backupctl knows version {VERSION} of the file alone")
    return version


def _compression(value: object) -> object:
    return {"algorithm": value} if isinstance(value, str) else value


def _retention(value: object) -> object:
    if isinstance(value, str) and value != "all":
        raise ValueError("this must be a mapping of rules such as keep_last, or the word all")
    return None if value == "all" else value


JobName = Annotated[str, AfterValidator(_job_name)]
Cron = Annotated[str, AfterValidator(_cron)]
Zone = Annotated[str, AfterValidator(_zone)]
Address = Annotated[str, AfterValidator(_address)]
Database = Annotated[EngineOptions, FamilyMember("database", ENGINES)]
Target = Annotated[StorageOptions, FamilyMember("storage", STORAGES)]
TargetOrName = Annotated[str | StorageOptions, FamilyMember("storage", STORAGES, or_name=True)]
CompressionOrWord = Annotated[
    Compression, BeforeValidator(_compression, json_schema_input_type=Compression | Algorithm)
]
RetentionOrAll = Annotated[
    Retention | None, BeforeValidator(_retention, json_schema_input_type=Retention | Literal["all"])
]
AppriseUrl = Annotated[Secret, AfterValidator(_apprise)]
PingUrl = Annotated[Secret, AfterValidator(_ping)]


class Email(Options):
    """The SMTP account that mails every job's recipients."""

    sender: Annotated[str, AfterValidator(_sender)] = Field(alias="from", description="The sender's address")
    host: str = Field(min_length=1, description="The SMTP server")
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = Field(default=None, description="Without user and password there is no login")
    password: Secret | None = None
    ca_file: FilePath | None = Field(default=None, description="Certificates that the server's must be signed by")
    timeout: Duration = Field(default=60, gt=0, description="How long one attempt at a mail may take, such as 60s")

    @model_validator(mode="after")
    def _login_is_whole(self) -> "Email":
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together: give both, or neither for no login")
        return self


class Seq(Options):
    """Where structured logs are sent; without a url, nowhere."""

    url: Annotated[str, AfterValidator(_url)] = ""
    api_key: Secret | None = None


class JobSettings(Options):
    """What a job and `defaults` both may have."""

    cron: Cron = Field(default=DEFAULT_CRON, description="minute hour day month weekday, in the job's zone; quote it")
    recipients: tuple[Address, ...] = Field(default=(), description="Who is mailed about the job's runs")
    timezone: Zone | None = Field(default=None, description="The job's own zone, such as America/Sao_Paulo")
    compression: CompressionOrWord = Field(default=Compression(), description="zstd, gzip or none, or a mapping")
    retention: RetentionOrAll = Field(default=None, description="What is kept; all, or without it: every backup")
    jitter: Duration = Field(default=0, description="The job starts later by up to this, by the same each time")
    catch_up: Duration | None = Field(
        default=None, description="How old a run that was missed may be to be made up; default half the interval"
    )
    max_age: Duration | None = Field(
        default=None, description="How old the newest backup may be; default twice the longest gap between runs"
    )
    timeout: Duration | None = Field(default=None, gt=0, description="How long a run may take; without it, for ever")
    retries: int = Field(default=0, ge=0, le=100, description="How often a run that failed for a while is tried again")
    retry_delay: Duration = Field(
        default=DEFAULT_RETRY_DELAY_S, gt=0, description="Before the first retry; doubled for each one after it"
    )
    before: Command | None = Field(
        default=None, description="A program run before each backup; its failure is the run's"
    )
    after: Command | None = Field(default=None, description="A program run after each backup, whatever became of it")
    hook_timeout: Duration = Field(
        default=DEFAULT_HOOK_TIMEOUT_S, gt=0, description="How long `before` and `after` may each take"
    )
    notify_on: tuple[Occasion, ...] = Field(
        default=DEFAULT_NOTIFY_ON, description="What recipients and `notify` are told of; by default all but skipped"
    )
    notify: tuple[AppriseUrl, ...] = Field(default=(), description="URLs of Apprise's, such as ntfy://host/topic")
    ping: PingUrl | None = Field(default=None, description="A check's URL, as Healthchecks gives it")
    max_shrink: Share = Field(
        default=DEFAULT_MAX_SHRINK,
        description="A dump smaller than those before it by more is an alarm; 0: never",
    )
    enabled: bool = Field(default=True, description="false: the job is checked, but never run by itself")
    tags: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), description="To choose jobs by")


class Defaults(JobSettings):
    """A key that a job doesn't have is taken from here, whole."""

    storage: TargetOrName | None = Field(default=None, description="The name of a storage, or one written inline")
    database: Database | None = None


class JobEntry(JobSettings):
    """One database, where it goes, and when."""

    name: JobName = Field(description="Unique; letters, digits, '.', '_', '-'")
    database: Database
    storage: TargetOrName = Field(description="The name of a storage, or one written inline")


class JobsFile(Options):
    """The whole file."""

    version: Annotated[int, AfterValidator(_version)] = Field(json_schema_extra={"const": VERSION})
    timezone: Zone = Field(default=DEFAULT_ZONE, description="The zone of cron, names, mails and logs")
    workers: int = Field(default=DEFAULT_WORKERS, ge=1, le=256, description="Runs at once, all jobs together")
    max_per_host: int = Field(
        default=DEFAULT_MAX_PER_HOST, ge=1, le=256, description="Runs at once against one database server"
    )
    shutdown_grace: Duration = Field(
        default=DEFAULT_SHUTDOWN_GRACE_S, description="How long running backups may go on when the runner is stopped"
    )
    state_dir: FilePath | None = Field(default=None, description="Where the catalog and the locks are")
    environment: str = Field(default=DEFAULT_ENVIRONMENT, min_length=1, description="What the logs call this place")
    email: Email | None = None
    digest: Cron | None = Field(
        default=None, description='When one mail tells each recipient of the last day, such as "0 8 * * *"'
    )
    seq: Seq | None = None
    storages: Mapping[str, Target] = Field(default={}, description="Named targets")
    defaults: Defaults = Defaults()
    jobs: tuple[JobEntry, ...]

    @field_validator("jobs", mode="after")
    @classmethod
    def _goes_together(cls, jobs: tuple[JobEntry, ...], info: ValidationInfo) -> tuple[JobEntry, ...]:
        """Say of each job whose database cannot be backed up to its storage, or with its compression."""
        storages = info.data.get("storages", {})
        errors: list[InitErrorDetails] = []
        for place, job in enumerate(jobs):
            storage = storages.get(job.storage) if isinstance(job.storage, str) else job.storage
            objection = None
            if storage is not None and storage.type != UNRESOLVED:
                objection = job.database.objection(storage.access, job.compression)
            if objection:
                key, why = objection
                error = PydanticCustomError("value_error", "{error}", {"error": why})
                errors.append({"type": error, "loc": (place, "database", key), "input": None})
        if errors:
            raise ValidationError.from_exception_data("jobs", errors)
        return jobs


def known_keys() -> frozenset[str]:
    """Every key that some part of the file may have."""
    parts: list[type[Options]] = [JobsFile, Email, Seq, JobEntry, Compression, Retention]
    parts += [engine.Options for engine in ENGINES.values()]
    parts += [storage.Options for storage in STORAGES.values()]
    return frozenset(field.alias or name for part in parts for name, field in part.model_fields.items())
