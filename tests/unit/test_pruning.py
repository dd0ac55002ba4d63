"""Removing what a policy does not keep: failures, interruptions, other hosts, orphans."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backupctl.cancel import Cancellation
from backupctl.errors import StorageError
from backupctl.model import Manifest
from backupctl.pruning import Removal, orphans, plan_of, prune, remove_backups, remove_orphans
from backupctl.repository import Repository
from backupctl.retention import Retention
from backupctl.storages.base import StoredObject, Unfinished
from backupctl.stream import Reader
from tests.unit.memory import WHEN, MemoryStorage, back_up, repository_of

ZONE = ZoneInfo("UTC")
ORPHAN = "backups/app/20260101/shop_20260101T000000+0000_abc123.sql.zst"


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def history(storage: MemoryStorage) -> list[Manifest]:
    """Five daily backups, the newest first."""
    repository = repository_of(storage)
    return [back_up(repository, at=WHEN - timedelta(days=days)) for days in range(5)]


def pruned(
    repository: Repository,
    *,
    warn: Callable[[str], None] = lambda _: None,
    cancel: Cancellation | None = None,
    **rules: Any,
) -> Removal:
    policy = Retention.model_validate(rules)
    return prune(repository, policy, WHEN, ZONE, cancel=cancel or Cancellation(), warn=warn)


def ids(repository: Repository) -> list[str]:
    return [manifest.id for manifest in repository.listing().good]


def test_what_no_rule_keeps_is_removed_whole(storage: MemoryStorage, history: list[Manifest]) -> None:
    repository = repository_of(storage)
    removal = pruned(repository, keep_last=2)
    assert set(removal.removed) == {manifest.id for manifest in history[2:]}
    assert removal.failed == {}
    assert ids(repository) == [manifest.id for manifest in history[:2]]
    assert len(storage.objects) == 4
    assert pruned(repository, keep_last=2) == Removal()


def test_another_jobs_backups_are_never_touched(storage: MemoryStorage, history: list[Manifest]) -> None:
    other = repository_of(storage, "app_prod")
    for days in range(5):
        back_up(other, job="app_prod", at=WHEN - timedelta(days=days))
    pruned(repository_of(storage), keep_last=1)
    assert len(ids(other)) == 5


@pytest.mark.parametrize("changed", [{"database": "crm"}, {"engine": "mysql"}])
def test_a_job_that_is_pointed_elsewhere_does_not_lose_what_it_had_to_what_it_makes_now(
    storage: MemoryStorage, history: list[Manifest], changed: dict[str, str]
) -> None:
    repository = repository_of(storage)
    repository.commit(history[0].model_copy(update=changed))
    pruned(repository, keep_last=1)
    assert ids(repository) == [history[0].id, history[1].id]


def test_one_that_cannot_be_removed_holds_up_no_other_and_is_tried_again(
    storage: MemoryStorage, history: list[Manifest]
) -> None:
    repository = repository_of(storage)
    storage.refused = {history[3].dump.key, history[4].key}
    warnings: list[str] = []
    removal = pruned(repository, warn=warnings.append, keep_last=2)
    assert removal.removed == (history[2].id,)
    assert set(removal.failed) == {history[3].id, history[4].id}
    assert removal.hints == ("let the key delete",)
    (warning,) = warnings
    assert f"{history[3].id}, and 1 more could not be removed" in warning
    assert warning.endswith("AccessDenied; let the key delete")
    assert ids(repository) == [manifest.id for manifest in (*history[:2], history[3])]
    storage.refused = set()
    assert set(pruned(repository, keep_last=2).removed) == {history[3].id, history[4].id}
    assert len(storage.objects) == 4


def test_a_storage_that_does_not_answer_is_a_warning(storage: MemoryStorage) -> None:
    class Dead(MemoryStorage):
        def list(self, prefix: str) -> Any:
            raise StorageError("the store cannot be reached", hint="check `endpoint_url`")

    warnings: list[str] = []
    assert pruned(repository_of(Dead()), warn=warnings.append, keep_last=1) == Removal()
    assert warnings == ["old backups are not removed: the store cannot be reached; check `endpoint_url`"]


def test_a_storage_that_went_away_is_not_asked_again_for_every_backup() -> None:
    class Gone(MemoryStorage):
        asked = 0

        def delete(self, key: str) -> None:
            self.asked += 1
            raise StorageError("the store does not answer", transient=True)

    storage = Gone()
    made = [back_up(repository_of(storage), at=WHEN - timedelta(days=days)) for days in range(4)]
    removal = pruned(repository_of(storage), keep_last=1)
    assert storage.asked == 1
    assert removal.failed == {
        made[1].id: "the store does not answer",
        **dict.fromkeys((made[2].id, made[3].id), "it was not tried, since the storage was out of order"),
    }


def test_a_run_that_is_cancelled_removes_no_more(storage: MemoryStorage, history: list[Manifest]) -> None:
    cancel = Cancellation()
    cancel.request()
    assert pruned(repository_of(storage), cancel=cancel, keep_last=1) == Removal()
    assert len(storage.objects) == 10


def test_what_another_host_removed_meanwhile_is_no_error(storage: MemoryStorage, history: list[Manifest]) -> None:
    repository = repository_of(storage)
    listing = repository.listing()
    planned = plan_of(listing, Retention(keep_last=2), WHEN, ZONE)
    first = remove_backups(repository, listing, planned, Cancellation())
    second = remove_backups(repository, listing, planned, Cancellation())
    assert first == second
    assert len(storage.objects) == 4


@pytest.mark.parametrize("moment", range(1, 1 + 1 + 5 + 6))  # a listing, its manifests, what is deleted
def test_another_prune_at_any_moment_of_one_is_no_error_of_either(moment: int) -> None:
    storage = Beside()
    made = [back_up(repository_of(storage), at=WHEN - timedelta(days=days)) for days in range(5)]
    others: list[Removal] = []
    warnings: list[str] = []
    storage.before(moment, lambda: others.append(pruned(repository_of(storage), warn=warnings.append, keep_last=2)))
    removal = pruned(repository_of(storage), warn=warnings.append, keep_last=2)
    (other,) = others
    assert (removal.failed, other.failed, warnings) == ({}, {}, [])
    assert {*removal.removed, *other.removed} == {manifest.id for manifest in made[2:]}
    assert len(storage.objects) == 4


class Beside(MemoryStorage):
    """A storage at which somebody else does something between two of our requests."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._counting = threading.Lock()

    def before(self, request: int, act: Callable[[], None]) -> None:
        self._left, self._act = request, act

    def _asked(self) -> None:
        with self._counting:
            self._left -= 1
            now = self._left == 0
        if now:
            self._act()

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self._asked()
        yield from list(super().list(prefix))

    def open(self, key: str) -> Reader:
        self._asked()
        return super().open(key)

    def delete(self, key: str) -> None:
        self._asked()
        super().delete(key)


