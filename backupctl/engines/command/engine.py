"""The command engine: what one program writes is the dump, and another program takes it back."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import ClassVar, Self

from backupctl.access import BucketAccess
from backupctl.engines.base import Engine, EngineOptions, Part, Preflight, Restore
from backupctl.engines.command.ending import Ending
from backupctl.engines.command.options import OURS, CommandOptions
from backupctl.engines.command.program import Program
from backupctl.engines.command.questions import Questions
from backupctl.errors import EngineError, IntegrityError, UsageError
from backupctl.model import DUMP_ROLE, Manifest
from backupctl.options import Command
from backupctl.process import Session
from backupctl.stream import CHUNK, Reader

_INTO = f"{OURS}INTO"
_CLEAN = f"{OURS}CLEAN"
_BACKUP_ID = f"{OURS}BACKUP_ID"
_NOT_CLEAN = f"; if it refused to replace what is there, --clean gives it {_CLEAN}=1"


class CommandEngine(Engine):
    """Dumps whatever a program dumps. The artifact is what the program wrote, compressed."""

    Options: ClassVar[type[EngineOptions]] = CommandOptions
    format = "command"

    def __init__(self, options: CommandOptions, session: Session) -> None:
        self._options = options
        self._session = session
        self._ending = Ending(options.end_marker, options.min_size)

    @classmethod
    def build(cls, options: CommandOptions, session: Session, access: BucketAccess | None = None) -> Self:
        return cls(options, session)

    @property
    def database(self) -> str:
        return self._options.title

    @property
    def target(self) -> str:
        host = self._options.host
        return f"{host}/{self.database}" if host else self.database

    def preflight(self) -> Preflight:
        options, questions = self._options, Questions()
        dump = Program("dump", options.dump, options.variables, self._session)
        dump.check()
        questions.presence(self._program("restore", options.restore))
        version = questions.version(self._program("version", options.version))
        size = questions.size(self._program("estimate", options.estimate))
        return Preflight(
            server_version=version,
            client=dump.name,
            parts=(Part(DUMP_ROLE, options.suffix, lambda: self._output(dump), size_estimate=size),),
            warnings=tuple(questions.warnings),
            details=self._ending.details,
        )

    def check_dump(self, manifest: Manifest, dump: Reader, *, say: Callable[[str], None]) -> None:
        checked = Ending.of(manifest).checked(dump, IntegrityError)
        while checked.read(CHUNK):
            pass

    def restore(self, request: Restore) -> None:
        program = self._restoring(request)
        ending = Ending.of(request.manifest)
        program.check()
        if request.clean and not request.confirm(f"{program.name} may replace what is in {request.into}."):
            raise UsageError("nothing was restored: replacing what is there was not confirmed")
        facts = {_INTO: request.into, _BACKUP_ID: request.manifest.id} | ({_CLEAN: "1"} if request.clean else {})
        with closing(request.open(DUMP_ROLE)) as dump:
            program.feed(ending.checked(dump, IntegrityError), facts)

    def _program(self, key: str, argv: Command | None) -> Program | None:
        return Program(key, argv, self._options.variables, self._session) if argv else None

    def _output(self, program: Program) -> Reader:
        return self._ending.checked(program.output(), _refused)

    def _restoring(self, request: Restore) -> Program:
        if request.create_roles or not request.owner:
            raise UsageError("a command knows no roles and no owners", hint="leave out --create-roles and --no-owner")
        program = self._program("restore", self._options.restore)
        if program is None:
            raise UsageError(
                "the job does not say which program restores its dump",
                hint="set database.restore, or write the dump out with --to-file PATH",
            )
        if not request.into:
            raise UsageError("the name to restore into is empty", hint="give --into NAME")
        return program if request.clean else replace(program, advice=_NOT_CLEAN)


def _refused(problem: str) -> EngineError:
    return EngineError(
        f"{problem}: it is not kept as a backup",
        hint="run the program of database.dump by hand; database.min_size and end_marker say what a whole dump is like",
    )
