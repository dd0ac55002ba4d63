"""A letter as plain text."""

import textwrap

from backupctl.letters.letter import Entries, Entry, Letter, Listing, Part, Rows, Says, Tone
from backupctl.letters.measures import visible

WIDTH = 76


def plain(letter: Letter) -> str:
    blocks = [_title(letter), *(_part(part) for part in letter.parts), "-- \n" + "\n".join(letter.footer)]
    return "\n\n".join(blocks) + "\n"


def _title(letter: Letter) -> str:
    what = f"{letter.word} {letter.job}" if letter.job else letter.word
    return _wrapped(f"{what}: {letter.headline}")


def _part(part: Part) -> str:
    match part:
        case Says(text, tone):
            lead = "" if tone in (Tone.CALM, Tone.GOOD) else "! "
            return "\n".join(_wrapped(line, lead) for line in text.splitlines())
        case Rows(rows):
            longest = max(len(name) for name, _ in rows)
            return "\n".join(f"{name + ':':{longest + 1}} {visible(value)}" for name, value in rows)
        case Listing(title, text):
            return f"{title}:\n\n{textwrap.indent(text, '    ')}"
        case Entries(title, entries):
            return "\n".join([f"{title}:", "", *(_entry(entry) for entry in entries)])


def _entry(entry: Entry) -> str:
    trend = f"  {entry.trend}" if entry.trend else ""
    note = f"\n{'':9}{entry.note}" if entry.note else ""
    return f"{entry.word:8} {entry.name}: {entry.text}{trend}{note}"


def _wrapped(line: str, lead: str = "") -> str:
    # What is to be copied, such as a path or a URL, must stay whole.
    return textwrap.fill(
        line,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    )
