"""Says over HTTP how the runner does: whether it lives, whether every job is well, and its metrics."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any, Protocol

from backupctl.address import Address
from backupctl.pages import Answer, serving
from backupctl.standing import Standing

BEAT_MOST_S = 60.0
"""The scheduler's loop goes round every few seconds; one that did not for so long hangs."""

HEALTHZ, READYZ, METRICS = "/healthz", "/readyz", "/metrics"
_JSON = "application/json"


class Vitals(Protocol):
    """How the runner does at this moment. Asked from several threads."""

    @property
    def seconds_since_beat(self) -> float:
        """How long ago the scheduler's loop went round."""

    @property
    def waiting(self) -> int:
        """How many runs wait for a worker."""

    @property
    def running(self) -> int: ...

    def standings(self) -> Sequence[Standing]:
        """How each job that is scheduled stands."""


class Exposition(Protocol):
    """Knows the metrics; `Metrics` does."""

    def render(self, vitals: Vitals, accept: str) -> tuple[bytes, str]:
        """The metrics as text, and its content type, in a form that an Accept header allows."""


def serve(address: Address, vitals: Vitals, metrics: Exposition) -> AbstractContextManager[None]:
    """Answer on the address for as long as the context lasts. Entering raises UsageError when it cannot listen."""
    pages = {
        HEALTHZ: lambda _: _healthz(vitals),
        READYZ: lambda _: _readyz(vitals.standings()),
        METRICS: lambda accept: _metrics(metrics.render(vitals, accept)),
    }
    return serving(address, pages)


def _healthz(vitals: Vitals) -> Answer:
    seconds = vitals.seconds_since_beat
    if seconds > BEAT_MOST_S:
        why = f"the scheduler hangs: its loop went round {seconds:.0f} s ago\n"
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE, why.encode())
    return Answer(HTTPStatus.OK, b"ok\n")


def _readyz(standings: Sequence[Standing]) -> Answer:
    unwell = [_as_json(standing) for standing in standings if not standing.is_well]
    status = HTTPStatus.SERVICE_UNAVAILABLE if unwell else HTTPStatus.OK
    document = json.dumps({"ready": not unwell, "jobs": unwell}, indent=2) + "\n"
    return Answer(status, document.encode(), _JSON)


def _as_json(standing: Standing) -> dict[str, Any]:
    return {
        "job": standing.job,
        "stale": standing.stale,
        "failing": standing.failing,
        "last_good_at": standing.last_good_at and standing.last_good_at.isoformat(),
        "last_outcome": standing.last_outcome and standing.last_outcome.value,
        "problem": standing.note or _in_words(standing),
    }


def _in_words(standing: Standing) -> str:
    if standing.failing:
        return "the last run failed"
    return "there is no good backup" if standing.last_good_at is None else "the newest good backup is too old"


def _metrics(rendered: tuple[bytes, str]) -> Answer:
    body, content_type = rendered
    return Answer(HTTPStatus.OK, body, content_type)
