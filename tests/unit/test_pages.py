"""The small HTTP server, asked by real clients: polite, slow, many and hostile ones."""

import http.client
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from queue import Queue

import pytest

from backupctl.address import Address
from backupctl.errors import UsageError
from backupctl.pages import Answer, Bounds, serving
from tests.parts.ports import free_port

WAIT_S = 20


class Site:
    """Pages, and how many of them were made at once."""

    def __init__(self) -> None:
        self.address = Address("127.0.0.1", free_port())
        self.pages = {"/hello": self.hello, "/broken": self.broken, "/long": self.long}
        self.let_go = threading.Event()
        self.let_go.set()
        self.lock = threading.Lock()
        self.begun: Queue[str] = Queue()
        self.at_once = self.most_at_once = 0

    def hello(self, accept: str) -> Answer:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.put(accept)
        assert self.let_go.wait(WAIT_S)
        with self.lock:
            self.at_once -= 1
        return Answer(HTTPStatus.OK, f"hello, {accept}".encode())

    def broken(self, accept: str) -> Answer:
        raise RuntimeError("the inside of the program")

    def long(self, accept: str) -> Answer:
        return Answer(HTTPStatus.OK, b"x" * 50_000_000)

    def ask(self, path: str = "/hello", method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(self.address.host, self.address.port, timeout=WAIT_S)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def raw(self, sent: bytes) -> bytes:
        """All that comes back for what is sent."""
        with self.connected() as client:
            client.sendall(sent)
            return b"".join(iter(lambda: client.recv(65536), b""))

    def connected(self) -> socket.socket:
        return socket.create_connection((self.address.host, self.address.port), timeout=WAIT_S)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with _served() as made:
        yield made


@contextmanager
def _served(bounds: Bounds | None = None) -> Iterator[Site]:
    made = Site()
    with serving(made.address, made.pages, bounds or Bounds()):
        yield made


def test_a_page_is_given_and_the_connection_closed(site: Site) -> None:
    answer, body = site.ask(Accept="text/plain")
    assert (answer.status, answer.version, body) == (200, 11, b"hello, text/plain")
    headers = {name.lower(): value for name, value in answer.getheaders()}
    assert headers["content-length"] == str(len(body))
    assert (headers["connection"], headers["content-type"]) == ("close", "text/plain; charset=utf-8")
    assert headers["date"].endswith("GMT")
    assert "server" not in headers


def test_head_gives_the_headers_alone(site: Site) -> None:
    answer, body = site.ask(method="HEAD")
    assert (answer.status, answer.getheader("Content-Length"), body) == (200, "7", b"")


def test_a_query_is_not_part_of_the_path(site: Site) -> None:
    assert site.ask("/hello?name[]=x&/y")[0].status == 200


@pytest.mark.parametrize("path", ["/", "/nothing", "/hello/", "/../hello", "/etc/passwd", "//hello/x", "*"])
def test_anything_else_is_not_found(site: Site, path: str) -> None:
    answer, body = site.ask(path)
    assert (answer.status, body) == (404, b"not found\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_other_methods_are_refused_with_those_that_are_not(site: Site, method: str) -> None:
    answer, body = site.ask(method=method)
    assert (answer.status, body, answer.getheader("Allow")) == (405, b"method not allowed\n", "GET, HEAD")


def test_a_refused_body_does_not_take_the_answer_away(site: Site) -> None:
    sent = b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    assert site.raw(sent).startswith(b"HTTP/1.1 405 ")


def test_a_page_that_fails_shows_nothing_of_the_inside(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    answer, body = site.ask("/broken")
    assert (answer.status, body) == (500, b"internal server error\n")
    assert "the inside of the program" in caplog.text


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /hello HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /hello HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /hello HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 x y\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1 <script>\r\n\r\n", 400),
        (b"GET /hello HTTP/9.9\r\n\r\n", 505),
    ],
    ids=["long line", "long header", "200 headers", "100,000 headers", "TLS", "bad version", "unknown version"],
)
def test_a_bad_request_is_refused_and_not_repeated(site: Site, sent: bytes, status: int) -> None:
    got = site.raw(sent)
    assert str(status).encode() in got.partition(b"\r\n")[0]
    assert b"script" not in got
    assert b"xxx" not in got


def test_a_second_request_on_the_same_connection_is_not_read(site: Site) -> None:
    assert site.raw(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 2).count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize("begin", [b"", b"GET /hel", b"GET /hello HTTP/1.1\r\nHost: x\r\n"])
def test_a_client_that_does_not_finish_its_request_is_let_go(begin: bytes) -> None:
    with _served(Bounds(read_s=0.1)) as site, site.connected() as client:
        client.sendall(begin)
        assert client.recv(100) == b""


def test_a_client_that_drips_is_let_go_however_steadily() -> None:
    with _served(Bounds(read_s=0.3)) as site, site.connected() as client:
        client.settimeout(0.02)
        assert any(_has_ended(client, after=b"x") for _ in range(WAIT_S * 50))


def test_a_client_that_does_not_read_its_answer_is_let_go() -> None:
    with _served(Bounds(seats=1, write_s=0.1)) as site, site.connected() as client:
        client.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        assert site.ask()[0].status == 200


def test_slow_clients_hold_up_no_other_while_there_are_seats() -> None:
    with _served(Bounds(seats=3, read_s=WAIT_S)) as site, site.connected(), site.connected():
        assert site.ask()[0].status == 200


def test_of_many_clients_all_are_answered_and_few_at_once() -> None:
    with _served(Bounds(seats=3)) as site, ThreadPoolExecutor(40) as clients:
        site.let_go.clear()
        asked = [clients.submit(site.ask) for _ in range(40)]
        for _ in range(3):
            site.begun.get(timeout=WAIT_S)
        assert not any(one.done() for one in asked)
        site.let_go.set()
        assert {one.result()[0].status for one in asked} == {200}
        assert site.most_at_once == 3


def test_clients_that_hold_every_seat_do_not_hold_up_the_end() -> None:
    with _served(Bounds(seats=1, read_s=3600)) as site:
        holding, waiting = site.connected(), site.connected()
    with holding, waiting, pytest.raises(ConnectionRefusedError):
        site.connected()


def test_a_port_that_is_taken_is_said() -> None:
    with _served() as site, pytest.raises(UsageError, match=f"something listens on {site.address} already") as caught:
        serving(site.address, {}).__enter__()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("192.0.2.1", "192.0.2.1 is no address of this machine"),
        ("a" * 64 + ".example", "no address is known for the host"),
        ("nowhere.invalid", "no address is known for the host 'nowhere.invalid'"),
    ],
)
def test_an_address_that_is_not_ours_is_said(host: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        serving(Address(host, free_port()), {}).__enter__()
    assert caught.value.hint


def test_a_port_is_free_again_at_once() -> None:
    made = Site()
    for _ in range(2):
        with serving(made.address, made.pages):
            assert made.ask()[0].status == 200


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_every_address_means_both_kinds() -> None:
    made = Site()
    with serving(Address("::", made.address.port), made.pages):
        assert made.ask()[0].status == 200
        made.address = Address("::1", made.address.port)
        assert made.ask()[0].status == 200


def _has_ended(client: socket.socket, *, after: bytes) -> bool:
    try:
        client.sendall(after)
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
