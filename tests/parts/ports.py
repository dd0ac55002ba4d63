"""Hands out TCP ports that nobody listens on."""

import random
import socket
import threading

GRPC_OFFSET = 10000  # SeaweedFS listens there too, without asking

_handed_out: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """A port that is free, as is the one GRPC_OFFSET above it; never the same one twice in a process.

    Both lie below 32768, where Linux takes the ports of outgoing connections from.
    """
    with _lock:
        while True:
            port = random.randint(10240, 22000)
            if port not in _handed_out and _is_free(port) and _is_free(port + GRPC_OFFSET):
                _handed_out.add(port)
                return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
