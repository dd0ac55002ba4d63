"""A receiver that stands in for a Seq server: it checks what it is sent against the format, and misbehaves at will."""

import json
import re
import ssl
import threading
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LEVELS = {"Verbose", "Debug", "Information", "Warning", "Error", "Fatal"}
REIFIED = {"@t", "@m", "@mt", "@l", "@x", "@i", "@r", "@tr", "@sp"}
EVENT_MOST = 262_144
"""The default of Seq's event body limit; what the template grows to counts as well."""

_HOLE = re.compile(r"(?<!\{)\{(\w+)\}(?!\})")

Answer = tuple[int, bytes, dict[str, str]]
TAKEN: Answer = (201, b'{"MinimumLevelAccepted":null}', {"Content-Type": "application/json"})


def faults(line: bytes) -> list[str]:
    """What is wrong with a line, by the rules of the compact log event format and of Seq."""
    event = json.loads(line, parse_constant=lambda name: f"!{name}")
    found = [f"{name} is not known" for name in event if name.startswith("@") and name not in REIFIED]
    found += [f"{name} is no text" for name in ("@m", "@mt", "@l", "@x") if not isinstance(event.get(name, ""), str)]
    if datetime.fromisoformat(event["@t"]).tzinfo is None:
        found.append("@t has no offset")
    if event.get("@l", "Information") not in LEVELS:
        found.append(f"{event['@l']} is no level")
    if ("@m" in event) == ("@mt" in event):
        found.append("there is neither a message nor a template, or both")
    found += [f"{{{hole}}} has no value" for hole in _HOLE.findall(event.get("@mt", "")) if hole not in event]
    if len(line) + len(message(event).encode()) > EVENT_MOST:
        found.append("it is too large")
    return found


def message(event: dict[str, Any]) -> str:
    """What Seq shows for the event."""
    if "@m" in event:
        return str(event["@m"])
    return (
        _HOLE.sub(lambda match: str(event.get(match[1], match[0])), event["@mt"]).replace("{{", "{").replace("}}", "}")
    )


class SeqReceiver:
    """On a port of its own. `misbehave` is asked first, with the batch's lines; None: it takes the batch."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.misbehave: Callable[[list[bytes]], Answer | None] = lambda _: None
        self.paths = {"/ingest/clef"}
        self.let_go = threading.Event()
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def hang(self, _lines: list[bytes]) -> Answer | None:
        """For `misbehave`: answers nothing, until `let_go`."""
        self.let_go.wait()
        return 503, b"", {}

    def wait_for(self, wanted: Callable[["SeqReceiver"], object], *, seconds: float = 20) -> None:
        """Until it is so; raises AssertionError when it takes too long."""
        with self._changed:
            assert self._changed.wait_for(lambda: wanted(self), seconds), self.messages

    @property
    def messages(self) -> list[str]:
        return [message(event) for event in self.events]

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer, headers = receiver._take(self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(answer))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                """A test is no place for it."""

        return Handler

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        lines = body.splitlines()
        answer = self.misbehave(lines)
        with self._changed:
            self.requests.append((path, {name.lower(): value for name, value in headers.items()}))
            if answer is None and path not in self.paths:
                answer = (404, b"", {})
            if answer is None:
                self.faults += [f"{fault}: {line[:300]!r}" for line in lines for fault in faults(line)]
                self.events += map(json.loads, lines)
            self._changed.notify_all()
        return answer or TAKEN
