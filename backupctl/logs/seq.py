"""Posts batches of events to a Seq server, and tells what became of each."""

import base64
import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

# https://docs.datalust.co/docs/posting-raw-events; servers before 2023 know the second alone.
_PATHS = ("ingest/clef", "api/events/raw?clef")
_USERINFO = re.compile(r"(\w+://)?(?:([^/?#]*)@)?(.*)", re.DOTALL)
_ANSWER_MOST = 4096
_SAID_MOST = 200


class Fate(Enum):
    """What became of a batch."""

    TAKEN = auto()
    REFUSED = auto()
    """There is something in it that the server never takes."""
    FAILED = auto()
    """It may be taken later."""


@dataclass(frozen=True)
class Verdict:
    """A batch's fate, and why; `wait_s` is how long the server wants to be left alone."""

    fate: Fate
    why: str = ""
    wait_s: float = 0.0


class Post(Protocol):
    """Sends one batch, lines of events. Never raises."""

    def __call__(self, batch: bytes, /, *, timeout: float) -> Verdict: ...


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """To follow would turn the POST into a GET, and give the key to another server."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Seq:
    """A server at a URL. Over the standard library's client: it knows the environment's proxies, and one request
    in a second needs no more."""

    def __init__(self, url: str, api_key: str | None) -> None:
        # A proxy before the server may want a name and a password; urllib would take them for a port, and show them.
        scheme, userinfo, rest = _USERINFO.fullmatch(url).groups("")  # type: ignore[union-attr] # it matches all
        self._paths = _endpoints(scheme + rest)
        self._headers = _headers(userinfo, api_key)
        self._opener: urllib.request.OpenerDirector | None = None

    def __call__(self, batch: bytes, /, *, timeout: float) -> Verdict:
        verdict = self._post(self._paths[0], batch, timeout)
        if verdict.why == _NOT_THERE and len(self._paths) > 1:
            older = self._post(self._paths[1], batch, timeout)
            if older.fate is Fate.TAKEN:
                self._paths = self._paths[1:]
                return older
        return verdict

    def _post(self, url: str, batch: bytes, timeout: float) -> Verdict:
        # Opened late: to read the system's certificates takes 30 ms, and a broken set of them is an error like others.
        try:
            self._opener = self._opener or urllib.request.build_opener(_Unredirected)
            request = urllib.request.Request(url, batch, self._headers, method="POST")  # noqa: S310 -- the file's model allows http and https alone
            with self._opener.open(request, timeout=timeout) as answer:
                return _accepted(answer.status, answer.read(_ANSWER_MOST))
        except urllib.error.HTTPError as error:
            with error:
                return _refused(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Verdict(Fate.FAILED, _reason(error))


_NOT_THERE = "it answers 404 Not Found; is the URL that of a Seq server?"


def _endpoints(url: str) -> tuple[str, ...]:
    base = re.split(r"[?#]", url, maxsplit=1)[0].rstrip("/")
    known = base.endswith(("/ingest/clef", "/api/events/raw"))
    return (url,) if known else tuple(f"{base}/{path}" for path in _PATHS)


def _headers(userinfo: str, api_key: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/vnd.serilog.clef"}
    if api_key:
        headers["X-Seq-ApiKey"] = api_key
    if userinfo:
        headers["Authorization"] = "Basic " + base64.b64encode(unquote_to_bytes(userinfo)).decode()
    return headers


def _accepted(status: int, body: bytes) -> Verdict:
    # A sign-in page or another product answers 200 to anything; Seq says 201, and always in JSON.
    if status == HTTPStatus.CREATED or _is_json_object(body):
        return Verdict(Fate.TAKEN)
    return Verdict(Fate.FAILED, f"it answers {status} and not as Seq does; is the URL that of a Seq server?")


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def _refused(error: urllib.error.HTTPError) -> Verdict:
    why = f"it answers {error.code} {_phrase(error)}"
    if error.code in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        return Verdict(Fate.REFUSED, f"{why}{_said(error)}")
    if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Verdict(Fate.FAILED, f"{why}; is seq.api_key right, and may it ingest?")
    if error.code == HTTPStatus.NOT_FOUND:
        return Verdict(Fate.FAILED, _NOT_THERE)
    if HTTPStatus.MULTIPLE_CHOICES <= error.code < HTTPStatus.BAD_REQUEST:
        return Verdict(Fate.FAILED, f"{why} to {error.headers.get('Location', 'nowhere')}; give that as seq.url")
    return Verdict(Fate.FAILED, f"{why}{_said(error)}", _retry_after(error))


def _phrase(error: urllib.error.HTTPError) -> str:
    try:
        return HTTPStatus(error.code).phrase
    except ValueError:
        return str(error.reason)


def _said(error: urllib.error.HTTPError) -> str:
    try:
        told = json.loads(error.read(_ANSWER_MOST)).get("Error", "")
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return ""
    return f" ({str(told)[:_SAID_MOST]})" if told else ""


def _retry_after(error: urllib.error.HTTPError) -> float:
    written = error.headers.get("Retry-After", "")
    return float(written) if written.isdecimal() else 0.0


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "it does not answer in time"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate cannot be verified: {cause.verify_message}; SSL_CERT_FILE may name the right authority"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return (str(cause) or type(cause).__name__).lower()
