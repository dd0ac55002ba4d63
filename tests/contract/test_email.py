"""Mail against a real SMTP server: how it gets in, what arrives, and every way in which a server can be in the way."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from backupctl.config.schema import Email
from backupctl.notifiers.base import Kind, Message, NotifyError
from backupctl.notifiers.email import EmailNotifier
from tests.parts.smtp import Authority, Manners, SmtpServer, Stage

NOW = datetime(2026, 3, 1, 3, 30, tzinfo=UTC)
LOGIN = ("apikey", "s3cr3t-t0ken")
WHO = ("ops@example.com", "dba@example.com")
MESSAGE = Message(
    kind=Kind.FAILURE,
    job="shop",
    subject="[backupctl] FAILED shop: não",
    text="shop failed\n.\nFrom here on: " + "long " * 500 + "ü\n",
    html="<p>shop failed <b>ü</b></p>",
    summary="shop failed",
)


@pytest.fixture
def serve() -> Iterator[Callable[..., SmtpServer]]:
    with ExitStack() as stack:

        def start(**manners: Any) -> SmtpServer:
            server = SmtpServer(Manners(**manners))
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def notifier(server: SmtpServer, **fields: Any) -> EmailNotifier:
    account: dict[str, Any] = {"from": "Backups <backups@example.com>", "host": server.host, "port": server.port}
    account |= {"security": "none"} | fields
    made = Email.model_validate(account | {"timeout": 30})
    return EmailNotifier(made.model_copy(update={"timeout": fields.get("timeout", 30)}), clock=lambda: NOW)


def failure(notifier: EmailNotifier, message: Message = MESSAGE, to: tuple[str, ...] = WHO) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        notifier.send(message, to)
    assert LOGIN[1] not in f"{caught.value} {caught.value.hint}"
    return caught.value


def test_a_mail_has_a_text_and_a_page_and_what_filters_look_for(serve: Callable[..., SmtpServer]) -> None:
    server = serve()
    notifier(server).send(MESSAGE, WHO)
    (arrived,) = server.delivered
    mail = arrived.mail
    assert (arrived.sender, arrived.recipients) == ("backups@example.com", WHO)
    assert (mail["From"], mail["To"]) == ("Backups <backups@example.com>", "ops@example.com, dba@example.com")
    assert (mail["Subject"], mail["Date"]) == ("[backupctl] FAILED shop: não", "Sun, 01 Mar 2026 03:30:00 +0000")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (mail["X-Backupctl-Job"], mail["X-Backupctl-Kind"]) == ("shop", "failure")
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail.get_content_type() == "multipart/alternative"
    assert arrived.part("plain").replace("\r\n", "\n") == MESSAGE.text
    assert arrived.part("html").strip() == MESSAGE.html
    assert arrived.data.isascii()
    assert max(map(len, arrived.data.splitlines())) <= 998


def test_each_attempt_at_a_mail_has_the_same_id_and_another_mail_another_one(serve: Callable[..., SmtpServer]) -> None:
    server = serve()
    for message in (MESSAGE, MESSAGE, replace(MESSAGE, text="later")):
        notifier(server).send(message, WHO)
    first, again, other = (arrived.mail["Message-ID"] for arrived in server.delivered)
    assert first == again != other


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_without_an_at_sign_is_used_as_it_is_over_tls(
    serve: Callable[..., SmtpServer], authority: Authority, security: str
) -> None:
    server = serve(**{security: authority.context("127.0.0.1")}, login=LOGIN)
    user, password = LOGIN
    notifier(server, security=security, user=user, password=password, ca_file=authority.pem).send(MESSAGE, WHO)
    (arrived,) = server.delivered
    assert (server.logins, arrived.sender) == ([LOGIN], "backups@example.com")
    assert arrived.mail["From"] == "Backups <backups@example.com>"


def test_an_address_of_a_network_without_dots_is_good(serve: Callable[..., SmtpServer]) -> None:
    server = serve()
    notifier(server, **{"from": "root@vault"}).send(MESSAGE, ("ops@mailhost",))
    assert (server.delivered[0].sender, server.delivered[0].recipients) == ("root@vault", ("ops@mailhost",))


def test_a_text_that_is_the_path_of_a_file_is_no_attachment(serve: Callable[..., SmtpServer], tmp_path: Path) -> None:
    server = serve()
    secret = tmp_path / "passwd"
    secret.write_text("not to be mailed")
    notifier(server).send(replace(MESSAGE, text=str(secret), html=str(secret)), WHO)
    assert b"not to be mailed" not in server.delivered[0].data
    assert server.delivered[0].part("plain").strip() == str(secret)


@pytest.mark.parametrize("field", ["subject", "job"])
def test_no_header_can_be_smuggled_in(serve: Callable[..., SmtpServer], field: str) -> None:
    server = serve()
    evil = "shop\r\nBcc: everyone@example.com\r\n\r\n<b>\u2028x"
    message = replace(MESSAGE, subject=evil) if field == "subject" else replace(MESSAGE, job=evil)
    notifier(server).send(message, ("ops@example.com",))
    (arrived,) = server.delivered
    assert arrived.mail["Bcc"] is None
    assert arrived.recipients == ("ops@example.com",)
    assert "everyone@example.com" in arrived.mail["Subject" if field == "subject" else "X-Backupctl-Job"]


def test_nobody_to_mail_is_no_mail(serve: Callable[..., SmtpServer]) -> None:
    server = serve()
    notifier(server).send(MESSAGE, ())
    assert server.connections == 0


def test_a_recipient_who_is_refused_is_told_of_and_the_others_get_the_mail(serve: Callable[..., SmtpServer]) -> None:
    server = serve(refused={"dba@example.com": "550 no such user", "late@example.com": "450 greylisted"})
    sent = notifier(server).send(MESSAGE, (*WHO, "late@example.com"))
    assert dict(sent.refused) == {"dba@example.com": "550 no such user"}
    assert dict(sent.deferred) == {"late@example.com": "450 greylisted"}
    assert server.delivered[0].recipients == ("ops@example.com",)


@pytest.mark.parametrize(("answer", "transient"), [("550 no such user", False), ("451 greylisted", True)])
def test_all_recipients_refused_is_an_error_that_names_them(
    serve: Callable[..., SmtpServer], answer: str, transient: bool
) -> None:
    error = failure(notifier(serve(refused=dict.fromkeys(WHO, answer))))
    assert "every recipient was refused" in error.message
    assert f"ops@example.com: {answer}" in error.message
    assert error.transient is transient


@pytest.mark.parametrize(
    ("answers", "said", "transient"),
    [
        ({"MAIL": "553 sender not owned"}, "the sender was refused: 553 sender not owned", False),
        ({"MAIL": "451 try later"}, "the sender was refused: 451 try later", True),
        ({"DATA": "554 no"}, "the server refuses: 554 no", False),
        ({"sent": "552 too big"}, "the server refuses: 552 too big", False),
        ({"sent": "452 no room"}, "the server refuses: 452 no room", True),
        ({"RCPT": "421 going down"}, "421 going down", True),
    ],
)
def test_what_the_server_answers_is_told_and_whether_it_may_pass(
    serve: Callable[..., SmtpServer], answers: dict[str, str], said: str, transient: bool
) -> None:
    error = failure(notifier(serve(answers=answers)))
    assert said in error.message
    assert error.hint
    assert error.transient is transient


def test_a_wrong_password_is_told_of_with_what_to_check_and_not_tried_again(
    serve: Callable[..., SmtpServer], authority: Authority
) -> None:
    server = serve(starttls=authority.context("127.0.0.1"), login=("apikey", "another"))
    user, password = LOGIN
    account = {"security": "starttls", "user": user, "password": password, "ca_file": authority.pem}
    error = failure(notifier(server, **account))
    assert "the login was refused: 535" in error.message
    assert "email.password" in str(error.hint)
    assert not error.transient
    assert server.delivered == []


def test_a_password_that_smtp_cannot_carry_is_said_to_be_one(
    serve: Callable[..., SmtpServer], authority: Authority
) -> None:
    server = serve(starttls=authority.context("127.0.0.1"), login=LOGIN)
    error = failure(notifier(server, security="starttls", user="u", password="sénha", ca_file=authority.pem))
    assert "has letters that the server cannot take" in error.message
    assert not error.transient


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_a_certificate_that_is_not_the_servers_stops_the_mail_before_the_password(
    serve: Callable[..., SmtpServer], authority: Authority, security: str, wrong: str
) -> None:
    server = serve(**{security: authority.context("mail.example.com" if wrong == "name" else "127.0.0.1")}, login=LOGIN)
    ca_file = authority.pem if wrong == "name" else None
    user, password = LOGIN
    error = failure(notifier(server, security=security, user=user, password=password, ca_file=ca_file))
    assert "the server's certificate is not accepted" in error.message
    assert "email.ca_file" in str(error.hint)
    assert not error.transient
    assert server.logins == []


def test_a_server_without_starttls_gets_no_mail(serve: Callable[..., SmtpServer]) -> None:
    server = serve()
    error = failure(notifier(server, security="starttls"))
    assert "starttls" in error.message.lower()
    assert "email.security" in str(error.hint)
    assert server.delivered == []


def test_tls_to_a_plain_port_says_what_to_check(serve: Callable[..., SmtpServer]) -> None:
    error = failure(notifier(serve(), security="tls"))
    assert "no tls with the server" in error.message.lower()
    assert "starttls for 587" in str(error.hint)


def test_certificates_that_cannot_be_read_are_told_of(serve: Callable[..., SmtpServer], tmp_path: Path) -> None:
    error = failure(notifier(serve(), security="tls", ca_file=tmp_path / "nowhere.pem"))
    assert "nowhere.pem cannot be read" in error.message
    assert not error.transient


def test_a_host_that_there_is_not_may_come(serve: Callable[..., SmtpServer]) -> None:
    error = failure(notifier(serve(), host="mail.invalid"))
    assert "the host is not known" in error.message
    assert error.transient


@pytest.mark.parametrize("stage", get_args(Stage))
def test_a_lost_connection_is_an_error_at_once_at_every_stage(
    serve: Callable[..., SmtpServer], authority: Authority, stage: Stage
) -> None:
    server = serve(tls=authority.context("127.0.0.1"), login=LOGIN, hangs_up_at=stage)
    user, password = LOGIN
    error = failure(notifier(server, security="tls", user=user, password=password, ca_file=authority.pem))
    assert "the server closed the connection" in error.message or "no TLS with the server" in error.message
    assert error.transient
    assert (server.connections, server.delivered) == (1, [])


@pytest.mark.parametrize("stage", [stage for stage in get_args(Stage) if stage != "connect"])
def test_a_server_that_hangs_is_left_at_every_stage_and_no_thread_stays_behind(
    serve: Callable[..., SmtpServer], authority: Authority, stage: Stage
) -> None:
    server = serve(tls=authority.context("127.0.0.1"), login=LOGIN, hangs_at=stage)
    user, password = LOGIN
    account = {"security": "tls", "user": user, "password": password, "ca_file": authority.pem}
    error = failure(notifier(server, timeout=0.5, **account))
    assert "0.5 s" in error.message or "the server does not answer" in error.message
    assert error.transient
    for thread in threading.enumerate():
        if thread.name.startswith("notify email"):
            thread.join(10)
            assert not thread.is_alive()
    assert server.delivered == []
