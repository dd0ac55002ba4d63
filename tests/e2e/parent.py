"""Has imported the command, and is forked for each start of it; tests/e2e/forked.py asks for them."""

import contextlib
import gc
import json
import os
import signal
import socket
import sys
from typing import Any

import rich.progress
import rich.table  # noqa: F401

import backupctl.cli.telling
import backupctl.storages.s3.download
import backupctl.storages.s3.upload  # noqa: F401
from backupctl.cli import main
from backupctl.config import json_schema
from backupctl.storages.s3 import S3Storage
from tests.e2e.impatience import PATIENCE

MOST_BYTES = 1 << 20


def starts(control: socket.socket) -> dict[str, Any]:
    """What is asked for next. Returns in the forked process alone, and ends this one when nobody asks any more."""
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, MOST_BYTES, 4)
        _reap()
        if not asked:
            sys.exit()
        if os.fork() == 0:
            control.close()
            *streams, status = descriptors
            _fork_watched(streams, status)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            _close(descriptors)
            told: dict[str, Any] = json.loads(asked)
            return told
        _close(descriptors)


def _fork_watched(streams: list[int], status: int) -> None:
    """Fork once more, and return in the child alone: this process tells its number, and how it ended."""
    pid = os.fork()
    if pid == 0:
        return
    _close([0, 1, 2, *streams])
    os.write(status, f"{pid}\n".encode())
    _, ended = os.waitpid(pid, 0)
    os.write(status, f"{os.waitstatus_to_exitcode(ended)}\n".encode())
    os._exit(0)


def _reap() -> None:
    """Take notice of those that have ended, so that what they used is counted as ours."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


json_schema()  # builds every model
gc.freeze()
signal.signal(signal.SIGINT, signal.SIG_IGN)
start = starts(socket.socket(fileno=int(sys.argv[1])))
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.clear()
os.environ.update(start["env"])
os.chdir(start["cwd"])
sys.argv = ["backupctl", *start["args"]]
if not start["is_patient"]:
    S3Storage.patience = PATIENCE
main()
