"""RESTORE: its looks at a backup, and the restore itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.parts.mssql import devices, looks, media
from tests.parts.mssql.errors import OsError, SqlError, failure, message
from tests.parts.mssql.options import RESTORE_OPTIONS, Device, Given, Lookup, read_devices, read_name, read_options
from tests.parts.mssql.session import Session
from tests.parts.mssql.state import PAGE, Database, DataFile
from tests.parts.mssql.tokens import Tokens

_NAMES = {
    "DATABASE": "RESTORE DATABASE",
    "VERIFYONLY": "VERIFY DATABASE",
    "HEADERONLY": "RESTORE HEADERONLY",
    "FILELISTONLY": "RESTORE FILELIST",
    "LABELONLY": "RESTORE LABELONLY",
}
_LOOKS = frozenset(_NAMES) - {"DATABASE", "VERIFYONLY"}
_NOT_FOR_LOOKS = ("REPLACE", "RECOVERY", "NORECOVERY", "STANDBY", "RESTRICTED_USER", "KEEP_REPLICATION", "PARTIAL")
_URL_REFUSES = ("BUFFERCOUNT", "FILE", "REWIND", "NOREWIND", "UNLOAD", "NOUNLOAD")


@dataclass(frozen=True)
class _Asked:
    kind: str
    database: str
    devices: tuple[Device, ...]
    given: Given


def read(tokens: Tokens) -> Callable[[Session], None]:
    """The statement after RESTORE. Raises SqlError 102, 155, 3031 before anything runs."""
    begin = tokens.take()
    _read(tokens, lambda name: name)
    text = tokens.text_between(begin, tokens.peek())

    def run(session: Session) -> None:
        again = Tokens(text, quoted_identifiers=session.quoted_identifiers)
        again.take()
        asked = _read(again, session.variable)
        try:
            session.server.refuse_if_asked(_verb(asked.kind), asked.database)
            _RUNS[asked.kind](session, asked)
        except SqlError as failed:
            raise SqlError(*failed.messages, message(3013, _NAMES[asked.kind])) from failed

    return run


def _verb(kind: str) -> str:
    return "RESTORE" if kind == "DATABASE" else kind


def _read(tokens: Tokens, lookup: Lookup) -> _Asked:
    kind = tokens.word()
    if kind not in _NAMES:
        raise tokens.error()
    tokens.take()
    database = read_name(tokens, lookup) if kind == "DATABASE" else ""
    tokens.expect("FROM")
    from_devices = tuple(read_devices(tokens, lookup))
    given = read_options(tokens, RESTORE_OPTIONS, "RESTORE", lookup)
    if kind in _LOOKS and (given.moves or any(given.has(name) for name in _NOT_FOR_LOOKS)):
        raise failure(155, next((n for n in _NOT_FOR_LOOKS if given.has(n)), "MOVE"), f"RESTORE {kind}")
    return _Asked(kind, database, from_devices, given)


@dataclass(frozen=True)
class _Media:
    """What devices hold: of each, its sets."""

    devices: tuple[Device, ...]
    families: tuple[list[media.BackupSet], ...]

    def set_at(self, position: int) -> list[media.BackupSet]:
        """The stripes of one set. Raises SqlError 3287."""
        if position < 1 or any(len(sets) < position for sets in self.families):
            raise failure(3287, position, self.devices[0].name)
        stripes = [sets[position - 1] for sets in self.families]
        return sorted(stripes, key=lambda one: one.header.stripe)


def _open(session: Session, asked: _Asked, *, every: bool) -> _Media:
    """Read the devices; `every`: all of the media's families must be there. Raises SqlError."""
    _check_options(asked)
    families = []
    for device in asked.devices:
        content = devices.read(session.server, device)
        if not content:
            raise failure(3254, device.name)
        try:
            families.append(media.read_sets(content))
        except media.NotMediaError:
            raise failure(3241, device.name) from None
        if not families[-1]:
            raise failure(3203, device.name, OsError(38))
    found = _Media(asked.devices, tuple(families))
    if every:
        _check_families(found)
    return found


