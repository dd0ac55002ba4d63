"""Tells by its size and its last bytes whether a dump of a format that nobody here knows is whole."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from backupctl.errors import BackupctlError, IntegrityError
from backupctl.model import Manifest
from backupctl.stream import TAIL, Reader, TailCheck, Watch

_DETAIL = "end_marker"


def compiled(marker: str) -> re.Pattern[bytes]:
    """The marker as a regular expression over bytes. Raises ValueError with what is wrong."""
    try:
        pattern = re.compile(marker.encode())
    except (re.error, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise ValueError(f"this is no regular expression: {error}") from None
    if pattern.search(b""):
        raise ValueError("this is found in whatever a dump ends with, also in nothing")
    return pattern


@dataclass(frozen=True)
class Ending:
    """What the end of a whole dump is like; without a marker any end will do."""

    marker: str | None
    min_size: int = 0

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """What the job said when the backup was made, whatever it says now. Raises IntegrityError."""
        noted = manifest.details.get(_DETAIL)
        try:
            marker = None if noted is None else compiled(str(noted)).pattern.decode()
        except ValueError as error:
            raise IntegrityError(f"the end_marker in the manifest of {manifest.id} cannot be used: {error}") from error
        return cls(marker)

    @property
    def details(self) -> dict[str, str]:
        """What a manifest keeps of it."""
        return {} if self.marker is None else {_DETAIL: self.marker}

    def checked(self, dump: Reader, refusal: Callable[[str], BackupctlError]) -> Reader:
        """The dump; reading it raises what `refusal` makes of the problem, instead of ending, when it is not whole."""
        size = 0
        pattern = compiled(self.marker) if self.marker else None

        def seen(count: int) -> None:
            nonlocal size
            size += count

        def check(tail: bytes) -> None:
            if size < self.min_size:
                raise refusal(f"the dump has {size} bytes, and at least {self.min_size} are expected of it")
            if pattern and not pattern.search(tail):
                raise refusal(f"the last {TAIL} bytes of the dump do not match its end_marker")

        return TailCheck(Watch(dump, seen), check)
