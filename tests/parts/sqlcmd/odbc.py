"""Microsoft's ODBC Driver for SQL Server, called as `sqlcmd` calls it: through ODBC's C interface."""

import ctypes
import sysconfig
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = "mssql_python_odbc"
"""The package on the Python index whose only content is the driver."""

_ENV, _DBC, _STMT = 1, 2, 3
_SUCCESS, _WITH_INFO, _NO_DATA = 0, 1, 100
_ODBC3, _WIDE = 3, -8
_LOGIN_TIMEOUT, _QUERY_TIMEOUT = 103, 0
# Of the driver's own header, msodbcsql.h: diagnostic fields of a server's message.
_STATE, _SEVERITY, _SERVER, _LINE, _NATIVE = -1150, -1151, -1152, -1154, 5
_CHUNK = 4096
_NULL_DATA = -1
_BINARY_TYPES = (-2, -3, -4)


@dataclass(frozen=True)
class Told:
    """A message of the server, or of the driver (whose severity is None)."""

    text: str
    number: int
    severity: int | None
    state: int
    server: str
    line: int


@dataclass(frozen=True)
class Column:
    name: str
    size: int
    kind: int


@dataclass(frozen=True)
class Rows:
    """A result set, read to its end."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str | None, ...], ...]
    count: int
    """As the server counted them; the driver (18.6) says 0 with SET NOCOUNT ON."""


@dataclass(frozen=True)
class Affected:
    """A statement that counted rows and returned none."""

    count: int


class DriverError(Exception):
    """What the driver or the server said when something failed."""

    def __init__(self, told: list[Told]) -> None:
        super().__init__(told)
        self.told = told


def driver_file() -> Path | None:
    """The driver's library for this machine, or None."""
    folder = Path(sysconfig.get_path("purelib")) / PACKAGE / "libs" / "linux"
    for library in sorted(folder.glob("debian_ubuntu/*/lib/libmsodbcsql-18*.so*")):
        try:
            ctypes.CDLL(str(library))
        except OSError:
            continue
        return library
    return None


def _wide(text: str) -> Any:
    return ctypes.create_string_buffer(text.encode("utf-16-le") + b"\0\0")


