"""Turns what boto3 raises into our errors: a fact, which field to change, and whether trying again may help."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,  # noqa: A004 -- botocore's own, which the built-in one is no base of
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from backupctl.errors import BackupctlError, IntegrityError, StorageError

_KEY_HINT = "check `access_key_id`: the store does not know it"
_REGION_HINT = "set `region` to the one that the bucket is in"
_CLOCK_HINT = "set this machine's clock: the store refuses requests that are more than 15 minutes off"
_BUSY_HINT = "the store is overloaded or out of order; try again later"
_RIGHTS_HINT = (
    "let the key list the bucket and write below the prefix: "
    "s3:ListBucket, s3:PutObject, s3:AbortMultipartUpload; s3:GetObject to list and restore, and both it and "
    "s3:DeleteObject to prune"
)
_DAMAGED_HINT = "the data arrived altered: the network or a proxy in between damages it"

# By the error code of the store's answer; a HEAD request has no answer but the status.
_HINTS = {
    "NoSuchBucket": "check `bucket` and `endpoint_url`, or create the bucket",
    "NoSuchKey": "it was deleted, or never stored here",
    "NoSuchUpload": "the store dropped the upload: a part arrived altered, or a lifecycle rule of the bucket ended it",
    "InvalidBucketName": "check `bucket`",
    "InvalidAccessKeyId": _KEY_HINT,
    "SignatureDoesNotMatch": "check `secret_access_key`: it does not belong to the `access_key_id`",
    "InvalidToken": "the session token of the credentials is not valid; get new ones",
    "ExpiredToken": "the credentials have expired; get new ones",
    "Unauthorized": "check `access_key_id` and `secret_access_key`",
    "AccessDenied": _RIGHTS_HINT,
    "AllAccessDisabled": _RIGHTS_HINT,
    "403": _RIGHTS_HINT,
    "RequestTimeTooSkewed": _CLOCK_HINT,
    "RequestExpired": _CLOCK_HINT,
    "PermanentRedirect": _REGION_HINT,
    "TemporaryRedirect": _REGION_HINT,
    "AuthorizationHeaderMalformed": _REGION_HINT,
    "IllegalLocationConstraintException": _REGION_HINT,
    "301": _REGION_HINT,
    "BadDigest": _DAMAGED_HINT,
    "InvalidDigest": _DAMAGED_HINT,
    "XAmzContentSHA256Mismatch": _DAMAGED_HINT,
    "InvalidStorageClass": "check `storage_class`",
    "QuotaExceeded": "make room in the bucket, or raise its quota",
    "NotImplemented": "the store lacks what was asked for: `storage_class`, `server_side_encryption` or `checksums`",
}
_DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"}
_THROTTLED = {"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestTimeout"}

_NOISE = re.compile(r"\[[^]]*\] ?| ?\(_ssl\.c:\d+\)")  # "[Errno 111] ", "[SSL: …] ", " (_ssl.c:1006)"


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Raise our errors for boto3's within the block; `what` could not be done, such as `cannot list backups/`."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise as_our_error(what, error) from error


def as_our_error(what: str, error: BotoCoreError | ClientError) -> BackupctlError:
    if isinstance(error, ClientError):
        return _refusal(what, error)
    return _no_answer(what, error)


def code_of(error: BaseException | None) -> str | None:
    """The store's own word for why it refused; None when it was not a refusal."""
    return error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None


def is_refusal(error: BaseException | None) -> bool:
    """Whether the store said that it did nothing; after a time-out or a 5xx that is not known."""
    return isinstance(error, ClientError) and 400 <= _status(error) < 500 and code_of(error) != "NoSuchUpload"


def _refusal(what: str, error: ClientError) -> StorageError:
    code = code_of(error) or "an error without a code"
    status = _status(error)
    said = error.response.get("Error", {}).get("Message", "").strip().rstrip(".")
    told = f": {said}" if said and said != code else ""
    busy = status >= 500 or status == 429 or code in _THROTTLED
    hint = _HINTS.get(code) or (_BUSY_HINT if busy else _hint_by_status(status, said))
    return StorageError(f"{what}: the store answers {code}{told}", hint=hint, transient=busy or code in _DAMAGED)


def _hint_by_status(status: int, said: str) -> str | None:
    if status in (401, 403):
        return "check `access_key_id` and `secret_access_key`, and what the key may do"
    # R2 refuses a key of the wrong length as an argument: "Credential access key has length 4, should be 32".
    return _KEY_HINT if "access key" in said.lower() else None


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _no_answer(what: str, error: BotoCoreError) -> BackupctlError:
    match error:
        case FlexibleChecksumError():
            return IntegrityError(f"{what}: what came back does not match the store's own checksum", transient=True)
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError() | ProfileNotFound():
            return StorageError(
                f"{what}: there are no credentials: {_lower(error)}",
                hint="set `access_key_id` and `secret_access_key`, or give the machine a role that may use the bucket",
            )
        case NoRegionError():
            return StorageError(f"{what}: no region is known", hint=_REGION_HINT)
        case HTTPClientError() | ConnectionError():
            fact, hint = _connection(error)
            return StorageError(f"{what}: {fact}", hint=hint, transient=not isinstance(error, SSLError))
        case _:
            return StorageError(f"{what}: {_lower(error)}")


def _connection(error: BotoCoreError) -> tuple[str, str]:
    cause = str(error.kwargs.get("error", ""))
    match error:
        case SSLError():
            return (
                f"the store's TLS certificate or protocol is not accepted ({_reason(cause)})",
                "check `endpoint_url` (https or http, the host's name); "
                "for a private authority set AWS_CA_BUNDLE to its certificate",
            )
        case EndpointConnectionError() if "resolve" in cause or "Name or service" in cause:
            return "the host of the store is not known", "check `endpoint_url` for a typo, and this machine's DNS"
        case EndpointConnectionError():
            return (
                f"the store cannot be reached ({_reason(cause)})",
                "check `endpoint_url` (host and port), and that the store is running",
            )
        case ConnectTimeoutError():
            return "the store does not answer", "check `endpoint_url`, and the firewall in between"
        case ReadTimeoutError():
            return "the store did not answer in time", "the store is stuck or the network is down; try again later"
        case ProxyConnectionError():
            return "the proxy cannot be reached", "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
        case ConnectionClosedError():
            return (
                "the store closed the connection",
                "try again later; check `endpoint_url` (https or http)",
            )
        case _:
            return f"the connection failed ({_reason(cause)})", "try again later"


def _reason(cause: str) -> str:
    """The last and most exact part of urllib3's nested message."""
    plain = _NOISE.sub("", cause)
    return plain.rsplit(": ", 1)[-1].strip("()<>'\" ").lower() or "no reason was given"


def _lower(error: Exception) -> str:
    text = str(error).strip().rstrip(".")
    return text[:1].lower() + text[1:]
