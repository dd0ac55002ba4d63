"""The demonstration of `make demo`: a real database is backed up, verified, restored, and compared."""

import os
import shutil
import sys
import textwrap
from contextlib import closing

from tests.demo_parts import COMMANDS, ROOT, compare, make_shop, run, say

FOLDER = ROOT / "demo"

JOBS = """\
version: 1
timezone: Europe/Berlin
state_dir: state

storages:
  here:
    type: local
    path: backups

jobs:
  - name: shop
    database:
      type: sqlite
      path: shop.sqlite
    storage: here
    cron: "30 3 * * *"
"""


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    original, restored = FOLDER / "shop.sqlite", FOLDER / "restored.sqlite"
    # The application goes on while its backup is made: its newest rows are in the -wal file beside the database.
    with closing(make_shop(original)) as application:
        (FOLDER / "jobs.yaml").write_text(JOBS)
        say(f"A database, {original.name}, and a jobs file were made in {FOLDER}:\n\n{textwrap.indent(JOBS, '  ')}")
        for command in (
            "backupctl validate",
            "backupctl run-once shop",
            "backupctl list",
            "backupctl verify shop",
            f"backupctl restore shop latest --into {restored.name}",
        ):
            run(command, FOLDER)
        equal = compare(application, restored)
    say(f"\nThe files are in {FOLDER}:\n")
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file() and "state" not in path.parts):
        say(f"  {path.stat().st_size:>9,}  {path.relative_to(FOLDER)}")
    say(f"\nGo on there:  cd {os.path.relpath(FOLDER)} && {COMMANDS / 'backupctl'} --help")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
