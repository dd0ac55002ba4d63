"""SQL Server as a user meets it: backed up, verified and restored by the command, without a secret anywhere."""

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.contract.mssql_cases import CUSTOMERS
from tests.e2e.command import Workplace
from tests.parts.mssql import MssqlServer
from tests.parts.mssql.store import HttpsStore

JOB = """\
version: 1
storages:
  disk: {{type: local, path: ./backups}}
  there: {{type: s3, endpoint_url: "{endpoint_url}", bucket: {bucket}, prefix: "{prefix}/",
           access_key_id: {access_key_id}, secret_access_key: "${{S3_SECRET}}"}}
jobs:
  - name: shop
    storage: disk
    database: {{{database}, server_dir: "{server_dir}", local_dir: "{local_dir}", globals: true}}
  - name: direct
    storage: there
    compression: none
    database: {{{database}}}
"""


class Shop:
    """The jobs of a server, whose sqlcmd writes down what it was called with, and what was in its script."""

    def __init__(self, place: Workplace, server: MssqlServer, store: HttpsStore, sqlcmd: Path) -> None:
        self.place = place
        self.server = server
        self._told = place.folder / "told"
        tools = place.folder / "bin"
        tools.mkdir()
        (tools / "sqlcmd").write_text(
            f'#!/bin/sh\necho "$@" >> {shlex.quote(str(self._told))}\nexec {shlex.quote(str(sqlcmd / "sqlcmd"))} "$@"\n'
        )
        (tools / "sqlcmd").chmod(0o755)
        # Not among the secrets that no child may have in its environment: sqlcmd is told the password there.
        (place.folder / "password").write_text(server.password)
        place.secrets["S3_SECRET"] = store.secret_access_key
        database = (
            f"type: mssql, host: {server.host}, port: {server.port}, user: {server.user},"
            " password: '${file:./password}', name: shop, bin_dir: ./bin"
        )
        place.write(
            JOB.format(
                database=database,
                server_dir=server.server_dir,
                local_dir=server.local_dir,
                endpoint_url=store.endpoint_url,
                bucket=store.bucket,
                prefix=place.folder.name,
                access_key_id=store.access_key_id,
            )
        )
        self._environment = {"AWS_CA_BUNDLE": str(store.ca_file)}

    def run(self, *args: str, code: int = 0) -> str:
        """All that the command said; no secret is in it."""
        ended = self.place.run(*args, env=self._environment)
        assert ended.code == code, ended.err
        assert self.server.password not in ended.out + ended.err
        return ended.out + ended.err

    def documents(self, *args: str) -> Any:
        return json.loads(self.place.ok(*args, "--json", env=self._environment).out)

    def check_nothing_is_left(self, store: HttpsStore) -> None:
        """Of the run in the folder, in the state, in an argv, on the server."""
        secrets = (self.server.password, store.secret_access_key)
        assert not any(secret in self._told.read_text() for secret in secrets)
        assert list(self.server.local_dir.iterdir()) == self.place.leftovers() == []
        assert self.server.credentials == {}
        kept = [path for path in self.place.folder.rglob("*") if path.is_file() and path.name != "password"]
        assert not [path for path in kept if any(secret.encode() in path.read_bytes() for secret in secrets)]


@pytest.fixture
def shop(place: Workplace, mssql_server: MssqlServer, https_store: HttpsStore, sqlcmd: Path) -> Shop:
    mssql_server.reset()
    mssql_server.s3_ca_file = https_store.ca_file
    mssql_server.make_database("shop", CUSTOMERS)
    return Shop(place, mssql_server, https_store, sqlcmd)


def test_a_database_comes_back_through_the_folder(shop: Shop, https_store: HttpsStore) -> None:
    shop.run("run-once", "shop")
    (backup,) = shop.documents("list", "shop")
    assert [one["role"] for one in backup["artifacts"]] == ["dump", "globals"]
    assert backup["server_version"].startswith("16.0.4135.4 ")
    shop.run("verify", "shop")
    assert "DBCC CHECKDB" in shop.run("restore", "shop", "--into", "shop2", "--check")
    assert "is there already" in shop.run("restore", "shop", "--into", "shop2", code=2)
    shop.run("restore", "shop", "--into", "shop2", "--clean", "--yes")
    assert shop.server.rows("shop2") == {"customers": CUSTOMERS}
    shop.check_nothing_is_left(https_store)


