"""The system procedures of SQL Server that look at its disks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.parts.mssql.catalog import evaluate
from tests.parts.mssql.errors import Message, OsError, SqlError, failure
from tests.parts.mssql.session import Session


def call(session: Session, name: str, arguments: Sequence[str]) -> None:
    """Raises SqlError 2812 for a procedure that the part has not, and 262 without the right."""
    run = _PROCEDURES.get(name.casefold())
    if run is None:
        raise failure(2812, name)
    run(session, arguments)


def _file_exists(session: Session, arguments: Sequence[str]) -> None:
    path = str(evaluate(session, arguments[0]))
    # To a login that is no administrator it shows nothing.
    found = tuple(int(one) for one in session.server.disks.look(path)) if session.is_admin else (0, 0, 0)
    if len(arguments) > 1:
        variable = arguments[1].split()[0]
        session.variable(variable)
        session.variables[variable.lower()] = found[0]
        session.end_statement()
        return
    session.rows(["File Exists", "File is a Directory", "Parent Directory Exists"], [found])


def _directory_tree(session: Session, arguments: Sequence[str]) -> None:
    folder, depth, with_files = [*(evaluate(session, one) for one in arguments), 0, 0][:3]
    rows = list(_walk(session.server.disks.entries(str(folder)), 1, int(depth), with_files=bool(with_files)))
    columns = ["subdirectory", "depth", "file"] if with_files else ["subdirectory", "depth"]
    session.rows(columns, [row[: len(columns)] for row in rows])


def _walk(entries: Sequence[Path], level: int, deepest: int, *, with_files: bool) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for entry in entries:
        if entry.is_dir():
            found.append((entry.name, level, 0))
            if not deepest or level < deepest:
                found += _walk(sorted(entry.iterdir()), level + 1, deepest, with_files=with_files)
        elif with_files:
            found.append((entry.name, level, 1))
    return found


def _create_folder(session: Session, arguments: Sequence[str]) -> None:
    _need_admin(session, "xp_create_subdir")
    path = str(evaluate(session, arguments[0]))
    try:
        session.server.disks.local(path).mkdir(parents=True, exist_ok=True)
    except OsError as refused:
        raise _xp_error("xp_create_subdir", refused) from refused
    session.end_statement()


def _delete_files(session: Session, arguments: Sequence[str]) -> None:
    """`xp_delete_files`, of 2019 and later: any file, by path or pattern."""
    _need_admin(session, "xp_delete_files")
    if session.server.build[0] < 15:
        raise failure(2812, "xp_delete_files")
    for argument in arguments:
        path = str(evaluate(session, argument))
        try:
            session.server.disks.for_reading(path).unlink()
        except OsError as refused:
            raise _xp_error("xp_delete_files", refused) from refused
    session.end_statement()


def _delete_backup(session: Session, arguments: Sequence[str]) -> None:
    """`xp_delete_file 0, path`: of backup files it deletes those that are some, and says nothing of others."""
    _need_admin(session, "xp_delete_file")
    place = session.server.disks.look(str(evaluate(session, arguments[1])))
    if place[0]:
        session.server.disks.local(str(evaluate(session, arguments[1]))).unlink()
    session.end_statement()


def _need_admin(session: Session, name: str) -> None:
    if not session.is_admin:
        raise SqlError(failure(15247).messages[0])


def _xp_error(name: str, refused: OsError) -> SqlError:

    return SqlError(
        Message(22048, 16, f"{name}() returned error {refused.code}, '{str(refused).partition('(')[2][:-1]}'")
    )


_PROCEDURES: dict[str, Callable[[Session, Sequence[str]], None]] = {
    "xp_fileexist": _file_exists,
    "xp_dirtree": _directory_tree,
    "xp_create_subdir": _create_folder,
    "xp_delete_files": _delete_files,
    "xp_delete_file": _delete_backup,
}
