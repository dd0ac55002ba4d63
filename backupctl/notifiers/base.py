"""What a notifier is: a channel that takes one message to people, or raises."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from backupctl.errors import BackupctlError


class Kind(StrEnum):
    """What a message is about."""

    SUCCESS = "success"
    FAILURE = "failure"
    RECOVERY = "recovery"
    STALE = "stale"
    SKIPPED = "skipped"
    DRIFT = "drift"
    DIGEST = "digest"
    TEST = "test"


@dataclass(frozen=True)
class Message:
    """What is said, in every form that a channel may want; without any secret.

    `summary` is one line. `job` and `run_id` are None where it is about no single one.
    """

    kind: Kind
    job: str | None
    subject: str
    text: str
    html: str | None
    summary: str
    run_id: str | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A message as `to_json` wrote it; fields of later versions are left out."""
        document: dict[str, Any] = json.loads(text)
        known = {name: document[name] for name in cls.__dataclass_fields__ if name in document}
        return cls(**known | {"kind": Kind(known["kind"])})


@dataclass(frozen=True)
class Sent:
    """A message is on its way. Some recipients may have been `refused` for good, or `deferred`: told to try later.

    Both are the server's answer by recipient.
    """

    refused: Mapping[str, str] = field(default_factory=dict)
    deferred: Mapping[str, str] = field(default_factory=dict)


class NotifyError(BackupctlError):
    """the message could not be sent"""

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        transient: bool = False,
        of_message: bool = False,
    ) -> None:
        """`of_message` says that this message alone was refused: others may be taken."""
        super().__init__(message, hint=hint, transient=transient)
        self.of_message = of_message


class Notifier(ABC):
    """A channel. It may be used by several threads at once."""

    @property
    @abstractmethod
    def channel(self) -> str:
        """Which channel this is: the same after a restart, and without any secret."""

    @abstractmethod
    def send(self, message: Message, recipients: tuple[str, ...] = ()) -> Sent:
        """Send it once. `recipients` are for mail alone; other channels know theirs.

        Never takes longer than the channel's time-out, whatever the server does. Raises NotifyError, whose
        `transient` says whether trying again may help; then the message may still have arrived.
        """
