"""People are told of runs, over a real SMTP server, a check and a Seq of the test's."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.e2e.command import Workplace, until
from tests.e2e.places import make_shop
from tests.e2e.test_serving import ALMOST, Service
from tests.parts.ports import free_port
from tests.parts.seq import SeqReceiver
from tests.parts.smtp import Manners, SmtpServer

PASSWORD = "mail-p4ss:w&rd"


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    server = SmtpServer(Manners())
    yield server
    server.close()


def mail(server: SmtpServer | int, **more: str) -> str:
    """The file's `email`, over a server of the test's."""
    port = server if isinstance(server, int) else server.port
    fields = {"from": "Backups <backups@example.com>", "host": "127.0.0.1", "port": port, "security": "none"} | more
    return "email: {" + ", ".join(f"{name}: {value}" for name, value in fields.items()) + "}\n"


def write(place: Workplace, top: str, *, more: str = "", path: str = "./shop.db") -> None:
    if not (place.folder / "shop.db").exists():
        make_shop(place.folder / "shop.db")
    place.write(
        f"version: 1\n{top}storages: {{there: {{type: local, path: ./backups}}}}\n"
        f"jobs:\n  - {{name: shop, database: {{type: sqlite, path: {path}}}, storage: there,"
        f" recipients: [ops@example.com, dba@example.com]{more}}}\n"
    )


def subjects(server: SmtpServer) -> list[str]:
    return [str(one.mail["Subject"]) for one in server.delivered]


def test_a_run_mails_its_recipients_before_the_command_ends(place: Workplace, smtp: SmtpServer) -> None:
    write(place, mail(smtp))
    place.ok("run-once", "shop")
    write(place, mail(smtp), path="./gone.db")
    assert place.run("run-once", "shop").code == 1
    write(place, mail(smtp))
    place.ok("run-once", "shop")
    assert [subject.split(":")[0] for subject in subjects(smtp)] == [
        "[backupctl] OK shop",
        "[backupctl] FAILED shop",
        "[backupctl] RECOVERED shop",
    ]
    good, failed, _ = smtp.delivered
    assert good.recipients == ("ops@example.com", "dba@example.com")
    (backup, *_) = place.backups("shop")
    assert backup["id"] in smtp.delivered[-1].part("plain")
    assert "--into" in good.part("plain")
    assert "correct database.path" in failed.part("plain")
    assert "correct database.path" in failed.part("html")


def test_mail_that_cannot_be_sent_fails_no_run_and_is_sent_by_the_next_one_in_order(
    place: Workplace, smtp: SmtpServer
) -> None:
    write(place, mail(free_port()))
    first = place.ok("run-once", "shop")
    assert "a message over email could not be sent, and is kept to be tried again" in first.err
    assert "1 message could not be sent yet" in first.err
    _is_due_now(place)
    write(place, mail(smtp))
    place.ok("run-once", "shop")
    assert len(smtp.delivered) == 2
    first_id, second_id = (backup["id"] for backup in reversed(place.backups("shop")))
    assert first_id in smtp.delivered[0].part("plain")
    assert second_id in smtp.delivered[1].part("plain")


def test_a_login_is_made_and_no_password_is_seen(place: Workplace, smtp: SmtpServer) -> None:
    place.secrets["MAIL_PASSWORD"] = PASSWORD
    smtp.manners.login = ("apikey", "another one")
    write(place, mail(smtp, user="apikey", password='"${MAIL_PASSWORD}"'))
    ended = place.ok("run-once", "shop")
    assert smtp.delivered == []
    assert "could not be sent" in ended.err
    smtp.manners.login = ("apikey", PASSWORD)
    _is_due_now(place)
    place.ok("run-once", "shop")
    assert [one.user for one in smtp.delivered] == ["apikey", "apikey"]


def test_a_command_that_only_reads_needs_no_password_of_the_mail(place: Workplace, smtp: SmtpServer) -> None:
    write(
        place, mail(smtp, user="u", password='"${UNSET}"'), more=", notify: ['ntfy://host/${UNSET}'], ping: '${UNSET}'"
    )
    for command in ("list", "status", "history", "next"):
        place.run(command)
        assert "UNSET" not in place.run(command).err, command
    assert place.run("run-once", "shop").code == 2
    assert place.run("validate").err.count("UNSET") >= 3


def test_a_sample_is_sent_on_request_and_what_was_refused_is_said(place: Workplace, smtp: SmtpServer) -> None:
    write(place, mail(smtp))
    assert "email to ops@example.com, dba@example.com: sent" in place.ok("notify-test", "shop").out
    smtp.manners.refused = {"dba@example.com": "550 no such user"}
    ended = place.run("notify-test")
    assert ended.code == 1
    assert "dba@example.com was refused: 550 no such user" in ended.err
    write(place, mail(free_port()))
    assert place.run("notify-test").code == 1


class _Check(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((self.path.partition("?")[0], body))  # type: ignore[attr-defined]  # ours
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as above
        """Say nothing."""


@contextmanager
def check() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A check in the Healthchecks style: its URL, and what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Check)
    server.asked = []  # type: ignore[attr-defined]  # ours
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/uuid", server.asked  # type: ignore[attr-defined]  # ours
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_check_hears_of_the_beginning_and_of_every_end(place: Workplace) -> None:
    with check() as (url, asked):
        write(place, "", more=f", ping: '{url}', notify_on: []")
        place.ok("run-once", "shop")
        write(place, "", more=f", ping: '{url}', notify_on: []", path="./gone.db")
        place.run("run-once", "shop")
    assert sorted(path for path, _ in asked) == ["/uuid", "/uuid/fail", "/uuid/start", "/uuid/start"]
    (body,) = (body for path, body in asked if path.endswith("/fail"))
    assert "there is no database file" in body


def test_the_runner_raises_the_alarm_for_a_backup_that_did_not_come(service: Service, smtp: SmtpServer) -> None:
    """It runs over a weekend in which every run fails."""
    service.jobs(
        'shop: cron: "30 3 * * *", recipients: [ops@example.com], notify_on: [stale], before: ["false"]',
        email=mail(smtp).removeprefix("email: ").strip(),
    )
    with service.running() as running:
        until(lambda: service.rows() == [("schedule", "failed")])
        service.clock.set(ALMOST + timedelta(days=3))
        until(lambda: len(service.rows()) >= 2)
        service.clock.jump(minutes=6)
        until(lambda: bool(smtp.delivered))
        service.stopped(running)
    assert subjects(smtp)[0].startswith("[backupctl] STALE shop")


def test_logs_go_to_seq_as_clef(place: Workplace) -> None:
    place.secrets["SEQ_KEY"] = "seq-k3y"
    with closing(SeqReceiver()) as seq:
        write(place, f"seq: {{url: '{seq.url}', api_key: '${{SEQ_KEY}}'}}\nenvironment: Production\n")
        place.ok("run-once", "shop")
        assert seq.faults == []
        assert any("succeeded in" in text for text in seq.messages)
        assert {event["Environment"] for event in seq.events} == {"Production"}


def _is_due_now(place: Workplace) -> None:
    """What was put off is to be sent at once."""
    with closing(sqlite3.connect(place.state / "catalog.sqlite")) as db, db:
        db.execute("UPDATE outbox SET next_at = '2000-01-01T00:00:00.000000+00:00'")


@pytest.fixture
def service(place: Workplace) -> Service:
    return Service(place)


def test_the_log_is_json_where_nobody_reads_and_text_on_request(place: Workplace, tmp_path: Path) -> None:
    write(place, "")
    lines = [json.loads(line) for line in place.ok("run-once", "shop", "--log-format", "json").err.splitlines()]
    assert [line["event"] for line in lines][-1] == "finished"
    assert {line["job"] for line in lines} == {"shop"}
    assert len({line["run_id"] for line in lines}) == 1
    assert "succeeded in" in place.ok("run-once", "shop", "--log-format", "text").err
