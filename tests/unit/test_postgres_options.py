"""What the postgres engine makes of its options, of tools' versions and of their errors."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from backupctl.engines.postgres.clients import knows_restrict, parse_version
from backupctl.engines.postgres.connection import Connection
from backupctl.engines.postgres.explain import explained
from backupctl.engines.postgres.options import PostgresOptions
from backupctl.engines.postgres.roles import Making
from backupctl.engines.postgres.target import creation, properties
from backupctl.errors import EngineError
from backupctl.process import ProcessError, Session


def options(**given: Any) -> PostgresOptions:
    return PostgresOptions.model_validate({"type": "postgres", "name": "shop"} | given)


def connection(folder: Path, **given: Any) -> Connection:
    return Connection(options(**given), Session(folder))


@pytest.mark.parametrize("argument", ["-Fc", "--format=c", "--file", "-f", "-Cv", "--dbname=x", "--clean", "-Z9"])
def test_an_extra_argument_that_backupctl_chooses_itself_is_refused(argument: str) -> None:
    with pytest.raises(ValidationError, match="is chosen by backupctl"):
        options(extra_args=["--verbose", argument])


def test_other_extra_arguments_are_taken_and_those_that_leave_something_out_are_known() -> None:
    given = options(extra_args=["--no-comments", "--schema=a", "-T", "log", "--lock-wait-timeout=1h"])
    assert given.leaves_out == ("--schema=a", "-T")


def test_every_value_of_the_connection_string_is_quoted(tmp_path: Path) -> None:
    conninfo = connection(tmp_path, host="h", port=1, user="o'x y\\", tls="off").conninfo("a=b c")
    assert "dbname='a=b c' host='h' port='1' user='o\\'x y\\\\' sslmode='disable'" in conninfo


def test_the_password_is_escaped_in_a_file_of_its_own(tmp_path: Path) -> None:
    conninfo = connection(tmp_path, password="a:b\\c 'é").conninfo("x")
    assert "a:b" not in conninfo
    [passfile] = tmp_path.iterdir()
    assert f"passfile='{passfile}'" in conninfo
    assert passfile.read_text() == "*:*:*:*:a\\:b\\\\c 'é\n"
    assert passfile.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("password", ["two\nlines", "from-windows\r"])
def test_a_password_that_a_passfile_cannot_hold_is_an_error_that_says_so(tmp_path: Path, password: str) -> None:
    with pytest.raises(EngineError, match="line break"):
        connection(tmp_path, password=password).conninfo("x")


def test_a_password_of_two_lines_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        connection(tmp_path, password="secret\n").conninfo("x")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("given", "expected", "server"),
    [
        ({"socket": "/run/pg/.s.PGSQL.6543"}, "host='/run/pg' port='6543'", "/run/pg:6543"),
        ({"socket": "/run/pg", "port": 5433}, "host='/run/pg' port='5433'", "/run/pg:5433"),
        ({"socket": "/run/pg", "host": "db"}, "host='db'", "db:5432"),
        ({}, "dbname='x' sslmode", "local socket:5432"),
    ],
)
def test_a_socket_is_a_folder_or_a_file_in_it(
    tmp_path: Path, given: dict[str, Any], expected: str, server: str
) -> None:
    there = connection(tmp_path, **given)
    assert expected in there.conninfo("x")
    assert there.server == server


@pytest.mark.parametrize(
    ("version", "knows"),
    [((14, 18), False), ((14, 19), True), ((15, 14), True), ((17, 5), False), ((18, 0), True), ((12, 99), False)],
)
def test_which_clients_know_restrict(version: tuple[int, int], knows: bool) -> None:
    assert knows_restrict(version) is knows


def test_the_version_of_a_client_is_read_from_a_manifest() -> None:
    assert parse_version("pg_dump 16.15") == (16, 15)
    assert parse_version("pg_dump 18") == (18, 0)
    assert parse_version("pg_dump") is None


@pytest.mark.parametrize(
    ("stderr", "message", "transient"),
    [
        ('FATAL:  password authentication failed for user "bob"', 'refused the password of user "bob"', False),
        ('FATAL:  Peer authentication failed for user "bob"', 'did not let the user "bob" in', False),
        ('FATAL:  role "bob" does not exist', 'no user "bob"', False),
        ('ERROR:  role "bob" does not exist', 'there is no role "bob"', False),
        ("fe_sendauth: no password supplied", "wants a password", False),
        (
            'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "bob", database "x", no encryption',
            'from 10.0.0.1 (user "bob", database "x", no encryption)',
            False,
        ),
        ('could not translate host name "nohost" to address', 'the host "nohost" has no address', False),
        ('connection to server at "x", port 1 failed: Connection refused', "cannot be reached", True),
        ('FATAL:  database "no" does not exist', 'no database "no" on db:1', False),
        ("server version: 18.6; pg_dump version: 15.19", "15.19 is older than the server, which is 18.6", False),
        ("ERROR:  canceling statement due to conflict with recovery", "the standby db:1 cancelled the dump", True),
        ('could not extend file "base/1": No space left on device', "no disk space left", False),
        ("SSL error: certificate verify failed", "the TLS connection to db:1 failed", False),
        ("FATAL:  sorry, too many clients already", "no connection left", True),
        ("FATAL:  the database system is starting up", "is starting up", True),
        ("ERROR:  out of shared memory", "no room for so many locks", False),
    ],
)
def test_what_a_tool_says_becomes_a_fact(stderr: str, message: str, transient: bool) -> None:
    error = explained(ProcessError(["pg_dump"], 1, "pg_dump: error: " + stderr), server="db:1")
    assert message in error.message
    assert error.hint or "starting" in message
    assert error.transient is transient


def test_an_unknown_error_shows_what_the_tool_said() -> None:
    stderr = "pg_dump: dumping\npg_dump: error: something: new\npg_dump: detail"
    error = explained(ProcessError(["/usr/bin/pg_dump"], 1, stderr), server="db:1")
    assert error.message == "pg_dump ended with exit code 1: pg_dump: error: something: new"


GLOBALS = b"""--
CREATE ROLE app;
ALTER ROLE app WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:a;b';
CREATE ROLE "an ""other"" one";
ALTER ROLE "an ""other"" one" WITH NOLOGIN;
ALTER ROLE app SET search_path TO 'a', 'b';
GRANT app TO "an ""other"" one" WITH INHERIT TRUE GRANTED BY postgres;
GRANT "an ""other"" one" TO absent;
GRANT pg_monitor TO app WITH ADMIN OPTION, INHERIT FALSE GRANTED BY postgres;
"""


def test_a_missing_role_is_made_as_the_globals_say_and_no_other() -> None:
    making = Making(frozenset({"app", "new;role"}), frozenset({'an "other" one', "pg_monitor"}), 16)
    assert making.statements(GLOBALS) == [
        "CREATE ROLE app;",
        "ALTER ROLE app WITH NOSUPERUSER LOGIN PASSWORD 'SCRAM-SHA-256$4096:a;b';",
        "ALTER ROLE app SET search_path TO 'a', 'b';",
        'CREATE ROLE "new;role" NOLOGIN;',
        'GRANT app TO "an ""other"" one" WITH INHERIT TRUE;',
        "GRANT pg_monitor TO app WITH ADMIN OPTION, INHERIT FALSE;",
    ]


def test_a_server_before_16_gets_memberships_in_its_own_words() -> None:
    making = Making(frozenset({"app"}), frozenset({"pg_monitor"}), 15)
    assert making.statements(GLOBALS)[-1] == "GRANT pg_monitor TO app WITH ADMIN OPTION;"


def test_a_setting_that_is_a_list_is_quoted_name_by_name() -> None:
    settings = [
        {"role": None, "setting": 'search_path="$user", public, "a,""b", ""'},
        {"role": None, "setting": "my.own=a, 'b'=c"},
        {"role": "app", "setting": "search_path="},
    ]
    assert properties("x", {"settings": settings}, owner=False) == [
        "ALTER DATABASE \"x\" SET \"search_path\" TO '$user', 'public', 'a,\"b', '';",
        """ALTER DATABASE "x" SET "my.own" TO 'a, ''b''=c';""",
    ]


def test_an_icu_database_is_made_with_its_locale_and_rules() -> None:
    details = {"encoding": "UTF8", "collate": "C", "ctype": "C"}
    details |= {"locale_provider": "icu", "locale": "de-AT", "icu_rules": "&a < b"}
    assert creation("x", details) == (
        "CREATE DATABASE \"x\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' "
        "LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' ICU_RULES '&a < b';"
    )
