"""The databases of a job that has several: which of the server's they are, and what came of each."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from backupctl.engines.messages import named
from backupctl.errors import BackupctlError, BugError, CancelledError, EngineError
from backupctl.model import Manifest

_NAMED = 5
_log = logging.getLogger(__name__)


@dataclass
class Made:
    """What has come of a run so far; added to by several threads."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    failures: dict[str, BackupctlError] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    """Databases that the last run backed up, and that the server has no more."""

    def attempt(self, database: str, work: Callable[[], None]) -> None:
        """Carry out the work for one database; whatever it raises is taken down, and stops no other."""
        try:
            work()
        except BackupctlError as error:
            self.failures[database] = error
        except Exception as error:
            _log.error("database %s met a bug", database, exc_info=error)
            self.failures[database] = BugError.met(error)

    @property
    def failed(self) -> Mapping[str, BackupctlError]:
        """The databases that have no backup, but for those that the run did not get to before it was ended."""
        return {name: error for name, error in sorted(self.failures.items()) if not isinstance(error, CancelledError)}

    @property
    def lacking(self) -> Mapping[str, str]:
        """All the databases that have no backup, and why."""
        ended = dict.fromkeys(sorted(self.failures), "the run was ended before it had a backup")
        return ended | {name: error.message for name, error in self.failed.items()}

    def check(self, total: int) -> None:
        """Raise EngineError, with all that went wrong, if any of the job's databases has no backup."""
        failed = self.failed
        if not failed:
            return
        kind = BugError if any(isinstance(error, BugError) for error in failed.values()) else EngineError
        first = next(iter(failed.values()))
        raise kind(
            f"{len(failed)} of {total} databases {'has' if len(failed) == 1 else 'have'} no backup: {_told(failed)}",
            hint=next((error.hint for error in failed.values() if error.hint), None),
            # One that fails for good must not keep the others from being tried again.
            transient=any(error.transient for error in failed.values()),
        ) from first


def _told(failed: Mapping[str, BackupctlError]) -> str:
    """Each reason once: what one database fails for is mostly what all do."""
    by_reason: dict[str, list[str]] = {}
    for name, error in failed.items():
        by_reason.setdefault(error.message, []).append(name)
    told = [f"{named(names)}: {reason}" for reason, names in list(by_reason.items())[:_NAMED]]
    left = len(by_reason) - len(told)
    return "; ".join([*told, f"and {left} more"] if left > 0 else told)


@dataclass(frozen=True)
class Choice:
    """What the patterns choose of the server's databases, and the plain names that it has no database for."""

    wanted: tuple[str, ...]
    lacking: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(sorted((*self.wanted, *self.lacking)))


def choose(found: Sequence[str], names: Sequence[str], exclude: Sequence[str]) -> Choice:
    """Patterns are as the shell's: `*`, `?` and `[…]`. Raises EngineError when they choose nothing."""
    wanted = tuple(name for name in found if _is_one_of(name, names) and not _is_one_of(name, exclude))
    plain = (name for name in dict.fromkeys(names) if _is_plain(name) and not _is_one_of(name, exclude))
    lacking = tuple(name for name in plain if name not in found)
    if not wanted and not lacking:
        raise EngineError(
            f"none of the server's {len(found)} databases is one of {', '.join(names)}"
            + (f" and not of {', '.join(exclude)}" if exclude else ""),
            hint="correct database.names and database.exclude; a user may not see what it has no right to",
        )
    return Choice(wanted, lacking)


def no_such_database(name: str) -> EngineError:
    """The error for a database that the file names and the server does not have."""
    return EngineError(
        f"there is no database {name} on the server", hint="take it out of database.names, or let the user see it"
    )


def gone_and_come(
    before: Collection[str], choice: Choice, found: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Databases that have gone from the server, and that have come to the job, since the run that had those before."""
    gone = tuple(sorted(name for name in before if name not in found and name not in choice.lacking))
    return gone, tuple(name for name in choice.wanted if name not in before)


def _is_one_of(name: str, patterns: Sequence[str]) -> bool:
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def has_patterns(names: Sequence[str]) -> bool:
    """Whether it is up to the server which databases they are."""
    return not all(map(_is_plain, names))


def _is_plain(pattern: str) -> bool:
    return not any(sign in pattern for sign in "*?[")
