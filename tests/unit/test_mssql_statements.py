"""Every batch for SQL Server: as it is kept in tests/golden/mssql, read by a parser, with each name in one piece."""

import inspect
import logging
from pathlib import Path

import pytest
from sqlglot import ErrorLevel, Token, TokenType, exp, parse
from sqlglot.dialects.tsql import TSQL

from backupctl.engines.mssql import statements
from backupctl.engines.mssql.statements import Devices
from backupctl.errors import EngineError
from tests.unit.mssql_batches import BATCHES, CREDENTIAL, KEYS, MARK, MOVES, NAME, STRIPES, UNC_FILE, WINDOWS_FILE

GOLDEN = Path(__file__).parents[1] / "golden" / "mssql"
# What sqlglot 30 has no grammar for: of these its tokenizer alone reads what is quoted.
UNREAD = ("BACKUP", "RESTORE", "DBCC", "ALTER", "CREATE", "DROP CREDENTIAL", "BEGIN TRY")
OURS = {"S3 Access Key", "backupctl", "TRY BEGIN CATCH END CATCH"}  # the last it takes for the rest of an END
QUOTED = {NAME, WINDOWS_FILE, UNC_FILE, CREDENTIAL, MARK, ":".join(KEYS), *STRIPES.names, *MOVES, *MOVES.values()}


def split(text: str) -> list[str]:
    """The batches that sqlcmd makes of a script."""
    return [batch for batch in text.split("GO\n") if batch.strip()]


def tokens(text: str) -> list[Token]:
    return [token for batch in split(text) for token in TSQL().tokenize(batch)]


def words(text: str) -> str:
    return " ".join(token.text.upper() for token in tokens(text)[:2])


def test_every_batch_is_kept_as_it_is_sent() -> None:
    kept = {path.stem: path.read_text(encoding="utf-8") for path in GOLDEN.glob("*.sql")}
    assert kept == BATCHES


def test_no_statement_is_missing_among_those_that_are_kept() -> None:
    source = (Path(__file__).parent / "mssql_batches.py").read_text(encoding="utf-8")
    functions = [
        one for _, one in inspect.getmembers(statements, inspect.isfunction) if one.__module__ == statements.__name__
    ]
    made = {one.__name__ for one in functions if not one.__name__.startswith("_")}
    called = {name for name in made if f"statements.{name}(" in source}
    assert made - called == {"identifier", "literal"}
    texts = {one for name, one in vars(statements).items() if isinstance(one, str) and name.isupper() and "\n" in one}
    assert texts <= set(BATCHES.values())


@pytest.mark.parametrize("name", [name for name, text in BATCHES.items() if not words(text).startswith(UNREAD)])
def test_a_parser_reads_what_it_has_a_grammar_for(name: str) -> None:
    read = parse(BATCHES[name], read="tsql", error_level=ErrorLevel.RAISE)
    assert read
    assert not [one for one in read if isinstance(one, exp.Command)]


@pytest.mark.parametrize("name", [name for name, text in BATCHES.items() if words(text).startswith(UNREAD)])
def test_what_is_not_ours_stays_in_one_piece(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    found = tokens(BATCHES[name])
    texts = {
        token.text
        for token in found
        if token.token_type in (TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.IDENTIFIER)
    }
    documents = {text for text in texts if text.startswith('{"s3"')}
    assert texts - QUOTED - OURS == documents
    assert texts & QUOTED
    # Nothing of a name has become a statement of its own, a comment, or a parameter.
    statements_in = sum(token.token_type == TokenType.SEMICOLON for token in found)
    assert statements_in == {"restore.replace": 2, "create_credential.marked": 2, "drop_credential": 3}.get(name, 1)
    assert not [token for token in found if token.comments]


@pytest.mark.parametrize("text", ["a\nGO\nDROP DATABASE shop\nGO", "a\n:!! rm -rf /", "a\x00b", "a\x1fb"])
def test_no_control_character_gets_into_a_batch(text: str) -> None:
    for make in (statements.identifier, statements.literal, statements.database, statements.orphans):
        with pytest.raises(EngineError, match="control character"):
            make(text)
    with pytest.raises(EngineError, match="control character"):
        statements.restore("shop", Devices.disk("/x"), {text: "/y"}, replace=False)


def test_a_backup_of_a_store_says_nothing_that_only_a_disk_takes() -> None:
    batch = BATCHES["backup.url"]
    assert " INIT" not in batch
    assert "MAXTRANSFERSIZE = 20971520" in batch
    assert """BACKUP_OPTIONS = '{"s3": {"region": "eu-central-1"}}'""" in batch
    assert "MAXTRANSFERSIZE" not in BATCHES["backup.url.uncompressed"]


@pytest.mark.parametrize("region", [None, "", "auto", "us-east-1"])
def test_a_stores_own_region_is_not_said(region: str | None) -> None:
    devices = Devices.url(["s3://x/y/z.bak"], region)
    assert statements.header_only(devices) == "RESTORE HEADERONLY FROM URL = N's3://x/y/z.bak';\n"


def test_only_a_replacement_is_told_to_replace() -> None:
    assert "REPLACE" not in BATCHES["restore"]
    assert BATCHES["restore.replace"].index("SINGLE_USER") < BATCHES["restore.replace"].index("REPLACE,")
