"""What is said of a day of many jobs."""

from backupctl.letters import measures
from backupctl.letters.facts import Day, JobDay, Place
from backupctl.letters.letter import Entries, Entry, Letter, Part, Rows, Says, Tone
from backupctl.letters.origin import footer, subject
from backupctl.notifiers.base import Kind

MOST_SHOWN = 80
"""Jobs that are named one by one: Gmail cuts a mail at 102 kB, and nobody reads on so far."""

_LONGEST_NOTE = 200
_LONGEST_TREND = 14


def of_day(day: Day, place: Place) -> Letter:
    """Only the recipient's own jobs are in `day`."""
    bad = sum(not job.is_well for job in day.jobs)
    about = _about(len(day.jobs), bad)
    tone = Tone.GOOD if not bad else _worst(day)
    return Letter(
        kind=Kind.DIGEST,
        job=None,
        run_id=None,
        word="DIGEST",
        tone=tone,
        subject=subject("DIGEST", None, about),
        headline=about,
        parts=tuple(_parts(day, place)),
        footer=footer(place),
    )


def _about(jobs: int, bad: int) -> str:
    whole = "1 job" if jobs == 1 else f"{jobs} jobs"
    if not bad:
        return f"{whole}, all well" if jobs != 1 else "1 job, and it is well"
    return f"{bad} of {whole} {'needs' if bad == 1 else 'need'} attention"


def _worst(day: Day) -> Tone:
    return Tone.BAD if any(job.failing or job.stale for job in day.jobs) else Tone.WARNING


def _parts(day: Day, place: Place) -> list[Part]:
    counts = day.counts
    rows = [
        ("From", measures.moment(day.since, place.zone)),
        ("Until", measures.moment(day.until, place.zone)),
        ("Good runs", f"{counts['good']:,}"),
        ("Failed runs", f"{counts['failed']:,}"),
        ("Stale jobs", f"{counts['stale']:,}"),
        ("Stored", measures.size(counts["stored"])),
    ]
    bad = sorted((job for job in day.jobs if not job.is_well), key=_urgency)
    well = sorted((job for job in day.jobs if job.is_well), key=lambda job: job.job)
    parts: list[Part] = [Rows(tuple(rows))]
    parts += _shown("Jobs that need attention", bad, place, MOST_SHOWN)
    parts += _shown("Jobs that are well", well, place, max(0, MOST_SHOWN - len(bad)))
    return parts


def _urgency(job: JobDay) -> tuple[bool, bool, bool, str]:
    return (not job.stale, not job.failing, not job.failed, job.job)


def _shown(title: str, jobs: list[JobDay], place: Place, most: int) -> list[Part]:
    """As many as may be shown, and how many more there are."""
    if not jobs:
        return []
    parts: list[Part] = []
    if shown := jobs[:most]:
        parts.append(Entries(title, tuple(_entry(job, place) for job in shown)))
    if left := len(jobs) - len(shown):
        tone = Tone.CALM if jobs[0].is_well else Tone.BAD
        what = title[:1].lower() + title[1:]
        parts.append(Says(f"And {left:,} more {what}: backupctl status shows them all.", tone))
    return parts


def _entry(job: JobDay, place: Place) -> Entry:
    word, tone = _standing(job)
    note = measures.one_line(job.error or "", _LONGEST_NOTE)
    return Entry(job.job, word, tone, _counted(job, place), measures.trend(job.sizes[-_LONGEST_TREND:]), note)


def _standing(job: JobDay) -> tuple[str, Tone]:
    if job.stale:
        return "STALE", Tone.BAD
    if job.failing:
        return "FAILING", Tone.BAD
    if job.failed or job.warnings:
        return "WARNING", Tone.WARNING
    return "OK", Tone.GOOD


def _counted(job: JobDay, place: Place) -> str:
    counts = ((job.good, "good"), (job.failed, "failed"), (job.skipped, "skipped"), (job.warnings, "with a warning"))
    told = [f"{count} {what}" for count, what in counts if count] or ["no runs"]
    if job.stored:
        told.append(f"{measures.size(job.stored)} stored")
    if not job.good:
        last = measures.clock(job.last_good_at, place.zone) if job.last_good_at else "never"
        told.append(f"last good backup: {last}")
    return ", ".join(told)
