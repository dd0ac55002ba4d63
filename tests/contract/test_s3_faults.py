"""What a bucket does when the store, the network or the credentials fail."""

import io
import os
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from backupctl.cancel import Cancellation
from backupctl.errors import CancelledError, EngineError, StorageError
from backupctl.storages.base import Storage
from backupctl.storages.s3 import S3Storage
from backupctl.storages.s3.bucket import Bucket
from backupctl.storages.s3.options import S3Options
from backupctl.storages.s3.parts import PartPlan
from backupctl.storages.s3.patience import LONG
from backupctl.storages.s3.upload import Upload
from tests.contract.http_tampering import AnswerLoser, Damager
from tests.contract.storage_sources import METADATA, PART, Failing, die, noise, read_all
from tests.parts.http_faults import HttpFaults
from tests.parts.proxy import Fault, TcpProxy
from tests.parts.s3 import S3Server, WeedServer

FOR_EVER = 1_000_000


@pytest.fixture(autouse=True)
def _short_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is waited for a shorter time than users would want."""
    monkeypatch.setattr(S3Storage, "patience", replace(LONG, outage_waits_s=(0.2, 0.2)))


def options_of(server: S3Server, **changes: object) -> S3Options:
    given: dict[str, object] = {
        "type": "s3",
        "endpoint_url": server.endpoint_url,
        "bucket": server.bucket,
        "prefix": f"faults-{os.urandom(4).hex()}",
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
    }
    return S3Options.model_validate(given | changes)


def storage_of(server: S3Server, **changes: object) -> S3Storage:
    return S3Storage(options_of(server, **changes))


def assert_nothing_left(server: S3Server, storage: Storage) -> None:
    assert server.keys(storage.prefix) == []
    assert [key for key in server.open_uploads() if key.startswith(storage.prefix)] == []


def is_part(line: str) -> bool:
    return "partNumber=" in line


def is_completion(line: str) -> bool:
    return line.startswith("POST") and "uploadId=" in line


def is_abort(line: str) -> bool:
    return line.startswith("DELETE") and "uploadId=" in line


@pytest.fixture
def faults(s3_server: S3Server, http_faults: Callable[[str], HttpFaults]) -> HttpFaults:
    return http_faults(s3_server.endpoint_url)


def test_a_store_that_answers_500_for_a_while_does_not_fail_the_put(s3_server: S3Server, faults: HttpFaults) -> None:
    storage = storage_of(s3_server, endpoint_url=faults.endpoint_url)
    faults.fail(7, matches=is_part)
    data = noise(PART)
    assert storage.put(storage.prefix + "a", io.BytesIO(data), metadata=METADATA) == len(data)
    assert faults.failed == 7  # more often than botocore tries
    assert read_all(storage.open(storage.prefix + "a")) == data


def test_a_store_that_always_answers_500_fails_the_put_and_keeps_nothing(
    s3_server: S3Server, faults: HttpFaults
) -> None:
    storage = storage_of(s3_server, endpoint_url=faults.endpoint_url)
    faults.fail(FOR_EVER, matches=is_part)
    with pytest.raises(StorageError, match="InternalError") as caught:
        storage.put(storage.prefix + "a", io.BytesIO(noise(3 * PART)), metadata=METADATA)
    assert caught.value.transient
    assert_nothing_left(s3_server, storage)


def test_an_upload_that_cannot_be_completed_is_aborted(s3_server: S3Server, faults: HttpFaults) -> None:
    storage = storage_of(s3_server, endpoint_url=faults.endpoint_url)
    faults.fail(FOR_EVER, matches=is_completion)
    with pytest.raises(StorageError, match="cannot complete"):
        storage.put(storage.prefix + "a", io.BytesIO(noise(PART + 1)), metadata=METADATA)
    assert_nothing_left(s3_server, storage)


def test_an_abort_that_fails_is_told_with_the_uploads_id(
    weed_server: WeedServer, http_faults: Callable[[str], HttpFaults]
) -> None:
    faults = http_faults(weed_server.endpoint_url)
    storage = storage_of(weed_server, endpoint_url=faults.endpoint_url)
    faults.fail(FOR_EVER, matches=is_abort)
    with pytest.raises(EngineError, match="exit code 3") as caught:
        storage.put(storage.prefix + "a", Failing(2 * PART, die), metadata=METADATA)
    client = weed_server.client()
    uploads = client.list_multipart_uploads(Bucket=weed_server.bucket, Prefix=storage.prefix)["Uploads"]
    assert [upload["UploadId"] in caught.value.message for upload in uploads] == [True]
    assert caught.value.hint
    client.abort_multipart_upload(Bucket=weed_server.bucket, Key=storage.prefix + "a", UploadId=uploads[0]["UploadId"])


@pytest.mark.parametrize("size", [100, PART + 1], ids=["one request", "parts"])
def test_a_put_whose_last_answer_was_lost_has_succeeded(s3_server: S3Server, size: int) -> None:
    data = noise(size)
    with closing(AnswerLoser(s3_server.endpoint_url)) as loser:
        storage = storage_of(s3_server, endpoint_url=loser.endpoint_url)
        loser.fail(FOR_EVER, matches=lambda line: is_completion(line) or (line.startswith("PUT") and not is_part(line)))
        assert storage.put(storage.prefix + "a", io.BytesIO(data), metadata=METADATA) == size
    assert loser.failed > 0
    assert read_all(storage_of(s3_server, prefix=storage.prefix).open(storage.prefix + "a")) == data


@pytest.mark.parametrize("size", [100, PART + 1], ids=["one request", "parts"])
def test_data_that_is_damaged_on_its_way_is_refused(s3_server: S3Server, size: int) -> None:
    with closing(Damager(s3_server.endpoint_url)) as damager:
        storage = storage_of(s3_server, endpoint_url=damager.endpoint_url)
        with pytest.raises(StorageError) as caught:
            storage.put(storage.prefix + "a", io.BytesIO(noise(size)), metadata=METADATA)
    assert caught.value.hint
    assert "altered" in caught.value.hint
    assert_nothing_left(s3_server, storage)


@pytest.fixture(params=["weed", "rclone"])
def own_server(request: pytest.FixtureRequest) -> S3Server:
    """A server of the test's own, to be killed."""
    start: Callable[[], S3Server] = request.getfixturevalue(f"new_{request.param}_server")
    return start()