def _check_families(found: _Media) -> None:
    first = found.families[0][0].header
    if first.stripes > len(found.devices):
        raise failure(3132, first.stripes, len(found.devices))
    if first.stripes < len(found.devices):
        raise failure(3231, found.devices[0].name, first.stripes, len(found.devices))


def _check_options(asked: _Asked) -> None:
    kinds = {device.kind for device in asked.devices}
    if len(kinds) > 1:
        raise failure(3032, "disk, url")
    refused = [name.lower() for name in _URL_REFUSES if asked.given.has(name)]
    if "URL" in kinds and refused:
        raise failure(3032, ", ".join(refused))


def _header_only(session: Session, asked: _Asked) -> None:
    _check_reader(session)
    found = _open(session, asked, every=False)
    rows = [looks.header_row(session.server, one) for one in found.families[0]]
    session.rows(list(rows[0]), [tuple(row.values()) for row in rows])


def _check_reader(session: Session) -> None:
    """Since SQL Server 2008 a look at a backup needs the right to create a database."""
    if not session.server.may(session.login, "CREATE ANY DATABASE", None):
        raise failure(262, "CREATE DATABASE", "master")


def _file_list(session: Session, asked: _Asked) -> None:
    _check_reader(session)
    found = _open(session, asked, every=False)
    header = found.set_at(asked.given.get("FILE", 1))[0].header
    rows = [looks.file_row(session.server, header, file, at) for at, file in enumerate(header.files, 1)]
    session.rows(list(rows[0]), [tuple(row.values()) for row in rows])


def _label_only(session: Session, asked: _Asked) -> None:
    found = _open(session, asked, every=False)
    header = found.families[0][0].header
    row = looks.label_row(header)
    session.rows(list(row), [tuple(row.values())])


def _verify(session: Session, asked: _Asked) -> None:
    """It reads every page, and asks nothing of the database in them."""
    _check_reader(session)
    found = _open(session, asked, every=True)
    position = asked.given.get("FILE", 1)
    stripes = found.set_at(position)
    _check_checksums(asked, stripes)
    _check_certificate(session, stripes[0].header)
    for device, one in zip(found.devices, stripes, strict=True):
        try:
            one.check()
        except media.TruncatedError:
            raise failure(3203, device.name, OsError(38)) from None
        except media.DamagedError:
            if not asked.given.has("NO_CHECKSUM"):
                raise failure(3189) from None
    _check_targets(session, asked, stripes[0].header)
    for percent in _percents(asked):
        session.progress(3211, percent)
    session.tell(3262, position)
    session.end_statement()


def _check_targets(session: Session, asked: _Asked, header: media.Header) -> None:
    known = {file["logical"] for file in header.files}
    for logical in asked.given.moves:
        if logical not in known:
            raise failure(3234, logical, header.database)


def _check_checksums(asked: _Asked, stripes: Sequence[media.BackupSet]) -> None:
    if asked.given.has("CHECKSUM") and not stripes[0].header.checksums:
        raise failure(3187)


def _check_certificate(session: Session, header: media.Header) -> None:
    if header.encrypted and not session.server.has_certificate:
        raise failure(33111, "0x" + session.server.certificate_thumbprint.hex().upper())


def _restore(session: Session, asked: _Asked) -> None:
    server = session.server
    if server.engine_edition in (5, 8) and (server.engine_edition == 5 or asked.devices[0].kind == "DISK"):
        raise failure(40510, "RESTORE DATABASE")
    existing = server.find(asked.database)
    _check_rights(session, existing, asked)
    found = _open(session, asked, every=True)
    stripes = found.set_at(asked.given.get("FILE", 1))
    header = stripes[0].header
    if header.version[0] > server.build[0]:
        own = ".".join(f"{part:02}" for part in server.build[:3])
        raise failure(3169, ".".join(f"{part:02}" for part in header.version), own)
    _check_checksums(asked, stripes)
    _check_certificate(session, header)
    if existing is not None:
        _check_existing(session, existing, header, asked)
    files = _targets(session, asked, header)
    _copy(session, asked, header, stripes, files)


