"""The backup files of the part: a media header, then backup sets of checksummed pages. It stands in for Microsoft's."""

import json
import random
import uuid
import zlib
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from tests.parts.mssql.state import Database, DataFile, Table

PLAIN, COMPRESSED = b"TAPE", b"MSSQLBAK"
"""How a real backup file begins: with the format's TAPE block, or, compressed, with a mark of its own."""

_BLOCK = 4096
_PAGE = 8192
_END = b"ESET"


class NotMediaError(Exception):
    """The bytes are no backup media."""


class DamagedError(Exception):
    """A page has not the checksum that was written with it; `page` is its number."""

    def __init__(self, page: int) -> None:
        super().__init__(page)
        self.page = page


class TruncatedError(Exception):
    """The file ends before the backup set does."""


@dataclass(frozen=True)
class Header:
    """What a file says of the backup set whose part it holds."""

    database: str
    family: str
    set_id: str
    position: int
    stripe: int
    stripes: int
    started: str
    finished: str
    size: int
    compressed: bool
    checksums: bool
    copy_only: bool
    kind: int
    version: tuple[int, int, int]
    server: str
    user: str
    recovery_model: str
    name: str | None
    description: str | None
    files: tuple[dict[str, Any], ...]
    encrypted: bool = False
    users: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BackupSet:
    """One backup set of one media family."""

    header: Header
    pages: tuple[tuple[int, bytes], ...] = field(repr=False)
    is_whole: bool = True

    def data(self) -> bytes:
        """The stripe's bytes. Raises TruncatedError."""
        if not self.is_whole:
            raise TruncatedError
        return b"".join(page for _, page in self.pages)

    def check(self) -> None:
        """Raises DamagedError for the first bad page, and TruncatedError."""
        for number, (checksum, page) in enumerate(self.pages):
            if self.header.checksums and zlib.crc32(page) != checksum:
                raise DamagedError(number)
        if not self.is_whole:
            raise TruncatedError


def body(database: Database, *, compressed: bool) -> bytes:
    """A database's content, the same for the same content."""
    tables = {
        name: {"columns": table.columns, "rows": [[_plain(value) for value in row] for row in table.rows]}
        for name, table in database.tables.items()
    }
    noise = random.Random(database.name).randbytes(database.filler)
    content = json.dumps(tables, sort_keys=True).encode() + b"\0" + noise
    return zlib.compress(content, 1) if compressed else content


def tables_of(data: bytes, *, compressed: bool) -> dict[str, Table]:
    """The content that `body` made."""
    content = zlib.decompress(data) if compressed else data
    stored = json.loads(content.partition(b"\0")[0])
    return {
        name: Table(tuple(table["columns"]), [tuple(_value(value) for value in row) for row in table["rows"]])
        for name, table in stored.items()
    }


def write_set(header: Header, stripe: bytes) -> bytes:
    """A backup set, without the media header before it."""
    described = json.dumps(asdict(header)).encode()
    blocks = len(described) // _BLOCK + 1
    pages = [stripe[at : at + _PAGE] for at in range(0, len(stripe), _PAGE)]
    parts = [b"SSET" + blocks.to_bytes(4, "little") + len(pages).to_bytes(4, "little")]
    parts.append(described.ljust(blocks * _BLOCK, b" "))
    parts += [
        (zlib.crc32(page) if header.checksums else 0).to_bytes(4, "little") + len(page).to_bytes(4, "little") + page
        for page in pages
    ]
    return b"".join(parts) + _END


def media_header(*, compressed: bool) -> bytes:
    return (COMPRESSED if compressed else PLAIN).ljust(512, b"\0")


def is_media(content: bytes) -> bool:
    return content.startswith((PLAIN + b"\0", COMPRESSED + b"\0"))


def is_compressed(content: bytes) -> bool:
    return content.startswith(COMPRESSED)


def read_sets(content: bytes) -> list[BackupSet]:
    """Every backup set of a file. Raises NotMediaError."""
    if not is_media(content):
        raise NotMediaError
    sets, at = [], 512
    while at < len(content):
        one, at = _read_set(content, at)
        sets.append(one)
    return sets


def _read_set(content: bytes, at: int) -> tuple[BackupSet, int]:
    if content[at : at + 4] != b"SSET":
        raise NotMediaError
    blocks, count = (int.from_bytes(content[at + n : at + n + 4], "little") for n in (4, 8))
    at += 12
    header = _read_header(content[at : at + blocks * _BLOCK])
    at += blocks * _BLOCK
    pages: list[tuple[int, bytes]] = []
    for _ in range(count):
        checksum, size = (int.from_bytes(content[at + n : at + n + 4], "little") for n in (0, 4))
        page = content[at + 8 : at + 8 + size]
        if size > _PAGE or len(page) < size:
            return BackupSet(header, tuple(pages), is_whole=False), len(content)
        pages.append((checksum, page))
        at += 8 + size
    is_whole = content[at : at + 4] == _END
    return BackupSet(header, tuple(pages), is_whole=is_whole), at + 4 if is_whole else len(content)


def _read_header(block: bytes) -> Header:
    try:
        found = json.loads(block)
    except ValueError:
        raise NotMediaError from None
    return Header(**(found | {"version": tuple(found["version"]), "files": tuple(found["files"])}))


def file_entry(one: DataFile) -> dict[str, Any]:
    return asdict(one)


def new_set_id() -> str:
    return str(uuid.uuid4()).upper()


def moment(at: datetime) -> str:
    """As sqlcmd prints a datetime."""
    return at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03}"


def _plain(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _value(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
