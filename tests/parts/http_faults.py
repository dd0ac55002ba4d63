"""An HTTP proxy that answers some requests with an error of its own, and passes the others on untouched."""

import contextlib
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

_CHUNK = 64 << 10
_HEAD_LIMIT = 64 << 10
_BODY = b"<Error><Code>InternalError</Code><Message>made up by a test</Message></Error>"


class HttpFaults:
    """In front of `endpoint_url`; `fail` says which requests get the error. One request a connection.

    What is passed on keeps its Host header, so a signature made for this address holds at the server.
    """

    def __init__(self, endpoint_url: str) -> None:
        parts = urlsplit(endpoint_url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._lock = threading.Lock()
        self._left = 0
        self._status = 500
        self._matches: Callable[[str], bool] = lambda _: True
        self.failed = 0
        self.passed = 0
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fail(self, times: int, *, status: int = 500, matches: Callable[[str], bool] = lambda _: True) -> None:
        """Answer the next `times` requests whose first line (`PUT /bkt/key?partNumber=1 HTTP/1.1`) matches."""
        with self._lock:
            self._left, self._status, self._matches = times, status, matches

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head, rest = _read_head(client)
            if not head:
                return
            if self._is_to_fail(head.split(b"\r\n", 1)[0].decode("latin-1")):
                self._answer(client, head, rest)
            else:
                self._forward(client, head, rest)

    def _is_to_fail(self, first_line: str) -> bool:
        with self._lock:
            failing = self._left > 0 and self._matches(first_line)
            self._left -= failing
            self.failed += failing
            self.passed += not failing
            return failing

    def _answer(self, client: socket.socket, head: bytes, rest: bytes) -> None:
        if _header(head, b"expect") is None:
            missing = int(_header(head, b"content-length") or 0) - len(rest)
            while missing > 0 and (chunk := client.recv(min(missing, _CHUNK))):
                missing -= len(chunk)
        lines = [
            f"HTTP/1.1 {self._status} Made Up",
            "Content-Type: application/xml",
            f"Content-Length: {len(_BODY)}",
            "Connection: close",
        ]
        client.sendall("\r\n".join([*lines, "", ""]).encode() + _BODY)

    def _forward(self, client: socket.socket, head: bytes, rest: bytes) -> None:
        with socket.create_connection(self._target) as server:
            server.sendall(_closing(head) + rest)
            upstream = threading.Thread(target=_copy, args=(client, server), daemon=True)
            upstream.start()
            _copy(server, client)
            for side in (client, server):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            upstream.join()


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    """The request up to its empty line, and what was read of its body."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) < _HEAD_LIMIT:
        chunk = client.recv(_CHUNK)
        if not chunk:
            return b"", b""
        data += chunk
    head, end, rest = data.partition(b"\r\n\r\n")
    return head + end, rest


def _header(head: bytes, name: bytes) -> bytes | None:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return next((value.strip() for key, _, value in lines if key.strip().lower() == name), None)


def _closing(head: bytes) -> bytes:
    """The head with the wish that the connection ends after the answer."""
    lines = [
        line for line in head.removesuffix(b"\r\n\r\n").split(b"\r\n") if not line.lower().startswith(b"connection:")
    ]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
