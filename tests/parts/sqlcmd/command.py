"""The `sqlcmd` of the tests: `python -m tests.parts.sqlcmd.command`; its options mean what the real tool's mean."""

import os
import re
import sys
from pathlib import Path
from typing import TextIO

from tests.parts.sqlcmd import texts
from tests.parts.sqlcmd.arguments import Arguments, UsageError, parse
from tests.parts.sqlcmd.odbc import Affected, Connection, DriverError, Rows, Told
from tests.parts.sqlcmd.script import ScriptError, batches
from tests.parts.sqlcmd.table import lines_of

_PREFIX = f"[Microsoft][{texts.DRIVER.removeprefix('Microsoft ')}]"
FAMILY_VARIABLE = "TEST_SQLCMD_FAMILY"
"""`go` makes it the tool that is written in Go, `odbc17` the one before version 18."""
_NOCOUNT = re.compile(r"\bSET\s+NOCOUNT\s+(ON|OFF)\b", re.IGNORECASE)
DRIVER_VARIABLE = "TEST_SQLCMD_DRIVER"
"""Where Microsoft's driver is."""


def main() -> int:
    family = os.environ.get(FAMILY_VARIABLE, "odbc")
    go = family == "go"
    try:
        arguments = parse(sys.argv[1:], go=go, modes=family != "odbc17")
    except UsageError as wrong:
        _put(sys.stderr, f"Sqlcmd: {wrong}")
        return 1
    if arguments.shows_version:
        _put(sys.stdout, texts.GO_VERSION)
        return 0
    if arguments.shows_help:
        _put(sys.stdout, texts.HELP[family])
        return 0
    return _Run(arguments, family).run()


class _Run:
    """One run of scripts against one server."""

    def __init__(self, arguments: Arguments, family: str) -> None:
        self._arguments = arguments
        self._go = family == "go"
        # From 18 on, the driver encrypts and validates unless told not to; Go's tool validates only with -N.
        self._encrypts = family == "odbc"
        self._worst = 0
        self._counts = True
        self._out: TextIO = sys.stdout

    def run(self) -> int:
        for name in self._arguments.inputs:
            if not Path(name).exists():
                _put(sys.stderr, f"Sqlcmd: '{name}': Invalid filename.")
                return 1
        try:
            connection = self._connect()
        except DriverError as refused:
            self._say_refused(refused)
            return 1
        try:
            return self._run_scripts(connection)
        finally:
            connection.close()

    def _connect(self) -> Connection:
        arguments = self._arguments
        attributes = {
            "Server": arguments.server or os.environ.get("SQLCMDSERVER", "localhost"),
            "Database": arguments.database or os.environ.get("SQLCMDDBNAME", ""),
            "Encrypt": arguments.encrypt or ("Mandatory" if self._encrypts else "Optional"),
            "TrustServerCertificate": "Yes" if arguments.trusts_certificate else "No",
            "QuotedId": "Yes" if arguments.quoted_identifiers else "No",
            "APP": "SQLCMD",
        }
        attributes |= self._identity()
        present = {key: value for key, value in attributes.items() if value}
        return Connection(
            Path(os.environ[DRIVER_VARIABLE]),
            present,
            login_timeout=arguments.login_timeout,
            query_timeout=arguments.query_timeout,
        )

    def _identity(self) -> dict[str, str]:
        arguments = self._arguments
        user = arguments.user or os.environ.get("SQLCMDUSER", "")
        if arguments.trusted or not user:
            return {"Trusted_Connection": "Yes"}
        password = arguments.password
        return {"UID": user, "PWD": os.environ.get("SQLCMDPASSWORD", "") if password is None else password}

    def _say_refused(self, refused: DriverError) -> None:
        """Of a connection that could not be had, each message has a prefix, and goes to stderr."""
        for told in refused.told:
            text = told.text.removeprefix(_PREFIX)
            if self._go:
                kind = "login error" if told.severity else "unable to open tcp connection"
                _put(sys.stderr, f"mssql: {kind}: {text}")
            else:
                _put(sys.stderr, f"Sqlcmd: Error: {texts.DRIVER} : {text.removesuffix('.')}.")

    def _run_scripts(self, connection: Connection) -> int:
        try:
            for script in self._scripts():
                for batch in batches(script, self._arguments, os.environ):
                    if not self._run_batch(connection, batch):
                        return 1
        except ScriptError as wrong:
            _put(sys.stderr, str(wrong))
            return 1
        return self._code()

    def _scripts(self) -> list[str]:
        if self._arguments.query is not None:
            return [self._arguments.query]
        if self._arguments.inputs:
            return [Path(name).read_text(encoding="utf-8") for name in self._arguments.inputs]
        return [sys.stdin.read()]

    def _run_batch(self, connection: Connection, batch: str) -> bool:
        """Whether to go on."""
        sets = 0
        # The driver does not tell a count of 0 from none, so what was sent must.
        for word in _NOCOUNT.findall(batch):
            self._counts = word.upper() == "OFF"
        for answer in connection.run(batch):
            if isinstance(answer, Told):
                self._tell(answer)
            elif isinstance(answer, Rows):
                # The tool over ODBC puts a blank line between results, the one in Go after each.
                self._print(answer, before=bool(sets) and not self._go)
                sets += 1
            elif isinstance(answer, Affected):
                self._count(answer.count)
        return not (self._arguments.exits_on_error and self._fails(self._worst))

    def _tell(self, told: Told) -> None:
        if told.severity is None:
            self._tell_of_driver(told)
            return
        self._worst = max(self._worst, told.severity)
        if told.severity > 10 and told.severity < self._arguments.error_level:
            return
        text = told.text
        if told.severity > 10:
            where = f"State {told.state}, Server {told.server}, Line {told.line}"
            text = f"Msg {told.number}, Level {told.severity}, {where}\n{text}"
        _put(self._stream_for(told.severity), text)

    def _tell_of_driver(self, told: Told) -> None:
        self._worst = max(self._worst, 16)
        text = told.text.removeprefix(_PREFIX)
        _put(self._stream_for(16), f"Sqlcmd: Error: {texts.DRIVER} : {text}.")

    def _stream_for(self, severity: int) -> TextIO:
        level = self._arguments.to_stderr
        redirected = level is not None and (level == 1 or severity > 10)
        return sys.stderr if redirected else self._out

    def _print(self, rows: Rows, *, before: bool) -> None:
        blank = [""]
        lines = lines_of(rows, self._arguments)
        for line in [*(blank if before else ()), *lines, *(blank if self._go else ())]:
            _put(self._out, line)
        if self._counts:
            self._count(rows.count)

    def _count(self, count: int) -> None:
        noun = "row" if self._go and count == 1 else "rows"
        _put(self._out, f"{'' if self._go else chr(10)}({count} {noun} affected)")

    def _code(self) -> int:
        return 1 if self._arguments.exits_on_error and self._fails(self._worst) else 0

    def _fails(self, severity: int) -> bool:
        """With -V, what is below its level is no error."""
        level = self._arguments.severity_level
        return severity > 10 and (level is None or severity >= level)


def _put(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
