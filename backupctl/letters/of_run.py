"""What is said of one run."""

import shlex
from collections.abc import Sequence
from pathlib import PurePath

from backupctl.events import Run
from backupctl.letters import measures
from backupctl.letters.facts import Facts, Good
from backupctl.letters.letter import Letter, Listing, Part, Rows, Says, Tone
from backupctl.letters.origin import footer, of_place, subject
from backupctl.model import Manifest, Outcome
from backupctl.notifiers.base import Kind

OUTPUT_LINES = 20
OUTPUT_LENGTH = 4000
LONGEST_HEADLINE = 300
MOST_WARNINGS = 10
MOST_DATABASES = 50

_WORDS = {
    Outcome.FAILED: ("FAILED", Tone.BAD),
    Outcome.INTERRUPTED: ("FAILED", Tone.BAD),
    Outcome.PARTIAL: ("PARTIAL", Tone.WARNING),
    Outcome.SKIPPED: ("SKIPPED", Tone.WARNING),
    Outcome.CANCELLED: ("CANCELLED", Tone.CALM),
}
_GOOD_WORDS = {
    Kind.DRIFT: ("WARNING", Tone.WARNING),
    Kind.RECOVERY: ("RECOVERED", Tone.GOOD),
    Kind.SUCCESS: ("OK", Tone.GOOD),
}


def kind_of(run: Run, facts: Facts) -> Kind:
    """What a run's message is about. A backup that lacks a part counts as a failure: people must hear of it."""
    match run.outcome:
        case Outcome.FAILED | Outcome.INTERRUPTED | Outcome.PARTIAL:
            return Kind.FAILURE
        case Outcome.SKIPPED | Outcome.CANCELLED:
            return Kind.SKIPPED
        case _ if facts.drift:
            return Kind.DRIFT
        case _:
            return Kind.RECOVERY if facts.failed_before else Kind.SUCCESS


def of_run(run: Run, facts: Facts) -> Letter:
    kind = kind_of(run, facts)
    word, tone = _GOOD_WORDS[kind] if run.outcome is Outcome.SUCCEEDED else _WORDS[run.outcome]
    about = _about(run, facts, kind)
    return Letter(
        kind=kind,
        job=facts.job,
        run_id=run.run_id,
        word=word,
        tone=tone,
        subject=subject(word, facts.job, about),
        headline=measures.one_line(about, LONGEST_HEADLINE),
        parts=tuple(_parts(run, facts, tone)),
        footer=footer(facts.place),
    )


def _about(run: Run, facts: Facts, kind: Kind) -> str:
    """The run in one line."""
    if kind is Kind.DRIFT:
        return facts.drift[0]
    if kind is Kind.RECOVERY:
        return f"backed up again, after {_runs(facts.failed_before)} that failed"
    if run.outcome is Outcome.SUCCEEDED and run.stored is not None:
        of = "" if run.manifest else f" of {len(run.manifests)} databases"
        return f"{measures.size(run.stored)} stored{of} in {measures.duration(run.seconds)}"
    return run.error or f"the run was {run.outcome.value}"


def _runs(count: int) -> str:
    return "a run" if count == 1 else f"{count} runs"


def _parts(run: Run, facts: Facts, tone: Tone) -> list[Part]:
    parts = [*_drifts(run, facts), *_troubles(run, tone)]
    parts += _recovering(facts, run)
    parts += _warnings(facts.warnings)
    parts.append(Rows(tuple(_rows(run, facts))))
    output = _end_of(facts.output)
    if output and output not in measures.visible(run.error or ""):  # the error may have said all of it
        parts.append(Listing("The last lines of the tool's output", output))
    if run.manifests:
        parts += _restoring(run.manifests[0], facts)
    elif run.outcome in (Outcome.FAILED, Outcome.INTERRUPTED):
        parts.append(Listing("What there is to restore", f"{_command(facts)} list {shlex.quote(facts.job)}"))
    return parts


def _drifts(run: Run, facts: Facts) -> list[Part]:
    """What the headline has not said already, and how to say that all is well."""
    if not facts.drift:
        return []
    told = facts.drift if kind_of(run, facts) is not Kind.DRIFT else facts.drift[1:]
    if not any(manifest.drift for manifest in run.manifests):
        return _warnings(told)  # a database has gone: there is no backup to accept
    return [
        *_warnings(told),
        Says("Nothing older is removed until someone has looked."),
        Listing("If all is as it should be", f"{_command(facts)} accept {shlex.quote(facts.job)}"),
    ]


def _warnings(texts: Sequence[str]) -> list[Part]:
    parts: list[Part] = [Says(measures.visible(text), Tone.WARNING) for text in texts[:MOST_WARNINGS]]
    left = len(texts) - len(parts)
    return [*parts, Says(f"And {left} more: backupctl list --json shows them all.", Tone.WARNING)] if left else parts


