"""Sends a message to any service that Apprise knows, by its URL."""

import hashlib
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from backupctl.notifiers.base import Kind, Message, Notifier, NotifyError, Sent
from backupctl.notifiers.patience import Patience
from backupctl.redact import Redactor

if TYPE_CHECKING:
    from apprise import NotifyBase

DEFAULT_TIMEOUT_S = 30

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LOGGER = "apprise"
_TERSE = 1000
_LONGEST = 300
_SECRET_LENGTH = 4
_PERMANENT = re.compile(r"error[=: ]+(4(?!08|25|29)\d\d)\b")
_TYPES = {
    Kind.SUCCESS: "success",
    Kind.RECOVERY: "success",
    Kind.FAILURE: "failure",
    Kind.STALE: "failure",
    Kind.DRIFT: "warning",
    Kind.SKIPPED: "warning",
}


def check(url: str) -> str | None:
    """What is wrong with a URL of Apprise's, without showing it; None: it can be used. Connects to nothing."""
    scheme = _scheme(url)
    if scheme is None:
        return "this is not a URL of Apprise's, such as ntfy://host/topic"
    if scheme not in _services():
        return f"Apprise knows no service {scheme}://"
    return None if _plugin(url) else f"Apprise cannot use this {scheme}:// URL: a part of it is missing or wrong"


class AppriseNotifier(Notifier):
    """One URL. The plug-in is made anew for each message: it keeps state, and is not meant for several threads."""

    def __init__(self, url: str, *, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        self._url = url
        digest = hashlib.sha256(url.encode()).hexdigest()[:8]
        self._channel = f"apprise:{_scheme(url) or 'unknown'}:{digest}"
        self._patience = Patience(self._channel, timeout)

    @property
    def channel(self) -> str:
        return self._channel

    def send(self, message: Message, recipients: tuple[str, ...] = ()) -> Sent:
        said: list[str] = []
        _services()  # not within the time-out
        if not self._patience.run(lambda: self._notify(message, said)):
            raise self._failure(said)
        return Sent()

    def _notify(self, message: Message, said: list[str]) -> bool:
        with _listening(said):
            plugin = _plugin(self._url)
            try:
                return plugin is not None and _say(plugin, message)
            except Exception as error:  # each of more than a hundred plug-ins has its own
                said.append(f"{type(error).__name__}: {error}")
                return False

    def _failure(self, said: list[str]) -> NotifyError:
        reason = " ".join(Redactor(_secrets(self._url))(said[-1] if said else "the service gives no reason").split())
        permanent = check(self._url) is not None or _PERMANENT.search(reason) is not None
        return NotifyError(
            f"{self._channel}: {reason[:1].lower()}{reason[1:_LONGEST].rstrip('.')}",
            hint="check the URL in `notify`" if permanent else "it is tried again later; the URL stands in `notify`",
            transient=not permanent,
        )


def _say(plugin: "NotifyBase", message: Message) -> bool:
    from apprise import NotifyType

    return plugin.notify(
        # A service that takes few letters is one of short messages.
        body=message.summary if plugin.body_maxlen < _TERSE else message.text,
        title=message.subject,
        notify_type=NotifyType(_TYPES.get(message.kind, "info")),
        body_format="text",
        overflow="truncate",
    )


def _scheme(url: str) -> str | None:
    found = _SCHEME.match(url)
    return found[1].lower() if found else None


@cache
def _services() -> frozenset[str]:
    """The schemes that Apprise knows. The first call takes a second: it loads the plug-ins, each of them."""
    with warnings.catch_warnings():
        # Apprise 2.2 imports the standard library's imghdr, which Python 3.11 and 3.12 call deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        from apprise import NotificationManager

        return frozenset(NotificationManager().schemas())  # type: ignore[no-untyped-call]  # it has no types


def _plugin(url: str) -> "NotifyBase | None":
    import apprise

    # By default Apprise 2.2 keeps what its plug-ins remember in files of the user's home.
    asset = apprise.AppriseAsset(app_id="backupctl", storage_mode=apprise.PersistentStoreMode.MEMORY)
    with _listening([]):
        return apprise.Apprise.instantiate(url, asset=asset)


def _secrets(url: str) -> set[str]:
    """Every part of the URL that may be a token: for some services the host is one."""
    parts = urlsplit(url)
    pieces = {url, *re.split(r"[/:@?&=,]+", url.partition("://")[2]), parts.password or ""}
    pieces |= {unquote(piece) for piece in pieces}
    return {piece for piece in pieces if len(piece) >= _SECRET_LENGTH}


@contextmanager
def _listening(said: list[str]) -> Iterator[None]:
    """Within the block, what Apprise tells its log in this thread goes to `said`, and never to a log of ours.

    It is the only place where Apprise says why a message was not sent, and may hold tokens; so may what urllib3 tells
    of each request at its level DEBUG.
    """
    log, web = logging.getLogger(_LOGGER), logging.getLogger("urllib3.connectionpool")
    listener = _Listener(said, threading.get_ident())
    log.propagate = False
    log.addHandler(listener)
    web.addFilter(listener.is_of_another)
    try:
        yield
    finally:
        log.removeHandler(listener)
        web.removeFilter(listener.is_of_another)


class _Listener(logging.Handler):
    def __init__(self, said: list[str], thread: int) -> None:
        super().__init__(logging.WARNING)
        self._said = said
        self._thread = thread

    def is_of_another(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread

    def emit(self, record: logging.LogRecord) -> None:
        if not self.is_of_another(record):
            self._said.append(record.getMessage())
