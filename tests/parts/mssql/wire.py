"""The protocol side of the SQL Server part: TDS by pysqlbridge, with messages sent while a batch runs."""

# pysqlbridge 2.1 ships no types.
# mypy: disable-error-code="import-untyped"

import contextlib
import logging
import select
import socket
import socketserver
import struct
from collections.abc import Callable
from typing import Any, Protocol

from pysqlbridge.certificate import Certificate
from pysqlbridge.server import RECV_SIZE, BridgeServer
from pysqlbridge.tds.connection import Connection, ConnectionState
from pysqlbridge.tds.packet import PacketStatus, PacketType, TdsProtocolError, build_packet
from pysqlbridge.tds.prelogin import Version
from pysqlbridge.tds.result import Column, Float, Integer, NVarChar, Query, VarBinary, result_set
from pysqlbridge.tds.token import DoneStatus, EnvChangeType, TokenType, done

from tests.parts.mssql.errors import Message, SqlError, message

_PACKET_BODY = 4000
_LOGIN_TIMEOUT_S = 30.0


class ClientGoneError(Exception):
    """The client hung up, or cancelled, while a statement ran."""


class ServerDiedError(ClientGoneError):
    """The server ended while a statement ran: nobody is answered."""


class Host(Protocol):
    """What answers the batches of a listener."""

    name: str
    build: tuple[int, int, int, int]

    def begin(self, login: str, database: str, wire: "Wire") -> Any: ...

    def admits(self, login: str, password: str) -> bool: ...

    def end(self, session: Any) -> None: ...

    def can_open(self, login: str, database: str) -> bool: ...

    def run(self, session: Any, sql: str) -> None: ...


class Wire:
    """Where a batch's answers go: tokens, kept until the end or until `flush`."""

    def __init__(self, server_name: str, send: Callable[[bytes], None], is_quiet: Callable[[], bool]) -> None:
        self._server_name = server_name
        self._send = send
        self._is_quiet = is_quiet
        self._tokens = bytearray()
        self._errors = False

    def tell(self, said: Message) -> None:
        """An informational message or an error, in the client's order."""
        kind = TokenType.ERROR if said.severity > 10 else TokenType.INFO
        # Severity 10 goes over the wire as class 0, as the documentation of "Database Engine Error Severities" has it.
        severity = said.severity if said.severity > 10 else 0
        self._errors = self._errors or said.severity > 10
        body = struct.pack("<IBB", said.number, said.state, severity) + _counted(said.text, "<H")
        body += _counted(self._server_name, "B") + _counted("", "B") + struct.pack("<I", said.line)
        self._tokens += struct.pack("<BH", kind, len(body)) + body

    def rows(self, columns: list[str], rows: list[tuple[Any, ...]], *, counts: bool) -> None:
        described = [Column(name, _type_of([row[at] for row in rows])) for at, name in enumerate(columns)]
        closed = result_set(described, [list(row) for row in rows])
        self._tokens += closed[:-_DONE_SIZE]
        self._done(count=len(rows) if counts else None, command=_SELECT)

    def end_statement(self) -> None:
        self._done()

    def changed_database(self, new: str, old: str) -> None:
        body = bytes([EnvChangeType.DATABASE]) + _counted(new, "B") + _counted(old, "B")
        self._tokens += struct.pack("<BH", TokenType.ENV_CHANGE, len(body)) + body

    def flush(self) -> None:
        """Send what there is. Raises ClientGoneError once nobody listens."""
        if not self._is_quiet():
            raise ClientGoneError
        tokens, self._tokens = bytes(self._tokens), bytearray()
        try:
            for at in range(0, len(tokens), _PACKET_BODY):
                self._send(tokens[at : at + _PACKET_BODY])
        except OSError as broken:
            raise ClientGoneError from broken

    def close(self) -> bytes:
        """What was not sent yet, with the end of the batch."""
        status = DoneStatus.ERROR if self._errors else DoneStatus.FINAL
        rest: bytes = bytes(self._tokens) + done(status=status)
        self._tokens, self._errors = bytearray(), False
        return rest

    def forget(self) -> None:
        self._tokens.clear()

    def _done(self, count: int | None = None, command: int = 0) -> None:
        status = DoneStatus.MORE | (DoneStatus.FINAL if count is None else DoneStatus.COUNT)
        if self._errors:
            status |= DoneStatus.ERROR
            self._errors = False
        self._tokens += done(status=status, current_command=command, row_count=count or 0)


