"""What a MySQL or MariaDB job may say, which clients there are, and what their errors mean."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from backupctl.engines.mariadb import MariadbOptions
from backupctl.engines.mysql import MysqlOptions
from backupctl.engines.mysql.clients import Client, doubts, identified
from backupctl.engines.mysql.connection import quoted
from backupctl.engines.mysql.explain import MESSAGES
from backupctl.errors import EngineError
from backupctl.process import ProcessError


@pytest.mark.parametrize("name", ["mysql", "information_schema", "Performance_Schema", "sys"])
def test_the_servers_own_schemas_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="belongs to the server"):
        MysqlOptions(type="mysql", name=name)


@pytest.mark.parametrize(
    "argument",
    [
        "--all-databases",
        "--all_databases",
        "--all-d",
        "--databases",
        "--skip-comments",
        "--skip_triggers",
        "--disable-routines",
        "--loose-result-file=x",
        "--host=elsewhere",
        "--password=x",
        "--defaults-extra-file=x",
        "--force",
        "--skip-opt",
        "--compact",
        "--ssl-mode=DISABLED",
        "--set-gtid-purged=ON",
        "--master-data",
        "--source-data=1",
        "--tab=/tmp",
    ],
)
def test_what_is_ours_to_choose_is_no_extra_argument(argument: str) -> None:
    with pytest.raises(ValidationError, match="is chosen by backupctl"):
        MariadbOptions(type="mariadb", name="shop", extra_args=(argument,))


@pytest.mark.parametrize("argument", ["-f", "-pX", "--", "table", "-w1=1"])
def test_an_extra_argument_has_its_long_form(argument: str) -> None:
    with pytest.raises(ValidationError, match="long form"):
        MysqlOptions(type="mysql", name="shop", extra_args=(argument,))


def test_what_leaves_something_out_is_told_from_what_does_not() -> None:
    arguments = ("--ignore-table=shop.log", "--skip-extended-insert", "--where=id>5", "--master-data=2", "--no-data")
    options = MysqlOptions(type="mysql", name="shop", extra_args=arguments)
    assert options.leaves_out == ("--ignore-table=shop.log", "--where=id>5", "--no-data")


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(MysqlOptions(type="mysql", name="shop", password=SecretStr("secret")))


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        ("mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", ("mysql", (8, 0, 36))),
        ("/opt/mysql/bin/mysqldump  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", ("mysql", (9, 7, 4))),
        ("mysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)", ("mysql", (5, 7, 44))),
        ("mysqldump  Ver 8.0.36-28 for Linux on x86_64 (Percona Server (GPL))", ("mysql", (8, 0, 36))),
        ("mysqldump  Ver 10.19 Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)", ("mariadb", (10, 11, 6))),
        ("mysqldump from 11.4.2-MariaDB, client 10.19 for debian-linux-gnu (x86_64)", ("mariadb", (11, 4, 2))),
        ("mariadb from 11.8.1-MariaDB, client 15.2 for Linux (x86_64)", ("mariadb", (11, 8, 1))),
        ("pg_dump (PostgreSQL) 17.2", None),
        ("", None),
    ],
)
def test_a_client_is_identified_by_what_it_says(answer: str, known: object) -> None:
    assert identified(answer) == known


@pytest.mark.parametrize(
    ("version", "knows"),
    [
        ((10, 4, 99), False),
        ((10, 5, 24), False),
        ((10, 5, 25), True),
        ((10, 11, 7), False),
        ((10, 11, 8), True),
        ((11, 4, 1), False),
        ((11, 4, 2), True),
        ((12, 0, 1), True),
    ],
)
def test_the_sandbox_line_is_known_from_the_releases_that_brought_it(
    version: tuple[int, int, int], knows: bool
) -> None:
    assert client("mariadb", version).knows_sandbox is knows
    assert not client("mysql", version).knows_sandbox


def client(flavour: str, version: tuple[int, int, int]) -> Client:
    return Client("dump", Path("/usr/bin/mysqldump"), "mariadb" if flavour == "mariadb" else "mysql", version)


def test_a_client_that_does_not_suit_is_doubted() -> None:
    assert doubts(client("mysql", (8, 4, 0)), "mysql", (8, 4, 9)) == []
    assert doubts(client("mysql", (9, 0, 0)), "mysql", (8, 0, 0)) == []
    assert "is older than the server's MySQL 8.4.0" in doubts(client("mysql", (8, 0, 36)), "mysql", (8, 4, 0))[0]
    assert "no mariadb-dump was found" in doubts(client("mysql", (9, 0, 0)), "mariadb", (10, 11, 0))[0]


def test_a_value_of_an_option_file_is_quoted() -> None:
    assert quoted('a#b;"c"\\d\'e\n é ') == '"a#b;\\"c\\"\\\\d\'e\\n é "'
    with pytest.raises(EngineError, match="NUL"):
        quoted("a\0b")


@pytest.mark.parametrize(
    ("stderr", "said", "transient"),
    [
        (
            "ERROR 1045 (28000): Access denied for user 'a''b'@'h' (using password: YES)",
            "refused the password of user \"a''b\"",
            False,
        ),
        (
            "mysqldump: Got error: 1045: \"Access denied for user 'u'@'h' (using password: NO)\" when",
            "wants a password",
            False,
        ),
        ("mysqldump: Got error: 1049: \"Unknown database 'x'\" when selecting the database", 'no database "x"', False),
        ("ERROR 2002 (HY000): Can't connect to server on '127.0.0.1' (115)", "cannot be reached", True),
        ("ERROR 2003 (HY000): Can't connect to MySQL server on '127.0.0.1:1' (111)", "cannot be reached", True),
        ("ERROR 2005 (HY000): Unknown server host 'no.where' (-2)", 'the host "no.where" has no address', False),
        (
            "mariadb-dump: Error 2013: Lost connection to server during query when dumping table `t` at row: 1045",
            "ended the connection",
            True,
        ),
        (
            "mysqldump: Error 1412: Table definition has changed, please retry transaction when dumping table `t`",
            "altered while",
            True,
        ),
        (
            "mysqldump: Couldn't execute 'SHOW FIELDS FROM `v`': View 'd.v' references invalid table(s) (1356)",
            "a view, or what it is made of, is not valid: View 'd.v'",
            False,
        ),
        (
            "mysqldump: Couldn't execute 'show': SHOW VIEW command denied to user 'u'@'h' for table 'v' (1142)",
            "has not the right: SHOW VIEW command denied",
            False,
        ),
        (
            "ERROR 1227 (42000) at line 9: Access denied; you need (at least one of) the SUPER privilege(s)",
            "has not the right: you need",
            False,
        ),
        (
            "ERROR 2026 (HY000): TLS/SSL error: self-signed certificate in certificate chain",
            "the TLS connection to s:1 failed: TLS/SSL error",
            False,
        ),
        ("ERROR 1040 (HY000): Too many connections", "no connection left", True),
        ("ERROR 1273 (HY000) at line 25: Unknown collation: 'utf8mb4_0900_ai_ci'", "Unknown collation", False),
    ],
)
def test_errors_of_both_clients_are_explained(stderr: str, said: str, transient: bool) -> None:
    error = MESSAGES.explained(ProcessError(["mysqldump"], 2, stderr), server="s:1")
    assert said in error.message
    assert error.transient is transient
    assert error.hint


def test_of_an_error_that_is_not_known_only_its_own_line_is_shown() -> None:
    stderr = "-------\nCREATE USER x IDENTIFIED BY 'hush'\n-------\n\nERROR 1064 (42000) at line 1: You have an error"
    error = MESSAGES.explained(ProcessError(["mariadb"], 1, stderr), server="s:1")
    assert error.message == "mariadb ended with exit code 1: ERROR 1064 (42000) at line 1: You have an error"


def test_a_killed_client_is_said_to_be_killed() -> None:
    assert "killed by SIGKILL" in MESSAGES.explained(ProcessError(["mysqldump"], -9, ""), server="s").message
    assert MESSAGES.explained(ProcessError(["mysqldump"], 2, ""), server="s").transient
