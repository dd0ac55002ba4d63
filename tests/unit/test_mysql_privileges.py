"""What the lines of SHOW GRANTS come to."""

import pytest

from backupctl.engines.mysql.privileges import Rights


def rights(*grants: str, database: str = "shop_1") -> Rights:
    return Rights.granted("".join(f"{grant}\n" for grant in grants), database)


def test_a_grant_on_everything_is_one_on_each_database() -> None:
    found = rights("GRANT SELECT, SHOW VIEW ON *.* TO `u`@`%` WITH GRANT OPTION")
    assert found.on_server("SELECT")
    assert found.on_database("SHOW VIEW")
    assert found.on_catalogue("SELECT")
    assert not found.on_database("TRIGGER")


def test_all_privileges_hold_every_one() -> None:
    found = rights("GRANT ALL PRIVILEGES ON `shop_1`.* TO `u`@`%`")
    assert found.on_database("EVENT")
    assert not found.on_server("EVENT")


@pytest.mark.parametrize(
    ("scope", "covers"),
    [
        ("`shop_1`", True),
        (r"`shop\_1`", True),
        ("`shop%`", True),
        ("`shop__`", True),
        (r"`shop\_2`", False),
        ("`shop`", False),
        ("`SHOP_1`", False),
    ],
)
def test_the_name_of_a_database_in_a_grant_is_a_pattern(scope: str, covers: bool) -> None:
    assert rights(f"GRANT EVENT ON {scope}.* TO `u`@`%`").on_database("EVENT") is covers


def test_names_with_dots_ticks_and_keywords_are_read_as_names() -> None:
    grants = "GRANT TRIGGER ON `a.``b`` ON *.* TO `.* TO `u ON *.* TO`@`%`"
    assert rights(grants, database="a.`b` ON *.* TO ").on_database("TRIGGER")
    assert not rights(grants).on_database("TRIGGER")
    assert not rights(grants).on_server("TRIGGER")


def test_a_grant_on_a_table_or_on_columns_is_none_on_the_database() -> None:
    found = rights(
        "GRANT SELECT (`a`, `b`), INSERT ON `shop_1`.`t` TO `u`@`%`", "GRANT SELECT ON `mysql`.`proc` TO `u`@`%`"
    )
    assert not found.on_database("SELECT")
    assert found.on_catalogue("SELECT")


def test_a_partial_revoke_takes_a_right_of_the_server_back_for_one_database() -> None:
    grants = ("GRANT SELECT, EVENT ON *.* TO `u`@`%`", "REVOKE EVENT ON `shop_1`.* FROM `u`@`%`")
    assert rights(*grants).on_database("SELECT")
    assert not rights(*grants).on_database("EVENT")
    assert rights(*grants, database="other").on_database("EVENT")
