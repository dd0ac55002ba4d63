"""The channels that there are, by what names them in the file."""

from collections.abc import Callable
from typing import Any

from backupctl.notifiers.apprise import AppriseNotifier
from backupctl.notifiers.base import Notifier
from backupctl.notifiers.email import EmailNotifier
from backupctl.notifiers.ping import PingNotifier

NOTIFIERS: dict[str, Callable[[Any], Notifier]] = {
    "email": EmailNotifier,
    "notify": AppriseNotifier,
    "ping": PingNotifier,
}
"""Each is made from the value of its key: the account, or the URL."""
