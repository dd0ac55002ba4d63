"""The image as it is meant to run: the long-running runner, healthy, and stopped by SIGTERM."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.e2e.places import drop, fill
from tests.image.container import BESIDE, Place
from tests.image.jobs import job, jobs_file, postgres, s3
from tests.parts.postgres import PostgresServer
from tests.parts.proxy import Fault, TcpProxy
from tests.parts.s3 import WeedServer

EVERY_MINUTE = "* * * * *"


def test_by_default_it_is_healthy_runs_due_jobs_takes_changes_and_ends_with_0(
    place: Place, postgres_server: Callable[[int], PostgresServer]
) -> None:
    server = postgres_server(17)
    fill(server, "due", rows=100)
    database = (
        f"{{type: postgres, socket: /var/run/postgresql, user: {server.user},"
        f" password: '{place.secret('password', server.password)}', name: due}}"
    )
    text = jobs_file(job(database, "{type: local, path: /backups}", cron=EVERY_MINUTE))
    place.write(text)
    backups = _folder_of_the_image(place.folder / "backups")
    # Alone in a network of its own: where it listens by default, nobody else does. The server is reached by its socket.
    socket = f"--volume={server.socket_dir}/.s.PGSQL.{server.port}:/var/run/postgresql/.s.PGSQL.5432"
    running = place.start(
        options=("--network=none", "--health-interval=1s", socket, f"--volume={backups}:/backups"),
    )
    try:
        running.wait_until(lambda: running.is_healthy)
        running.wait_until(lambda: any(backups.rglob("*.manifest.json")))
        place.write(text.replace(EVERY_MINUTE, "30 3 * * *"))
        running.wait_until(lambda: "the jobs file was read again" in running.log())
        assert running.stop() == 0
    finally:
        drop(server, "due")


def test_after_sigterm_a_run_that_ends_in_its_grace_is_stored_and_one_that_does_not_is_not(
    place: Place,
    postgres_server: Callable[[int], PostgresServer],
    weed_server: WeedServer,
    tcp_proxy: Callable[[str, int], TcpProxy],
) -> None:
    server = postgres_server(17)
    fill(server, "ending", rows=200_000)
    slow, stuck = (_stalling(tcp_proxy(server.host, server.port)) for _ in range(2))
    storage, state = s3(place, weed_server, "image-ending"), "--volume=ending:/var/lib/backupctl"
    place.write(
        jobs_file(
            job(postgres(place, server, "ending", port=slow.port), storage, name="slow", cron=EVERY_MINUTE),
            job(postgres(place, server, "ending", port=stuck.port), storage, name="stuck", cron=EVERY_MINUTE),
            top="shutdown_grace: 10s\n",
        )
    )
    running = place.start("run", options=(BESIDE, state))
    try:
        running.wait_until(lambda: slow.stalled > 0 and stuck.stalled > 0)
        running.signal("TERM")
        running.wait_until(lambda: "may go on for" in running.log())
        slow.release()
        assert running.wait() == 0
        listed = json.loads(place.ok("list", "--json"))
        assert [backup["job"] for backup in listed] == ["slow"]
        assert weed_server.open_uploads() == []
        assert len(weed_server.keys("image-ending")) == 2
        history = json.loads(place.ok("history", "--json", options=(BESIDE, state)))
        outcomes = {run["job"]: run["outcome"] for run in history if run["outcome"] != "skipped"}
        assert outcomes == {"slow": "succeeded", "stuck": "cancelled"}
    finally:
        drop(server, "ending")


def _stalling(proxy: TcpProxy) -> TcpProxy:
    proxy.to_client = Fault(stall_after=12_000_000)
    return proxy


def _folder_of_the_image(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o777)
    return folder
