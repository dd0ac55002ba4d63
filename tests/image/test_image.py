"""The image by itself: who it runs as, what it says of itself, and one backup after the other with `run-once`."""

import json
import tomllib
from collections.abc import Callable

import pytest

from tests.e2e.command import until
from tests.e2e.places import content, drop, fill
from tests.image.build import IMAGE
from tests.image.container import HARDENED, Place
from tests.image.engine import Engine
from tests.image.jobs import job, jobs_file, mariadb, postgres, s3
from tests.parts.mariadb import MariadbServer
from tests.parts.postgres import PostgresServer
from tests.parts.proxy import Fault, TcpProxy
from tests.parts.s3 import WeedServer
from tests.parts.servers import ROOT

ALONE = ("--network=none",)


@pytest.fixture(scope="module")
def server(postgres_server: Callable[[int], PostgresServer]) -> PostgresServer:
    """Of the same major as the base's client."""
    return postgres_server(17)


def test_a_postgres_beside_it_is_backed_up_verified_and_restored(
    place: Place, server: PostgresServer, weed_server: WeedServer
) -> None:
    fill(server, "beside")
    place.write(jobs_file(job(postgres(place, server, "beside"), s3(place, weed_server, "image-postgres"))))
    try:
        place.ok("run-once", "shop")
        # Each command is a new container, with nothing but the jobs file, the secrets and the storage.
        (listed,) = json.loads(place.ok("list", "--json"))
        assert listed["job"] == "shop"
        assert json.loads(place.ok("verify", "shop", "--json"))[0]["ok"]
        place.ok("restore", "shop", "--into", "beside_restored")
        assert content(server, "beside_restored") == content(server, "beside")
    finally:
        drop(server, "beside", "beside_restored")


def test_a_mariadb_beside_it_is_backed_up(place: Place, mariadb_server: MariadbServer, weed_server: WeedServer) -> None:
    mariadb_server.create_database("beside")
    mariadb_server.sql(
        "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'ü'), (2, '')", "beside"
    )
    place.write(jobs_file(job(mariadb(place, mariadb_server, "beside"), s3(place, weed_server, "image-mariadb"))))
    try:
        place.ok("run-once", "shop")
        assert json.loads(place.ok("verify", "shop", "--json"))[0]["ok"]
    finally:
        mariadb_server.sql("DROP DATABASE beside")


def test_run_once_ended_by_sigterm_stores_nothing(
    place: Place, server: PostgresServer, weed_server: WeedServer, tcp_proxy: Callable[[str, int], TcpProxy]
) -> None:
    fill(server, "stopped", rows=200_000)
    proxy = tcp_proxy(server.host, server.port)
    proxy.to_client = Fault(stall_after=12_000_000)
    place.write(
        jobs_file(job(postgres(place, server, "stopped", port=proxy.port), s3(place, weed_server, "image-stopped")))
    )
    running = place.start("run-once", "shop")
    try:
        until(lambda: proxy.stalled > 0)
        assert running.stop() == 130
        assert weed_server.keys("image-stopped") == []
        assert weed_server.open_uploads() == []
    finally:
        drop(server, "stopped")


def test_without_a_jobs_file_it_says_what_to_do(engine: Engine) -> None:
    done = engine.docker("run", "--rm", *HARDENED, *ALONE, IMAGE, "validate")
    assert done.returncode == 2
    assert "there is no jobs.yaml and no /etc/backupctl/jobs.yaml" in done.stderr
    assert "in a container mount it there" in done.stderr


def test_a_first_jobs_file_is_written_to_a_mounted_folder(engine: Engine, place: Place) -> None:
    folder = place.folder / "new"
    folder.mkdir()
    mine = [f"--volume={folder}:/work", "--workdir=/work", "--user=0"]
    engine.ok("run", "--rm", *HARDENED, *ALONE, *mine, IMAGE, "init")
    assert "version: 1" in (folder / "jobs.yaml").read_text()


def test_any_user_of_the_group_0_can_run_it(place: Place, server: PostgresServer) -> None:
    """As on platforms that give each container a user of its own."""
    fill(server, "anybody", rows=10)
    place.write(jobs_file(job(postgres(place, server, "anybody"), "{type: local, path: /var/lib/backupctl/stored}")))
    try:
        place.ok("run-once", "shop", options=("--network=host", "--user=123456:0"))
    finally:
        drop(server, "anybody")


def test_it_says_what_it_is(engine: Engine) -> None:
    (inspected,) = json.loads(engine.ok("inspect", IMAGE))
    config = inspected["Config"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels == {
        "title": "backupctl",
        "description": project["description"],
        "version": project["version"],
        "revision": "of-the-tests",
        "licenses": project["license"],
        "base.name": "python:3.13-slim-trixie",
    }
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["tini", "--", "backupctl"]
    assert config["StopSignal"] == "SIGTERM"
    assert list(config["Volumes"]) == ["/var/lib/backupctl"]


def test_it_holds_the_clients_and_no_development_tools(engine: Engine) -> None:
    look = "pg_dump --version && mariadb-dump --version && ls /opt/backupctl/bin"
    said = engine.ok("run", "--rm", *ALONE, "--entrypoint=sh", IMAGE, "-c", look)
    assert "pg_dump (PostgreSQL) 17" in said
    assert "MariaDB" in said
    assert not {"pytest", "mypy", "ruff", "pip", "hatchling"} & set(said.split())