def _troubles(run: Run, tone: Tone) -> list[Part]:
    """The error, where the headline could not hold all of it, and what to try."""
    if run.error is None:
        return []
    whole = measures.visible(run.error)
    parts: list[Part] = [] if whole == measures.one_line(run.error, LONGEST_HEADLINE) else [Says(whole, tone)]
    return [*parts, Says(f"What to try: {measures.visible(run.hint)}")] if run.hint else parts


def _recovering(facts: Facts, run: Run) -> list[Part]:
    if run.outcome is not Outcome.SUCCEEDED or not facts.failed_before:
        return []
    since = f", since {measures.moment(facts.failing_since, facts.place.zone)}" if facts.failing_since else ""
    return [Says(f"Before it, {_runs(facts.failed_before)} had failed{since}.", Tone.GOOD)]


def _rows(run: Run, facts: Facts) -> list[tuple[str, str]]:
    zone = facts.place.zone
    rows = [("Job", facts.job), ("Database", f"{facts.target} ({_software(next(iter(run.manifests), None), facts)})")]
    rows += [("Began", measures.moment(run.started_at, zone)), ("Took", measures.duration(run.seconds))]
    if run.stored is not None:
        rows += _sizes(Good(run.started_at, run.stored, run.dumped), facts.last_good)
    rows.append(("Storage", run.location))
    if run.manifest is not None and not run.failures:
        rows += [("Stored as", artifact.key) for artifact in run.manifest.artifacts]
        rows.append(("Backup", run.manifest.id))
    else:
        rows += _each(run)
    rows.append(("Last good", _before(run, facts)))
    if facts.next_run_at is not None:
        rows.append(("Next run", measures.clock(facts.next_run_at, zone)))
    return rows + of_place(facts.place, run.run_id, run.trigger.value)


def _software(manifest: Manifest | None, facts: Facts) -> str:
    return f"{facts.engine} {manifest.server_version}".strip() if manifest else facts.engine


def _each(run: Run) -> list[tuple[str, str]]:
    """What came of each of several databases, those without a backup first."""
    failed = [(name, f"no backup: {measures.one_line(why, LONGEST_HEADLINE)}") for name, why in run.failures.items()]
    made = [
        (one.database, f"{measures.size(sum(artifact.size for artifact in one.artifacts))} as {one.id}")
        for one in run.manifests
    ]
    rows = [*failed, *made]
    left = len(rows) - MOST_DATABASES
    return rows if left <= 0 else [*rows[:MOST_DATABASES], ("And more", f"{left} databases")]


def _sizes(made: Good, before: Good | None) -> list[tuple[str, str]]:
    rows = [("Stored", _with_change(made.stored, before.stored if before else None))]
    if made.dumped is None:
        return rows
    return [("Dumped", _with_change(made.dumped, before.dumped if before else None)), *rows]


def _with_change(now: int, before: int | None) -> str:
    size, earlier = measures.size(now), measures.size(before or 0)
    changed = measures.change(before, now)
    if not changed:
        return size
    return f"{size} ({changed})" if size == earlier else f"{size} ({changed}, from {earlier})"


def _before(run: Run, facts: Facts) -> str:
    good = facts.last_good
    if good is None:
        return "none before this run"
    age = measures.duration((run.finished_at - good.at).total_seconds())
    return f"{measures.clock(good.at, facts.place.zone)}, {age} before"


def _end_of(output: str) -> str:
    lines = measures.visible(output[-OUTPUT_LENGTH:], OUTPUT_LENGTH).splitlines()
    return "\n".join(line.rstrip() for line in lines[-OUTPUT_LINES:])


def _command(facts: Facts) -> str:
    return f"backupctl -f {shlex.quote(facts.place.config)}"


def _restoring(manifest: Manifest, facts: Facts) -> list[Part]:
    command, job = _command(facts), shlex.quote(facts.job)
    into = shlex.quote(_restored(manifest))
    if manifest.databases:
        which = f"--database {shlex.quote(manifest.database)}"
        return [
            Listing("To check them", f"{command} verify {job}"),
            Listing("To restore one beside the original", f"{command} restore {job} {which} --into {into}"),
        ]
    return [
        Listing("To check it", f"{command} verify {job} {manifest.id}"),
        Listing("To restore it beside the original", f"{command} restore {job} {manifest.id} --into {into}"),
    ]


def _restored(manifest: Manifest) -> str:
    """A name beside the original's: of a database, or of SQLite's file."""
    if manifest.engine == "sqlite":
        return f"{PurePath(manifest.database).stem}_restored.sqlite"
    return f"{manifest.database}_restored"
