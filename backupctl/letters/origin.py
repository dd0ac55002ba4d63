"""What all letters have in common: how the subject begins, and where the letter comes from."""

from backupctl.letters import measures
from backupctl.letters.facts import Place

_LONGEST_SUBJECT = 180


def subject(word: str, job: str | None, about: str) -> str:
    """`[backupctl] FAILED shop: the server went away`: for filters, and one line whatever stands in it."""
    what = f"{word} {job}" if job else word
    return measures.one_line(f"[backupctl] {what}: {about}", _LONGEST_SUBJECT)


def of_place(place: Place, run_id: str, trigger: str) -> list[tuple[str, str]]:
    return [("Run", f"{run_id} ({trigger})"), ("Machine", place.host), ("Environment", place.environment)]


def footer(place: Place) -> tuple[str, ...]:
    return (
        f"Sent by backupctl on {place.host} ({place.environment}), which reads {place.config}.",
        "Who is mailed, and about what, is set there with recipients and notify_on.",
    )
