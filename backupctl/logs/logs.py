"""Sets the logging of the whole process up, hears the runner's events, and puts all of it back in the end."""

import logging
import platform
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Literal, Self, TextIO

from structlog import wrap_logger
from structlog.contextvars import bind_contextvars, unbind_contextvars
from structlog.stdlib import BoundLogger, ProcessorFormatter

from backupctl import __version__
from backupctl.events import Event, Finished, Started
from backupctl.logs.clef import line_of
from backupctl.logs.console import console
from backupctl.logs.entries import About, Narrator
from backupctl.logs.rendering import TEMPLATE, Background, as_clef, formatter
from backupctl.logs.seq import Seq
from backupctl.logs.shipping import BOUNDS, THREAD, Bounds, Shipper
from backupctl.redact import Redactor

Format = Literal["auto", "text", "json"]

_OURS = "backupctl"
_PROGRESS_EVERY_S = 60.0
_FLUSH_S = 5.0

_log = logging.getLogger(__name__)


def configure(
    format: Format = "auto",  # noqa: A002 -- the option's own name
    *,
    zone: tzinfo,
    redact: Redactor,
    level: int = logging.INFO,
    environment: str = "Development",
    stream: TextIO | None = None,
    warn: Callable[[str], None] | None = None,
) -> "Logs":
    """Take over the logging of the process, until `close`.

    Everything goes to `stream`: with `auto` as text if it is a terminal, else as JSON. Without a stream there is no
    console, and Seq alone. `level` holds for what is ours; libraries are heard from WARNING on, from INFO on if it is
    DEBUG: what botocore says below that has signed requests in it. `warn` is told, instead of the log, of a Seq that
    is out of reach.
    """
    logs = Logs(Background(zone, redact, environment), warn or (lambda text: _log.warning("%s", text)))
    logs.begin(level)
    # Where no handler is, logging itself writes warnings to stderr, as they come (its "last resort").
    logs.add(logging.NullHandler() if stream is None else console(stream, format, logs.background))
    return logs


class Logs:
    """The logging of the process. `hear` is a listener for the runner's events; safe to use from several threads."""

    def __init__(self, background: Background, warn: Callable[[str], None], bounds: Bounds = BOUNDS) -> None:
        self.background = background
        self._warn = lambda text: warn(background.redact(text))
        self._bounds = bounds
        self._narrator = Narrator(progress_every_s=_PROGRESS_EVERY_S)
        self._lock = threading.Lock()
        self._handlers: list[logging.Handler] = []
        self._account: tuple[str, str | None] = ("", None)
        self._shipper: Shipper | None = None
        self._to_seq: logging.Handler | None = None
        self._log: BoundLogger = wrap_logger(
            logging.getLogger(f"{_OURS}.runs"),
            processors=[ProcessorFormatter.wrap_for_formatter],
            wrapper_class=BoundLogger,
        )

    def begin(self, level: int) -> None:
        """Put our handlers in the place of those that are there."""
        root, ours = logging.getLogger(), logging.getLogger(_OURS)
        self._before = (root.handlers[:], root.level, ours.level, threading.excepthook)
        root.handlers = []
        root.setLevel(logging.INFO if level <= logging.DEBUG else logging.WARNING)
        ours.setLevel(level)
        threading.excepthook = _thread_failed
        logging.captureWarnings(capture=True)

    def add(self, handler: logging.Handler) -> None:
        self._handlers.append(handler)
        logging.getLogger().addHandler(handler)

    def take(
        self,
        *,
        about: Mapping[str, About],
        redact: Redactor,
        zone: tzinfo | None = None,
        environment: str | None = None,
    ) -> None:
        """Go by a file that was read (again). Secrets and jobs from before are still known: they may turn up."""
        with self._lock:
            self._narrator.know(about)
        self.background.redact = self.background.redact.with_more(redact.secrets)
        self.background.zone = zone or self.background.zone
        self.background.environment = environment or self.background.environment

    def send_to(self, url: str, api_key: str | None) -> None:
        """Send everything to this Seq as well from now on, and to no other; without a URL, to none."""
        if (url, api_key) == self._account:
            return
        self._leave_seq()
        self._account = (url, api_key)
        if url:
            self._shipper = Shipper(Seq(url, api_key), self._warn, _dropped_note(self.background), self._bounds)
            self._to_seq = _ToSeq(self._shipper, self.background)
            logging.getLogger().addHandler(self._to_seq)

    def hear(self, event: Event) -> None:
        """Log an event of the runner. What libraries say in the same thread is known to belong to its run."""
        if isinstance(event, Started):
            bind_contextvars(job=event.job, run_id=event.run_id)
        with self._lock:
            entries = list(self._narrator.tell(event))
        for entry in entries:
            self._log.log(entry.level, entry.event, **{TEMPLATE: entry.template}, **entry.values)
        if isinstance(event, Finished):
            unbind_contextvars("job", "run_id")

    def close(self) -> None:
        """Bring to Seq what there is, for some seconds at most, and leave the process's logging as it was."""
        self._leave_seq()
        unbind_contextvars("job", "run_id")
        root, ours = logging.getLogger(), logging.getLogger(_OURS)
        for handler in self._handlers:
            root.removeHandler(handler)
            handler.close()
        handlers, level, our_level, threading.excepthook = self._before
        root.handlers = handlers
        root.setLevel(level)
        ours.setLevel(our_level)
        logging.captureWarnings(capture=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _leave_seq(self) -> None:
        if self._to_seq:
            logging.getLogger().removeHandler(self._to_seq)
        if self._shipper:
            self._shipper.close(_FLUSH_S)
        self._to_seq = self._shipper = None


class _ToSeq(logging.Handler):
    """Hands records to the shipper, but for what is said on its own thread: a failure must not feed itself."""

    def __init__(self, shipper: Shipper, background: Background) -> None:
        super().__init__()
        self._shipper = shipper
        host = {"application": _OURS, "version": __version__, "machine_name": platform.node()}
        self.setFormatter(formatter(background, lambda line: as_clef(line, host)))

    def emit(self, record: logging.LogRecord) -> None:
        if record.threadName == THREAD:
            return
        try:
            self._shipper.put(self.format(record).encode())
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's own name
        """The console has met the same error and said so."""


def _dropped_note(background: Background) -> Callable[[int], bytes]:
    def note(dropped: int) -> bytes:
        values = {"application": _OURS, "dropped": dropped, "environment": background.environment}
        template = "{dropped} log events were dropped, as too many waited for Seq"
        return line_of(template, values, time=datetime.now(background.zone), level="warning").encode()

    return note


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit or args.exc_value is None:
        return
    name = args.thread.name if args.thread else "?"
    logging.getLogger(_OURS).critical("a bug in backupctl ended the thread %s", name, exc_info=args.exc_value)
