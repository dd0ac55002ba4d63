"""The commands of a job that run before and after its backup, and what they are told."""

from collections.abc import Mapping
from dataclasses import replace

from backupctl.cancel import Cancellation
from backupctl.config import Job
from backupctl.errors import EngineError, HookError
from backupctl.events import Run
from backupctl.process import Session


def before(job: Job, run: Run, session: Session) -> None:
    """Raises HookError when the command fails, and CancelledError."""
    if job.before:
        _call("before", job.before, job, session, _facts(job, run))


def after(job: Job, run: Run, session: Session) -> None:
    """Call the command with the run's outcome, also when the run was cancelled. Raises HookError."""
    if job.after:
        # What `before` stopped must be started again, whoever wants the run to end.
        session = replace(session, cancel=Cancellation())
        _call("after", job.after, job, session, _facts(job, run) | _outcome(job, run))


def _call(which: str, argv: tuple[str, ...], job: Job, session: Session, facts: Mapping[str, str]) -> None:
    try:
        session.call(argv, env=facts, timeout=job.hook_timeout)
    except EngineError as error:
        hint = (
            error.hint
            or f"run {argv[0]} by hand as the user that backupctl runs as; the jobs file names it in `{which}`"
        )
        raise HookError(f"the command in `{which}` failed: {error}", hint=hint) from error


def _facts(job: Job, run: Run) -> dict[str, str]:
    return {
        "BACKUPCTL_JOB": job.name,
        "BACKUPCTL_RUN_ID": run.run_id,
        "BACKUPCTL_TRIGGER": run.trigger.value,
        "BACKUPCTL_ENGINE": job.database.type,
        "BACKUPCTL_STORAGE": run.location,
        "BACKUPCTL_STARTED_AT": run.started_at.isoformat(timespec="seconds"),
    }


def _outcome(job: Job, run: Run) -> dict[str, str]:
    facts = {"BACKUPCTL_OUTCOME": run.outcome.value, "BACKUPCTL_ERROR": run.error or ""}
    if job.database.has_several:
        facts |= {
            "BACKUPCTL_BACKUP_IDS": "\n".join(manifest.id for manifest in run.manifests),
            "BACKUPCTL_DATABASES": "\n".join(manifest.database for manifest in run.manifests),
            # A name may have spaces in it.
            "BACKUPCTL_FAILED_DATABASES": "\n".join(run.failures),
        }
    elif run.manifest:
        dump = run.manifest.dump
        facts |= {
            "BACKUPCTL_BACKUP_ID": run.manifest.id,
            "BACKUPCTL_DATABASE": run.manifest.database,
            "BACKUPCTL_ARTIFACT_KEY": dump.key,
            "BACKUPCTL_SIZE": str(dump.size),
        }
    return facts
