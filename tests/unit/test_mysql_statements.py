"""What is changed in a dump of MySQL or MariaDB, or counted in it, wherever its chunks begin and end."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backupctl.engines.mysql.census import Census, Expected
from backupctl.engines.mysql.statements import (
    Edit,
    Edited,
    ViewChecks,
    renamed,
    translated,
    without_definer,
    without_sandbox,
)
from backupctl.stream import Reader

DUMP = b"""/*M!999999\\- enable the sandbox mode */
-- MariaDB dump
CREATE TABLE `t` (
  `a` int DEFAULT nextval(`shop`.`s`) COMMENT 'nextval(`shop`.`s`) it''s',
  `b` text COLLATE utf8mb4_0900_ai_ci DEFAULT 'utf8mb4_0900_ai_ci'
) ENGINE=InnoDB COLLATE=utf8mb4_0900_ai_ci;
INSERT INTO `t` VALUES
(1,'\\nCREATE DEFINER=`x`@`y` FUNCTION'),
(2,'/*!50013 DEFINER=`x`@`y` */ ALTER DATABASE `shop`');
ALTER DATABASE `shop` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`x`@`y`*/ /*!50003 TRIGGER tr BEFORE INSERT ON t FOR EACH ROW BEGIN
/*!50013 DEFINER=`x`@`y` SQL SECURITY DEFINER */
CREATE DEFINER=`x`@`y` FUNCTION in_a_body
ALTER DATABASE `shop`
END */;;
DELIMITER ;
DELIMITER ;;
/*!50106 CREATE*/ /*!50117 DEFINER=`x``;`@`y`*/ /*!50106 EVENT `ev` DO BEGIN DELETE FROM t; END */ ;;
DELIMITER ;
DELIMITER ;;
CREATE DEFINER="x"@"y" FUNCTION "f"() RETURNS int
RETURN 1 ;;
DELIMITER ;
/*!50001 DROP VIEW IF EXISTS `a`*/;
/*!50001 CREATE ALGORITHM=MERGE */
/*!50013 DEFINER=`x`@`y` SQL SECURITY INVOKER */
/*!50001 VIEW `a` AS select `shop`.`t`.`a` AS `a`,'`shop`.`t`.`a`' AS `b` from `t` */
/*!50002 WITH CASCADED CHECK OPTION */;
-- Dump completed
"""

EDITS: dict[str, Edit] = {
    "definer": without_definer,
    "sandbox": without_sandbox,
    "renamed": renamed("shop", "co`py"),
    "translated": translated("mariadb"),
}


class Pieces:
    """A reader that gives out pieces of sizes of its own."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = io.BytesIO(data)
        self._size = size

    def read(self, size: int, /) -> bytes:
        return self._data.read(self._size)

    def close(self) -> None:
        self._data.close()


def read_all(reader: Reader, size: int = 1 << 20) -> bytes:
    return b"".join(iter(lambda: reader.read(size), b""))


def edited(*names: str) -> str:
    return read_all(Edited(io.BytesIO(DUMP), [EDITS[name] for name in names])).decode()


def test_without_edits_a_dump_comes_through_byte_for_byte() -> None:
    assert edited() == DUMP.decode()


def test_definers_go_and_rows_and_bodies_stay() -> None:
    text = edited("definer")
    assert "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER tr" in text
    assert "/*!50106 CREATE*/ /*!50117 */ /*!50106 EVENT `ev`" in text
    assert '\nCREATE FUNCTION "f"() RETURNS int\n' in text
    assert "\n/*!50013 SQL SECURITY INVOKER */\n" in text
    assert "\\nCREATE DEFINER=`x`@`y` FUNCTION'" in text
    assert "(2,'/*!50013 DEFINER=`x`@`y` */ ALTER DATABASE `shop`')" in text
    assert (
        "BEGIN\n/*!50013 DEFINER=`x`@`y` SQL SECURITY DEFINER */\nCREATE DEFINER=`x`@`y` FUNCTION in_a_body\n" in text
    )


def test_the_first_line_of_newer_clients_goes() -> None:
    assert edited("sandbox").startswith("-- MariaDB dump\n")


def test_a_dump_names_its_own_database_no_more() -> None:
    text = edited("renamed")
    assert "\nALTER DATABASE `co``py` CHARACTER SET latin1" in text
    assert "\nALTER DATABASE `shop`\nEND */;;" in text
    assert "DEFAULT nextval(`s`) COMMENT 'nextval(`shop`.`s`) it''s'" in text
    assert "select `t`.`a` AS `a`,'`shop`.`t`.`a`' AS `b`" in text


def test_what_only_one_flavour_knows_is_replaced_by_the_nearest() -> None:
    text = edited("translated")
    assert "COLLATE utf8mb4_unicode_520_ci DEFAULT 'utf8mb4_0900_ai_ci'" in text
    assert ") ENGINE=InnoDB COLLATE=utf8mb4_unicode_520_ci;" in text
    assert "NO_AUTO_CREATE_USER" in text
    to_mysql = read_all(Edited(io.BytesIO(DUMP), [translated("mysql")])).decode()
    assert "= 'STRICT_TRANS_TABLES' */" in to_mysql
    line = b"  `x` text COLLATE utf8mb4_uca1400_ai_ci,\n"
    assert translated("mysql")(line) == b"  `x` text COLLATE utf8mb4_0900_ai_ci,\n"


def test_a_check_option_is_given_when_all_views_are_there() -> None:
    checks = ViewChecks()
    text = read_all(Edited(io.BytesIO(DUMP), [without_definer, checks], ending=checks.ending)).decode()
    before, _, after = text.partition("-- Dump completed\n")
    assert "from `t` */\n;\n" in before
    assert "CHECK OPTION" not in before
    assert "/*!50001 CREATE OR REPLACE ALGORITHM=MERGE */\n/*!50013 SQL SECURITY INVOKER */" in after
    assert after.endswith("/*!50002 WITH CASCADED CHECK OPTION */;\n")


@given(size=st.integers(1, 400), asked=st.integers(1, 300), long=st.integers(0, 200))
def test_where_chunks_begin_and_end_changes_nothing(size: int, asked: int, long: int) -> None:
    dump = DUMP.replace(b"(1,'", b"(1,'" + b"x;;" * long)
    edits = list(EDITS.values())
    whole = read_all(Edited(io.BytesIO(dump), edits))
    assert read_all(Edited(Pieces(dump, size), edits), asked) == whole


@given(size=st.integers(1, 300))
def test_everything_is_counted_once_wherever_it_is_cut(size: int) -> None:
    counted: list[dict[str, int]] = []
    source = io.BytesIO(DUMP)
    reader = Census(source, counted.append)
    assert read_all(reader, size) == DUMP
    # One of the routines is a line of a body: there may be more than there are.
    assert counted == [{"routines": 2, "triggers": 1, "events": 1}]


@pytest.mark.parametrize(
    ("counted", "missing"),
    [
        ({"routines": 2, "triggers": 1, "events": 0}, []),
        ({"routines": 3, "triggers": 1, "events": 1}, []),
        ({"routines": 0, "triggers": 0, "events": 0}, ["2 of 2 routines", "1 of 1 triggers"]),
    ],
)
def test_what_is_missing_is_said_in_numbers(counted: dict[str, int], missing: list[str]) -> None:
    assert Expected(routines=2, triggers=1, events=0).missing_from(counted) == missing
