"""A server that hangs or drips, and speaks no protocol."""

import contextlib
import socket
import threading
from collections.abc import Callable


class SlowServer:
    """Takes connections and sends `opening`, then a byte of `drip` now and then, or nothing at all: it hangs.

    It speaks no protocol: what it was sent is in `heard`.
    """

    host = "127.0.0.1"

    def __init__(self, opening: bytes = b"", drip: bytes = b"", interval: float = 0.05) -> None:
        self._opening, self._drip, self._interval = opening, drip, interval
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.connections = 0
        self.heard = b""
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def close(self) -> None:
        self._over.set()
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
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
            self.connections += 1
            self._sockets.append(client)
            self._start(self._listen, client)
            self._start(self._speak, client)

    def _listen(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := client.recv(4096):
                self.heard += chunk

    def _speak(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client.sendall(self._opening)
            while self._drip and not self._over.wait(self._interval):
                client.sendall(self._drip)