def test_a_database_comes_back_from_the_bucket_that_the_server_wrote_to(shop: Shop, https_store: HttpsStore) -> None:
    shop.run("run-once", "direct")
    (backup,) = shop.documents("list", "direct")
    assert backup["artifacts"][0]["sha256"] is None
    assert "its sums are written down" in shop.run("verify", "direct")
    (known,) = shop.documents("list", "direct")
    assert known["artifacts"][0]["sha256"]
    assert known["artifacts"][0]["sha256"] == known["artifacts"][0]["dump_sha256"]
    shop.run("restore", "direct", "--into", "shop3")
    assert shop.server.rows("shop3") == {"customers": CUSTOMERS}
    shop.check_nothing_is_left(https_store)


def test_a_refused_login_and_a_refused_key_show_no_secret(shop: Shop, https_store: HttpsStore) -> None:
    shop.server.clock_is_wrong = True
    assert "refused the server" in shop.run("run-once", "direct", code=1)
    assert https_store.keys(f"{shop.place.folder.name}/") == []
    shop.check_nothing_is_left(https_store)
    shop.server.logins["sa"].password = "another"
    assert "refused the login" in shop.run("run-once", "shop", code=1)


def striped(place: Workplace) -> list[Path]:
    """A backup of two stripes whose sums nobody knows yet, on a disk; it needs no server."""
    now = datetime.now(UTC)
    stem = f"shop/{now:%Y%m%d}/shop_{now:%Y%m%dT%H%M%S}+0000_abcdef"
    stripes = [place.folder / "backups" / f"{stem}.{number}of2.bak" for number in (1, 2)]
    stripes[0].parent.mkdir(parents=True)
    for path in stripes:
        path.write_bytes(b"TAPE" + path.name.encode() * 100)
    manifest = {
        "manifest": 1,
        "id": f"{now:%Y%m%dT%H%M%SZ}-abcdef",
        "job": "shop",
        "engine": "mssql",
        "database": "shop",
        "server_version": "16.0",
        "client": "sqlcmd",
        "host": "here",
        "started_at": now.isoformat(),
        "finished_at": now.isoformat(),
        "timezone": "UTC",
        "format": "bak",
        "compression": "none",
        "encryption": None,
        "artifacts": [
            {
                "role": role,
                "key": f"{stem}.{number}of2.bak",
                "size": stripes[0].stat().st_size,
                "sha256": None,
                "dump_size": None,
                "dump_sha256": None,
            }
            for number, role in ((1, "dump"), (2, "stripe-2"))
        ],
        "tables": None,
        "warnings": [],
        "details": {"mode": "s3_url"},
        "tool": "tests",
    }
    Path(f"{stripes[0]}.manifest.json").write_text(json.dumps(manifest))
    return stripes


def test_stripes_are_summed_up_once_and_held_against_that(place: Workplace) -> None:
    place.write(
        "version: 1\njobs:\n  - name: shop\n    storage: {type: local, path: ./backups}\n    database: {type: mssql,"
        " host: sql1, user: sa, password: pw, name: shop, server_dir: '/b', local_dir: ./share}\n"
    )
    stripes = striped(place)
    refused = place.run("restore", "shop", "--to-file", "out.bak")
    assert refused.code == 2
    assert "is striped over 2 objects, which make no single file" in refused.err
    assert not (place.folder / "out.bak").exists()
    assert "its sums are written down" in place.ok("verify", "shop").err
    assert "sums" not in place.ok("verify", "shop").err
    content = bytearray(stripes[1].read_bytes())
    content[-1] ^= 1
    stripes[1].write_bytes(content)
    altered = place.run("verify", "shop")
    assert altered.code == 3
    assert "was altered" in altered.err
