"""The parts that a letter is put together from, whatever form it is then given."""

from dataclasses import dataclass
from enum import StrEnum

from backupctl.notifiers.base import Kind


class Tone(StrEnum):
    """How urgent it is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    CALM = "calm"


@dataclass(frozen=True)
class Says:
    """A paragraph; with a tone other than calm it is set off from the rest."""

    text: str
    tone: Tone = Tone.CALM


@dataclass(frozen=True)
class Rows:
    """Names and their values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Listing:
    """Lines of a program, or commands to copy, under a title."""

    title: str
    text: str


@dataclass(frozen=True)
class Entry:
    """A job's line of a digest; `trend` and `note` may be empty."""

    name: str
    word: str
    tone: Tone
    text: str
    trend: str = ""
    note: str = ""


@dataclass(frozen=True)
class Entries:
    """Jobs, under a title."""

    title: str
    entries: tuple[Entry, ...]


Part = Says | Rows | Listing | Entries


@dataclass(frozen=True)
class Letter:
    """What is said. `word` is what filters look for: FAILED, OK; `headline` is one sentence."""

    kind: Kind
    job: str | None
    run_id: str | None
    word: str
    tone: Tone
    subject: str
    headline: str
    parts: tuple[Part, ...]
    footer: tuple[str, ...]
