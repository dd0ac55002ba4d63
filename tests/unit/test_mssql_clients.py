"""Which sqlcmd is which, and what each is told."""

import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backupctl.engines.mssql import MssqlOptions
from backupctl.engines.mssql.clients import Client, Clients, identified
from backupctl.engines.mssql.connection import Connection
from backupctl.errors import ToolMissingError
from backupctl.process import Session
from tests.parts.sqlcmd.texts import GO_HELP, GO_VERSION, HELP, ODBC_HELP

PROGRAM = Path("/opt/mssql-tools18/bin/sqlcmd")
ODBC, ODBC17, GO = (
    Client(PROGRAM, "odbc", "18.6.0002.1", has_encryption_modes=True),
    Client(PROGRAM, "odbc", "17.10.0001.1", has_encryption_modes=False),
    Client(PROGRAM, "go", "1.8.2", has_encryption_modes=True),
)


def connection(folder: Path, **given: Any) -> Connection:
    known: dict[str, Any] = {
        "type": "mssql",
        "name": "shop",
        "host": "sql1",
        "user": "sa",
        "password": SecretStr("p w"),
    }
    return Connection(MssqlOptions(**(known | given)), Session(folder))


@pytest.mark.parametrize(
    ("answer", "client"),
    [
        (ODBC_HELP, ODBC),
        (HELP["odbc17"], ODBC17),
        (GO_HELP + GO_VERSION, GO),
        (GO_VERSION, GO),
        ("sqlcmd: command not found", None),
        ("", None),
    ],
)
def test_a_client_is_known_by_what_it_says_of_itself(answer: str, client: Client | None) -> None:
    assert identified(PROGRAM, answer) == client


def test_a_client_is_shown_with_its_family() -> None:
    assert [str(one) for one in (ODBC, GO)] == ["sqlcmd 18.6.0002.1 (ODBC)", "sqlcmd 1.8.2 (Go)"]


def pretend(folder: Path, text: str) -> Path:
    """A program that prints a text, whatever it is asked."""
    folder.mkdir()
    (folder / "text").write_text(text)
    program = folder / "sqlcmd"
    program.write_text(f"#!/bin/sh\nexec cat '{folder}/text'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def test_the_named_folder_is_searched_first(tmp_path: Path) -> None:
    go = pretend(tmp_path / "go", GO_HELP)
    clients = Clients(Session(tmp_path), go)
    assert clients.best() == Client(go / "sqlcmd", "go", "1.8.2", has_encryption_modes=True)


def test_the_family_of_odbc_is_taken_first_where_both_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [pretend(tmp_path / name, text) for name, text in (("go", GO_HELP), ("odbc", ODBC_HELP))]
    monkeypatch.setenv("PATH", ":".join([*map(str, folders), "/usr/bin", "/bin"]))
    monkeypatch.setattr("backupctl.engines.mssql.clients._PLACES", ())
    assert Clients(Session(tmp_path), None).best().program == folders[1] / "sqlcmd"


def test_no_client_is_told_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("backupctl.engines.mssql.clients._PLACES", ())
    with pytest.raises(ToolMissingError, match="sqlcmd is not installed") as missing:
        Clients(Session(tmp_path), tmp_path).best()
    assert "mssql-tools18" in str(missing.value.hint)


@pytest.mark.parametrize(
    ("client", "tls", "options"),
    [
        (ODBC, "prefer", ["-Nm", "-C"]),
        (ODBC, "require", ["-Nm", "-C"]),
        (ODBC, "verify-full", ["-Nm"]),
        (ODBC, "off", ["-No"]),
        (ODBC17, "prefer", ["-N", "-C"]),
        (ODBC17, "verify-ca", ["-N"]),
        (ODBC17, "off", []),
        (GO, "prefer", ["-Nm", "-C"]),
        (GO, "verify-full", ["-Nm"]),
        (GO, "off", ["-No"]),
    ],
)
def test_only_what_the_file_trusts_is_trusted(tmp_path: Path, client: Client, tls: str, options: list[str]) -> None:
    arguments = connection(tmp_path, tls=tls).arguments(client)
    assert [one for one in arguments if one.startswith(("-N", "-C"))] == options


def test_every_call_ends_on_errors_and_substitutes_nothing(tmp_path: Path) -> None:
    arguments = connection(tmp_path).arguments(ODBC)
    assert arguments[:6] == ["-S", "tcp:sql1,1433", "-U", "sa", "-d", "master"]
    assert {"-b", "-r1", "-x", "-I"} < set(arguments)
    assert "p w" not in " ".join(arguments)
    assert "-P" not in arguments


@pytest.mark.parametrize(
    ("given", "place", "shown"),
    [
        ({"port": 1434}, "tcp:sql1,1434", "sql1:1434"),
        ({"host": None}, "tcp:localhost,1433", "localhost:1433"),
        ({"host": r"sql1\SALES"}, r"tcp:sql1\SALES", r"sql1\SALES"),
        ({"host": r"sql1\SALES", "port": 5000}, r"tcp:sql1\SALES,5000", r"sql1\SALES:5000"),
    ],
)
def test_a_server_is_reached_by_its_port_or_its_instance(
    tmp_path: Path, given: dict[str, Any], place: str, shown: str
) -> None:
    made = connection(tmp_path, **given)
    assert (made.arguments(ODBC)[1], made.server) == (place, shown)


def test_the_password_goes_by_the_environment_alone(tmp_path: Path) -> None:
    assert connection(tmp_path).environment == {"SQLCMDPASSWORD": "p w"}
    ticket = connection(tmp_path, user=None, password=None)
    assert ticket.environment == {}
    assert "-E" in ticket.arguments(ODBC)
    verified = connection(tmp_path, tls="verify-full", ca_file=Path("/ca.pem"))
    assert verified.environment["SSL_CERT_FILE"] == "/ca.pem"
