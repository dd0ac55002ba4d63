"""HTTP proxies that tamper with a conversation: the answer is lost, or a byte of the request changes."""

import socket

from tests.parts.http_faults import HttpFaults


class AnswerLoser(HttpFaults):
    """Passes the requests that are to fail on, and answers them with an error all the same."""

    def _answer(self, client: socket.socket, head: bytes, rest: bytes) -> None:
        body = _body(client, head, rest)
        _pass_on(self._target, head, body)
        super()._answer(client, head.replace(b"xpect:", b"x-expected:"), body)


class Damager(HttpFaults):
    """Changes a byte in the middle of every object and part."""

    def _forward(self, client: socket.socket, head: bytes, rest: bytes) -> None:
        if not head.startswith(b"PUT"):
            super()._forward(client, head, rest)
            return
        body = bytearray(_body(client, head, rest))
        body[len(body) // 2] ^= 1
        client.sendall(_pass_on(self._target, head, bytes(body)))


def _body(client: socket.socket, head: bytes, rest: bytes) -> bytes:
    """The whole body of a request, asked for if the client waits to be asked."""
    headers = _headers(head)
    if headers.get("expect"):
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    size = int(headers.get("content-length", "0"))
    while len(rest) < size and (chunk := client.recv(1 << 16)):
        rest += chunk
    return rest


def _pass_on(target: tuple[str, int], head: bytes, body: bytes) -> bytes:
    """Send a request and return the answer as it came."""
    request_line = head.split(b"\r\n", 1)[0]
    headers = _headers(head)
    headers.pop("expect", None)
    headers["connection"] = "close"
    lines = [request_line, *(f"{name}: {value}".encode("latin-1") for name, value in headers.items())]
    with socket.create_connection(target) as server:
        server.sendall(b"\r\n".join([*lines, b"", b""]) + body)
        answer = b""
        while chunk := server.recv(1 << 16):
            answer += chunk
    return answer


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
