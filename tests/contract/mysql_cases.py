"""MySQL and MariaDB databases that hurt, and how the server itself tells what is in one."""

import json
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from backupctl.engines.mariadb import MariadbEngine
from backupctl.engines.mysql import MysqlEngine
from backupctl.process import Session
from tests.parts.mariadb import MariadbServer, literal, quoted

HARD_NAMES = ["plain", 'a "quoted" na`me', "it's; -- name", "naïve größe 数据", "-dash=x", "50%\\n_x", "--help"]

_HERE = Path(__file__).parent
_ENGINES: dict[str, type[MysqlEngine]] = {"mysql": MysqlEngine, "mariadb": MariadbEngine}


def new_name(beginning: str = "db") -> str:
    return f"{beginning}_{uuid.uuid4().hex[:12]}"


def fill_with_everything(server: MariadbServer, name: str) -> None:
    """A schema that hurts, in a database whose character set is none of the usual."""
    server.sql(f"CREATE DATABASE {quoted(name)} CHARACTER SET latin1 COLLATE latin1_german2_ci")
    for script in ("mysql_hard.sql", f"mysql_{server.flavour}_hard.sql"):
        server.sql((_HERE / script).read_text(), name)
    # Made under another collation: the dump alters its database around them.
    server.sql(f"ALTER DATABASE {quoted(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")


def engine_for(server: MariadbServer, session: Session, name: str, **options: Any) -> MysqlEngine:
    given: dict[str, Any] = {
        "type": server.flavour,
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": SecretStr(server.password),
        "name": name,
        "bin_dir": server.bin_dir,
    }
    kind = _ENGINES[server.flavour]
    return kind.build(kind.Options(**(given | options)), session)


@dataclass(frozen=True)
class Told:
    """Everything in a database, as the database itself tells it."""

    itself: str
    objects: dict[str, str]
    rows: dict[str, str]


_KINDS = {
    "BASE TABLE": "TABLE",
    "SYSTEM VERSIONED": "TABLE",
    "VIEW": "VIEW",
    "SEQUENCE": "SEQUENCE",
}
_MARK = "~ that was all ~"
# When a trigger was made. And MySQL tells a column's character set only where the statement that made it did.
_VOLATILE = re.compile(r"\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d\n$|CHARACTER SET \w+ (?=COLLATE)")


def tell(server: MariadbServer, name: str, *, rows_only: bool = False) -> Told:
    telling = _Telling(server, name)
    tables = telling.named("table", "table_type", "table_schema")
    objects = [(_KINDS[kind], table) for kind, table in tables]
    for catalogue, kind in (("routine", "routine_type"), ("trigger", "'TRIGGER'"), ("event", "'EVENT'")):
        objects += telling.named(catalogue, kind, f"{catalogue}_schema")
    return Told(
        itself=server.sql(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
            f" WHERE schema_name = {literal(name)}"
        ),
        objects={} if rows_only else telling.objects(objects),
        rows=telling.rows([table for kind, table in tables if kind != "VIEW"]),
    )


@dataclass(frozen=True)
class _Telling:
    server: MariadbServer
    name: str

    def named(self, what: str, kind: str, schema: str) -> list[tuple[str, str]]:
        answer = self.server.sql(
            f"SELECT JSON_ARRAY({kind}, {what}_name) FROM information_schema.{what}s"
            f" WHERE {schema} = {literal(self.name)} ORDER BY 1"
        )
        return [(kind, name) for kind, name in map(json.loads, answer.splitlines())]

    def objects(self, objects: list[tuple[str, str]]) -> dict[str, str]:
        texts = self._answers([f"SHOW CREATE {kind} {quoted(one)}" for kind, one in objects])
        # MariaDB tells columns of some views, and sequences, with the name of the database.
        told = [_VOLATILE.sub("", text).replace(f"{quoted(self.name)}.", "") for text in texts]
        return {f"{kind} {one}": text for (kind, one), text in zip(objects, told, strict=True)}

    def rows(self, tables: list[str]) -> dict[str, str]:
        """Every row with every byte, in an order that the rows themselves give."""
        columns = self._answers([f"SHOW COLUMNS FROM {quoted(table)}" for table in tables])
        texts = self._answers([_all_rows(table, told) for table, told in zip(tables, columns, strict=True)])
        return {table: "\n".join(sorted(text.splitlines())) for table, text in zip(tables, texts, strict=True)}

    def _answers(self, questions: list[str]) -> list[str]:
        """The answer to each, at the cost of one connection."""
        text = "".join(f"{question};\nSELECT '{_MARK}';\n" for question in questions)
        return (self.server.sql(text, self.name) + "\n").split(f"{_MARK}\n")[:-1]


def _all_rows(table: str, columns: str) -> str:
    names = [line.partition("\t")[0] for line in columns.splitlines()]
    return f"SELECT {', '.join(f'HEX({quoted(name)})' for name in names)} FROM {quoted(table)}"
