"""The parts of docker/compose.yaml: its secrets, its jobs, and how its databases are made, on servers of the tests."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.image.container import Place
from tests.parts.mariadb import MariadbServer
from tests.parts.postgres import PostgresServer
from tests.parts.s3 import WeedServer
from tests.parts.servers import ROOT


class Store(WeedServer):
    """The S3 server with the identities that make-secrets.sh wrote."""

    bucket = "backups"
    access_key_id = "backupctl"

    def __init__(self, secrets: Path) -> None:
        self.secret_access_key = (secrets / "s3_secret_access_key").read_text()
        self._written = json.loads((secrets / "s3_identities").read_text())["identities"]
        super().__init__()

    def _identities(self) -> list[dict[str, object]]:
        identities: list[dict[str, object]] = self._written
        return identities


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of docker/ with its secrets made."""
    copy = tmp_path_factory.mktemp("compose") / "docker"
    shutil.copytree(ROOT / "docker", copy, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run([copy / "make-secrets.sh"], check=True)
    return copy


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with closing(Store(folder / "secrets")) as started:
        yield started


@pytest.fixture
def shop(folder: Path, postgres_server: Callable[[int], PostgresServer]) -> Iterator[PostgresServer]:
    """A PostgreSQL with the database that databases/postgres.sql makes."""
    server = postgres_server(17)
    server.create_database("shop")
    try:
        server.sql(_script(folder, "postgres.sql"), "shop")
        yield server
    finally:
        server.sql("DROP DATABASE shop WITH (FORCE)")
        server.sql("DROP ROLE backup")


@pytest.fixture
def forum(folder: Path, new_mariadb_server: Callable[..., MariadbServer]) -> MariadbServer:
    """A MariaDB with the database that databases/mariadb.sql makes."""
    server = new_mariadb_server()
    server.create_database("forum")
    server.sql(_script(folder, "mariadb.sql"))
    return server


def _script(folder: Path, name: str) -> str:
    return (folder / "databases" / name).read_text().replace("/run/secrets", str(folder / "secrets"))


def test_its_jobs_back_both_databases_up(
    place: Place, folder: Path, shop: PostgresServer, forum: MariadbServer, store: Store
) -> None:
    for secret in (folder / "secrets").iterdir():
        place.secret(secret.name, secret.read_text())
    text = (folder / "config" / "jobs.yaml").read_text()
    for there, here in (
        ("host: postgres", f"host: {shop.host}\n      port: {shop.port}"),
        ("host: mariadb", f"host: {forum.host}\n      port: {forum.port}"),
        ("http://s3:8333", store.endpoint_url),
    ):
        assert there in text
        text = text.replace(there, here)
    place.write(text)
    place.ok("run-once", "--all")
    assert {backup["job"] for backup in json.loads(place.ok("list", "--json"))} == {"shop", "forum"}


def test_secrets_that_are_there_stay(folder: Path) -> None:
    before = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    subprocess.run([folder / "make-secrets.sh"], check=True)
    assert {path.name: path.read_text() for path in (folder / "secrets").iterdir()} == before
    assert len(set(before.values())) == len(before)


def test_every_secret_of_the_file_is_made(folder: Path) -> None:
    named = {Path(secret["file"]).name for secret in _composed(folder)["secrets"].values()}
    assert named == {path.name for path in (folder / "secrets").iterdir()}


def test_the_runner_is_hardened_and_given_longer_than_its_grace(folder: Path) -> None:
    runner = _composed(folder)["services"]["runner"]
    assert runner["read_only"]
    assert runner["cap_drop"] == ["ALL"]
    assert runner["security_opt"] == ["no-new-privileges:true"]
    grace = re.search(r"^shutdown_grace: (\d+)m\b", (folder / "config" / "jobs.yaml").read_text(), re.MULTILINE)
    given = re.fullmatch(r"(\d+)m0s", runner["stop_grace_period"])
    assert grace
    assert given
    assert int(given[1]) > int(grace[1])


def _composed(folder: Path) -> Any:
    """The file as compose understands it."""
    compose = str(Path(sys.executable).with_name("docker-compose"))
    asked = [compose, "--file", str(folder / "compose.yaml"), "config", "--format", "json"]
    return json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
