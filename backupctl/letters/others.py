"""What is said of what did not happen, and of nothing at all: stale jobs, and a sample."""

import shlex
from datetime import datetime

from backupctl.letters import measures
from backupctl.letters.facts import Facts, Place
from backupctl.letters.letter import Letter, Listing, Part, Rows, Says, Tone
from backupctl.letters.origin import footer, subject
from backupctl.notifiers.base import Kind


def of_stale(facts: Facts, now: datetime) -> Letter:
    """The newest good backup is too old: the facts' `standing` says how old."""
    about = _waited(facts)
    parts: list[Part] = []
    if facts.standing is not None and facts.standing.note:
        parts.append(Says(measures.visible(facts.standing.note), Tone.WARNING))
    parts.append(Rows(tuple(_rows(facts, now))))
    parts += _commands(facts)
    return Letter(
        kind=Kind.STALE,
        job=facts.job,
        run_id=None,
        word="STALE",
        tone=Tone.BAD,
        subject=subject("STALE", facts.job, about),
        headline=about,
        parts=tuple(parts),
        footer=footer(facts.place),
    )


def _waited(facts: Facts) -> str:
    age = facts.standing.age if facts.standing else None
    if age is None:
        return "there is no good backup at all"
    allowed = f"; {measures.duration(facts.max_age_s)} is allowed" if facts.max_age_s else ""
    return f"the newest good backup is {measures.duration(age.total_seconds())} old{allowed}"


def _rows(facts: Facts, now: datetime) -> list[tuple[str, str]]:
    zone, standing = facts.place.zone, facts.standing
    rows = [("Job", facts.job), ("Database", f"{facts.target} ({facts.engine})")]
    rows.append(("Looked at", measures.moment(now, zone)))
    if standing is not None and standing.last_good_at is not None:
        rows.append(("Last good", measures.clock(standing.last_good_at, zone)))
    if standing is not None and standing.last_outcome is not None:
        rows.append(("Last run", standing.last_outcome.value))
    if facts.next_run_at is not None:
        rows.append(("Next run", measures.clock(facts.next_run_at, zone)))
    return [*rows, ("Machine", facts.place.host), ("Environment", facts.place.environment)]


def _commands(facts: Facts) -> list[Part]:
    command, job = f"backupctl -f {shlex.quote(facts.place.config)}", shlex.quote(facts.job)
    return [Listing("To see why", f"{command} history {job}"), Listing("To make one now", f"{command} run-once {job}")]


def sample(place: Place, job: str | None, now: datetime) -> Letter:
    """Shows that letters arrive; of one job, or of none."""
    about = "this is a sample, and messages arrive here"
    rows = [("Sent", measures.moment(now, place.zone)), ("Machine", place.host), ("Environment", place.environment)]
    return Letter(
        kind=Kind.TEST,
        job=job,
        run_id=None,
        word="TEST",
        tone=Tone.CALM,
        subject=subject("TEST", job, about),
        headline=about,
        parts=(
            Says(
                "If you read this, what backupctl has to say reaches you. Nothing was backed up, and nothing is wrong."
            ),
            Rows(tuple([("Job", job), *rows] if job else rows)),
        ),
        footer=footer(place),
    )
