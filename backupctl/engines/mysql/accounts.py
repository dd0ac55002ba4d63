"""The accounts, roles and grants of a server as a script, and making those that a restore needs from one."""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from backupctl.engines.messages import named
from backupctl.engines.mysql.facts import Account, shown
from backupctl.engines.mysql.server import Server
from backupctl.engines.mysql.sql import Sql, account
from backupctl.errors import EngineError, IntegrityError
from backupctl.stream import CHUNK, Reader

_HEADER = "-- Accounts, roles and grants of {server}, stored by backupctl\n"
_TRAILER = "-- End of accounts, roles and grants\n"
_SECTION = re.compile(r"-- (account|grants) (\[.*\])")
# Every server has these of its own.
_SYSTEM = frozenset({"mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys"})
# Hashes of caching_sha2_password hold any byte at all.
_HASHES_AS_HEX = "SET SESSION print_identified_with_as_hex = ON;\n"
_HASHES_AS_HEX_SINCE = (8, 0, 17)
_ACCOUNT = r"`(?:[^`]|``)*`@`(?:[^`]|``)*`"
_DEFAULT_ROLE = re.compile(rf" DEFAULT ROLE {_ACCOUNT}(?:,{_ACCOUNT})*")
_MARK = "~"

_Answer = tuple[list[str], list[str]]
"""The statements that make an account, and those that give it its grants."""


@dataclass
class Script:
    """Makes the accounts of a server and gives them their grants; and which of them the server tells nothing of."""

    sql: Sql
    server: Server
    there: Iterable[Account]
    left_out: list[Account] = field(default_factory=list)

    def open(self) -> Reader:
        """Ask, and read the script. Raises EngineError."""
        answers = self._answers([one for one in self.there if one[0] not in _SYSTEM])
        lines = [_HEADER.format(server=self.server.product)]
        for one, (creation, _) in answers.items():
            lines += [f"-- account {json.dumps(one)}\n", *(f"{statement};\n" for statement in creation)]
        for one, (_, grants) in answers.items():
            lines += [f"-- grants {json.dumps(one)}\n", *(f"{statement};\n" for statement in grants)]
        return io.BytesIO("".join([*lines, _TRAILER]).encode())

    def _answers(self, wanted: list[Account]) -> dict[Account, _Answer]:
        try:
            return _asked(self.sql, self.server, wanted)
        except EngineError:
            answers: dict[Account, _Answer] = {}
            for one in wanted:
                answers |= self._answer(one)
            return answers

    def _answer(self, one: Account) -> dict[Account, _Answer]:
        try:
            return _asked(self.sql, self.server, [one])
        except EngineError as error:
            # With skip-name-resolve, the server knows nothing of accounts for a host's name.
            if "1133" not in error.message and "1141" not in error.message:
                raise
            self.left_out.append(one)
            return {}


def _asked(sql: Sql, server: Server, wanted: list[Account]) -> dict[Account, _Answer]:
    """What makes each account, and what it was granted."""
    hexadecimal = server.flavour == "mysql" and server.number >= _HASHES_AS_HEX_SINCE
    questions = []
    for user, host in wanted:
        name = account(user, host)
        # A role of MariaDB has no SHOW CREATE.
        questions.append(f"SHOW CREATE USER {name}" if host is not None else f"SELECT 'CREATE ROLE {_inside(name)}'")
        questions.append(f"SHOW GRANTS FOR {name}")
    asked = "".join(f"{question};\nSELECT '{_MARK}';\n" for question in questions)
    output = sql.execute((_HASHES_AS_HEX if hexadecimal else "") + asked + "DO 0") if questions else ""
    # Not splitlines, here and below: a name may hold what Unicode calls the end of a line.
    parts = [part.split("\n")[:-1] for part in output.split(f"{_MARK}\n")[:-1]]
    answers = [_statements(creation, grants) for creation, grants in zip(parts[::2], parts[1::2], strict=True)]
    return dict(zip(wanted, answers, strict=True))


def _statements(creation: list[str], grants: list[str]) -> _Answer:
    # A default role may not be there yet when the account is made.
    roles = [(line, found[0]) for line in creation if (found := _DEFAULT_ROLE.search(line))]
    made = [
        re.sub(r"^CREATE (USER|ROLE) ", r"CREATE \1 IF NOT EXISTS ", _DEFAULT_ROLE.sub("", line)) for line in creation
    ]
    defaults = [f"ALTER USER {_first_account(line)}{clause}" for line, clause in roles]
    return made, grants + defaults


def _first_account(line: str) -> str:
    found = re.search(_ACCOUNT, line)
    assert found
    return found[0]


def _inside(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "''")


@dataclass(frozen=True)
class Making:
    """The accounts that a restore needs and the server lacks, and what the backup's globals say of them."""

    missing: tuple[Account, ...]
    script: str

    def creation(self) -> Iterator[str]:
        """What makes them: as they were where that is known, else locked."""
        known = _sections(self.script, "account")
        for one in self.missing:
            user, host = one
            locked = f"CREATE USER {account(user, host)} ACCOUNT LOCK;" if host is not None else None
            yield known.get(one) or locked or f"CREATE ROLE {account(user, host)};"

    def grants(self) -> Iterator[str]:
        """What they may do, as far as the globals say; one statement each."""
        known = _sections(self.script, "grants")
        for one in self.missing:
            yield from (f"{line};" for line in known.get(one, "").split(";\n") if line)


def make_accounts(sql: Sql, making: Making, *, say: Callable[[str], None]) -> None:
    """Make the accounts. Raises EngineError."""
    sql.execute("\n".join(making.creation()))
    names = named(map(shown, making.missing))
    say(f"made the accounts {names}" + ("" if making.script else ", locked: the backup has no globals"))


def give_grants(sql: Sql, making: Making, *, say: Callable[[str], None]) -> None:
    """Give them their grants: when what the grants are on is there."""
    for statement in making.grants():
        try:
            sql.execute(statement)
        except EngineError as error:
            say(f"not granted: {statement} ({error.message})")


def _sections(script: str, kind: str) -> dict[Account, str]:
    found: dict[Account, str] = {}
    current: Account | None = None
    for line in io.StringIO(script):
        section = _SECTION.match(line)
        if section:
            user, host = json.loads(section[2])
            current = (user, host) if section[1] == kind else None
        elif current is not None and not line.startswith("-- "):
            found[current] = found.get(current, "") + line
    return found


def whole_script(reader: Reader) -> str:
    """A stored script. Raises IntegrityError for one that is cut off."""
    try:
        script = b"".join(iter(lambda: reader.read(CHUNK), b"")).decode()
    finally:
        reader.close()
    if not script.endswith(_TRAILER):
        raise IntegrityError("the globals are cut off: they do not end in their last line")
    return script
