"""Sends mail over the file's SMTP account, by yagmail."""

import hashlib
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from backupctl.notifiers.base import Message, Notifier, NotifyError, Sent
from backupctl.notifiers.email_errors import answer_of, as_our_error, is_for_a_while
from backupctl.notifiers.patience import Patience

CHANNEL = "email"

_SILENT = logging.Logger("yagmail", logging.CRITICAL + 1)


class Account(Protocol):
    """The file's `email`; `timeout` in seconds, for all of an attempt."""

    @property
    def sender(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def security(self) -> str: ...
    @property
    def user(self) -> str | None: ...
    @property
    def password(self) -> SecretStr | None: ...
    @property
    def ca_file(self) -> Path | None: ...
    @property
    def timeout(self) -> int: ...


class EmailNotifier(Notifier):
    """Each mail over a connection of its own: runs are far apart, and servers close one that is idle."""

    def __init__(self, account: Account, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._account = account
        self._clock = clock
        self._patience = Patience(self._server, account.timeout)

    @property
    def channel(self) -> str:
        return CHANNEL

    @property
    def _server(self) -> str:
        return f"{CHANNEL} by {self._account.host}:{self._account.port}"

    def send(self, message: Message, recipients: tuple[str, ...] = ()) -> Sent:
        if not recipients:
            return Sent()
        mail = letter(message, sender=self._account.sender, recipients=recipients, now=self._clock())
        try:
            delivery = _Delivery(self._account)
            answers = self._patience.run(lambda: delivery.send(mail, recipients), abort=delivery.abort)
        except NotifyError:
            raise
        except (OSError, ValueError) as error:  # smtplib's errors are OSErrors
            raise as_our_error(self._server, error) from error
        return _sent(answers)


def _sent(answers: Mapping[str, tuple[int, bytes]]) -> Sent:
    told = {recipient: answer_of(*answer) for recipient, answer in answers.items()}
    deferred = {recipient for recipient, (code, _) in answers.items() if is_for_a_while(code)}
    return Sent(
        refused={recipient: text for recipient, text in told.items() if recipient not in deferred},
        deferred={recipient: text for recipient, text in told.items() if recipient in deferred},
    )


class _Delivery:
    """One attempt, which another thread may end."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client = _client(account)
        self._aborted = False

    def send(self, mail: EmailMessage, recipients: tuple[str, ...]) -> Mapping[str, tuple[int, bytes]]:
        """The recipients that were refused, with the server's answer; raises when all were."""
        client, account = self._client, self._account
        try:
            client.login()
            if account.user is not None and account.password is not None:
                client.smtp.login(account.user, account.password.get_secret_value())
            self._go_on()
            # yagmail's own send() sleeps 3, 6 and 9 s on a lost connection and then returns False, has one text for
            # both parts of a letter, and attaches a text that is the path of a file.
            # smtplib's send_message() alters lines that begin with "From ".
            refused: dict[str, tuple[int, bytes]] = client.smtp.sendmail(
                parseaddr(account.sender)[1], list(recipients), mail.as_bytes()
            )
            return refused
        finally:
            self._close()

    def abort(self) -> None:
        """End whatever it waits for; nothing is sent any more that has not begun."""
        self._aborted = True
        sock = getattr(self._client.smtp, "sock", None)
        if sock is not None:
            with suppress(OSError):
                # Not close(): that does not wake a thread which reads. Of TLS too, only the TCP connection below.
                sock.shutdown(socket.SHUT_RDWR)

    def _go_on(self) -> None:
        if self._aborted:
            raise TimeoutError

    def _close(self) -> None:
        smtp = self._client.smtp
        if smtp is None:
            return
        with suppress(OSError):
            # Said, but its answer not waited for: the mail is with the server, which may take long or never answer.
            smtp.putcmd("quit")
        with suppress(OSError):
            smtp.close()


def _client(account: Account) -> Any:
    """yagmail's client, which so far has connected to nothing.

    It never logs in by itself: yagmail 0.16 takes the login for the sender, makes `name@gmail.com` of one without an
    "@", and asks the keyring, or the terminal, where the password is None.
    """
    # It takes half a second to import, and most commands send no mail.
    import yagmail  # type: ignore[import-untyped]  # it has no types

    class Client(yagmail.SMTP):  # type: ignore[misc]  # as above
        def set_logging(self, log_level: object = None, file_path_name: object = None) -> None:
            self.log = _SILENT  # it would write on stderr, and make itself a handler there for each client

        @property
        def connection(self) -> Callable[..., Any]:
            return self._connect

        def _connect(self, *where: Any, **how: Any) -> Any:
            # smtplib connects, and waits for the greeting, while it is made: to end that, it must be known before.
            kind = super().connection
            self.smtp = kind.__new__(kind)
            kind.__init__(self.smtp, *where, **how)
            return self.smtp

    display, address = parseaddr(account.sender)
    client = Client(
        user={address: display or address},
        host=account.host,
        port=account.port,
        smtp_skip_login=True,
        soft_email_validation=False,  # it refuses addresses without a dot, as servers in one's own network have
        timeout=account.timeout,
        **_security(account),
    )
    # What is abandoned half-way would otherwise say goodbye, and wait for the answer, while it is garbage-collected.
    client.is_closed = True
    return client


def _security(account: Account) -> dict[str, Any]:
    if account.security == "none":
        return {"smtp_ssl": False, "smtp_starttls": False}
    # Without a context, yagmail 0.16 (as smtplib) accepts every certificate.
    context = _context(account.ca_file)
    if account.security == "tls":
        return {"smtp_ssl": True, "context": context}
    return {"smtp_ssl": False, "smtp_starttls": {"context": context}}


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise NotifyError(
            f"{CHANNEL}: the certificates of {ca_file} cannot be read: {(error.strerror or str(error)).lower()}",
            hint="check `email.ca_file`: a file of certificates in PEM form, which this user may read",
        ) from error


def letter(message: Message, *, sender: str, recipients: tuple[str, ...], now: datetime) -> EmailMessage:
    """The message as a mail of two alternatives, text and HTML."""
    mail = EmailMessage(policy=SMTP)
    for name, value in _headers(message, sender, recipients, now).items():
        mail[name] = _one_line(value)
    # Quoted-printable: lines of any length, and nothing of eight bits, which not every server passes on untouched.
    mail.set_content(_speakable(message.text), cte="quoted-printable")
    if message.html is not None:
        mail.add_alternative(_speakable(message.html), subtype="html", cte="quoted-printable")
    return mail


def _headers(message: Message, sender: str, recipients: tuple[str, ...], now: datetime) -> dict[str, str]:
    headers = {
        "From": sender,
        "To": ", ".join(recipients),
        "Subject": message.subject,
        "Date": format_datetime(now),
        "Message-ID": f"<{_fingerprint(message)}@{parseaddr(sender)[1].rpartition('@')[2]}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: nobody's holiday answer comes back
        "X-Auto-Response-Suppress": "All",  # the same for Exchange
        "X-Backupctl-Kind": message.kind.value,
    }
    return headers | ({"X-Backupctl-Job": message.job} if message.job else {})


def _fingerprint(message: Message) -> str:
    """The same for each attempt at a message, so that a mail which arrives twice is seen to be one."""
    return hashlib.sha256(message.to_json().encode()).hexdigest()[:32]


def _one_line(value: str) -> str:
    """A header can neither be ended nor begun by what stands in it."""
    return " ".join("".join(char if char.isprintable() else " " for char in value).split())


def _speakable(text: str) -> str:
    """Bytes of a file's name that are no UTF-8 are lone surrogates in Python, and cannot be sent."""
    return text.encode(errors="backslashreplace").decode()
