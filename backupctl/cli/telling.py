"""Puts together who hears of the runs besides the terminal: the catalog, people, and the logs."""

import logging
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self, TextIO
from zoneinfo import ZoneInfo

from backupctl.catalog import Catalog
from backupctl.config import Config, Job
from backupctl.events import Event, Listener, to_all
from backupctl.logs import About, Format, Logs, configure
from backupctl.notices import Notices
from backupctl.postman import Postman
from backupctl.process import Session
from backupctl.runner import utc_now
from backupctl.standing import Standing
from backupctl.state import StateFolder
from backupctl.watchman import Watchman
from backupctl.wiring import engine_of, storage_of

_LAST_POST_S = 5.0
_POST_S = 30.0


class Telling:
    """Everybody who is told, for one command. `hear` is the listener; for the scheduler it is the companion, too."""

    def __init__(
        self,
        file: Path,
        configuration: Config,
        *,
        log: Format | None,
        shown: Listener | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        """`log` is the form of the log on stderr, None: there is none, and `shown` and `warn` tell on the terminal."""
        self.logs = _logs(configuration, log, warn)
        self.catalog = Catalog.open(StateFolder(configuration.state_dir).catalog, warn=warn or _log_warning)
        self._hearing: list[Listener] = [self.catalog.hear, self.logs.hear]
        if shown:
            self._hearing.append(shown)
        state = StateFolder(configuration.state_dir)
        self._postman = Postman(self.catalog, state, to_all(*self._hearing[1:]), utc_now)
        self._notices = Notices(file, self.catalog, self._postman, utc_now)
        self._watchman = Watchman(self.catalog, self._notices, self._postman, to_all(*self._hearing))
        self._hearing.append(self._notices.hear)
        self._hear = to_all(*self._hearing)

    def add(self, listener: Listener) -> None:
        """One more who hears."""
        self._hear = to_all(self._hear, listener)

    def hear(self, event: Event) -> None:
        self._hear(event)

    def serve(self, configuration: Config, now: datetime) -> None:
        """From now on go by this file."""
        self._take(configuration)
        self._watchman.serve(configuration, now)
        self._postman.start()

    def tick(self, now: datetime, standings: Callable[[], Sequence[Standing]]) -> None:
        self._watchman.tick(now, standings)

    def end(self) -> None:
        """Give what is not sent yet a last chance; the rest is kept."""
        self._postman.flush(_LAST_POST_S)

    def begin(self, configuration: Config) -> None:
        """Go by this file, for runs that are asked for by hand."""
        self._take(configuration)

    def send(self, configuration: Config) -> int:
        """Send all before the command ends, within the time-out; returns how many messages are kept for later."""
        return self._postman.flush(configuration.email.timeout if configuration.email else _POST_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._postman.stop()
        self.logs.close()

    def _take(self, configuration: Config) -> None:
        self.logs.take(
            about={job.name: _about(job) for job in configuration.jobs if job.enabled},
            redact=configuration.redactor,
            zone=ZoneInfo(configuration.timezone),
            environment=configuration.environment,
        )
        seq = configuration.seq
        self.logs.send_to(seq.url if seq else "", seq.api_key.get_secret_value() if seq and seq.api_key else None)
        self._notices.serve(configuration)


def _logs(configuration: Config, form: Format | None, warn: Callable[[str], None] | None) -> Logs:
    # What `--debug` has set.
    debug = logging.getLogger().level <= logging.INFO
    stream: TextIO | None = sys.stderr if form or debug else None
    return configure(
        form or ("text" if debug else "auto"),
        zone=ZoneInfo(configuration.timezone),
        redact=configuration.redactor,
        level=logging.DEBUG if debug else logging.INFO,
        environment=configuration.environment,
        stream=stream,
        warn=warn,
    )


def _about(job: Job) -> About:
    # No process is started to name a database: the session is never used.
    return About(job.database.type, engine_of(job, Session(Path())).target, storage_of(job).location)


def _log_warning(text: str) -> None:
    logging.getLogger("backupctl").warning("%s", text)
