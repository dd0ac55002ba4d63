"""Tells a check of the Healthchecks kind that a run began, ended well, or failed."""

import hashlib
import threading
import uuid
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from backupctl import __version__
from backupctl.notifiers.base import Kind, Message, Notifier, NotifyError, Sent
from backupctl.notifiers.patience import Patience

DEFAULT_TIMEOUT_S = 15
BODY_LIMIT = 100_000
"""Healthchecks keeps the first 100 kB of a body (healthchecks.io/docs/http_api)."""

_RETRIES = 2
_PAUSE_S = 0.5
_ANSWER_LIMIT = 1000
_RUNS = uuid.UUID("6f2e3b0e-54a5-4d1b-9d0f-4a1c36ad6d0e")
_TOO_MANY = 429
# A check goes by whether backups are made: one with a warning was made, and what was only skipped tells nothing.
_SIGNALS = {
    Kind.SUCCESS: "",
    Kind.RECOVERY: "",
    Kind.DRIFT: "",
    Kind.FAILURE: "/fail",
    Kind.STALE: "/fail",
}


class PingNotifier(Notifier):
    """One check URL. `timeout`, in seconds, is for all attempts at a signal; `pause` is before the first retry."""

    def __init__(self, url: str, *, timeout: float = DEFAULT_TIMEOUT_S, pause: float = _PAUSE_S) -> None:
        self._url = url
        # Who knows a check's URL can report for it, so it is not shown.
        self._channel = f"ping:{urlsplit(url).hostname}:{hashlib.sha256(url.encode()).hexdigest()[:8]}"
        self._timeout = timeout
        self._pause = pause
        self._patience = Patience(self._channel, timeout)

    @property
    def channel(self) -> str:
        return self._channel

    def begin(self, run_id: str) -> None:
        """Say that a run begins, so that the check measures it. Raises NotifyError."""
        self._signal("/start", b"", run_id)

    def send(self, message: Message, recipients: tuple[str, ...] = ()) -> Sent:
        body = f"{message.subject}\n\n{message.text}".encode(errors="backslashreplace")
        self._signal(_SIGNALS.get(message.kind, "/log"), body, message.run_id)
        return Sent()

    def _signal(self, signal: str, body: bytes, run_id: str | None) -> None:
        # A character that is cut in two would make the whole body no UTF-8, and be left out.
        bounded = body[:BODY_LIMIT].decode(errors="ignore").encode()
        request = Request(address(self._url, signal, run_id), data=bounded, method="POST")  # noqa: S310 -- http, https
        request.add_header("User-Agent", f"backupctl/{__version__}")
        request.add_header("Content-Type", "text/plain; charset=utf-8")
        over = threading.Event()
        self._patience.run(lambda: self._insist(request, over), abort=over.set)

    def _insist(self, request: Request, over: threading.Event) -> None:
        """Begin again after what may pass, a few times."""
        for attempt in range(_RETRIES):
            try:
                return self._ask(request)
            except NotifyError as error:
                if not error.transient:
                    raise
            if over.wait(self._pause * 2**attempt):
                return None
        return self._ask(request)

    def _ask(self, request: Request) -> None:
        try:
            with build_opener(_NoRedirect).open(request, timeout=self._timeout) as answer:
                said = answer.read(_ANSWER_LIMIT).decode(errors="replace").strip()
        except HTTPError as error:
            with error:
                raise self._refusal(error.code) from None
        except (OSError, HTTPException, ValueError) as error:
            raise self._no_answer(error) from None
        if said.startswith("OK (not found)"):  # hc-ping.com's answer to a UUID that it does not know, with status 200
            raise self._refusal(404)
        if said.startswith("OK (rate limited)"):
            raise self._refusal(_TOO_MANY)

    def _refusal(self, status: int) -> NotifyError:
        transient = status >= 500 or status in (408, 425, _TOO_MANY)
        return NotifyError(
            f"{self._channel}: the check answers {status}",
            hint="the service is busy or out of order" if transient else "check the URL in `ping`: is the check there?",
            transient=transient,
        )

    def _no_answer(self, error: Exception) -> NotifyError:
        reason = error.reason if isinstance(error, URLError) else error
        told = str(getattr(reason, "strerror", None) or reason or type(error).__name__).strip().rstrip(".").lower()
        return NotifyError(
            f"{self._channel}: no answer: {told}",
            hint="check the URL in `ping`, and the network from here to it",
            transient=True,
        )


class _NoRedirect(HTTPRedirectHandler):
    """urllib makes a GET of a POST that is sent elsewhere, which loses the body: it is an error, with its status."""

    def redirect_request(self, *args: object) -> None:
        return None


def address(url: str, signal: str, run_id: str | None) -> str:
    """The check's URL for a signal, with what query it has.

    The run is named by `rid`, so that ends are matched with beginnings; it must be a UUID in its canonical form.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if run_id is not None:
        query.append(("rid", str(uuid.uuid5(_RUNS, run_id))))
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + signal, query=urlencode(query)))
