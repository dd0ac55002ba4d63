"""Logs: what happens, as lines for people or as JSON on stderr, and as events in Seq; no secret in any of them."""

from backupctl.logs.entries import About
from backupctl.logs.logs import Format, Logs, configure

__all__ = ["About", "Format", "Logs", "configure"]
