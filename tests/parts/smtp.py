"""An SMTP server: what it wants of its clients, and where it breaks, is each test's choice."""

import asyncio
import ssl
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Stage = Literal["connect", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "sent"]


class Authority:
    """A certificate authority of the test's own; `pem` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.pem = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.pem))

    def context(self, name: str) -> ssl.SSLContext:
        """What a server of that name shows."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(name).configure_cert(context)
        return context


@dataclass
class Manners:
    """How the server treats its clients. `answers` replaces the answer to a command; at two stages it gives none."""

    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    answers: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    hangs_up_at: Stage | None = None
    hangs_at: Stage | None = None


@dataclass(frozen=True)
class Delivered:
    """A mail as the server took it."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    user: str | None

    @property
    def mail(self) -> EmailMessage:
        parsed = message_from_bytes(self.data, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def part(self, kind: str) -> str:
        body = self.mail.get_body(preferencelist=(kind,))
        assert body is not None
        content: str = body.get_content()
        return content


class SmtpServer:
    """Runs in a thread of the test's process, on 127.0.0.1."""

    host = "127.0.0.1"

    def __init__(self, manners: Manners | None = None) -> None:
        self.manners = manners or Manners()
        self.delivered: list[Delivered] = []
        self.logins: list[tuple[str, str]] = []
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(self._protocol, self.host, 0, ssl=self.manners.tls)

    def _protocol(self) -> "_Conversation":
        self.connections += 1
        return _Conversation(self)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Conversation(SMTP):
    """One connection."""

    def __init__(self, server: SmtpServer) -> None:
        self._its = server
        manners = server.manners
        with warnings.catch_warnings():
            # That a login without STARTTLS is no good idea: it does not see the TLS that is there from the beginning.
            warnings.simplefilter("ignore", UserWarning)
            super().__init__(
                _Handler(server),
                hostname="smtp.test",
                tls_context=manners.starttls,
                require_starttls=manners.starttls is not None,
                auth_required=manners.login is not None,
                auth_require_tls=manners.starttls is not None,
                authenticator=self._check if manners.login else None,
            )

    def connection_made(self, transport: Any) -> None:
        if self._its.manners.hangs_up_at == "connect":
            transport.abort()
        super().connection_made(transport)

    def _check(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        pair = given.login.decode(), given.password.decode()
        self._its.logins.append(pair)
        return AuthResult(success=pair == self._its.manners.login, handled=False, auth_data=pair[0])

    async def _call(self, command: str, usual: Callable[..., Any], argument: str) -> None:
        manners = self._its.manners
        if manners.hangs_up_at == command:
            _hang_up(self)
        elif manners.hangs_at == command:
            await asyncio.Event().wait()
        elif command in manners.answers:
            await self.push(manners.answers[command])
        else:
            await usual(argument)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 -- aiosmtpd finds the command by this name
        await self._call("EHLO", super().smtp_EHLO, hostname)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802 -- as above
        await self._call("AUTH", super().smtp_AUTH, arg)

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802 -- as above
        await self._call("MAIL", super().smtp_MAIL, arg)

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802 -- as above
        await self._call("RCPT", super().smtp_RCPT, arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 -- as above
        await self._call("DATA", super().smtp_DATA, arg)


class _Handler:
    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd finds the hook by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self._server.manners.refused:
            return self._server.manners.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(  # noqa: N802 -- as above
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self._server.manners.hangs_up_at == "sent":
            _hang_up(server)
            return "421 not heard by anybody"
        if self._server.manners.hangs_at == "sent":
            await asyncio.Event().wait()
        if "sent" in self._server.manners.answers:
            return self._server.manners.answers["sent"]
        assert isinstance(envelope.content, bytes)
        assert envelope.mail_from is not None
        user = session.auth_data if session.authenticated else None
        self._server.delivered.append(Delivered(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content, user))
        return "250 taken"


def _hang_up(conversation: SMTP) -> None:
    assert isinstance(conversation.transport, asyncio.Transport)
    conversation.transport.abort()
