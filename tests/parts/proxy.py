"""A TCP proxy that breaks connections: it refuses, resets after some bytes, stalls, or is slow."""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass

_CHUNK = 16 << 10
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close() sends RST


@dataclass(frozen=True)
class Fault:
    """What happens to bytes of one direction, counted per connection; None is never."""

    reset_after: int | None = None
    stall_after: int | None = None
    bytes_per_second: int | None = None


class TcpProxy:
    """Passes connections to `host:port`; its faults hold for what comes by after they are set.

    `to_server` and `to_client` are the two directions.
    """

    host = "127.0.0.1"

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.to_server = Fault()
        self.to_client = Fault()
        self._refusing = False
        self.connections = 0
        self.stalled = 0
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def refuse(self) -> None:
        """Reset every connection, those that there are and new ones, until `heal`."""
        self._refusing = True
        self._reset_all()

    def release(self) -> None:
        """What stalled goes on, and nothing stalls any more."""
        self.to_server = self.to_client = Fault()
        self._released.set()

    def heal(self) -> None:
        """No faults from now on; what stalled stays stalled."""
        self.to_server = self.to_client = Fault()
        self._refusing = False

    def close(self) -> None:
        self._released.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reset_all()
        for thread in self._threads:
            thread.join()

    def _start(self, work: object, *args: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._refusing:
                _reset(client)
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:
                _reset(client)
                continue
            with self._lock:
                self._sockets |= {client, server}
            self._start(self._pass, client, server, "to_server")
            self._start(self._pass, server, client, "to_client")

    def _pass(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        passed = 0
        try:
            while chunk := source.recv(_CHUNK):
                for piece in self._pieces(chunk, passed, direction):
                    target.sendall(piece)
                    passed += len(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            self._reset_pair(source, target)

    def _pieces(self, chunk: bytes, passed: int, direction: str) -> "list[bytes]":
        fault: Fault = getattr(self, direction)
        if fault.bytes_per_second:
            self._released.wait(len(chunk) / fault.bytes_per_second)
        if fault.stall_after is not None and passed + len(chunk) > fault.stall_after:
            self.stalled += 1
            self._released.wait()
        if fault.reset_after is not None and passed + len(chunk) > fault.reset_after:
            raise ConnectionResetError
        return [chunk]

    def _reset_all(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for open_socket in sockets:
            _reset(open_socket)

    def _reset_pair(self, *pair: socket.socket) -> None:
        with self._lock:
            self._sockets -= set(pair)
        for open_socket in pair:
            _reset(open_socket)


def _reset(open_socket: socket.socket) -> None:
    with contextlib.suppress(OSError):
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with contextlib.suppress(OSError):
        open_socket.shutdown(socket.SHUT_RDWR)
    open_socket.close()
