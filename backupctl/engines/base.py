"""What an engine is: it looks at one database, dumps it as honest streams, and restores it."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from backupctl.access import BucketAccess
from backupctl.model import ARGUMENTS_DETAIL, Manifest, Unit
from backupctl.options import FilePath, Options, Secret
from backupctl.process import Session
from backupctl.stream import Compression, Reader

Tls = Literal["off", "prefer", "require", "verify-ca", "verify-full"]

_LOCAL = "localhost"
_LOCAL_NAMES = (_LOCAL, "127.0.0.1", "::1")
# What the engines call the databases that stand beside the asked-for one while they restore.
_OF_A_RESTORE = re.compile(r"backupctl_(restore|old)_[0-9a-f]{8}")
# What stands for a name that is not there: no database has it, and it is not empty, which is another mistake.
_NO_NAME = "\0"
Pattern = Annotated[str, Field(min_length=1)]
CountRows = Literal["auto", "exact", "off"]


def server_named(host: str | None) -> str:
    """The same for every name of this machine, and for no host at all."""
    name = (host or _LOCAL).casefold()
    return _LOCAL if name in _LOCAL_NAMES or name.startswith("/") else name


def is_of_a_restore(database: str) -> bool:
    """Whether a restore made it to pass away again: half a database, or one that was replaced."""
    return _OF_A_RESTORE.fullmatch(database) is not None


class EngineOptions(Options):
    """A job's `database`."""

    type: str

    @property
    def server(self) -> str | None:
        """What jobs of one server have in common, so that not too many dump it at once; None: there is no server."""
        return None

    @property
    def has_several(self) -> bool:
        """Whether the job is of several databases of a server, found at each run."""
        return False

    def objection(self, access: BucketAccess | None, compression: Compression) -> tuple[str, str] | None:
        """The key that does not go with the job's storage or compression, and why, with the way out; None: all does."""
        return None


class ServerOptions(EngineOptions):
    """How a database server is reached; what every such engine's `database` has."""

    host: str | None = Field(default=None, description="Host name or address; without it, the local socket")
    port: int | None = Field(default=None, ge=1, le=65535)
    user: str | None = None
    password: Secret | None = None
    names: tuple[Pattern, ...] = Field(
        default=(), description='Several databases of the server, found at each run: names, or patterns such as "*"'
    )
    name: str = Field(
        default_factory=lambda: _NO_NAME, validate_default=True, min_length=1, description="The database; or `names`"
    )
    exclude: tuple[Pattern, ...] = Field(
        default=(), description="Names or patterns of databases that `names` leaves out"
    )
    parallel: int = Field(default=1, ge=1, le=64, description="How many of `names` are dumped at once")
    socket: FilePath | None = Field(default=None, description="A socket, or the folder that it is in")
    tls: Tls = "prefer"
    ca_file: FilePath | None = Field(default=None, description="Certificates that the server's must be signed by")
    bin_dir: FilePath | None = Field(default=None, description="A folder that is searched first for the tools")
    extra_args: tuple[str, ...] = Field(default=(), description="More arguments for the dump tool")
    globals: bool = Field(default=False, description="Also store what belongs to the server: roles, logins, grants")

    @field_validator("name", mode="after")
    @classmethod
    def _one_or_several(cls, name: str, info: ValidationInfo) -> str:
        several = info.data.get("names", ("some, but what is there is wrong",))
        if name == _NO_NAME and not several:
            # Said as pydantic says it of any field, so that a variable that is not set is found to be the reason.
            raise PydanticCustomError("missing", "missing")
        if name != _NO_NAME and several:
            raise ValueError("`name` and `names` are both there: give one of the two")
        return "" if name == _NO_NAME else name

    @field_validator("exclude", "parallel", mode="after")
    @classmethod
    def _with_names(cls, value: Any, info: ValidationInfo) -> Any:
        if "names" in info.data and not info.data["names"]:
            raise ValueError(f"`{info.field_name}` goes with `names`, and the job has one database")
        return value

    def of(self, name: str) -> Self:
        """The same for one database of the several."""
        return self.model_copy(update={"name": name, "names": (), "exclude": (), "parallel": 1})

    @property
    def has_several(self) -> bool:
        return bool(self.names)

    @property
    def shown(self) -> str:
        """The database, or the patterns that several are chosen by."""
        return self.name or ",".join(self.names)

    @property
    def server(self) -> str:
        return server_named(self.host)

    @property
    def marks(self) -> Mapping[str, str]:
        """What a manifest's `details` say of the extra arguments: dumps made with others are of another size.

        It is a sum of them, for an argument may hold what is nobody's business.
        """
        if not self.extra_args:
            return {}
        return {ARGUMENTS_DETAIL: hashlib.sha256("\0".join(self.extra_args).encode()).hexdigest()[:16]}


