"""Knows the secrets that an error which nobody foresaw may tell of."""

import traceback
from collections.abc import Iterator

from backupctl.config import Config
from backupctl.config.interpolate import Interpolation
from backupctl.redact import Redactor


def redactor_for(error: BaseException) -> Redactor:
    """Takes out the secrets of every file that was read, or was being read, where the error went through."""
    redact = Redactor()
    for value in _held_by(error):
        if isinstance(value, Config):
            redact = redact.with_more(value.redactor.secrets)
        elif isinstance(value, Interpolation):
            redact = redact.with_more(value.used.values())
    return redact


def _held_by(error: BaseException | None) -> Iterator[object]:
    """The variables of every function that the error, or what it came of, went through."""
    while error:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield from frame.f_locals.values()
        error = error.__cause__ or error.__context__
