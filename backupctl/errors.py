"""Every error that a user can meet: what happened, what to try, and the exit code it ends with."""

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """What the command's exit status means; a public promise, so values never change."""

    OK = 0
    RUN_FAILED = 1
    USAGE = 2
    INTEGRITY = 3
    BUSY = 4
    BUG = 70  # EX_SOFTWARE of sysexits.h
    INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class BackupctlError(Exception):
    """the command could not be carried out"""

    exit_code: ExitCode = ExitCode.RUN_FAILED

    def __init__(self, message: str | None = None, *, hint: str | None = None, transient: bool = False) -> None:
        """`message` is a lower-case fact; `hint` says what to try; `transient` that trying again may help."""
        super().__init__(message or type(self).__doc__)
        self.hint = hint
        self.transient = transient

    @property
    def message(self) -> str:
        return str(self)


class UsageError(BackupctlError):
    """the command was not given what it needs"""

    exit_code = ExitCode.USAGE


class ConfigError(BackupctlError):
    """the jobs file is not valid"""

    exit_code = ExitCode.USAGE


class EngineError(BackupctlError):
    """the database could not be dumped or restored"""


class ToolMissingError(EngineError):
    """a program that the engine needs is not installed"""


class StorageError(BackupctlError):
    """the storage could not be read or written"""


class IntegrityError(BackupctlError):
    """the backup does not check out"""

    exit_code = ExitCode.INTEGRITY


class BusyError(BackupctlError):
    """the job is already running"""

    exit_code = ExitCode.BUSY


class CancelledError(BackupctlError):
    """the run was cancelled"""

    exit_code = ExitCode.INTERRUPTED


class ExpiredError(BackupctlError):
    """the time was up"""


class BugError(BackupctlError):
    """a bug in backupctl"""

    exit_code = ExitCode.BUG

    @classmethod
    def met(cls, error: Exception) -> Self:
        """For something that no code of ours expected."""
        text = f"a bug in backupctl: {type(error).__name__}: {error}"
        return cls(text, hint="run again with --debug, and report it")


class HookError(BackupctlError):
    """a command of the job failed"""
