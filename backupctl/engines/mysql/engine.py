"""MySQL and MariaDB behind the engines' contract."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

from backupctl.access import BucketAccess
from backupctl.engines.base import EngineOptions, Findings, Part, Preflight, Restore, ServerEngine, is_of_a_restore
from backupctl.engines.counting import Counter, Counting
from backupctl.engines.messages import named
from backupctl.engines.mysql.accounts import Script
from backupctl.engines.mysql.census import Census, Expected
from backupctl.engines.mysql.clients import Client, Clients, doubts
from backupctl.engines.mysql.connection import Connection
from backupctl.engines.mysql.dump import Dumping, checked_dump
from backupctl.engines.mysql.facts import Facts, shown
from backupctl.engines.mysql.inserts import InsertCounter
from backupctl.engines.mysql.options import SYSTEM_SCHEMAS, FamilyOptions, MysqlOptions
from backupctl.engines.mysql.privileges import Problem, Rights, Survey, refuse, refuse_incomplete
from backupctl.engines.mysql.restore import Restoration
from backupctl.engines.mysql.server import Server, connected
from backupctl.engines.mysql.sql import Sql
from backupctl.errors import EngineError
from backupctl.model import DUMP_ROLE, GLOBALS_ROLE, Manifest
from backupctl.process import Session
from backupctl.stream import CHUNK, Reader

_SUFFIX = ".sql"
_DATABASES = "SELECT JSON_ARRAY(schema_name) FROM information_schema.schemata"
# MariaDB takes every folder of its data for a database: that of the file system's check, and those of snapshots.
_FOLDER = re.compile(r"#mysql50#(lost\+found$|\.)")
_GLOBALS_SUFFIX = ".globals.sql"


class MysqlEngine(ServerEngine):
    """One MySQL database."""

    Options: ClassVar[type[EngineOptions]] = MysqlOptions
    connection_options = frozenset({"host", "port", "user", "password"})
    also_restores = frozenset({"mariadb"})

    def __init__(self, options: FamilyOptions, session: Session) -> None:
        self._options = options
        self._connection = Connection(options, session)
        self._clients = Clients(session, options.bin_dir)

    @classmethod
    def build(cls, options: Any, session: Session, access: BucketAccess | None = None) -> Self:
        return cls(options, session)

    @property
    def database(self) -> str:
        return self._options.name

    @property
    def target(self) -> str:
        return f"{self._connection.server}/{self._options.shown}"

    def databases(self) -> tuple[str, ...]:
        sql, _ = self._connected
        found = [name for (name,) in sql.rows(_DATABASES)]
        return tuple(sorted(name for name in found if not (_is_the_servers(name) or is_of_a_restore(name))))

    def unseen(self) -> str | None:
        sql, server = self._connected
        if Rights.of(sql, server, "").sees_databases:
            return None
        return (
            f"the user {server.user} sees only databases that it has rights to, others are not backed up; "
            f"as an administrator run: GRANT SHOW DATABASES ON *.* TO {server.account};"
        )

    def preflight(self) -> Preflight:
        options = self._options
        sql, server = self._connected
        facts = Facts.of(sql.at(options.name), server, options.name)
        rights = Rights.of(sql, server, options.name)
        survey = Survey(facts, server, rights, options.name)
        incomplete = survey.incomplete()
        client = self._clients.best("dump", server.flavour, server.number)
        refuse(survey.beyond(client))
        # Where a part is left out on purpose, that part need not be dumpable: the client is the judge.
        if not options.leaves_out:
            refuse(survey.problems())
        if not options.allow_incomplete:
            refuse_incomplete(incomplete)
        return Preflight(
            server_version=server.version,
            client=str(client),
            parts=tuple(_Parts(self, sql, survey, client).all()),
            warnings=tuple(self._warnings(survey, incomplete, client)),
            details={**facts.details(server), **options.marks},
        )

    def check_dump(self, manifest: Manifest, dump: Reader, *, say: Callable[[str], None]) -> None:
        checked = checked_dump(dump)
        while checked.read(CHUNK):
            pass

    def restore(self, request: Restore) -> None:
        Restoration(self._connection, self._clients, request).run()

    @cached_property
    def _connected(self) -> tuple[Sql, Server]:
        return connected(self._connection, self._clients)

    def _warnings(self, survey: Survey, incomplete: list[Problem], client: Client) -> list[str]:
        options, facts, server = self._options, survey.facts, survey.server
        warnings = [*doubts(client, server.flavour, server.number), *survey.warnings()]
        warnings += [
            f"the dump may be incomplete: {fact}; as an administrator run: {grant}" for fact, grant in incomplete
        ]
        if options.leaves_out:
            warnings.append(f"extra_args leave out a part of the database ({' '.join(options.leaves_out)})")
        if facts.versioned and not any(argument.startswith("--dump-history") for argument in options.extra_args):
            warnings.append(
                f"the history of system-versioned tables is not in the dump: {', '.join(facts.versioned)}; "
                "extra_args: [--dump-history] adds it"
            )
        return warnings


@dataclass(frozen=True)
class _Parts:
    """The artifacts of one dump."""

    engine: MysqlEngine
    sql: Sql
    survey: Survey
    client: Client

    def all(self) -> list[Part]:
        engine, survey = self.engine, self.survey
        options, facts = engine._options, survey.facts
        dump = _CountedDump(
            Dumping(engine._connection, survey.server, survey.rights),
            # The triggers of a table that is left out are left out with it.
            Expected(facts.routines, 0 if options.leaves_out else facts.triggers, facts.events),
            Counting(_counter(options)),
            strict=not options.allow_incomplete,
        )
        parts = [Part(DUMP_ROLE, _SUFFIX, lambda: dump.open(self.client), facts.size, dump.findings)]
        if options.globals:
            script = self._script()
            parts.append(Part(GLOBALS_ROLE, _GLOBALS_SUFFIX, script.open, findings=lambda: _left_out(script)))
        return parts

    def _script(self) -> Script:
        there, server = self.survey.facts.accounts, self.survey.server
        if there is None:
            raise EngineError(
                f"the user {server.user} may not see the server's accounts, which globals: true stores",
                hint=f"as an administrator run: GRANT SELECT ON mysql.* TO {server.account}; or leave globals out",
            )
        return Script(self.sql, server, there)


def _is_the_servers(name: str) -> bool:
    return name.lower() in SYSTEM_SCHEMAS or _FOLDER.match(name) is not None


def _counter(options: FamilyOptions) -> Callable[[], Counter] | None:
    if options.count_rows == "off":
        return None
    return lambda: InsertCounter(exact=options.count_rows == "exact")


def _left_out(script: Script) -> Findings:
    names = named(map(shown, script.left_out))
    said = f"the server tells nothing of accounts that it does not use, they are not in the globals: {names}"
    return Findings(warnings=(said,) if names else ())


class _CountedDump:
    """A dump that is compared with what the catalogue says should be in it."""

    def __init__(self, dumping: Dumping, expected: Expected, counting: Counting, *, strict: bool) -> None:
        self._dumping = dumping
        self._expected = expected
        self._counting = counting
        self._strict = strict
        self._missing: list[str] = []

    def open(self, client: Client) -> Reader:
        return self._counting.of(Census(self._dumping.open_dump(client), self._compare))

    def findings(self) -> Findings:
        found = self._counting.findings()
        if not self._missing:
            return found
        return replace(found, warnings=(*found.warnings, f"the dump lacks {', '.join(self._missing)}"))

    def _compare(self, counted: dict[str, int]) -> None:
        self._missing = self._expected.missing_from(counted)
        if self._missing and self._strict:
            raise EngineError(
                f"the dump lacks {', '.join(self._missing)} that the catalogue shows",
                hint="run the job again, some may have been dropped meanwhile; else GRANT TRIGGER, EVENT and the right "
                "to see routines to the user that dumps",
                transient=True,
            )