class Connection:
    """A session with a server. Raises DriverError."""

    def __init__(self, library: Path, attributes: dict[str, str], *, login_timeout: int, query_timeout: int) -> None:
        self._odbc = ctypes.CDLL(str(library))
        self._env = self._handle(_ENV, None)
        self._odbc.SQLSetEnvAttr(self._env, 200, ctypes.c_void_p(_ODBC3), 0)
        self._connection = self._handle(_DBC, self._env)
        self._odbc.SQLSetConnectAttrW(self._connection, _LOGIN_TIMEOUT, ctypes.c_void_p(login_timeout), 0)
        self._query_timeout = query_timeout
        self._is_closed = False
        text = ";".join(f"{key}={{{value.replace('}', '}}')}}}" for key, value in attributes.items())
        self._check(self._odbc.SQLDriverConnectW(self._connection, None, _wide(text), -3, None, 0, None, 0), _DBC)

    def run(self, batch: str) -> Generator[Told | Rows | Affected, None, None]:
        """Everything that a batch answers with, as it comes; who closes it before its end cancels the batch."""
        statement = self._handle(_STMT, self._connection)
        self._odbc.SQLSetStmtAttrW(statement, _QUERY_TIMEOUT, ctypes.c_void_p(self._query_timeout), 0)
        try:
            code = self._odbc.SQLExecDirectW(statement, _wide(batch), -3)
            while code != _NO_DATA:
                yield from self._told(_STMT, statement, code)
                if code in (_SUCCESS, _WITH_INFO):
                    yield from self._answer(statement)
                code = self._odbc.SQLMoreResults(statement)
        finally:
            self._odbc.SQLFreeHandle(_STMT, statement)

    def close(self) -> None:
        if self._is_closed:  # the driver crashes on a handle that it freed
            return
        self._is_closed = True
        self._odbc.SQLDisconnect(self._connection)
        self._odbc.SQLFreeHandle(_DBC, self._connection)
        self._odbc.SQLFreeHandle(_ENV, self._env)

    def _answer(self, statement: ctypes.c_void_p) -> Iterator[Told | Rows | Affected]:
        count = ctypes.c_short()
        self._odbc.SQLNumResultCols(statement, ctypes.byref(count))
        if not count.value:
            affected = self._count(statement)
            if affected >= 0:
                yield Affected(affected)
            return
        columns = tuple(self._column(statement, at) for at in range(1, count.value + 1))
        rows_read = []
        while (code := self._odbc.SQLFetch(statement)) in (_SUCCESS, _WITH_INFO):
            rows_read.append(tuple(self._value(statement, at) for at in range(1, count.value + 1)))
        yield Rows(columns, tuple(rows_read), self._count(statement))
        if code != _NO_DATA:
            yield from self._told(_STMT, statement, code)

    def _count(self, statement: ctypes.c_void_p) -> int:
        rows = ctypes.c_ssize_t()
        self._odbc.SQLRowCount(statement, ctypes.byref(rows))
        return rows.value

    def _column(self, statement: ctypes.c_void_p, at: int) -> Column:
        name = ctypes.create_string_buffer(520)
        kind, size = ctypes.c_short(), ctypes.c_size_t()
        self._odbc.SQLDescribeColW(statement, at, name, 256, None, ctypes.byref(kind), ctypes.byref(size), None, None)
        return Column(_text(name.raw), size.value, kind.value)

    def _value(self, statement: ctypes.c_void_p, at: int) -> str | None:
        parts = []
        while True:
            buffer, length = ctypes.create_string_buffer(_CHUNK), ctypes.c_ssize_t()
            code = self._odbc.SQLGetData(statement, at, _WIDE, buffer, _CHUNK, ctypes.byref(length))
            if length.value == _NULL_DATA:
                return None
            if code not in (_SUCCESS, _WITH_INFO):
                break
            parts.append(_text(buffer.raw))
            if code == _SUCCESS:
                break
        return "".join(parts)

    def _handle(self, kind: int, parent: ctypes.c_void_p | None) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self._odbc.SQLAllocHandle(kind, parent, ctypes.byref(handle))
        return handle

    def _check(self, code: int, kind: int) -> None:
        if code not in (_SUCCESS, _WITH_INFO):
            raise DriverError(list(self._told(kind, self._connection, code)))

    def _told(self, kind: int, handle: ctypes.c_void_p, code: int) -> Iterator[Told]:
        at = 0
        while code != _SUCCESS:
            at += 1
            state, text = ctypes.create_string_buffer(12), ctypes.create_string_buffer(8192)
            native, length = ctypes.c_int(), ctypes.c_short()
            got = self._odbc.SQLGetDiagRecW(
                kind, handle, at, state, ctypes.byref(native), text, 4096, ctypes.byref(length)
            )
            if got not in (_SUCCESS, _WITH_INFO):
                return
            yield self._message(kind, handle, at, native.value, _text(text.raw))

    def _message(self, kind: int, handle: ctypes.c_void_p, at: int, number: int, text: str) -> Told:
        server = self._field_text(kind, handle, at, _SERVER)
        severity = self._field(kind, handle, at, _SEVERITY) if server else None
        said = text.rpartition("[SQL Server]")[2] if server else text
        return Told(
            said,
            number,
            severity,
            self._field(kind, handle, at, _STATE),
            server,
            self._field(kind, handle, at, _LINE),
        )

    def _field(self, kind: int, handle: ctypes.c_void_p, at: int, field: int) -> int:
        value = ctypes.c_int()
        self._odbc.SQLGetDiagFieldW(kind, handle, at, field, ctypes.byref(value), 4, None)
        return value.value

    def _field_text(self, kind: int, handle: ctypes.c_void_p, at: int, field: int) -> str:
        value, length = ctypes.create_string_buffer(512), ctypes.c_short()
        self._odbc.SQLGetDiagFieldW(kind, handle, at, field, value, 512, ctypes.byref(length))
        return _text(value.raw)


def _text(raw: bytes) -> str:
    """A buffer's text up to its terminator."""
    for at in range(0, len(raw), 2):
        if raw[at : at + 2] == b"\0\0":
            return raw[:at].decode("utf-16-le", "surrogatepass")
    return raw.decode("utf-16-le", "surrogatepass")
