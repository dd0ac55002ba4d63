"""What is made of the errors of SQL Server and sqlcmd: a fact, what to try, and whether to try again."""

import pytest

from backupctl.engines.mssql.explain import DAMAGE, MESSAGES
from backupctl.errors import EngineError
from backupctl.process import ProcessError
from tests.parts.mssql.errors import Message, OsError, message
from tests.parts.sqlcmd.texts import DRIVER

CHATTER = "Changed database context to 'master'.\nChanged language setting to us_english.\n5 percent processed.\n"
TLS = f"Sqlcmd: Error: {DRIVER} : SSL Provider:"
FILE, OBJECT = r"D:\Backup\backupctl_1.bak", "s3://s3.example.com/b/shop.bak"


def explained(stderr: str) -> EngineError:
    return MESSAGES.explained(ProcessError(["/opt/mssql-tools18/bin/sqlcmd"], 1, stderr), server="sql1:1433")


def of_the_server(*said: Message) -> EngineError:
    """As sqlcmd 18 shows messages with -r1, after what it says of every session."""
    shown = (f"Msg {m.number}, Level {m.severity}, State {m.state}, Server S, Line {m.line}\n{m.text}\n" for m in said)
    return explained(CHATTER + "".join(shown))


def backup(*said: Message) -> EngineError:
    return of_the_server(*said, message(3013, "BACKUP DATABASE"))


def device(number: int, where: str = FILE) -> EngineError:
    return backup(message(3201, where, OsError(number)))


@pytest.mark.parametrize(
    ("error", "fact", "advice"),
    [
        (backup(message(911, "nosuch")), 'no database "nosuch" on sql1:1433', "check name"),
        (of_the_server(message(916, "op", "shop")), 'no database "shop"', "CREATE USER"),
        (device(5), f"may not read or write there: Cannot open backup device '{FILE}'", "NT SERVICE"),
        (device(2), "finds no such file or folder: Cannot open", "on the server's own machine"),
        (device(3), "finds no such file or folder: Cannot open", "on the server's own machine"),
        (device(32), "a file is in use on the server", "virus scanners"),
        (device(53, r"\\nas\sql\x.bak"), "cannot reach a share", "drives that a user has mapped"),
        (device(112), "is full: Cannot open", "free space in server_dir"),
        (backup(message(3202, FILE, OsError(112))), "is full: Write on", "free space in server_dir"),
        (device(5, OBJECT), f"refused the server sql1:1433 access to {OBJECT}", "15 minutes"),
        (device(50, OBJECT), f"finds no bucket or no credential for {OBJECT}", "endpoint and bucket"),
        (device(87, OBJECT), f"took no more of {OBJECT}", "outgrown"),
        (device(12175, OBJECT), f"cannot talk to the store at {OBJECT}", "ca-certificates"),
        (device(12029, OBJECT), f"cannot talk to the store at {OBJECT}", "ca-certificates"),
        (backup(message(15404, "CORP\\sql", "0x54b")), "cannot ask the domain", "own the database"),
        (backup(message(1844, "BACKUP DATABASE TO URL", "Express")), "edition of SQL Server", "mode: shared_path"),
        (backup(message(262, "BACKUP DATABASE", "shop")), "may not do that", "db_backupoperator"),
        (of_the_server(message(15247)), "may not do that", "db_backupoperator"),
        (of_the_server(message(3110, "other")), "may not do that", "dbcreator"),
        (of_the_server(message(5011, "other"), message(5069)), "may not do that", "dbcreator"),
        (of_the_server(message(3241, FILE)), "cannot read this backup", "its own version"),
        (of_the_server(message(3169, "16.00.4135", "15.00.4415")), "cannot read this backup", "its own version"),
        (of_the_server(message(33111, "0xAB")), "lacks the certificate", "WITH PRIVATE KEY"),
        (backup(message(3043, "shop", 312, "x.mdf")), "found damage: BACKUP 'shop' detected", "CHECKDB"),
        (of_the_server(message(3189)), "found damage: Damage to the backup set", "CHECKDB"),
        (of_the_server(message(3203, FILE, OsError(38))), "found damage: Read on", "CHECKDB"),
        (of_the_server(message(8939, 7, 312)), "found damage in the database (DBCC CHECKDB): Table", "an older backup"),
        (backup(message(942, "shop")), "cannot be used as it is now", "bring it online"),
        (backup(message(927, "shop")), "cannot be used as it is now", "bring it online"),
        (of_the_server(message(1834, "/x.mdf", "other")), "would overwrite another", "--into another name"),
        (of_the_server(message(3257, "C:", 9, 1)), "has not the space", "free space on the server"),
        (of_the_server(message(5133, "E:\\x", OsError(3))), "cannot put the database's files there", "default folders"),
    ],
)
def test_an_error_of_the_server_is_a_fact_and_advice(error: EngineError, fact: str, advice: str) -> None:
    assert fact in error.message
    assert "\n" not in error.message
    assert advice in (error.hint or "")


@pytest.mark.parametrize(
    ("stderr", "fact", "is_transient"),
    [
        (f"Sqlcmd: Error: {DRIVER} : Login failed for user 'sa'.", 'refused the login "sa" (18456)', False),
        ("mssql: login error: Login failed for user 'sa'.", 'refused the login "sa" (18456)', False),
        (f"Sqlcmd: Error: {DRIVER} : Login timeout expired.", "cannot be reached: Sqlcmd", True),
        (f"Sqlcmd: Error: {DRIVER} : TCP Provider: Error code 0x2749.", "cannot be reached: Sqlcmd", True),
        ("unable to open tcp connection with host 'x': no such host", "cannot be reached: unable", True),
        (f"Sqlcmd: Error: {DRIVER} : TCP Provider: Error code 0x2746.", "ended the connection", True),
        (f"Sqlcmd: Error: {DRIVER} : Communication link failure.", "ended the connection", True),
        ("read tcp: EOF", "ended the connection", True),
        (f"{TLS} [error:0A000086:SSL routines::certificate verify failed].", "is not trusted", False),
        ("TLS Handshake failed: x509: certificate signed by unknown authority", "is not trusted", False),
        (f"{TLS} [error:0A000102:SSL routines::unsupported protocol].", "connection to sql1:1433 failed", False),
        ("", "did not say why", True),
        (CHATTER, "did not say why", True),
    ],
)
def test_what_sqlcmd_itself_says_is_a_fact_too(stderr: str, fact: str, is_transient: bool) -> None:
    error = explained(stderr)
    assert fact in error.message
    assert error.hint
    assert error.transient is is_transient


@pytest.mark.parametrize("number", [15404, 3101, 3702, 5061, 924])
def test_what_may_pass_is_tried_again(number: int) -> None:
    assert backup(Message(number, 16, "It is in use.")).transient


def test_an_error_that_nobody_knows_is_shown_without_the_chatter() -> None:
    error = backup(Message(9999, 17, "The moon is full."))
    assert error.message == "the server sql1:1433 refused it: The moon is full. (9999)"


def test_only_damage_is_called_damage() -> None:
    assert DAMAGE not in device(2).message
    assert DAMAGE not in of_the_server(message(3241, FILE)).message
