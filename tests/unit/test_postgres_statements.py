"""The statements of a plain dump are told apart whatever stands in them, and what is not left out is untouched."""

import pytest

from backupctl.engines.postgres.statements import (
    Splitter,
    Without,
    chooses_tablespace,
    is_transaction,
    is_unknown_before_17,
    sets_ownership,
)
from tests.contract.engine_members import MemoryReader

STATEMENTS = [
    b"SET client_encoding = 'UTF8';",
    b"CREATE TABLE public.t (\n    a text DEFAULT ';GRANT ALL ON x TO y;'::text,\n    \"semi;colon\" int\n);",
    b"COMMENT ON TABLE t IS 'it''s; \\';",
    b"COMMENT ON TABLE t IS E'it\\'s; \\\\''; really';",
    b"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $_$\nBEGIN\n  GRANT ALL ON x TO y;\n  RETURN $1;\nEND $_$;",
    "CREATE FUNCTION é$x() RETURNS int AS $größe$ SELECT 1; $$ ; $größe$;".encode(),
    b"CREATE FUNCTION a() RETURNS int LANGUAGE sql\n  BEGIN ATOMIC\n SELECT CASE WHEN x THEN 1 END;\n  SELECT 2;\nEND;",
    b"CREATE RULE r AS ON DELETE TO t DO ALSO ( DELETE FROM u;\n NOTIFY x;\n);",
    b'CREATE VIEW begin_view AS\n SELECT CASE WHEN true THEN 1 ELSE 2 END AS "end" /* ; /* ; */ \' ; */;',
    b"SELECT pg_catalog.setval('public.s', 1, true); -- GRANT".partition(b" --")[0],
    b"INSERT INTO t VALUES ('a\n;b\n', \"x\");",
]


def pieces(text: bytes, chunk: int) -> tuple[bytes, list[bytes]]:
    splitter = Splitter()
    found = [piece for at in range(0, len(text), chunk) for piece in splitter.feed(text[at : at + chunk])]
    found += splitter.end()
    return b"".join(piece.text for piece in found), [piece.text for piece in found if piece.is_statement]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 100_000])
def test_every_statement_is_found_and_no_byte_is_lost(chunk: int) -> None:
    text = b"--\n-- Name: t; Type: TABLE\n--\n\n\\restrict abc'def\n" + b"\n\n-- it's;\n".join(STATEMENTS) + b"\n"
    whole, statements = pieces(text, chunk)
    assert whole == text
    assert statements == STATEMENTS


ROWS = b"1\t\\N\tGRANT ALL ON x TO y;\n2\tit's $$ /* \\\\.\n\n\\.x\n"


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 11, 100_000])
@pytest.mark.parametrize("rows", [ROWS, b"", b"\n"], ids=["rows", "none", "one empty"])
def test_the_rows_of_a_copy_are_not_read_as_sql(chunk: int, rows: bytes) -> None:
    copy = b'COPY public."a b" (x, y) FROM stdin;'
    text = copy + b"\n" + rows + b"\\.\n\n\nGRANT ALL ON t TO u;\n" + copy + b"\n" + rows + b"\\.\n"
    whole, statements = pieces(text, chunk)
    assert whole == text
    assert statements == [copy, b"GRANT ALL ON t TO u;", copy]


def test_what_is_cut_off_in_the_middle_still_comes_out() -> None:
    whole, statements = pieces(b"SELECT 1;\nCREATE FUNCTION x AS $$ half", 4)
    assert whole == b"SELECT 1;\nCREATE FUNCTION x AS $$ half"
    assert statements == [b"SELECT 1;"]


@pytest.mark.parametrize(
    "statement",
    [
        b"GRANT SELECT ON TABLE t TO u;",
        b"REVOKE ALL ON FUNCTION f(text) FROM PUBLIC;",
        b"ALTER TABLE public.t OWNER TO postgres;",
        b'ALTER FUNCTION public.f(a text) OWNER TO "it\'s ""me"";";',
        b"ALTER LARGE OBJECT 5001 OWNER TO app;",
        b"ALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b;",
        b"SET SESSION AUTHORIZATION a;",
        b"RESET SESSION AUTHORIZATION;",
    ],
)
def test_a_statement_about_owners_and_grants_is_recognized(statement: bytes) -> None:
    assert sets_ownership(statement)


@pytest.mark.parametrize(
    "statement",
    [
        b"ALTER TABLE t ALTER COLUMN c SET DEFAULT ' OWNER TO x;';",
        b"ALTER TABLE ONLY t ADD CONSTRAINT k PRIMARY KEY (id);",
        b"COMMENT ON TABLE t IS 'ALTER TABLE t OWNER TO x;';",
        b"CREATE TABLE grants (x int);",
        b"SET SESSION_REPLICATION_ROLE = replica;",
        *STATEMENTS,
    ],
)
def test_no_other_statement_is(statement: bytes) -> None:
    assert not sets_ownership(statement)


def test_statements_are_left_out_whole_and_nothing_else() -> None:
    text = b"\n".join([*STATEMENTS, b"GRANT ALL\n ON t TO u;", b"COPY t FROM stdin;", b"GRANT x;", b"\\.", b"BEGIN;"])
    out = Without(MemoryReader(text + b"\n"), lambda s: sets_ownership(s) or is_transaction(s))
    expected = b"\n".join([*STATEMENTS, b"", b"COPY t FROM stdin;", b"GRANT x;", b"\\.", b"", b""])
    read = b"".join(iter(lambda: out.read(5), b""))
    assert read == expected


def test_only_the_setting_that_older_servers_refuse_is_recognized() -> None:
    assert is_unknown_before_17(b"SET transaction_timeout = 0;")
    assert not is_unknown_before_17(b"SET idle_in_transaction_session_timeout = 0;")


def test_only_a_tablespace_that_has_a_name_is_recognized() -> None:
    assert chooses_tablespace(b"SET default_tablespace = fast;")
    assert chooses_tablespace(b'SET default_tablespace = "fast disk";')
    assert not chooses_tablespace(b"SET default_tablespace = '';")
