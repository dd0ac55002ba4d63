"""Feeds a stored dump into a database that is ready for it, and reads archives to their end."""

import re
from dataclasses import dataclass

from backupctl.engines.postgres import statements
from backupctl.engines.postgres.clients import Client, Clients, Version, knows_restrict
from backupctl.engines.postgres.connection import Connection
from backupctl.engines.postgres.explain import explained, explaining
from backupctl.engines.postgres.psql import QUIET
from backupctl.errors import EngineError, IntegrityError, ToolMissingError
from backupctl.process import ProcessError, Source
from backupctl.stream import Reader

_WITHOUT_TRANSACTION_TIMEOUT = 17  # the setting came with PostgreSQL 17


@dataclass(frozen=True)
class Loading:
    """How one dump goes into one database."""

    connection: Connection
    clients: Clients
    database: str
    dumped_by: Version
    server_major: int
    owner: bool
    in_one_transaction: bool
    """For a database that stays if the restore fails; one of ours is dropped, and needs no locks held to the end."""
    default_tablespace: bool

    def plain(self, dump: Reader) -> Client:
        """Feed SQL to psql. Raises EngineError, and what reading the dump raises."""
        psql = self._psql()
        source: Source = self._filtered(dump)
        if self.in_one_transaction:
            source = _InTransaction(source)
        conninfo = self.connection.conninfo(self.database)
        # The results of a dump's SELECTs (setval, lo_create) are nobody's message.
        argv = [str(psql.program), *QUIET, "-o", "/dev/null", "-d", conninfo, "-f", "-"]
        with explaining(self.connection.server):
            self.connection.session.feed(argv, source)
        return psql

    def custom(self, dump: Reader) -> Client:
        """Feed an archive to pg_restore. Raises EngineError, and what reading the dump raises."""
        pg_restore = self.clients.not_older("pg_restore", self.dumped_by[0], than=f"pg_dump {self.dumped_by[0]}")
        # pg_restore 17 and later sets it, also where the server refuses: then that one error is let pass.
        unknown_setting = pg_restore.major >= _WITHOUT_TRANSACTION_TIMEOUT > self.server_major
        arguments = ["--no-password"]
        if not unknown_setting:
            arguments.append("--exit-on-error")
            if self.in_one_transaction:
                arguments.append("--single-transaction")
        if not self.owner:
            arguments += ["--no-owner", "--no-privileges"]
        if self.default_tablespace:
            arguments.append("--no-tablespaces")
        argv = [str(pg_restore.program), *arguments, "-d", self.connection.conninfo(self.database)]
        try:
            self.connection.session.feed(argv, dump)
        except ProcessError as error:
            if not (unknown_setting and _only_that_setting(error)):
                raise explained(error, server=self.connection.server) from error
        return pg_restore

    def _psql(self) -> Client:
        usable = [
            client
            for client in self.clients.of("psql")
            if knows_restrict(client.version) or not knows_restrict(self.dumped_by)
        ]
        if not usable:
            raise ToolMissingError(
                f"no psql on this machine reads what pg_dump {self.dumped_by[0]}.{self.dumped_by[1]} wrote",
                hint=f"install the package postgresql-client-{self.dumped_by[0]}, in its newest minor version",
            )
        wanted = max(self.server_major, self.dumped_by[0])
        return next((client for client in usable if client.major >= wanted), usable[-1])

    def _filtered(self, dump: Reader) -> Reader:
        rules = [
            (not self.owner, statements.sets_ownership),
            (self.in_one_transaction, statements.is_transaction),
            (self.server_major < _WITHOUT_TRANSACTION_TIMEOUT <= self.dumped_by[0], statements.is_unknown_before_17),
            (self.default_tablespace, statements.chooses_tablespace),
        ]
        needed = [rule for holds, rule in rules if holds]
        return statements.Without(dump, lambda statement: any(rule(statement) for rule in needed)) if needed else dump


class _InTransaction:
    """SQL between BEGIN and COMMIT.

    Not psql's --single-transaction: that commits at the end of its input, also when whoever feeds it was killed.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._begun = False
        self._ended = False

    def read(self, size: int, /) -> bytes:
        if not self._begun:
            self._begun = True
            return b"BEGIN;\n"
        if self._ended:
            return b""
        chunk = self._source.read(size)
        if chunk:
            return chunk
        self._ended = True
        return b"\nCOMMIT;\n"


def _only_that_setting(error: ProcessError) -> bool:
    return bool(
        re.search(r"errors ignored on restore: 1\b", error.stderr)
        and re.search(r'unrecognized configuration parameter "transaction_timeout"', error.stderr)
    )


def read_archive(connection: Connection, pg_restore: Client, dump: Reader) -> None:
    """Have pg_restore read a custom archive to its end. Raises IntegrityError, and what reading the dump raises."""
    try:
        # Not `-l`: the table of contents is at the front, and a cut archive still has it.
        connection.session.feed([str(pg_restore.program), "-f", "/dev/null"], dump)
    except EngineError as error:
        raise IntegrityError(
            f"pg_restore cannot read the dump to its end: {error.message}", hint="restore an older backup"
        ) from error
