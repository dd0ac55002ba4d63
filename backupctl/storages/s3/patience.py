"""How long a store that is slow or out of order is waited for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Seconds to connect and to wait for an answer, and how often a request is tried.

    `outage_waits_s` are the seconds before each further round of tries: an upload of hours outlives a restart
    of the store, and botocore (1.44) gives up within a few seconds.
    """

    connect_s: int
    read_s: int
    attempts: int
    outage_waits_s: tuple[float, ...] = ()


LONG = Patience(connect_s=10, read_s=60, attempts=5, outage_waits_s=(1.0, 2.0, 4.0, 8.0))
SHORT = Patience(connect_s=3, read_s=5, attempts=1)
