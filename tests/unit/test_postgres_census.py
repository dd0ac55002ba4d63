"""The rows of a plain dump are counted table by table, however it is cut into chunks, and whatever stands in it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupctl.engines.counting import UncountableError
from backupctl.engines.postgres.census import CopyCounter

BEGINNING = b"""--
-- PostgreSQL database dump
--

\\restrict it's"odd$$

SET client_encoding = 'UTF8';
COMMENT ON TABLE t IS 'it''s;
COPY public.fake (a) FROM stdin;
no row';
COMMENT ON TABLE t IS E'it\\'s \\\\';
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $_$
COPY public.fake (a) FROM stdin;
INSERT INTO t VALUES (1);
$$ ' "
$_$;
CREATE TABLE a$b$c ("quo""te's" int, "E'" text DEFAULT ''::text);
CREATE TABLE public."two
COPY public.fake (a) FROM stdin;
lines" (x int);
"""
BLOCKS = b"""
COPY public.t (id, note) FROM stdin;
1\t\\N
2\tCOPY public.fake (a) FROM stdin;
3\t\\\\.
4\tit's "$$

\\.x
\\\\.
\\.


--
-- Name: it's; Type: TABLE DATA
--

COPY "my ""schema"."a.b" ("c1", "x) FROM stdin;") FROM stdin;
\\.


COPY public.no_columns  FROM stdin;



\\.


COPY "public"."two
lines" (x) FROM stdin;
1
\\.


COPY public.t (id, note) FROM stdin;
7\t
\\.


"""
ENDING = b"SELECT pg_catalog.lowrite(0, '\\x0a434f5059');\n--\n-- PostgreSQL database dump complete\n--\n\n"
DUMP = BEGINNING + BLOCKS + ENDING
ROWS = {"public.t": 8, '"my ""schema"."a.b"': 0, "public.no_columns": 3, 'public."two\nlines"': 1}


def count(*chunks: bytes) -> dict[str, int]:
    counter = CopyCounter()
    for chunk in chunks:
        counter.feed(chunk)
    return dict(counter.end())


def test_rows_are_counted_by_table() -> None:
    assert count(DUMP) == ROWS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_small_chunks_count_the_same(size: int) -> None:
    assert count(*(DUMP[at : at + size] for at in range(0, len(DUMP), size))) == ROWS


def test_it_counts_the_same_wherever_the_dump_is_cut_in_two() -> None:
    assert all(count(DUMP[:at], DUMP[at:]) == ROWS for at in range(len(DUMP)))


@given(st.lists(st.integers(0, len(DUMP)), max_size=12))
def test_it_counts_the_same_wherever_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(DUMP)]
    assert count(*(DUMP[a:b] for a, b in pairwise(edges))) == ROWS


def written(value: str) -> str:
    """As COPY writes it (PostgreSQL's documentation of COPY, Text Format)."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=8)
values = st.text(st.sampled_from("\\.N\n\t'\"$;aCOPY -é"), max_size=8)


@given(st.dictionaries(names, st.lists(values, max_size=4), max_size=4), st.integers(1, 40))
def test_any_name_and_any_value_is_counted(tables: dict[str, list[str]], size: int) -> None:
    text = "SET x = 'y';\n"
    for name, rows in tables.items():
        quoted = '"' + name.replace('"', '""') + '"'
        text += f"\nCOPY public.{quoted} (c) FROM stdin;\n" + "".join(f"{written(row)}\n" for row in rows) + "\\.\n\n\n"
    data = text.encode()
    found = count(*(data[at : at + size] for at in range(0, len(data), size)))
    assert list(found.values()) == [len(rows) for rows in tables.values()]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"public.plain", "public.plain"),
        (b'public."Order Lines"', "public.Order Lines"),
        (b'"a.b".c', '"a.b".c'),
        (b'a."b.c"', 'a."b.c"'),
        (b'"\xc3\x9cn\xc3\xafcode"."gr\xc3\xb6\xc3\x9fe"', "Ünïcode.größe"),
        (b'public."latin \xdc"', "public.latin \\xdc"),
        (b"alone", "alone"),
    ],
)
def test_names_go_without_quotes_that_tell_nothing(written: bytes, shown: str) -> None:
    assert count(b"COPY " + written + b" (x) FROM stdin;\n1\n\\.\n") == {shown: 1}


@pytest.mark.parametrize(
    "dump",
    [
        b"CREATE TABLE t (a int);\nINSERT INTO public.t VALUES (1);\n",
        b"COPY t (a) FROM stdin;\n1\n\\.\n\nINSERT INTO public.u VALUES (1);\n",
        b"COPY t (a) FROM stdin;\n1\n",
        b"COPY t (a) FROM stdin\n",
        b"COPY t (a) FROM 'file';\n",
        b"SELECT 'open\n",
        b"SELECT $$ open\n",
    ],
    ids=["inserts", "inserts later", "cut in rows", "cut in COPY", "another COPY", "open string", "open body"],
)
def test_what_is_no_dump_with_copy_is_not_counted(dump: bytes) -> None:
    with pytest.raises(UncountableError):
        count(dump)


def test_a_line_without_an_end_is_not_held_for_ever() -> None:
    counter = CopyCounter()
    with pytest.raises(UncountableError):
        counter.feed(b"x" * (9 << 20))


def test_a_long_row_is_not_held_at_all() -> None:
    counter = CopyCounter()
    counter.feed(b"COPY t (a) FROM stdin;\n")
    for _ in range(20):
        counter.feed(b"x" * (1 << 20))
        assert len(counter._held) < 10
    counter.feed(b"\n\\.\n")
    assert counter.end() == {"t": 1}
