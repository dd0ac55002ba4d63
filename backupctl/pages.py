"""Serves a few pages over HTTP, and stands clients that are slow, many or hostile."""

import errno
import http.client
import io
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from backupctl.address import Address
from backupctl.errors import UsageError

_log = logging.getLogger(__name__)

_LINGER_S = 1.0
_POLL_S = 0.25

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Bounds:
    """What clients may take: connections at once, seconds to ask, seconds to read the answer, bytes of a request."""

    seats: int = 8
    read_s: float = 5.0
    write_s: float = 20.0
    request: int = 16 * 1024


BOUNDS = Bounds()


@dataclass(frozen=True)
class Answer:
    """What a page has to say."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT


Page = Callable[[str], Answer]
"""Makes an answer; it is given the request's Accept header."""


@contextmanager
def serving(address: Address, pages: Mapping[str, Page], bounds: Bounds = BOUNDS) -> Iterator[None]:
    """Serve pages by their paths, on threads of its own, until the end. Raises UsageError when it cannot listen."""
    server = _bound(address, pages, bounds)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.closing = True
        server.shutdown()
        server.server_close()
        thread.join()


def _bound(address: Address, pages: Mapping[str, Page], bounds: Bounds) -> "_Server":
    try:
        family, *_, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        return _Server(family, place, pages, bounds)
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(address, error) from error


def _cannot_listen(address: Address, error: Exception) -> UsageError:
    if isinstance(error, socket.gaierror | UnicodeError):
        return UsageError(f"no address is known for the host {address.host!r}", hint="listen on 127.0.0.1, or 0.0.0.0")
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return UsageError(f"something listens on {address} already", hint="choose another port, or stop what has it")
    if number == errno.EADDRNOTAVAIL:
        return UsageError(f"{address.host} is no address of this machine", hint="listen on 127.0.0.1, or 0.0.0.0")
    why = os.strerror(number or 0).lower()
    return UsageError(f"cannot listen on {address}: {why}", hint="choose a port above 1023")


class _Server(ThreadingMixIn, TCPServer):
    # Not http.server's HTTPServer: it asks the DNS for the host's full name, and hangs with it.
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, family: socket.AddressFamily, place: Any, pages: Mapping[str, Page], bounds: Bounds) -> None:
        self.address_family = family
        self.pages = pages
        self.bounds = bounds
        self.closing = False
        self._seats = threading.Semaphore(bounds.seats)
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            # The machine's settings decide otherwise whether [::] means IPv4 too.
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the client a thread; while all are taken, those who come wait in the kernel's queue."""
        while not self._seats.acquire(timeout=_POLL_S):
            if self.closing:
                self.shutdown_request(request)
                return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._seats.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._seats.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            _log.exception("a request could not be answered")


class _Request(io.RawIOBase):
    """What a client sends, up to a size and for a time: however slowly it drips, it is cut off then."""

    def __init__(self, connection: socket.socket, bounds: Bounds) -> None:
        self._connection = connection
        self._until = time.monotonic() + bounds.read_s
        self._left = bounds.request

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if self._left == 0:
            raise http.client.LineTooLong("request")
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # What an answer needs when the request could not be read; with http.server's own 0.9 it would have no headers.
    request_version = default_request_version = protocol_version
    command = ""
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Request(self.connection, self.server.bounds))

    def handle(self) -> None:
        """Answer one request; a client that stayed connected would keep a thread."""
        try:
            self.handle_one_request()
        except http.client.LineTooLong:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            answer = page(",".join(self.headers.get_all("Accept", [])))
        except Exception:
            _log.exception("%s could not be made", self.path)
            answer = _plain(HTTPStatus.INTERNAL_SERVER_ERROR)
        self._send(answer)

    do_HEAD = do_GET  # noqa: N815 -- http.server calls it so

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what cannot be served. `message` and `explain` repeat what the client sent, so they are left out."""
        # http.server takes every method for unknown that it finds no do_METHOD of.
        known = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._send(_plain(known))
        self._linger()

    def _send(self, answer: Answer) -> None:
        self.close_connection = True
        self.connection.settimeout(self.server.bounds.write_s)
        # Not send_response: it names the server and its version.
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _linger(self) -> None:
        """Read on for a moment: closing over bytes that nobody read makes the kernel take the answer back."""
        until = time.monotonic() + _LINGER_S
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while (seconds := until - time.monotonic()) > 0:
                self.connection.settimeout(seconds)
                if not self.connection.recv(self.server.bounds.request):
                    return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server calls it so
        """A scrape a minute is nothing to tell of."""


def _plain(status: HTTPStatus) -> Answer:
    return Answer(status, f"{status.phrase.lower()}\n".encode())
