"""`healthcheck`: asks a running runner how it does."""

import json
from typing import Annotated

import typer

from backupctl.address import Address
from backupctl.cli import render
from backupctl.cli.given import ListenOption
from backupctl.errors import BackupctlError

_DEFAULT = "8080"
_TIMEOUT_S = 5.0
_BODY_MOST = 16 * 1024 * 1024
_OK = 200
_FEW = 5


def register(app: typer.Typer) -> None:
    app.command("healthcheck")(healthcheck)


def healthcheck(
    listen: ListenOption = None,
    ready: Annotated[bool, typer.Option("--ready", help="Ask too whether a job is stale or failing.")] = False,
) -> None:
    """Ask the runner on this machine whether it lives; for a container's health check.

    It needs no jobs file. Without --listen and $BACKUPCTL_LISTEN it asks on 127.0.0.1:8080.

    Exit: 0 it does, 1 it does not, or does not answer.
    """
    address = Address.parse(listen or _DEFAULT).to_ask
    _ask(address, "/healthz")
    if ready:
        _ask(address, "/readyz")
    render.say("ok")


def _ask(address: Address, path: str) -> None:
    """Raises BackupctlError when the answer is not that all is well."""
    # Imported late, as every command imports this module. Not urllib: it would go through $http_proxy.
    import http.client

    connection = http.client.HTTPConnection(address.host, address.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        status, body = answer.status, answer.read(_BODY_MOST)
    except (OSError, http.client.HTTPException) as error:
        raise BackupctlError(f"the runner does not answer on {address}: {_why(error)}") from error
    finally:
        connection.close()
    if status != _OK:
        raise BackupctlError(_said(body.decode(errors="replace")) or f"the runner answers {status}")


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return "what answers is not the runner"


def _said(body: str) -> str:
    """What the runner says is wrong, as a line."""
    try:
        jobs = [f"{job['job']} ({job['problem']})" for job in json.loads(body)["jobs"]]
    except (ValueError, TypeError, KeyError):
        return body.partition("\n")[0][:200]
    more = f" and {len(jobs) - _FEW} more" if len(jobs) > _FEW else ""
    return f"not ready: {', '.join(jobs[:_FEW])}{more}"
