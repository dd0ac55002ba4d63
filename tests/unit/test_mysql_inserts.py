"""What a dump of MySQL or MariaDB holds is counted table by table, however it is cut into chunks."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupctl.engines.counting import UncountableError
from backupctl.engines.mysql.inserts import InsertCounter

ONE_LINE = b"INSERT INTO `one ``line``` VALUES (1,'a),(b'),(2,'it\\'s ''so'';\\n\\\\'),(3,NULL),(4,_binary '(');\n"
MANY_LINES = b"INSERT INTO `many\nlines` VALUES\n(1,0x2829,'(;'),\n(2,'','INSERT INTO `x` VALUES');\n"
WITH_COLUMNS = b"INSERT  IGNORE INTO `w` (`a`, `b (') ,`) VALUES (1,'x\\\\'),(-2.5,'y');\n"
BEGINNING = b"""-- MariaDB dump

/*!40101 SET NAMES utf8mb4 */;

--
-- Table structure for table `one ``line```
--

DROP TABLE IF EXISTS `one ``line```;
CREATE TABLE `one ``line``` (
  `a` int DEFAULT NULL COMMENT 'it''s; INSERT INTO'
) ENGINE=InnoDB;

--
-- Dumping data for table `one ``line```
--

"""
DUMP = (
    BEGINNING
    + ONE_LINE
    + ONE_LINE
    + b"""/*!40000 ALTER TABLE `one ``line``` ENABLE KEYS */;
/*!50003 SET sql_mode = '' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50003 TRIGGER t AFTER INSERT ON x FOR EACH ROW BEGIN
INSERT INTO `fake` VALUES (1);
CREATE TABLE `fake` (
END */;;
DELIMITER ;
CREATE TABLE `empty` (
  `a` int
);
CREATE TABLE `many
lines` (
"""
    + MANY_LINES
    + b"\n--\n-- Dumping data\n--\n\n"
    + WITH_COLUMNS
    + b"\n/*!50001 CREATE VIEW `v` AS SELECT 1 AS `a` */;\nREPLACE INTO `r` VALUES (1);\n\n-- Dump completed\n"
)
ROWS = {"one `line`": 8, "empty": 0, "many\nlines": 2, "w": 2, "r": 1}
BYTES = {
    "one `line`": 2 * len(ONE_LINE),
    "empty": 0,
    "many\nlines": len(MANY_LINES),
    "w": len(WITH_COLUMNS),
    "r": len(b"REPLACE INTO `r` VALUES (1);\n"),
}


def count(*chunks: bytes, exact: bool) -> dict[str, int]:
    counter = InsertCounter(exact=exact)
    for chunk in chunks:
        counter.feed(chunk)
    return dict(counter.end())


@pytest.mark.parametrize(("exact", "expected"), [(True, ROWS), (False, BYTES)], ids=["rows", "bytes"])
def test_every_table_is_counted_wherever_the_dump_is_cut_in_two(exact: bool, expected: dict[str, int]) -> None:
    assert count(DUMP, exact=exact) == expected
    assert all(count(DUMP[:at], DUMP[at:], exact=exact) == expected for at in range(len(DUMP)))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
@pytest.mark.parametrize(("exact", "expected"), [(True, ROWS), (False, BYTES)], ids=["rows", "bytes"])
def test_small_chunks_count_the_same(size: int, exact: bool, expected: dict[str, int]) -> None:
    assert count(*(DUMP[at : at + size] for at in range(0, len(DUMP), size)), exact=exact) == expected


@given(st.lists(st.integers(0, len(DUMP)), max_size=12), st.booleans())
def test_it_counts_the_same_wherever_it_is_cut(cuts: list[int], exact: bool) -> None:
    edges = [0, *sorted(cuts), len(DUMP)]
    chunks = (DUMP[a:b] for a, b in pairwise(edges))
    assert count(*chunks, exact=exact) == (ROWS if exact else BYTES)


def literal(value: str) -> str:
    """As mysql_real_escape_string does."""
    escapes = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\0": "\\0", "\r": "\\r", "\x1a": "\\Z"}
    return "'" + "".join(escapes.get(letter, letter) for letter in value) + "'"


values = st.text(st.sampled_from("\\'\"(),;\n\0\x1aaZé`"), max_size=8).map(literal) | st.sampled_from(
    ["NULL", "-1.5e9"]
)
rows = st.lists(st.lists(values, max_size=3), min_size=1, max_size=5)


@given(rows, st.sampled_from([",", ",\n"]), st.integers(1, 40))
def test_rows_are_counted_whatever_is_in_them(rows: list[list[str]], between: str, size: int) -> None:
    tuples = between.join(f"({','.join(row)})" for row in rows)
    data = f"\nINSERT INTO `t` VALUES{between[1:] or ' '}{tuples};\n\n-- Dump completed\n".encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert count(*chunks, exact=True) == {"t": len(rows)}
    assert count(*chunks, exact=False) == {"t": data.index(b";\n\n-") + 1}


def test_a_dump_with_an_insert_for_each_row_is_counted() -> None:
    text = b"".join(b"INSERT INTO `t` VALUES (%d,'x');\n" % number for number in range(50))
    assert count(text, exact=True) == {"t": 50}
    assert count(text, exact=False) == {"t": len(text)}


def test_names_in_double_quotes_are_names_too() -> None:
    assert count(b'CREATE TABLE "a""b" (\nINSERT INTO "a""b" VALUES (1),(2);\n', exact=True) == {'a"b': 2}


@pytest.mark.parametrize(
    "dump",
    [
        b"INSERT INTO `t` VALUES (1),(2",
        b"INSERT INTO `t` VALUES (1,'x);\n",
        b"INSERT INTO t SELECT 1;\n",
        b"CREATE TABLE `t",
        b"DELIMITER ;;\nCREATE TRIGGER\n",
    ],
    ids=["cut in rows", "open string", "another INSERT", "cut in CREATE", "open body"],
)
def test_what_is_no_whole_dump_is_not_counted(dump: bytes) -> None:
    with pytest.raises(UncountableError):
        count(dump, exact=True)


def test_a_statement_that_never_comes_to_its_values_is_not_held_for_ever() -> None:
    counter = InsertCounter(exact=False)
    counter.feed(b"INSERT INTO `")
    with pytest.raises(UncountableError):
        counter.feed(b"x" * (2 << 20))


@pytest.mark.parametrize("exact", [True, False])
def test_a_long_row_is_not_held(exact: bool) -> None:
    counter = InsertCounter(exact=exact)
    counter.feed(b"INSERT INTO `t` VALUES ('")
    for _ in range(5):
        counter.feed(b"\\" * (1 << 20))
        assert len(counter._held) < 10
    counter.feed(b"');\n")
    assert set(counter.end()) == {"t"}