def _check_rights(session: Session, existing: Database | None, asked: _Asked) -> None:
    server = session.server
    if existing is None and not server.may(session.login, "CREATE ANY DATABASE", None):
        raise failure(262, "CREATE DATABASE", "master")
    if existing is not None and not server.may(session.login, "RESTORE DATABASE", existing):
        raise failure(3110, asked.database)


def _check_existing(session: Session, existing: Database, header: media.Header, asked: _Asked) -> None:
    """Raises SqlError 3102, 3101, 3154, 3159."""
    if session.database.casefold() == existing.name.casefold():
        raise failure(3102, existing.name)
    if session.server.is_used(existing, beside=session):
        raise failure(3101)
    if asked.given.has("REPLACE") or existing.state == "RESTORING":
        return
    if str(existing.family).upper() != header.family:
        raise failure(3154, existing.name)
    if existing.recovery_model != "SIMPLE":
        raise failure(3159, existing.name)


def _targets(session: Session, asked: _Asked, header: media.Header) -> tuple[DataFile, ...]:
    """Where each file goes. Raises SqlError 3234, or all of 1834, 5133, 3156 and then 3119."""
    _check_targets(session, asked, header)
    files = []
    problems = []
    for file in header.files:
        place = asked.given.moves.get(file["logical"], file["physical"])
        problem = _problem_with(session, asked, place)
        if problem is not None:
            problems += [problem, message(3156, file["logical"], place)]
        files.append(DataFile(file["logical"], place, file["kind"], file["size"]))
    places = [session.server.disks.normal(file.physical) for file in files]
    if len(set(places)) < len(places):
        problems.append(message(3156, files[-1].logical, files[-1].physical))
    if problems:
        raise SqlError(*problems, message(3119))
    return tuple(files)


def _problem_with(session: Session, asked: _Asked, place: str) -> Any:
    server = session.server
    wanted = server.disks.normal(place)
    for other in server.databases.values():
        if other.name.casefold() != asked.database.casefold() and any(
            server.disks.normal(file.physical) == wanted for file in other.files
        ):
            return message(1834, place, other.name)
    folder = server.disks.path.dirname(place)
    if not server.has_folder(folder):
        return message(5133, place, OsError(3))
    return None


def _copy(
    session: Session,
    asked: _Asked,
    header: media.Header,
    stripes: Sequence[media.BackupSet],
    files: tuple[DataFile, ...],
) -> None:
    """From here on the database is RESTORING until all is well."""
    server = session.server
    target = server.begin_restore(asked.database, files, header)
    for percent in _percents(asked):
        server.reached(percent)
        if percent >= 50:
            _check_pages(asked, stripes, files)
        session.progress(3211, percent)
    _check_pages(asked, stripes, files)
    body = b"".join(one.data() for one in stripes)
    target.tables = media.tables_of(body, compressed=header.compressed)
    session.tell(4035, target.pages, target.name, files[0].logical, asked.given.get("FILE", 1))
    session.tell(3014, "RESTORE DATABASE", target.pages, "0.010", f"{target.pages * PAGE / 1e4:.3f}")
    if not asked.given.has("NORECOVERY"):
        target.state = "ONLINE"
    if asked.given.has("RESTRICTED_USER"):
        server.databases[target.name.casefold()] = replace(target, user_access="RESTRICTED_USER")
    session.end_statement()


def _percents(asked: _Asked) -> Sequence[int]:
    step = asked.given.get("STATS")
    return range(step, 101, step) if step else ()


def _check_pages(asked: _Asked, stripes: Sequence[media.BackupSet], files: tuple[DataFile, ...]) -> None:
    for device, one in zip(asked.devices, stripes, strict=True):
        try:
            one.check()
        except media.TruncatedError:
            raise failure(3203, device.name, OsError(38)) from None
        except media.DamagedError as damaged:
            raise failure(3183, 1, damaged.page, one.header.database) from None


_RUNS: dict[str, Callable[[Session, _Asked], None]] = {
    "DATABASE": _restore,
    "VERIFYONLY": _verify,
    "HEADERONLY": _header_only,
    "FILELISTONLY": _file_list,
    "LABELONLY": _label_only,
}
