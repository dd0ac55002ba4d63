"""BACKUP DATABASE: what is checked, what is written, what is recorded."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from tests.parts.mssql import devices, media
from tests.parts.mssql.errors import OsError, SqlError, failure, message
from tests.parts.mssql.options import (
    BACKUP_OPTIONS,
    Device,
    Given,
    Lookup,
    read_devices,
    read_name,
    read_options,
)
from tests.parts.mssql.session import Session
from tests.parts.mssql.state import PAGE, BackupRecord, Database
from tests.parts.mssql.tokens import Tokens
from tests.parts.mssql.wire import ClientGoneError

_STATEMENT = "BACKUP DATABASE"
_S3_SIZES = range(5 * 1024 * 1024, 20 * 1024 * 1024 + 1)
_DISK_SIZES = range(64 * 1024, 4 * 1024 * 1024 + 1, 64 * 1024)
_BLOCK_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
_URL_REFUSES = ("INIT", "NOINIT", "FILE_SNAPSHOT", "REWIND", "NOREWIND", "UNLOAD", "NOUNLOAD")


@dataclass(frozen=True)
class _Asked:
    database: str
    devices: tuple[Device, ...]
    given: Given


def read(tokens: Tokens) -> Callable[[Session], None]:
    """The statement after BACKUP. Raises SqlError 102, 155, 3031 before anything runs."""
    begin = tokens.take()
    tokens.expect("DATABASE")
    # Variables have a value only when the statement runs: their syntax is checked now, their text then.
    _read(tokens, lambda name: name)
    text = tokens.text_between(begin, tokens.peek())

    def run(session: Session) -> None:
        again = Tokens(text, quoted_identifiers=session.quoted_identifiers)
        again.expect("BACKUP", "DATABASE")
        asked = _read(again, session.variable)
        try:
            _run(session, asked)
        except SqlError as failed:
            session.server.log(3041, asked.database)
            raise SqlError(*failed.messages, message(3013, _STATEMENT)) from failed

    return run


def _read(tokens: Tokens, lookup: Lookup) -> _Asked:
    name = read_name(tokens, lookup)
    tokens.expect("TO")
    to = tuple(read_devices(tokens, lookup))
    return _Asked(name, to, read_options(tokens, BACKUP_OPTIONS, "BACKUP", lookup))


def _run(session: Session, asked: _Asked) -> None:
    server = session.server
    server.refuse_if_asked("BACKUP", asked.database)
    database = _check(session, asked)
    job = _Job(session, database, asked)
    try:
        job.run()
    except (SqlError, ClientGoneError):
        job.abandon()
        raise


def _check(session: Session, asked: _Asked) -> Database:
    server = session.server
    _check_edition(session, asked)
    database = session.open_database(asked.database)
    if database.name == "tempdb":
        raise failure(3147)
    if not server.may(session.login, _STATEMENT, database):
        raise failure(262, _STATEMENT, database.name)
    _check_options(asked)
    if database.is_corrupt and asked.given.has("CHECKSUM"):
        raise failure(3043, database.name, 312, database.files[0].physical)
    return database


def _check_edition(session: Session, asked: _Asked) -> None:
    server = session.server
    if server.engine_edition == 5:
        raise failure(40510, _STATEMENT)
    if server.engine_edition == 8 and (not asked.given.has("COPY_ONLY") or asked.devices[0].kind != "URL"):
        raise failure(41901, "disk" if asked.devices[0].kind == "DISK" else "copy_only")
    if server.is_express and asked.given.has("COMPRESSION"):
        raise failure(1844, "BACKUP DATABASE WITH COMPRESSION", server.edition)
    if server.is_express and asked.devices[0].kind == "URL":
        raise failure(1844, "BACKUP DATABASE TO URL", server.edition)


def _check_options(asked: _Asked) -> None:
    given = asked.given
    kinds = {device.kind for device in asked.devices}
    if len(kinds) > 1:
        raise failure(3032, "disk, url")
    block = given.get("BLOCKSIZE", 512)
    if block not in _BLOCK_SIZES:
        raise failure(3032, "blocksize")
    if "URL" in kinds:
        _check_url_options(given)
    elif given.get("MAXTRANSFERSIZE", _DISK_SIZES[0]) not in _DISK_SIZES:
        raise failure(3032, "maxtransfersize")
    elif given.has("BACKUP_OPTIONS") or given.has("BACKUP_OPTION"):
        raise failure(3032, "backup_options")
    if given.has("ENCRYPTION"):
        raise failure(33111, given.get("ENCRYPTION").get("SERVER CERTIFICATE", ""))


def _check_url_options(given: Given) -> None:
    refused = [name.lower() for name in _URL_REFUSES if given.has(name)]
    if refused:
        raise failure(3032, ", ".join(refused))
    size = given.get("MAXTRANSFERSIZE")
    if size is not None and (not given.has("COMPRESSION") or size not in _S3_SIZES):
        raise failure(3032, "maxtransfersize")


class _Job:
    """One backup under way."""

    def __init__(self, session: Session, database: Database, asked: _Asked) -> None:
        self._session = session
        self._server = session.server
        self._database = database
        self._given = asked.given
        self._devices = asked.devices
        self._started = self._server.now()
        self._compressed = asked.given.has("COMPRESSION")
        self._targets: list[devices.FileTarget | devices.S3Target] = []

    def run(self) -> None:
        for device in self._devices:
            self._targets.append(devices.begin(self._server, device, self._given))
        positions = [self._position(target) for target in self._targets]
        body = media.body(self._database, compressed=self._compressed)
        header = self._header(max(positions))
        self._write(header, body)
        for target in self._targets:
            self._commit(target)
        self._server.rot(self._devices)
        self._record(header)
        self._close()

    def abandon(self) -> None:
        for target in self._targets:
            target.abandon(died=self._server.is_dead)

    def _position(self, target: "devices.FileTarget | devices.S3Target") -> int:
        """Which set of the media this one will be. Raises SqlError 3242 for a file that is none, and 3098."""
        if not target.existing or self._given.has("FORMAT"):
            return 1
        try:
            sets = media.read_sets(target.existing)
        except media.NotMediaError:
            raise failure(3242, target.device.name) from None
        if self._given.has("INIT"):
            return 1
        if media.is_compressed(target.existing) != self._compressed:
            option = "WITH COMPRESSION" if self._compressed else "WITH NO_COMPRESSION"
            other = "WITH NO_COMPRESSION" if self._compressed else "WITH COMPRESSION"
            raise failure(3098, option, option, other)
        return len(sets) + 1

    def _header(self, position: int) -> media.Header:
        database = self._database
        return media.Header(
            database=database.name,
            family=str(database.family).upper(),
            set_id=media.new_set_id(),
            position=position,
            stripe=1,
            stripes=len(self._devices),
            started=media.moment(self._started),
            finished=media.moment(self._server.now()),
            size=len(media.body(database, compressed=False)),
            compressed=self._compressed,
            checksums=self._given.has("CHECKSUM") or (self._compressed and not self._given.has("NO_CHECKSUM")),
            copy_only=self._given.has("COPY_ONLY"),
            kind=5 if self._given.has("DIFFERENTIAL") else 1,
            version=(self._server.build[0], self._server.build[1], self._server.build[2]),
            server=self._server.name,
            user=self._session.login.name,
            recovery_model=database.recovery_model,
            name=self._given.get("NAME"),
            description=self._given.get("DESCRIPTION"),
            files=tuple(media.file_entry(one) for one in database.files),
            encrypted=database.is_encrypted,
            users={name: sid.hex() for name, sid in database.users.items()},
        )

    def _write(self, header: media.Header, body: bytes) -> None:
        count = len(self._targets)
        share = -(-len(body) // count)
        stripes = [body[at * share : (at + 1) * share] for at in range(count)]
        sets = [media.write_set(replace(header, stripe=at), stripe) for at, stripe in enumerate(stripes, 1)]
        self._set_size = sum(len(one) for one in sets)
        contents = [self._before(target) + one for target, one in zip(self._targets, sets, strict=True)]
        for percent, before, now in self._steps():
            for target, content in zip(self._targets, contents, strict=True):
                self._put(target, content[len(content) * before // 100 : len(content) * now // 100])
            if percent:
                self._server.reached(percent)
                self._session.progress(3211, percent)

    def _before(self, target: "devices.FileTarget | devices.S3Target") -> bytes:
        """What the media has already, for a set that is appended."""
        if not target.existing or self._given.has("FORMAT") or self._given.has("INIT"):
            return media.media_header(compressed=self._compressed)
        return target.existing

    def _steps(self) -> Iterator[tuple[int, int, int]]:
        """The percentage to tell (0: none), and from and to where is written."""
        step = self._given.get("STATS")
        told = range(step, 101, step) if step else range(0)
        before = 0
        for percent in told:
            yield percent, before, percent
            before = percent
        if before < 100:
            yield 100 if told else 0, before, 100

    def _put(self, target: "devices.FileTarget | devices.S3Target", chunk: bytes) -> None:
        try:
            target.write(chunk)
        except OsError as os_error:
            raise failure(3202, target.device.name, os_error) from os_error

    def _commit(self, target: "devices.FileTarget | devices.S3Target") -> None:
        try:
            target.commit()
        except OsError as os_error:
            raise failure(3202, target.device.name, os_error) from os_error

    def _record(self, header: media.Header) -> None:
        server = self._server
        if server.forgets_backups:
            return
        number = len(server.records) + 1
        server.records.append(
            BackupRecord(
                id=number,
                database=self._database.name,
                devices=tuple(device.name for device in self._devices),
                kind="I" if header.kind == 5 else "D",
                size=header.size if header.compressed else self._set_size,
                compressed_size=self._set_size,
                has_checksums=header.checksums,
                is_copy_only=header.copy_only,
                is_compressed=header.compressed,
                name=header.name,
                position=header.position,
                started=self._started,
                finished=server.now(),
                media_set=number,
                set_guid=uuid.UUID(header.set_id),
                family_guid=self._database.family,
                user=header.user,
                recovery_model=header.recovery_model,
            )
        )

    def _close(self) -> None:
        data, log = self._database.files[0], self._database.files[-1]
        self._session.tell(4035, self._database.pages, self._database.name, data.logical, 1)
        self._session.tell(4035, 2, self._database.name, log.logical, 1)
        self._session.tell(
            3014, _STATEMENT, self._database.pages + 2, *_rate(self._started, self._server.now(), self._database.pages)
        )
        self._session.end_statement()


def _rate(started: datetime, finished: datetime, pages: int) -> tuple[str, str]:
    seconds = max((finished - started).total_seconds(), 0.001)
    return f"{seconds:.3f}", f"{pages * PAGE / 1024 / 1024 / seconds:.3f}"
