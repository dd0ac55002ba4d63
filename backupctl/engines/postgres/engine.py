"""PostgreSQL behind the engines' contract."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from backupctl.access import BucketAccess
from backupctl.engines.base import EngineOptions, Part, Preflight, Restore, ServerEngine, is_of_a_restore
from backupctl.engines.counting import Counting
from backupctl.engines.postgres.census import CopyCounter
from backupctl.engines.postgres.clients import Client, Clients, parse_version
from backupctl.engines.postgres.connection import Connection
from backupctl.engines.postgres.dump import Dumping, checked_dump
from backupctl.engines.postgres.facts import Facts
from backupctl.engines.postgres.load import read_archive
from backupctl.engines.postgres.options import PostgresOptions
from backupctl.engines.postgres.privileges import Survey, refuse_unreadable
from backupctl.engines.postgres.psql import Psql, outside
from backupctl.engines.postgres.restore import Restoration
from backupctl.errors import ToolMissingError
from backupctl.model import DUMP_ROLE, GLOBALS_ROLE, Manifest
from backupctl.process import Session
from backupctl.stream import CHUNK, Reader

# Templates are what new databases are made from; one that allows no connection cannot be dumped (template0), nor can
# one whose DROP was interrupted, which has the limit -2 (since 11.21, 12.16, 13.12, 14.9 and 15.4).
_DATABASES = (
    "SELECT coalesce(json_agg(datname), '[]') FROM pg_database"
    " WHERE datallowconn AND NOT datistemplate AND datconnlimit <> -2"
)
_GLOBALS_SUFFIX = ".globals.sql"


@dataclass(frozen=True)
class _Found:
    facts: Facts
    survey: Survey


class PostgresEngine(ServerEngine):
    """One PostgreSQL database."""

    Options: ClassVar[type[EngineOptions]] = PostgresOptions
    connection_options = frozenset({"host", "port", "user", "password"})

    def __init__(self, options: PostgresOptions, session: Session) -> None:
        self.format = options.format
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
        found: list[str] = outside(str(self._clients.any("psql").program), self._connection).ask(_DATABASES)
        return tuple(sorted(name for name in found if not is_of_a_restore(name)))

    def preflight(self) -> Preflight:
        psql = Psql(str(self._clients.any("psql").program), self._connection, self._options.name)
        facts = Facts.of(psql)
        pg_dump = self._clients.not_older("pg_dump", facts.major, than=f"the server's PostgreSQL {facts.version}")
        survey = Survey.of(psql)
        # Where a part is left out on purpose, that part need not be readable: pg_dump is the judge.
        if not self._options.leaves_out:
            refuse_unreadable(survey, facts)
        return Preflight(
            server_version=facts.version,
            client=str(pg_dump),
            parts=tuple(self._parts(pg_dump, facts, survey)),
            warnings=tuple(self._warnings(pg_dump, _Found(facts, survey))),
            details={**facts.details, **self._options.marks},
        )

    def check_dump(self, manifest: Manifest, dump: Reader, *, say: Callable[[str], None]) -> None:
        if manifest.format != "custom":
            _read_all(checked_dump(dump))
            return
        dumped_by = parse_version(manifest.client) or (0, 0)
        try:
            pg_restore = self._clients.not_older("pg_restore", dumped_by[0], than=manifest.client)
        except ToolMissingError as error:
            say(f"only the sums were checked, since the archive could not be read: {error.message}")
            _read_all(dump)
        else:
            read_archive(self._connection, pg_restore, dump)

    def restore(self, request: Restore) -> None:
        Restoration(self._connection, self._clients, request).run()

    def _parts(self, pg_dump: Client, facts: Facts, survey: Survey) -> list[Part]:
        dumping = Dumping(self._connection)
        counting = Counting(CopyCounter if self._options.counts else None)
        parts = [
            Part(
                DUMP_ROLE,
                self._options.suffix,
                lambda: counting.of(dumping.open_dump(pg_dump)),
                facts.size,
                counting.findings,
            )
        ]
        if self._options.globals:
            pg_dumpall = self._clients.not_older("pg_dumpall", facts.major, than=f"PostgreSQL {facts.version}")
            passwords = survey.reads_passwords
            parts.append(
                Part(GLOBALS_ROLE, _GLOBALS_SUFFIX, lambda: dumping.open_globals(pg_dumpall, passwords=passwords))
            )
        return parts

    def _warnings(self, pg_dump: Client, found: _Found) -> list[str]:
        options, facts = self._options, found.facts
        warnings = found.survey.warnings(facts)
        if options.leaves_out:
            warnings.append(
                f"extra_args leave out a part of the database ({' '.join(options.leaves_out)}); "
                "with a filter for schemas or tables, large objects and extensions are left out too"
            )
        if options.globals and not found.survey.reads_passwords:
            warnings.append(
                f'the globals are without the passwords of roles, which the user "{facts.user}" may not read'
            )
        if options.format == "custom" and pg_dump.major >= 17 > facts.major:
            warnings.append(
                f"{pg_dump} writes an archive that only pg_restore 17 or later reads, for a server {facts.version}: "
                f"install postgresql-client-{facts.major}"
            )
        return warnings


def _read_all(dump: Reader) -> None:
    while dump.read(CHUNK):
        pass
