"""`run`: the long-running runner."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import typer

from backupctl import config
from backupctl.address import Address
from backupctl.cli.given import FileOption, ListenOption, LogFormat, LogFormatOption, file_of
from backupctl.runner import utc_now
from backupctl.signals import STOPS, Signals
from backupctl.state import StateFolder


def register(app: typer.Typer) -> None:
    app.command("run")(run)


def run(
    ctx: typer.Context, listen: ListenOption = None, log_format: LogFormatOption = None, file: FileOption = None
) -> None:
    """Run every enabled job when its cron says so, until SIGTERM or Ctrl-C.

    The file is read again when it changes, and on SIGHUP. Runs that go on are given `shutdown_grace` to end;
    a second signal ends them at once.

    Exit: 0 when it was told to stop, 2 usage or configuration, 4 another one works with the same state folder.
    """
    # From here on: a signal that comes while the runner begins is not to end it otherwise than later.
    with Signals(STOPS) as signals:
        _serve(file_of(ctx, file), listen, log_format or "auto", signals)


def _serve(path: Path, listen: str | None, log_format: LogFormat, signals: Signals) -> None:
    # Imported late: what every other command can do without.
    from backupctl import health
    from backupctl.cli.telling import Telling
    from backupctl.metrics import Metrics
    from backupctl.reloading import signature_of
    from backupctl.scheduler import Parts, Scheduler
    from backupctl.vigil import Vigil

    signature = signature_of(path)
    configuration = config.load(path)
    with Telling(path, configuration, log=log_format) as telling:
        catalog = telling.catalog
        metrics = Metrics()
        metrics.recall([*catalog.last_runs().values(), *catalog.last_success().values()])
        vigil = Vigil(catalog, utc_now)
        telling.add(vigil.hear)
        telling.add(metrics.hear)
        parts = Parts(
            file=path,
            signature=signature,
            load=partial(config.load, path),
            signals=signals,
            state=StateFolder(configuration.state_dir),
            catalog=catalog,
            vigil=vigil,
            companion=telling,
            listener=telling.hear,
        )
        scheduler = Scheduler(configuration, parts)
        scheduler.serve(health.serve(Address.parse(listen), scheduler, metrics) if listen else nullcontext())
