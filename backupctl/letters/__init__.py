"""What people are told, as messages that any notifier can send; pure."""

from datetime import datetime

from backupctl.events import Run
from backupctl.letters.facts import Day, Facts, Good, JobDay, Place
from backupctl.letters.html import html
from backupctl.letters.letter import Letter
from backupctl.letters.of_day import of_day
from backupctl.letters.of_run import kind_of, of_run
from backupctl.letters.others import of_stale, sample
from backupctl.letters.plain import plain
from backupctl.notifiers.base import Message

__all__ = [
    "Day",
    "Facts",
    "Good",
    "JobDay",
    "Place",
    "about_day",
    "about_run",
    "about_sample",
    "about_stale",
    "kind_of",
]


def about_run(run: Run, facts: Facts) -> Message:
    """What became of a run; its kind is that of `kind_of`."""
    return _message(of_run(run, facts))


def about_stale(facts: Facts, now: datetime) -> Message:
    """A job whose newest good backup is too old, as its `standing` says."""
    return _message(of_stale(facts, now))


def about_day(day: Day, place: Place) -> Message:
    """The digest of one recipient: the `day` has only jobs that are theirs."""
    return _message(of_day(day, place))


def about_sample(place: Place, job: str | None, now: datetime) -> Message:
    """A message that says no more than that it arrived."""
    return _message(sample(place, job, now))


def _message(letter: Letter) -> Message:
    what = f"{letter.word} {letter.job}" if letter.job else letter.word
    return Message(
        kind=letter.kind,
        job=letter.job,
        subject=letter.subject,
        text=plain(letter),
        html=html(letter),
        summary=f"{what}: {letter.headline}",
        run_id=letter.run_id,
    )