def _counted(text: str, size: str) -> bytes:
    """Text behind its length in UTF-16 units; pysqlbridge's own tokens count characters, which breaks on emoji."""
    encoded = text.encode("utf-16-le")
    return struct.pack(size, len(encoded) // 2) + encoded


_DONE_SIZE = len(done())
_SELECT = 0xC1


def _type_of(values: list[Any]) -> Any:
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, bytes) for value in present):
        return VarBinary()
    if present and all(isinstance(value, int) for value in present):
        return Integer(8 if any(abs(value) > 0x7FFFFFFF for value in present) else 4)
    if present and all(isinstance(value, int | float) for value in present):
        return Float()
    longest = max((len(str(value).encode("utf-16-le")) // 2 for value in present), default=1)
    return NVarChar(None if longest > 4000 else max(longest, 1))


class _Logins:
    """Who may log in, as pysqlbridge asks; its own store takes no password outside ASCII."""

    configured = True

    def __init__(self, host: Host) -> None:
        self._host = host

    def admits(self, user: str, password: str) -> bool:
        return self._host.admits(user, password)


class _Answer:
    """What pysqlbridge asks a handler's answer for."""

    def __init__(self, tokens: bytes) -> None:
        self._tokens = tokens

    def encode(self, _version: int, server: str = "") -> bytes:
        return self._tokens


class _Connection(Connection):  # type: ignore[misc]  # pysqlbridge is untyped
    """A connection that knows its login's database, and can speak before a batch ends."""

    def __init__(self, listener: "Listener", client: socket.socket) -> None:
        host = listener.host
        super().__init__(
            listener.certificate,
            version=Version(*host.build),
            server_name=host.name,
            query_handler=self._answer,
            logins=_Logins(host),
        )
        self._host = host
        self._client = client
        self._wire = Wire(host.name, self._stream, self._is_quiet)
        self._batches: Any = None

    def _finish_login(self, responses: list[bytes]) -> None:
        self._database = self._login.database or "master"
        user = self._login.user_name
        if not self._host.can_open(user, self._database):
            self._refuse(responses, message(4060, self._database), message(18456, user))
            return
        super()._finish_login(responses)
        self._batches = self._host.begin(user, self._database, self._wire)

    def _refuse(self, responses: list[bytes], *told: Message) -> None:
        for said in told:
            self._wire.tell(said)
        self._send(responses, self._wire.close())
        self._state = ConnectionState.FAILED

    def _answer(self, query: Query) -> _Answer:
        if query.procedure is not None:
            self._wire.tell(message(2812, query.procedure))
            return _Answer(self._wire.close())
        try:
            self._host.run(self._batches, query.sql)
        except SqlError as failed:
            for said in failed.messages:
                self._wire.tell(said)
        except ServerDiedError:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)  # else pysqlbridge tells the client of the exception
            raise
        except ClientGoneError:
            # A cancelled batch says no more; a client that is still there gets its cancel acknowledged next.
            self._wire.forget()
        return _Answer(self._wire.close())

    def end(self) -> None:
        self._host.end(self._batches)

    def _stream(self, tokens: bytes) -> None:
        """A packet that is not the message's last one."""
        packet = build_packet(PacketType.TABULAR_RESULT, tokens, status=PacketStatus.NORMAL, spid=self._spid)
        encrypted = self._session_encrypted and self._tunnel is not None
        self._client.sendall(self._tunnel.wrap(packet) if encrypted else packet)

    def _is_quiet(self) -> bool:
        """A client says something during a statement only to cancel it, or by hanging up."""
        readable, _, _ = select.select([self._client], [], [], 0)
        return not readable


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        listener: Listener = self.server  # type: ignore[assignment]
        self.request.settimeout(_LOGIN_TIMEOUT_S)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.clients.add(self.request)
        connection = _Connection(listener, self.request)
        try:
            while data := self.request.recv(RECV_SIZE):
                for response in connection.receive(data):
                    self.request.sendall(response)
                if connection.state is ConnectionState.READY:
                    self.request.settimeout(None)
        except (OSError, TdsProtocolError, ClientGoneError):
            return  # a client that hangs up is no news to a server
        finally:
            listener.clients.discard(self.request)
            connection.end()


class Listener(BridgeServer):  # type: ignore[misc]  # pysqlbridge is untyped
    """A port that clients log in to."""

    def __init__(self, host: Host, port: int, certificate: Certificate) -> None:
        self.host = host
        self.clients: set[socket.socket] = set()
        # It logs every internal failure, and each refused login, on its own.
        logging.getLogger("pysqlbridge").setLevel(logging.CRITICAL)
        super().__init__("127.0.0.1", port, certificate)
        self.RequestHandlerClass = _Handler

    def hang_up(self) -> None:
        """End every connection, as a server that dies does."""
        for client in list(self.clients):
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
