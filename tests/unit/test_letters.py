"""What letters say of runs, of jobs that are too old, and of a day."""

from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from backupctl.letters import Day, Facts, about_day, about_run, about_stale, kind_of
from backupctl.model import Artifact, Outcome
from backupctl.notifiers.base import Kind
from tests.letter_cases import BAD_RUN, FACTS, GOOD_RUN, NASTY, NOW, PLACE, STALE, day, letters, manifest

LETTERS = letters()
FAILING = replace(FACTS, failed_before=3, failing_since=NOW - timedelta(days=2))
GMAIL_CUTS_AT = 102_400
VOID = {"meta", "br"}


class Tags(HTMLParser):
    """The tags of a page, each with its attributes; raises when they are not closed in their order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("success", "[backupctl] OK shop: 310.0 MiB stored in 3 min 05 s"),
        ("failure", "[backupctl] FAILED shop: password authentication failed for user backup"),
        ("recovery", "[backupctl] RECOVERED shop: backed up again, after 3 runs that failed"),
        ("skipped", "[backupctl] SKIPPED shop: the job is already running"),
        ("stale", "[backupctl] STALE shop: the newest good backup is 3 d 4 h old; 2 d is allowed"),
        ("test", "[backupctl] TEST shop: this is a sample, and messages arrive here"),
        ("digest", "[backupctl] DIGEST: 4 of 12 jobs need attention"),
        ("digest-well", "[backupctl] DIGEST: 3 jobs, all well"),
    ],
)
def test_a_subject_begins_with_what_filters_look_for(name: str, subject: str) -> None:
    assert LETTERS[name].subject == subject
    assert LETTERS[name].summary == subject.removeprefix("[backupctl] ")


@pytest.mark.parametrize(
    ("outcome", "facts", "kind"),
    [
        (Outcome.SUCCEEDED, FACTS, Kind.SUCCESS),
        (Outcome.SUCCEEDED, FAILING, Kind.RECOVERY),
        (Outcome.SUCCEEDED, replace(FAILING, drift=("it shrank",)), Kind.DRIFT),
        (Outcome.PARTIAL, FACTS, Kind.FAILURE),
        (Outcome.FAILED, replace(FACTS, drift=("it shrank",)), Kind.FAILURE),
        (Outcome.INTERRUPTED, FACTS, Kind.FAILURE),
        (Outcome.SKIPPED, FACTS, Kind.SKIPPED),
        (Outcome.CANCELLED, FACTS, Kind.SKIPPED),
    ],
)
def test_what_a_message_is_about_follows_from_the_outcome(outcome: Outcome, facts: Facts, kind: Kind) -> None:
    run = replace(GOOD_RUN, outcome=outcome)
    assert kind_of(run, facts) is about_run(run, facts).kind is kind


def test_a_success_tells_times_in_the_jobs_zone_sizes_and_how_they_changed() -> None:
    text = LETTERS["success"].text
    for line in (
        "Began:       2026-03-01 00:30:00 -03:00 (America/Sao_Paulo)",
        "Took:        3 min 05 s",
        "Dumped:      1.2 GiB (+0.8 %)",
        "Stored:      310.0 MiB (+3.3 %, from 300.0 MiB)",
        "Storage:     s3://company-backups/backups/ at s3.eu-central-1.amazonaws.com",
        "Stored as:   backups/shop/20260301/shop_20260301T003000-0300_4f2a91.sql.zst",
        "Last good:   2026-02-28 00:30:00 -03:00, 1 d before",
    ):
        assert line in text.splitlines()


def test_a_success_says_how_to_check_and_restore_it_as_a_shell_takes_it() -> None:
    facts = replace(FACTS, place=replace(PLACE, config="/srv/my jobs.yaml"))
    run = replace(GOOD_RUN, manifests=(manifest().model_copy(update={"database": "shop; rm -rf"}),))
    lines = [line.strip() for line in about_run(run, facts).text.splitlines()]
    assert "backupctl -f '/srv/my jobs.yaml' verify shop 20260301T033000Z-4f2a91" in lines
    restore = "backupctl -f '/srv/my jobs.yaml' restore shop 20260301T033000Z-4f2a91 --into 'shop; rm -rf_restored'"
    assert restore in lines


def test_a_file_of_sqlite_is_restored_beside_the_original() -> None:
    made = manifest().model_copy(update={"engine": "sqlite", "database": "/srv/notes.sqlite"})
    assert "--into notes_restored.sqlite" in about_run(replace(GOOD_RUN, manifests=(made,)), FACTS).text


def test_sizes_are_those_of_all_artifacts_and_one_that_is_not_known_is_not_told() -> None:
    extra = Artifact(role="globals", key="globals", size=10 << 20, sha256=None, dump_size=None, dump_sha256=None)
    made = manifest().model_copy(update={"artifacts": (*manifest().artifacts, extra)})
    text = about_run(replace(GOOD_RUN, manifests=(made,)), replace(FACTS, last_good=None)).text
    assert "Stored:      320.0 MiB\n" in text
    assert "Dumped:" not in text
    assert "Last good:   none before this run" in text


def test_a_failure_tells_the_hint_the_end_of_the_output_and_that_nothing_was_stored() -> None:
    output = "\n".join(f"line {number}" for number in range(100))
    text = about_run(BAD_RUN, replace(FACTS, output=output)).text
    assert "What to try: check `user` and `password`, and the server's pg_hba.conf" in text
    assert "    line 80\n" in text
    assert "    line 99\n" in text
    assert "line 79" not in text
    assert "Stored" not in text


def test_drift_leads_the_letter_and_says_how_to_accept_it() -> None:
    message = LETTERS["drift"]
    assert message.subject.startswith("[backupctl] WARNING shop: the backup is 71 % smaller")
    assert message.text.index("public.orders is gone") < message.text.index("Began:")
    assert "backupctl -f /etc/backupctl/jobs.yaml accept shop" in message.text


def test_a_recovery_says_since_when_it_had_failed() -> None:
    assert "Before it, 3 runs had failed, since 2026-02-27 00:30:00 -03:00" in LETTERS["recovery"].text


def test_a_job_without_any_good_backup_is_stale_in_other_words() -> None:
    never = replace(STALE, last_good_at=None, age=None, note=None)
    message = about_stale(replace(FACTS, standing=never), NOW)
    assert message.subject == "[backupctl] STALE shop: there is no good backup at all"


@pytest.mark.parametrize("name", LETTERS)
def test_a_page_is_whole_and_asks_nothing_of_anybody(name: str) -> None:
    page = LETTERS[name].html
    assert page is not None
    tags = Tags(page)
    assert {tag for tag, _ in tags.seen} <= {
        *("html", "head", "meta", "title", "style", "body", "table", "tr", "td", "div", "pre", "span", "b", "br"),
    }
    assert not {"src", "href", "background"} & {name for _, attributes in tags.seen for name in attributes}
    assert "url(" not in page


def test_what_a_server_says_is_text_in_a_page_and_one_line_in_a_subject() -> None:
    nasty = LETTERS["nasty"]
    assert nasty.html is not None
    assert "<script" not in nasty.html
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;" in nasty.html
    assert len(nasty.subject.splitlines()) == len(nasty.summary.splitlines()) == 1
    escaped = about_run(replace(BAD_RUN, error="\x1b[31mred", location="/srv/\x1b\udce9"), FACTS)
    assert "\x1b" not in f"{escaped.text}{escaped.html}"
    assert r"Storage:     /srv/\x1b\udce9" in escaped.text


def test_a_letter_stays_small_whatever_went_wrong() -> None:
    endless = NASTY * 10_000
    run = replace(BAD_RUN, error=endless, hint=endless)
    facts = replace(FACTS, drift=(endless,) * 50, warnings=(endless,) * 50, output=endless)
    message = about_run(run, facts)
    assert len(message.html or "") + len(message.text) < GMAIL_CUTS_AT
    assert len(message.subject) <= 180


def test_a_digest_of_a_thousand_jobs_is_not_cut_by_mail_clients_and_says_how_many_it_leaves_out() -> None:
    name = "n" * 100
    jobs = tuple(replace(job, job=f"{name[:-4]}{number:04d}") for number, job in enumerate(day(1000, 1000).jobs))
    message = about_day(Day(NOW - timedelta(days=1), NOW, jobs), PLACE)
    assert len((message.html or "").encode()) + len(message.text.encode()) < GMAIL_CUTS_AT
    assert "And 920 more jobs that need attention" in message.text


def test_a_digest_names_first_what_is_worst_and_sums_up_the_day() -> None:
    text = LETTERS["digest"].text
    words = [
        line.split()[0] for line in text.splitlines() if line.startswith(("STALE ", "FAILING ", "WARNING ", "OK "))
    ]
    assert words == ["STALE", "FAILING", "WARNING", "WARNING", *["OK"] * 8]
    assert "Good runs:   19" in text
    assert "Failed runs: 5" in text


def test_a_digest_of_nobodys_jobs_is_well() -> None:
    assert about_day(Day(NOW, NOW, ()), PLACE).subject == "[backupctl] DIGEST: 0 jobs, all well"