def test_an_unreadable_manifest_and_its_artifact_are_never_touched(
    storage: MemoryStorage, history: list[Manifest]
) -> None:
    storage.objects[history[4].key] = b"{"
    pruned(repository_of(storage), keep_last=1)
    assert set(storage.objects) == {history[0].key, history[0].dump.key, history[4].key, history[4].dump.key}


def test_a_manifest_that_names_a_kept_backups_artifact_does_not_take_it_along(storage: MemoryStorage) -> None:
    repository = repository_of(storage)
    kept = back_up(repository)
    old = back_up(repository, at=WHEN - timedelta(hours=1))
    stolen = kept.dump.model_copy(update={"role": "globals"})
    repository.commit(old.model_copy(update={"artifacts": (*old.artifacts, stolen)}))
    assert pruned(repository, keep_last=1).removed == (old.id,)
    assert repository.listing().good == (kept,)
    assert len(storage.objects) == 2


def test_orphans_are_what_is_older_than_two_days_and_belongs_to_nothing(
    storage: MemoryStorage, history: list[Manifest]
) -> None:
    repository = repository_of(storage)
    storage.objects[ORPHAN] = b"x"
    upload = Unfinished(ORPHAN, ORPHAN, "id", WHEN, None)
    young = Unfinished(ORPHAN, ORPHAN, "other", WHEN + timedelta(seconds=1), None)
    storage.left = [upload, young]
    listing = repository.listing()
    assert orphans(repository, listing, WHEN + timedelta(days=2)) == ()
    found = orphans(repository, listing, WHEN + timedelta(days=2, seconds=1))
    assert found == (*listing.unnamed, upload)
    assert remove_orphans(repository, found, Cancellation()).removed == (ORPHAN, f"{ORPHAN}?uploadId=id")
    assert ORPHAN not in storage.objects
    assert storage.left == [young]
    assert len(ids(repository)) == 5


def test_without_being_asked_for_orphans_stay(storage: MemoryStorage, history: list[Manifest]) -> None:
    storage.objects[ORPHAN] = b"x"
    pruned(repository_of(storage), keep_last=1)
    assert ORPHAN in storage.objects
