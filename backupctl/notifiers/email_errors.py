"""Turns what happens between us and a mail server into our errors: a fact, what to change, and whether to try again."""

import re
import socket
import ssl

from backupctl.notifiers.base import NotifyError

_LOGIN_HINT = "check `email.user` and `email.password`; some providers want a password made for applications"
_RELAY_HINT = (
    "the server does not let this account send from this address, or to this one: check `email.from`, "
    "and whether the server wants a login (`email.user`)"
)
_LATER_HINT = "the server wants it tried again later (greylisting, or it is busy), which is done"
_TLS_HINT = "check `email.security` (tls is for port 465, starttls for 587) and `email.port`"
_NOISE = re.compile(r"\[[^]]*\] ?| ?\(_ssl\.c:\d+\)")  # "[SSL: …] ", " (_ssl.c:1006)"
_LONGEST = 300


def answer_of(code: int, said: bytes | str) -> str:
    """A server's answer on one line: 550 no such user."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(f"{code} {printable}".split())[:_LONGEST]


def is_for_a_while(code: int) -> bool:
    """RFC 5321, 4.2.1: 4yz means try again, 5yz do not."""
    return 400 <= code < 500


def as_our_error(server: str, error: Exception) -> NotifyError:
    """`error` is what yagmail let through; smtplib's own are told apart by what they carry."""
    recipients = getattr(error, "recipients", None)
    code = getattr(error, "smtp_code", None)
    if isinstance(recipients, dict) and recipients:
        return _all_refused(server, recipients)
    if isinstance(code, int):
        return _refusal(server, code, answer_of(code, getattr(error, "smtp_error", b"")), type(error).__name__)
    fact, hint, transient = _failure(error)
    return NotifyError(f"{server}: {fact}", hint=hint, transient=transient)


def _all_refused(server: str, recipients: dict[str, tuple[int, bytes]]) -> NotifyError:
    told = "; ".join(f"{recipient}: {answer_of(*answer)}" for recipient, answer in sorted(recipients.items()))
    later = any(is_for_a_while(code) for code, _ in recipients.values())
    return NotifyError(
        f"{server}: every recipient was refused: {told}"[: 3 * _LONGEST],
        hint=_LATER_HINT if later else f"check `recipients`; {_RELAY_HINT}",
        transient=later,
        of_message=True,
    )


def _refusal(server: str, code: int, said: str, kind: str) -> NotifyError:
    later = is_for_a_while(code)
    if kind == "SMTPAuthenticationError":
        # 454 is RFC 4954's "temporary authentication failure".
        return NotifyError(f"{server}: the login was refused: {said}", hint=_LOGIN_HINT, transient=later)
    if kind == "SMTPSenderRefused":
        return NotifyError(
            f"{server}: the sender was refused: {said}", hint=_LATER_HINT if later else _RELAY_HINT, transient=later
        )
    return NotifyError(
        f"{server}: the server refuses: {said}",
        hint=_LATER_HINT if later else "the server's answer says why; its log says more",
        # Below 400 it is an answer out of turn, or none: -1 is smtplib's for a line that is no answer.
        transient=later or code < 400,
        of_message=True,
    )


def _failure(error: Exception) -> tuple[str, str, bool]:
    """What happened, what to try, and whether it may pass by itself."""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"the server's certificate is not accepted: {_lower(error.verify_message)}",
                "check `email.host`: it must be a name in the certificate; "
                "for a private authority set `email.ca_file` to its certificate",
                False,
            )
        case ssl.SSLError():
            return f"no TLS with the server: {_lower(_NOISE.sub('', str(error)))}", _TLS_HINT, False
        case socket.gaierror():
            return "the host is not known", "check `email.host` for a typo, and this machine's DNS", True
        case ConnectionRefusedError():
            return "nothing listens there", "check `email.host` and `email.port`, and that the server runs", True
        case TimeoutError():
            return "the server does not answer", "check `email.host`, `email.port`, and the firewall in between", True
        case UnicodeError():
            return "user, password or an address has letters that the server cannot take", "use ASCII letters", False
        case _:
            return _dropped(error)


def _dropped(error: Exception) -> tuple[str, str, bool]:
    kind = type(error).__name__
    if kind == "SMTPNotSupportedError":
        said = _lower(str(error))
        hint = _TLS_HINT if "starttls" in said else "check `email.security`; a server may offer the login only with TLS"
        return f"the server lacks what was asked for: {said}", hint, False
    if kind == "SMTPServerDisconnected" or isinstance(error, ConnectionError):
        return "the server closed the connection", f"it is tried again later; {_TLS_HINT}", True
    return f"the mail could not be sent: {_lower(str(error)) or kind}", "it is tried again later", True


def _lower(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:]
