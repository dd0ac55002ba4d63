"""A database of type command, with the installed command: a folder, through tar."""

import json
import subprocess

from tests.contract.tar_commands import RESTORE
from tests.e2e.command import Workplace
from tests.e2e.places import one_job


def test_a_folder_goes_there_and_back(place: Workplace) -> None:
    site = place.folder / "site"
    (site / "pages").mkdir(parents=True)
    (site / "pages" / "käse.html").write_bytes(bytes(range(256)) * 1000)
    one_job(
        place,
        json.dumps(
            {
                "type": "command",
                "name": "site",
                "dump": ["tar", "-C", str(site), "-c", "."],
                "restore": ["sh", "-c", RESTORE],
                "suffix": ".tar",
                "end_marker": r"\x00{1024}",
            }
        ),
        "{type: local, path: ./backups}",
    )
    assert "dumping with tar\n" in place.ok("run-once", "shop").err  # no server is named where none is known
    (backup,) = place.backups("shop")
    assert (backup["engine"], backup["database"], backup["server_version"]) == ("command", "site", "")
    assert "checks out" in place.ok("verify", "shop").out
    place.ok("restore", "shop", "--into", "back")
    assert subprocess.run(["diff", "-r", site, place.folder / "back"], check=False).returncode == 0
    refused = place.run("restore", "shop", "--into", "back")
    assert (refused.code, "back is there already" in refused.err, "--clean" in refused.err) == (1, True, True)
    place.ok("restore", "shop", "--into", "back", "--clean", "--yes")
    assert place.leftovers() == []
