"""A folder as a database of type command: how it is dumped with tar, and put back whole or not at all."""

from pathlib import Path
from typing import Any

from backupctl.engines.command import CommandOptions

RESTORE = """\
set -e
if [ -e "$BACKUPCTL_INTO" ] && [ -z "$BACKUPCTL_CLEAN" ]; then
  echo "$BACKUPCTL_INTO is there already" >&2
  exit 1
fi
rm -rf "$BACKUPCTL_INTO.new"
mkdir "$BACKUPCTL_INTO.new"
tar -C "$BACKUPCTL_INTO.new" -xp
rm -rf "$BACKUPCTL_INTO"
mv "$BACKUPCTL_INTO.new" "$BACKUPCTL_INTO"
"""
"""As docs/commands.md has it."""


def tar_of(folder: Path, **more: Any) -> CommandOptions:
    """The options of a job that backs up a folder."""
    given = {
        "name": folder.name,
        "dump": ("tar", "-C", str(folder), "-c", "."),
        "restore": ("sh", "-c", RESTORE),
        "version": ("tar", "--version"),
        "estimate": ("du", "-sb", str(folder)),
        "suffix": ".tar",
        "end_marker": r"\x00{1024}",
    }
    return CommandOptions.model_validate(given | more)