def test_a_store_that_is_killed_mid_upload_fails_the_put_and_lists_nothing_afterwards(own_server: S3Server) -> None:
    storage = storage_of(own_server)

    class Killing(Failing):
        def read(self, size: int, /) -> bytes:
            chunk = super().read(size)
            if self.left < 2 * PART:
                own_server.kill()
            return chunk

    with pytest.raises(StorageError) as caught:
        storage.put(storage.prefix + "a", Killing(5 * PART, lambda: None), metadata=METADATA)
    assert caught.value.transient
    assert caught.value.hint
    own_server.start()
    assert own_server.keys(storage.prefix) == []


def test_a_cancelled_put_does_not_wait_for_a_store_that_is_out_of_order(
    s3_server: S3Server, faults: HttpFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(S3Storage, "patience", replace(LONG, outage_waits_s=(3600,)))
    storage = storage_of(s3_server, endpoint_url=faults.endpoint_url)
    faults.fail(FOR_EVER, matches=is_part)
    cancel = Cancellation()
    threading.Timer(1, cancel.request).start()
    with pytest.raises(CancelledError):
        storage.put(storage.prefix + "a", io.BytesIO(noise(5 * PART)), metadata=METADATA, cancel=cancel)
    assert_nothing_left(s3_server, storage)


def test_a_cancelled_put_ends_although_the_store_has_stopped_taking_data(
    s3_server: S3Server, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    proxy = tcp_proxy("127.0.0.1", s3_server.port)
    storage = storage_of(s3_server, endpoint_url=f"http://127.0.0.1:{proxy.port}")
    proxy.to_server = Fault(stall_after=1 << 20)
    cancel = Cancellation()
    threading.Timer(1, cancel.request).start()
    with pytest.raises(CancelledError):
        storage.put(storage.prefix + "a", io.BytesIO(noise(5 * PART)), metadata=METADATA, cancel=cancel)
    proxy.close()
    assert_nothing_left(s3_server, storage)


def test_a_dump_that_outgrows_the_number_of_parts_is_given_up_with_a_way_out(s3_server: S3Server) -> None:
    options = options_of(s3_server)
    plan = PartPlan(size=5 << 20, in_flight=2, most=3)
    upload = Upload(
        Bucket(options.settings()), options.prefix + "a", metadata=METADATA, plan=plan, cancel=Cancellation()
    )
    with pytest.raises(StorageError, match="3 parts of 5 MiB") as caught:
        upload.run(io.BytesIO(noise((15 << 20) + 1)))
    assert caught.value.hint
    assert_nothing_left(s3_server, S3Storage(options))


def test_a_dump_that_fills_the_last_part_exactly_is_stored(s3_server: S3Server) -> None:
    options = options_of(s3_server)
    plan = PartPlan(size=5 << 20, in_flight=2, most=3)
    upload = Upload(
        Bucket(options.settings()), options.prefix + "a", metadata=METADATA, plan=plan, cancel=Cancellation()
    )
    assert upload.run(io.BytesIO(noise(15 << 20))) == 15 << 20


def test_a_read_goes_on_where_it_was_when_the_connection_breaks(
    s3_server: S3Server, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    data = noise(2 * PART)
    proxy = tcp_proxy("127.0.0.1", s3_server.port)
    storage = storage_of(s3_server, endpoint_url=f"http://127.0.0.1:{proxy.port}")
    storage.put(storage.prefix + "a", io.BytesIO(data), metadata={})
    reader = storage.open(storage.prefix + "a")
    proxy.to_client = Fault(reset_after=3 << 20)
    assert read_all(reader) == data
    assert proxy.connections > 5


def test_a_read_gives_up_when_the_store_does_not_come_back(
    s3_server: S3Server, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    proxy = tcp_proxy("127.0.0.1", s3_server.port)
    storage = storage_of(s3_server, endpoint_url=f"http://127.0.0.1:{proxy.port}")
    storage.put(storage.prefix + "a", io.BytesIO(noise(2 * PART)), metadata={})
    reader = storage.open(storage.prefix + "a")
    reader.read(1000)
    proxy.refuse()
    with pytest.raises(StorageError) as caught:
        read_all(reader)
    reader.close()
    assert caught.value.transient


def test_an_object_that_is_replaced_while_it_is_read_is_not_mixed(
    s3_server: S3Server, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    proxy = tcp_proxy("127.0.0.1", s3_server.port)
    storage = storage_of(s3_server, endpoint_url=f"http://127.0.0.1:{proxy.port}")
    key = storage.prefix + "a"
    storage.put(key, io.BytesIO(bytes(2 * PART)), metadata={})
    reader = storage.open(key)
    reader.read(1000)
    proxy.to_client = Fault(reset_after=3 << 20)
    s3_server.client().put_object(Bucket=s3_server.bucket, Key=key, Body=b"x" * (2 * PART))
    with pytest.raises(StorageError, match="replaced"):
        read_all(reader)
    reader.close()


WRONG = [
    pytest.param({"secret_access_key": "wrong/secret"}, "SignatureDoesNotMatch", "secret_access_key", id="secret"),
    pytest.param({"access_key_id": "AKIANOBODYATALL00000"}, "InvalidAccessKeyId", "access_key_id", id="key id"),
    pytest.param({"bucket": "nosuch"}, "NoSuchBucket", "bucket", id="bucket"),
    pytest.param({"endpoint_url": "http://127.0.0.1:1"}, "cannot be reached", "endpoint_url", id="port"),
    pytest.param({"endpoint_url": "http://nosuch.invalid"}, "not known", "endpoint_url", id="host"),
]


@pytest.mark.parametrize(("changes", "fact", "field"), WRONG)
def test_check_says_what_is_wrong_and_which_field_to_change(
    s3_server: S3Server, changes: dict[str, str], fact: str, field: str
) -> None:
    storage = storage_of(s3_server, **changes)
    with pytest.raises(StorageError, match=fact) as caught:
        storage.check()
    assert caught.value.hint
    assert f"`{field}`" in caught.value.hint
    assert_tells_no_secret(caught.value, s3_server, changes)


@pytest.mark.parametrize(("changes", "fact", "field"), WRONG)
def test_a_put_says_what_is_wrong_and_which_field_to_change(
    s3_server: S3Server, changes: dict[str, str], fact: str, field: str
) -> None:
    storage = storage_of(s3_server, **changes)
    with pytest.raises(StorageError, match=fact) as caught:
        storage.put(storage.prefix + "a", io.BytesIO(noise(PART + 1)), metadata=METADATA)
    assert caught.value.hint
    assert f"`{field}`" in caught.value.hint
    assert_tells_no_secret(caught.value, s3_server, changes)
    assert_nothing_left(s3_server, storage)


def assert_tells_no_secret(error: StorageError, server: S3Server, changes: dict[str, str]) -> None:
    told = f"{error.message} {error.hint} {error!r}"
    assert server.secret_access_key not in told
    assert changes.get("secret_access_key", server.secret_access_key) not in told


def test_https_spoken_to_a_store_without_tls_is_told_from_a_dead_store(s3_server: S3Server) -> None:
    storage = storage_of(s3_server, endpoint_url=s3_server.endpoint_url.replace("http:", "https:"))
    with pytest.raises(StorageError, match="TLS") as caught:
        storage.check()
    assert caught.value.hint
    assert "`endpoint_url`" in caught.value.hint


def test_a_key_that_may_only_put_and_list_is_enough_for_a_backup(weed_server: WeedServer) -> None:
    storage = storage_of(
        weed_server,
        access_key_id=weed_server.put_list_access_key_id,
        secret_access_key=weed_server.put_list_secret_access_key,
    )
    storage.check()
    for name, size in (("small", 10), ("large", 2 * PART)):
        assert storage.put(storage.prefix + name, io.BytesIO(noise(size)), metadata=METADATA) == size
    with pytest.raises(StorageError, match="AccessDenied") as caught:
        storage.open(storage.prefix + "small")
    assert caught.value.hint
    assert "s3:GetObject" in caught.value.hint


def test_an_upload_of_a_key_that_may_only_put_and_list_is_aborted(weed_server: WeedServer) -> None:
    storage = storage_of(
        weed_server,
        access_key_id=weed_server.put_list_access_key_id,
        secret_access_key=weed_server.put_list_secret_access_key,
    )
    with pytest.raises(EngineError):
        storage.put(storage.prefix + "a", Failing(2 * PART, die), metadata=METADATA)
    assert_nothing_left(weed_server, storage)


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
@pytest.mark.parametrize("size", [0, 100, 2 * PART + 1])
def test_either_kind_of_checksum_stores_and_reads(s3_server: S3Server, checksums: str, size: int) -> None:
    storage = storage_of(s3_server, checksums=checksums)
    data = noise(size)
    storage.put(storage.prefix + "a", io.BytesIO(data), metadata=METADATA)
    assert read_all(storage.open(storage.prefix + "a")) == data


@pytest.mark.parametrize("size", [100, PART + 1], ids=["one request", "parts"])
def test_metadata_storage_class_and_encryption_reach_the_store(weed_server: WeedServer, size: int) -> None:
    storage = storage_of(weed_server, storage_class="STANDARD_IA", server_side_encryption="AES256")
    storage.put(storage.prefix + "a", io.BytesIO(noise(size)), metadata=METADATA)
    head = weed_server.client().head_object(Bucket=weed_server.bucket, Key=storage.prefix + "a")
    assert head["Metadata"] == {
        "job": "shop",
        "database": "a%C3%A7%C3%A3o%20%F0%9F%90%98%20100%25",
        "time-zone": "America/Sao_Paulo",
    }
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["ServerSideEncryption"] == "AES256"


def test_without_keys_the_environments_are_used(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret_access_key)
    storage_of(s3_server, access_key_id=None, secret_access_key=None).check()


def test_without_any_keys_the_error_says_which_to_set(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(StorageError, match="no credentials") as caught:
        storage_of(s3_server, access_key_id=None, secret_access_key=None).check()
    assert caught.value.hint
    assert "`access_key_id`" in caught.value.hint
