"""Brings one stream into a bucket: whole, or not at all."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from backupctl.beside import in_background
from backupctl.cancel import Cancellation
from backupctl.errors import BackupctlError, StorageError
from backupctl.storages.s3.background import Halt
from backupctl.storages.s3.bucket import Bucket, Listed
from backupctl.storages.s3.errors import is_refusal
from backupctl.storages.s3.parts import MIB, PartPlan
from backupctl.stream import Reader

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

T = TypeVar("T")

_GRACE_S = 5.0  # how long a run that was cancelled waits for requests that are under way
_LISTING_LAGS_S = (0.2, 1.0, 3.0)  # some stores list a new object only after a moment


class Upload:
    """One `put`. The source is read on the calling thread; requests run beside it, a bounded number at once."""

    def __init__(
        self, bucket: Bucket, key: str, *, metadata: Mapping[str, str], plan: PartPlan, cancel: Cancellation
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._metadata = metadata
        self._plan = plan
        self._cancel = cancel
        self._halt = Halt()
        self._requests: list[Future[Any]] = []
        self._before: Listed | None = None
        self._begun: Future[str] | None = None
        self._committing = False
        self._pending: list[Future[CompletedPartTypeDef]] = []
        self._parts: list[CompletedPartTypeDef] = []
        self._sent = 0

    def run(self, source: Reader) -> int:
        """Store all of `source`; returns its size in bytes. Whatever is raised, nothing stays behind, or it says so."""
        with self._cancel.calling(self._halt.give):
            try:
                # Without patience: nothing is lost yet, and a mistake in the file shows here.
                self._before = self._do(partial(self._bucket.find, self._key))
                self._store(source)
                self._check_size()
            except BaseException as error:
                _add(error, self._undo(error))
                raise
        return self._sent

    def _store(self, source: Reader) -> None:
        part = self._read(source)
        if len(part) < self._plan.size:
            self._sent = len(part)
            put = partial(self._bucket.put_whole, self._key, part, metadata=self._metadata, halt=self._halt)
            self._commit(put)
            return
        self._begun = self._start(self._patiently(partial(self._bucket.begin, self._key, metadata=self._metadata)))
        upload_id = self._result(self._begun)
        while part:
            self._send_part(upload_id, part)
            part = self._read(source) if len(part) == self._plan.size else b""
        self._collect(at_most=0)
        parts = sorted(self._parts, key=lambda stored: stored["PartNumber"])
        self._commit(partial(self._bucket.complete, self._key, upload_id, parts))

    def _read(self, source: Reader) -> bytes:
        self._cancel.check()
        return source.read(self._plan.size)

    def _send_part(self, upload_id: str, data: bytes) -> None:
        self._collect(at_most=self._plan.in_flight - 1)
        number = len(self._parts) + len(self._pending) + 1
        if number > self._plan.most:
            raise StorageError(
                f"{self._key} does not fit into {self._plan.most} parts of {self._plan.size // MIB} MiB,"
                " which were chosen from the estimate of its size",
                hint="compress the dump, or back this database up to a local storage",
            )
        put = partial(self._bucket.put_part, self._key, upload_id, number, data, halt=self._halt)
        self._pending.append(self._start(self._patiently(put)))
        self._sent += len(data)

    def _collect(self, *, at_most: int) -> None:
        """Wait until no more than `at_most` parts are on their way; raises what a failed one raised."""
        while True:
            self._cancel.check()
            self._parts += [request.result() for request in self._pending if request.done()]
            self._pending = [request for request in self._pending if not request.done()]
            if len(self._pending) <= at_most:
                return
            self._halt.wait_for_any(self._pending)

    def _commit(self, request: Callable[[], None]) -> None:
        """Make the object appear. When the answer is lost or an error of the store, look whether it is there."""
        self._committing = True
        try:
            self._do(self._patiently(request))
        except StorageError as error:
            if is_refusal(error.__cause__) or not self._is_stored():
                raise

    def _is_stored(self) -> bool:
        try:
            now = self._find()
        except StorageError:
            return False
        return now is not None and now != self._before and now.size == self._sent

    def _check_size(self) -> None:
        found = self._find()
        for pause in _LISTING_LAGS_S:
            if found is not None and found.size == self._sent:
                return
            self._cancel.wait(pause)
            found = self._find()
        if found is None or found.size != self._sent:
            there = "does not list it" if found is None else f"lists {found.size} bytes"
            raise StorageError(f"{self._key} was sent with {self._sent} bytes, and the store {there}")

    def _find(self) -> Listed | None:
        return self._do(self._patiently(partial(self._bucket.find, self._key)))

    def _patiently(self, request: Callable[[], T]) -> Callable[[], T]:
        """The request, tried again for a while when the store is out of order."""

        def try_on() -> T:
            for pause in self._bucket.patience.outage_waits_s:
                try:
                    return request()
                except StorageError as error:
                    if not error.transient:
                        raise
                self._halt.sleep(pause)
            return request()

        return try_on

    def _do(self, request: Callable[[], T]) -> T:
        return self._result(self._start(request))

    def _start(self, request: Callable[[], T]) -> "Future[T]":
        future = in_background(request, "s3-request")
        self._requests = [*(request for request in self._requests if not request.done()), future]
        return future

    def _result(self, request: "Future[T]") -> T:
        self._halt.wait_for_any([request])
        self._cancel.check()
        return request.result()

    def _undo(self, error: BaseException) -> list[str]:
        """Take back what was done, and return what could not be."""
        self._halt.give()
        in_a_hurry = self._cancel.requested or not isinstance(error, Exception)
        # A part that arrives after the abort may stay stored (Amazon S3 API, AbortMultipartUpload).
        late = wait(self._requests, timeout=_GRACE_S if in_a_hurry else None).not_done
        bucket = self._bucket.impatient() if in_a_hurry else self._bucket
        problems = [*self._abort(bucket), *self._take_back(bucket)]
        if late and (self._begun or self._committing):
            problems.append(f"the store had not answered yet when the upload of {self._key} was given up")
        return problems

    def _abort(self, bucket: Bucket) -> list[str]:
        if self._begun is None or not self._begun.done() or self._begun.exception():
            return []
        upload_id = self._begun.result()
        try:
            bucket.abort(self._key, upload_id)
        except BackupctlError as error:
            return [f"the unfinished upload {upload_id} of {self._key} may be left in the bucket: {error}"]
        return []

    def _take_back(self, bucket: Bucket) -> list[str]:
        if not self._committing:
            return []
        try:
            if bucket.find(self._key) != self._before:
                bucket.delete(self._key)
        except BackupctlError as error:
            return [f"whether {self._key} was stored is not known: {error}"]
        return []


def _add(error: BaseException, problems: list[str]) -> None:
    """Have the error also tell what was left behind; its kind, and so the exit code, stays."""
    if not problems:
        return
    left = "; ".join(problems)
    if isinstance(error, BackupctlError):
        error.args = (f"{error.message}; {left}",)
        error.hint = error.hint or "look for what is left with `aws s3api list-multipart-uploads`"
    else:
        error.add_note(left)
