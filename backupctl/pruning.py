"""Carries a retention plan out on a job's storage, and finds what belongs to no backup there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from backupctl.cancel import Cancellation
from backupctl.errors import BackupctlError, StorageError
from backupctl.listing import Backup, Listing
from backupctl.model import Manifest
from backupctl.repository import Repository
from backupctl.retention import Candidate, Decision, Plan, Retention, plan
from backupctl.storages.base import StoredObject, Unfinished

# Longer than any run should take: another host may still be storing it.
_ORPHAN_AGE = timedelta(days=2)
_NOT_TRIED = "it was not tried, since the storage was out of order"

Orphan = StoredObject | Unfinished
T = TypeVar("T")


@dataclass(frozen=True)
class Removal:
    """What came of a prune: ids (of orphans, their places) that are removed, and why the others are not.

    `hints` say what to try, each once, however many failed for the same reason.
    """

    removed: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    hints: tuple[str, ...] = ()


def prune(
    repository: Repository,
    policy: Retention,
    now: datetime,
    zone: ZoneInfo,
    *,
    cancel: Cancellation,
    warn: Callable[[str], None],
) -> Removal:
    """Remove what the policy does not keep. Another prune may be at it: what is gone already is no error.

    Raises nothing that can go wrong with a storage: what was not removed is warned of, and tried again the next time.
    """
    try:
        listing = repository.listing()
        for reason in held_by(listing).values():
            warn(f"old backups are kept: {reason}")
        removal = remove_backups(repository, listing, plan_of(listing, policy, now, zone), cancel)
    except BackupctlError as error:
        warn(_with_hints(f"old backups are not removed: {error.message}", [error.hint] if error.hint else []))
        return Removal()
    if removal.failed:
        some_id, problem = next(iter(removal.failed.items()))
        others = f", and {len(removal.failed) - 1} more" if len(removal.failed) > 1 else ""
        warn(_with_hints(f"the old backup {some_id}{others} could not be removed: {problem}", removal.hints))
    return removal


def _with_hints(text: str, hints: Iterable[str]) -> str:
    return "; ".join((text, *hints))


def plan_of(listing: Listing, policy: Retention | None, now: datetime, zone: ZoneInfo) -> Plan:
    """The policy's plan for what is listed, each backup named by its manifest's key."""
    candidates = [
        Candidate(backup.manifest.key, backup.manifest.started_at, backup.problem, _source(backup.manifest))
        for backup in listing.backups
    ]
    planned = plan(candidates, policy, now, zone)
    held = held_by(listing)
    if policy is None or not held:
        return planned
    sources = {backup.manifest.key: _source(backup.manifest) for backup in listing.backups}
    spared = [decision for decision in planned.remove if sources[decision.key] in held]
    kept = tuple(Decision(decision.key, (held[sources[decision.key]],)) for decision in spared)
    return Plan(
        keep=planned.keep + kept, remove=tuple(decision for decision in planned.remove if decision not in spared)
    )


def held_by(listing: Listing) -> Mapping[str, str]:
    """Databases that retention removes nothing of, and why: what is gone may be in the older backups alone."""
    return {
        _source(first): f"backup {first.id} holds much less than those before it; look at it, then:"
        f" backupctl accept {first.job}"
        for first in listing.drifted  # the newest first: what stays is the first that drifted
    }


def _source(manifest: Manifest) -> str:
    return f"{manifest.engine} {manifest.database}"


def remove_backups(repository: Repository, listing: Listing, planned: Plan, cancel: Cancellation) -> Removal:
    """Remove what the plan removes; one that may not be removed holds up no other, a storage that is gone all."""
    doomed = {decision.key for decision in planned.remove}
    kept = _keys_of(backup for backup in listing.backups if backup.manifest.key not in doomed)
    manifests = [backup.manifest for backup in listing.backups if backup.manifest.key in doomed]

    def remove(manifest: Manifest) -> None:
        repository.remove(manifest, spare=kept)

    return _one_by_one(manifests, lambda manifest: manifest.id, remove, cancel)


def orphans(repository: Repository, listing: Listing, now: datetime) -> tuple[Orphan, ...]:
    """Artifacts that no manifest names and unfinished uploads, all older than two days. Raises StorageError."""
    newest = now - _ORPHAN_AGE
    artifacts = [found for found in listing.unnamed if found.modified < newest]
    uploads = [left for left in repository.unfinished() if left.started_at < newest]
    return (*artifacts, *uploads)


def remove_orphans(repository: Repository, found: Iterable[Orphan], cancel: Cancellation) -> Removal:
    """Remove orphans, for the holder of the job's lock; one that may not be removed holds up no other."""
    return _one_by_one(found, place_of, repository.remove_orphan, cancel)


def place_of(orphan: Orphan) -> str:
    """Where an orphan is, for people; several uploads of one key may have been left."""
    if isinstance(orphan, Unfinished):
        return f"{orphan.place}?uploadId={orphan.upload_id}" if orphan.upload_id else orphan.place
    return orphan.key


def _keys_of(backups: Iterable[Backup]) -> frozenset[str]:
    """Everything that these backups are made of: a manifest that was altered may name another one's artifact."""
    return frozenset(
        key
        for backup in backups
        for key in (backup.manifest.key, *(artifact.key for artifact in backup.manifest.artifacts))
    )


def _one_by_one(
    doomed: Iterable[T], name: Callable[[T], str], remove: Callable[[T], None], cancel: Cancellation
) -> Removal:
    removed: list[str] = []
    failed: dict[str, str] = {}
    hints: dict[str, None] = {}
    answers = True
    for thing in doomed:
        if cancel.requested:
            break
        if not answers:
            failed[name(thing)] = _NOT_TRIED
            continue
        try:
            remove(thing)
        except StorageError as error:
            failed[name(thing)] = error.message
            hints |= {error.hint: None} if error.hint else {}
            # The storage has waited and tried again by itself: minutes for each, in a run with the job's lock held.
            answers = not error.transient
        else:
            removed.append(name(thing))
    return Removal(tuple(removed), failed, tuple(hints))
