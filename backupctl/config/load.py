"""Reads the jobs file as a whole: text, nodes, variables, models, and at last the frozen configuration."""

import gc
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from backupctl.config.assemble import Overrides, Wanted, assemble
from backupctl.config.check import Check
from backupctl.config.interpolate import Interpolation
from backupctl.config.schema import JobEntry, JobsFile
from backupctl.config.source import Source, is_secret
from backupctl.config.tree import Fault, Node, Unreadable, compose
from backupctl.config.tree import Mapping as MappingNode
from backupctl.config.values import INLINE, Config, Job, unknown_job
from backupctl.errors import UsageError

STATE_VARIABLE = "BACKUPCTL_STATE_DIR"
# A shorter value of a field that is no secret's would be masked in the middle of words.
_LEAST_SECRET = 4
_SYSTEM_STATE = Path("/var/lib/backupctl")


def load(
    path: Path,
    *,
    environ: Mapping[str, str] | None = None,
    jobs: Collection[str] | None = None,
    database: bool = True,
    telling: bool | None = None,
    schedule_only: bool = False,
    overrides: Overrides | None = None,
) -> Config:
    """The configuration in the file.

    `jobs`: None for every job, and then every variable of every enabled one is needed; else the jobs
    with these names (a disabled one, too), and only what they use is needed and looked at.
    `database=False`: variables of the jobs' databases are not needed; what has none keeps its text.
    `telling`: whether variables of what tells people of a run are needed (email, seq, recipients, notify, ping);
    by default when all jobs are asked for with their databases.
    `schedule_only=True`: only variables that say when a job runs are needed. What else lacks one is left out: such a
    database or storage has the type `unresolved`, and cannot be used.
    `overrides`: job name to key of its `database` to what is written there instead.
    Raises InvalidFile with every mistake, ConfigError for a file that cannot be read, UsageError for an unknown job.
    """
    variables = os.environ if environ is None else environ
    folder = path.absolute().parent
    with _no_collecting():
        source = Source.read(path)
        root, faults = _parsed(source)
        told = jobs is None and database if telling is None else telling
        wanted = Wanted(jobs, database, told, schedule_only, overrides or {})
        interpolation = Interpolation(variables, folder)
        assembly = assemble(root, interpolation, wanted)
        check = Check(assembly, folder)
        model = check.model()
        faults += [*assembly.faults, *check.faults]
        if faults or model is None:
            raise source.invalid(root, faults)
        for name in jobs or ():
            if name not in assembly.names:
                raise unknown_job(name, assembly.names)
        # A secret may be in a field of any name: in an argument, in a URL. What it comes from has a telling one.
        named = frozenset(
            value for name, value in interpolation.used.items() if is_secret(name) and len(value) >= _LEAST_SECRET
        )
        return _config(model, variables, named)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Ten thousand jobs are a million new values and no garbage: looking for it takes three quarters of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _parsed(source: Source) -> tuple[MappingNode, list[Fault]]:
    try:
        root, faults = compose(source.text)
    except Unreadable as error:
        raise source.unreadable(error) from None
    if root is None:
        empty = Node(0, 0, 0, 1)
        raise source.invalid(empty, [Fault(empty, "the file is empty", "write a first one with: backupctl init")])
    if not isinstance(root, MappingNode):
        hint = "begin it with version: 1, and put the jobs under the key jobs"
        raise source.invalid(root, [*faults, Fault(root, "the file must be a mapping of keys to values", hint)])
    return root, faults


def _config(model: JobsFile, environ: Mapping[str, str], secrets: frozenset[str]) -> Config:
    return Config(
        version=model.version,
        timezone=model.timezone,
        workers=model.workers,
        max_per_host=model.max_per_host,
        shutdown_grace=model.shutdown_grace,
        state_dir=model.state_dir or _state_dir(environ),
        environment=model.environment,
        email=model.email,
        digest=model.digest,
        seq=model.seq,
        storages=dict(model.storages),
        jobs=tuple(_job(entry, model) for entry in model.jobs),
        secrets=secrets,
    )


def _job(entry: JobEntry, model: JobsFile) -> Job:
    named = isinstance(entry.storage, str)
    return Job(
        name=entry.name,
        database=entry.database,
        storage=model.storages[entry.storage] if isinstance(entry.storage, str) else entry.storage,
        storage_name=str(entry.storage) if named else INLINE,
        cron=entry.cron,
        timezone=entry.timezone or model.timezone,
        recipients=entry.recipients,
        compression=entry.compression,
        enabled=entry.enabled,
        tags=entry.tags,
        retention=entry.retention,
        jitter=entry.jitter,
        catch_up=entry.catch_up,
        max_age=entry.max_age,
        timeout=entry.timeout,
        retries=entry.retries,
        retry_delay=entry.retry_delay,
        before=entry.before,
        after=entry.after,
        hook_timeout=entry.hook_timeout,
        notify_on=frozenset(entry.notify_on),
        notify=entry.notify,
        ping=entry.ping,
        max_shrink=entry.max_shrink,
    )


def _state_dir(environ: Mapping[str, str]) -> Path:
    named = environ.get(STATE_VARIABLE)
    if named:
        return _expanded(Path(named)).absolute()
    if os.geteuid() == 0:
        return _SYSTEM_STATE
    # XDG Base Directory Specification: a relative path is to be ignored.
    home = Path(environ.get("XDG_STATE_HOME", ""))
    return (home if home.is_absolute() else _expanded(Path("~/.local/state"))) / "backupctl"


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise UsageError(
            f"there is no home folder for {path.parts[0]}, where the state folder would be",
            hint=f"set state_dir in the file, or ${STATE_VARIABLE}, to a folder that this user can write",
        ) from None