@dataclass(frozen=True)
class Findings:
    """What a dump showed of the database while it was made; `tables` is None if they were not counted."""

    tables: Mapping[str, int] | None = None
    unit: Unit | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One artifact that a dump is made of; `size_estimate` in bytes, before compression."""

    role: str
    suffix: str
    open: Callable[[], Reader]
    """Starts the work; may raise what the engine raises."""
    size_estimate: int | None = None
    findings: Callable[[], Findings] = Findings
    """Asked once, after the reader ended."""


@dataclass(frozen=True)
class DirectPart:
    """Artifacts that the server itself writes to the job's storage, one a suffix; nothing of them passes through us."""

    role: str
    suffixes: tuple[str, ...]
    write: Callable[[tuple[str, ...]], None]
    """Has the server write these keys, and returns once they are whole; raises what the engine raises."""
    size_estimate: int | None = None
    findings: Callable[[], Findings] = Findings
    """Asked once, after `write`."""


@dataclass(frozen=True)
class Preflight:
    """What was found out before a dump. `details` goes into the manifest as JSON, for the restore."""

    server_version: str
    client: str
    parts: tuple[Part, ...]
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    direct: tuple[DirectPart, ...] = ()
    """Written before `parts`, each of which is a stream."""


@dataclass(frozen=True)
class Restore:
    """A restore that was asked for."""

    manifest: Manifest
    open: Callable[[str], Reader]
    """The dump of a role, decompressed; it raises IntegrityError instead of ending unless its sums are right."""
    into: str
    clean: bool = False
    owner: bool = True
    create_roles: bool = False
    check: bool = False
    """Have the server look for damage in what came back."""
    other_flavour: bool = False
    """Try it although the backup is of a relative of the server's product."""
    confirm: Callable[[str], bool] = lambda _: False
    """Asked, with a sentence, before anything that exists is replaced."""
    say: Callable[[str], None] = lambda _: None
    """Told, in a sentence, of each step and of what deserves attention."""


class Engine(ABC):
    """Dumps and restores one database of one kind."""

    Options: ClassVar[type[EngineOptions]]
    connection_options: ClassVar[frozenset[str]] = frozenset()
    """Which of `host`, `port`, `user`, `password` a restore may override for another server."""

    also_restores: ClassVar[frozenset[str]] = frozenset()
    """Types of other engines whose backups may be tried here, if that is asked for."""

    checks_restored: ClassVar[bool] = False
    """Whether `Restore.check` can be asked for."""

    format: str = "plain"

    @property
    @abstractmethod
    def database(self) -> str:
        """The name that the artifact carries."""

    @property
    @abstractmethod
    def target(self) -> str:
        """Where the database is, for people; without any secret."""

    @abstractmethod
    def preflight(self) -> Preflight:
        """Look at the database without changing it. Raises EngineError with what to try."""

    @abstractmethod
    def check_dump(self, manifest: Manifest, dump: Reader, *, say: Callable[[str], None]) -> None:
        """Read a whole dump and raise IntegrityError unless it is one that a restore gets to the end of."""

    @abstractmethod
    def restore(self, request: Restore) -> None:
        """Put a backup into `request.into`. Raises EngineError, IntegrityError, and UsageError for a refusal."""

    @classmethod
    @abstractmethod
    def build(cls, options: Any, session: Session, access: BucketAccess | None = None) -> "Engine":
        """The engine for these options, of the class's own Options type; `access` is to the job's storage."""


class ServerEngine(Engine):
    """One whose server holds many databases."""

    @abstractmethod
    def databases(self) -> tuple[str, ...]:
        """The names of all that could be backed up, sorted; what belongs to the server itself is not among them.

        Works with `names` in the place of `name`. Raises EngineError.
        """

    def unseen(self) -> str | None:
        """Why there may be databases that `databases` does not give, and what mends it; None: it gives all.

        Raises EngineError.
        """
        return None
