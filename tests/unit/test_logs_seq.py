"""Log events arrive at Seq if they can, in order; where they cannot, nobody waits for it, and somebody is told."""

import json
import logging
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trustme

from backupctl.events import Finished, Started, Warned
from backupctl.logs import About, configure
from backupctl.logs.seq import Fate, Seq
from backupctl.logs.shipping import Bounds, Shipper
from backupctl.model import Outcome, Trigger
from backupctl.redact import Redactor
from tests.parts.ports import free_port
from tests.parts.seq import Answer, SeqReceiver
from tests.unit.runs import WHEN, run

QUICK = Bounds(linger_s=0.01, timeout_s=20, first_wait_s=0.001, longest_wait_s=0.002)
STARTED = Started("shop", "r1", Trigger.MANUAL, None, WHEN, "shopdb on db1", "/backups")
TEMPORARY: Answer = (503, b'{"Error":"starting up"}', {})


@pytest.fixture
def seq() -> Iterator[SeqReceiver]:
    receiver = SeqReceiver()
    yield receiver
    receiver.close()
    assert receiver.faults == []


class Shipping:
    """Shippers to a receiver, and what they said."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.said: list[str] = []

    def __call__(self, url: str, bounds: Bounds = QUICK) -> Shipper:
        shipper = Shipper(Seq(url, "key"), self.said.append, lambda dropped: line(f"{dropped} dropped"), bounds)
        self._stack.callback(shipper.close, 0)
        return shipper


@pytest.fixture
def ship() -> Iterator[Shipping]:
    with ExitStack() as stack:
        yield Shipping(stack)


def line(text: object) -> bytes:
    return json.dumps({"@t": "2026-03-01T03:30:00-03:00", "@m": str(text)}).encode()


def times(count: int, answer: Answer) -> Callable[[list[bytes]], Answer | None]:
    left = [answer] * count
    return lambda _: left.pop() if left else None


def test_what_happens_in_a_run_can_be_searched_for_in_seq(seq: SeqReceiver) -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    with configure(zone=zone, redact=Redactor(["hunter2"]), environment="Production") as logs:
        logs.take(about={"shop": About("postgres", "shopdb", "offsite")}, redact=Redactor())
        logs.send_to(seq.url + "/", "the-key")
        logs.hear(STARTED)
        logs.hear(Warned("shop", "password=hunter2"))
        logging.getLogger("botocore").warning("slow {down} %s", "hunter2")
        try:
            raise ValueError("hunter2")
        except ValueError:
            logging.getLogger("backupctl").exception("job %s met a bug", "shop")
        logs.hear(Finished("shop", run("r1")))
    assert seq.messages == [
        "shop: shopdb on db1 to /backups",
        "shop: password=***",
        "slow {down} ***",
        "job shop met a bug",
        "shop: succeeded in 10s: 2.9 KiB dumped, 300 B stored as r1",
    ]
    wanted: dict[str, Any] = {
        "Job": "shop",
        "RunId": "r1",
        "Engine": "postgres",
        "Storage": "offsite",
        "Environment": "Production",
    }
    wanted |= {"Bytes": 300, "Duration": 10.0, "Outcome": "succeeded", "Trigger": "manual", "Application": "backupctl"}
    assert seq.events[-1].items() >= wanted.items()
    assert seq.events[2].items() >= {"Job": "shop", "RunId": "r1", "@l": "Warning"}.items()
    assert seq.events[3]["@x"].endswith("ValueError: ***")
    path, headers = seq.requests[0]
    assert path == "/ingest/clef"
    assert headers["x-seq-apikey"] == "the-key"
    assert headers["content-type"] == "application/vnd.serilog.clef"


def test_a_burst_arrives_whole_and_in_order_in_few_batches(seq: SeqReceiver, ship: Shipping) -> None:
    shipper = ship(seq.url)
    for number in range(10_000):
        shipper.put(line(number))
    shipper.close(20)
    assert seq.messages == list(map(str, range(10_000)))
    assert len(seq.requests) < 100
    assert ship.said == []


def test_a_run_ends_while_seq_hangs_and_what_did_not_arrive_is_counted(seq: SeqReceiver, ship: Shipping) -> None:
    seq.misbehave = seq.hang
    shipper = ship(seq.url, Bounds(kept=1000, linger_s=0, batch=10))
    shipper.put(line("first"))
    for number in range(30_000):
        shipper.put(line(number))
    shipper.close(0.2)  # returns, though the server never answers
    assert ship.said == ["30001 log events did not reach Seq"]


def test_an_outage_is_said_once_and_so_is_its_end_and_nothing_is_lost(seq: SeqReceiver, ship: Shipping) -> None:
    seq.misbehave = times(20, TEMPORARY)
    shipper = ship(seq.url)
    for number in range(100):
        shipper.put(line(number))
    seq.wait_for(lambda seq: len(seq.events) == 100)
    shipper.close(20)
    assert seq.messages == list(map(str, range(100)))
    assert ship.said == [
        "log events do not reach Seq, and are kept for later: it answers 503 Service Unavailable (starting up)",
        "Seq takes log events again",
    ]


def test_a_second_outage_is_said_again(seq: SeqReceiver, ship: Shipping) -> None:
    shipper = ship(seq.url)
    for number in range(1, 3):
        seq.misbehave = times(2, TEMPORARY)
        shipper.put(line(number))
        seq.wait_for(lambda seq, number=number: len(seq.events) == number)  # type: ignore[misc]
    shipper.close(20)
    assert len(ship.said) == 4


def test_seq_itself_is_told_how_many_were_dropped(seq: SeqReceiver, ship: Shipping) -> None:
    seq.misbehave = seq.hang
    shipper = ship(seq.url, Bounds(kept=10, linger_s=0, batch=1, first_wait_s=0.001))
    for number in range(50):
        shipper.put(line(number))
    seq.misbehave = lambda _: None
    seq.let_go.set()
    seq.wait_for(lambda seq: len(seq.events) >= 11)
    shipper.close(20)
    assert sorted(seq.messages) == sorted([*map(str, range(40, 50)), "40 dropped"])
    assert ship.said[-1] == "40 log events did not reach Seq"


@pytest.mark.parametrize("status", [400, 413])
def test_an_event_that_is_refused_is_dropped_alone(status: int, seq: SeqReceiver, ship: Shipping) -> None:
    def misbehave(lines: list[bytes]) -> Answer | None:
        return (status, b'{"Error":"too large"}', {}) if line(77) in lines else None

    seq.misbehave = misbehave
    shipper = ship(seq.url)
    for number in range(100):
        shipper.put(line(number))
    shipper.close(20)
    assert [int(text) for text in seq.messages if text.isdecimal()] == [*range(77), *range(78, 100)]
    refused, lost = ship.said
    assert refused.startswith("Seq does not take a log event, which is dropped: it answers 4")
    assert refused.endswith("(too large)")
    assert lost == "1 log event did not reach Seq"


def test_a_server_that_refuses_everything_is_not_flooded(seq: SeqReceiver, ship: Shipping) -> None:
    seq.misbehave = lambda _: (400, b"", {})
    shipper = ship(seq.url, Bounds(batch=1, linger_s=0, first_wait_s=600, longest_wait_s=600))
    for number in range(1000):
        shipper.put(line(number))
    seq.wait_for(lambda seq: len(seq.requests) == 4)
    shipper.close(20)
    assert len(seq.requests) == 4
    assert len(ship.said) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, b"", {}), "401 Unauthorized; is seq.api_key right"),
        ((403, b"", {}), "403 Forbidden; is seq.api_key right"),
        ((404, b"", {}), "404 Not Found; is the URL that of a Seq server?"),
        ((500, b"{not json", {}), "500 Internal Server Error"),
        ((307, b"", {"Location": "https://seq.example.com/"}), "to https://seq.example.com/; give that as seq.url"),
        ((302, b"", {"Location": "/login"}), "302 Found to /login"),
        ((200, b"<html>please log in</html>", {}), "answers 200 and not as Seq does"),
        ((599, b"", {}), "it answers 599"),
    ],
)
def test_a_wrong_answer_is_a_failure_with_its_reason(answer: Answer, said: str, seq: SeqReceiver) -> None:
    seq.misbehave = lambda _: answer
    verdict = Seq(seq.url, None)(line(1), timeout=20)
    assert verdict.fate is Fate.FAILED
    assert said in verdict.why


def test_a_server_may_say_when_to_come_again(seq: SeqReceiver) -> None:
    seq.misbehave = lambda _: (429, b"", {"Retry-After": "7"})
    assert Seq(seq.url, None)(line(1), timeout=20).wait_s == 7


def test_an_older_server_is_met_at_its_own_path(seq: SeqReceiver) -> None:
    seq.paths = {"/api/events/raw?clef"}
    post = Seq(seq.url, None)
    assert [post(line(number), timeout=20).fate for number in range(2)] == [Fate.TAKEN] * 2
    assert [path for path, _ in seq.requests] == ["/ingest/clef", "/api/events/raw?clef", "/api/events/raw?clef"]


def test_the_url_may_have_a_path_or_be_the_endpoint_itself(seq: SeqReceiver) -> None:
    seq.paths = {"/logs/ingest/clef"}
    assert Seq(f"{seq.url}/logs/", None)(line(1), timeout=20).fate is Fate.TAKEN
    assert Seq(f"{seq.url}/logs/ingest/clef", None)(line(1), timeout=20).fate is Fate.TAKEN


def test_a_name_and_a_password_in_the_url_are_for_the_proxy_before_it(seq: SeqReceiver) -> None:
    url = seq.url.replace("http://", "http://user:p%40ss@")
    assert Seq(url, None)(line(1), timeout=20).fate is Fate.TAKEN
    assert seq.requests[0][1]["authorization"] == "Basic " + b64encode(b"user:p@ss").decode()


def test_what_is_no_http_server_is_a_failure_with_its_reason() -> None:
    def why(url: str, timeout: float = 20) -> str:
        verdict = Seq(url, None)(line(1), timeout=timeout)
        assert verdict.fate is Fate.FAILED
        return verdict.why

    assert why(f"http://127.0.0.1:{free_port()}") == "connection refused"
    assert why("http://[half") != ""
    assert "password" not in why("http://user:password@host:x")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert why(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.05) == "it does not answer in time"
        assert why(f"https://127.0.0.1:{silent.getsockname()[1]}", 0.05) != ""


def test_a_server_of_plain_http_behind_https_is_a_failure(seq: SeqReceiver) -> None:
    verdict = Seq(seq.url.replace("http:", "https:"), None)(line(1), timeout=20)
    assert verdict.fate is Fate.FAILED
    assert verdict.why


def test_a_certificate_is_verified_by_the_system_s_or_by_those_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    seq = SeqReceiver(context)
    try:
        refused = Seq(seq.url, "key")(line(1), timeout=20)
        assert refused.fate is Fate.FAILED
        assert refused.why.startswith("its certificate cannot be verified: ")
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert Seq(seq.url, "key")(line(2), timeout=20).fate is Fate.TAKEN
    finally:
        seq.close()
    assert seq.messages == ["2"]


def test_the_proxy_of_the_environment_is_used(seq: SeqReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", seq.url)
    seq.paths = {"http://seq.invalid/ingest/clef"}
    assert Seq("http://seq.invalid", None)(line(1), timeout=20).fate is Fate.TAKEN


def test_a_bug_while_sending_does_not_end_the_sending(ship: Shipping) -> None:
    tried = threading.Event()

    def post(batch: bytes, /, *, timeout: float) -> Any:
        if tried.is_set():
            return Seq(f"http://127.0.0.1:{free_port()}", None)(batch, timeout=timeout)
        tried.set()
        raise RuntimeError("unforeseen")

    said: list[str] = []
    shipper = Shipper(post, said.append, lambda dropped: line(dropped), QUICK)
    shipper.put(line(1))
    assert tried.wait(20)
    shipper.close(20)
    assert said == [
        "log events do not reach Seq, and are kept for later: a bug in backupctl: RuntimeError",
        "1 log event did not reach Seq",
    ]


def test_that_seq_is_out_of_reach_is_no_event_for_seq(seq: SeqReceiver) -> None:
    seq.misbehave = times(1, TEMPORARY)
    with configure(zone=ZoneInfo("UTC"), redact=Redactor()) as logs:
        logs.send_to(seq.url, None)
        logs.hear(Finished("shop", run("r1", Outcome.FAILED)))
    assert seq.messages == ["shop: failed: the server went away"]


def test_a_key_that_is_none_is_not_shown_in_the_warning(seq: SeqReceiver) -> None:
    said: list[str] = []
    with configure(zone=ZoneInfo("UTC"), redact=Redactor(["the\nkey"]), warn=said.append) as logs:
        logs.send_to(seq.url, "the\nkey")
        logs.hear(Warned("shop", "to Seq"))
    assert said[0] == "log events do not reach Seq, and are kept for later: invalid header value b'***'"
    assert said[1:] == ["1 log event did not reach Seq"]


def test_another_seq_may_be_named_while_it_goes(seq: SeqReceiver) -> None:
    with configure(zone=ZoneInfo("UTC"), redact=Redactor()) as logs:
        logs.send_to("", None)
        logs.hear(Warned("shop", "to nobody"))
        logs.send_to(seq.url, None)
        logs.send_to(seq.url, None)
        logs.hear(Warned("shop", "to Seq"))
        logs.send_to("", None)
        assert seq.messages == ["shop: to Seq"]
