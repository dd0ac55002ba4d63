"""The stand-ins for SQL Server and sqlcmd: that they are as strict as the real ones' documents say."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.parts.missing import or_skip
from tests.parts.mssql import MssqlServer
from tests.parts.mssql.real import real_server
from tests.parts.mssql.state import Login, Rows
from tests.parts.mssql.store import HttpsStore
from tests.parts.sqlcmd.odbc import Connection, DriverError, Told, driver_file
from tests.parts.sqlcmd.odbc import Rows as Result
from tests.parts.sqlcmd.wrapper import Family, install

CUSTOMERS: Rows = [(1, "käufer 🛒"), (2, None), (3, "it's ]")]
FILE = "/var/opt/mssql/backup/shop.bak"
Run = Callable[..., "Answers"]
Sqlcmd = Callable[..., "subprocess.CompletedProcess[str]"]


class Answers:
    """What a batch answered."""

    def __init__(self, connection: Connection, batch: str) -> None:
        answers = list(connection.run(batch))
        self.told = [one for one in answers if isinstance(one, Told)]
        self.results = [one for one in answers if isinstance(one, Result)]

    @property
    def errors(self) -> list[int]:
        return [one.number for one in self.told if one.severity is None or one.severity > 10]

    @property
    def infos(self) -> list[int]:
        return [one.number for one in self.told if one.severity is not None and one.severity <= 10]

    @property
    def text(self) -> str:
        return "\n".join(one.text for one in self.told)

    @property
    def rows(self) -> list[tuple[str | None, ...]]:
        return list(self.results[0].rows)

    @property
    def row(self) -> dict[str, str | None]:
        names = [column.name for column in self.results[0].columns]
        return dict(zip(names, self.rows[0], strict=True))


@pytest.fixture(scope="module")
def started() -> Iterator[MssqlServer]:
    with closing(MssqlServer()) as server:
        yield server


@pytest.fixture
def server(started: MssqlServer) -> MssqlServer:
    started.reset()
    started.make_database("shop", CUSTOMERS)
    return started


@pytest.fixture(scope="module")
def store() -> Iterator[HttpsStore]:
    with closing(or_skip(HttpsStore)) as store:
        yield store


@pytest.fixture
def connect(server: MssqlServer) -> Iterator[Callable[..., Connection]]:
    opened: list[Connection] = []

    def connect(**changes: str) -> Connection:
        library = driver_file()
        if library is None:
            pytest.skip("part missing: Microsoft's ODBC driver: not installed")
        attributes = {
            "Server": f"tcp:{server.host},{server.port}",
            "UID": server.user,
            "PWD": server.password,
            "Database": "master",
            "Encrypt": "Mandatory",
            "TrustServerCertificate": "Yes",
        }
        opened.append(Connection(library, attributes | changes, login_timeout=10, query_timeout=0))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def run(connect: Callable[..., Connection]) -> Run:
    connection = connect()
    return lambda batch: Answers(connection, batch)


@pytest.fixture
def sqlcmd(server: MssqlServer, tmp_path: Path) -> Sqlcmd:
    def sqlcmd(*options: str, family: Family = "odbc", **environment: str) -> "subprocess.CompletedProcess[str]":
        command = or_skip(lambda: install(tmp_path, family))
        where = ["-S", f"tcp:{server.host},{server.port}", "-U", server.user, "-d", "master"]
        return subprocess.run(
            [str(command), *where, *options],
            env={"PATH": os.environ["PATH"], "SQLCMDPASSWORD": server.password} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return sqlcmd


def backup(*words: str, to: str = FILE, database: str = "shop") -> str:
    listed = ", ".join(words or ("COPY_ONLY", "FORMAT", "INIT", "CHECKSUM"))
    return f"BACKUP DATABASE [{database}] TO DISK = N'{to}' WITH {listed}"


def move(to: str, *words: str) -> str:
    folder = "/var/opt/mssql/data"
    listed = [f"MOVE N'shop' TO N'{folder}/{to}.mdf'", f"MOVE N'shop_log' TO N'{folder}/{to}_log.ldf'", *words]
    return f"RESTORE DATABASE [{to}] FROM DISK = N'{FILE}' WITH {', '.join(listed)}"


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def test_a_restore_brings_back_what_was_backed_up(run: Run, server: MssqlServer) -> None:
    assert run(backup()).errors == []
    assert run(f"RESTORE VERIFYONLY FROM DISK = N'{FILE}' WITH CHECKSUM").infos == [3262]
    assert run(move("other")).errors == []
    assert server.rows("other") == {"customers": CUSTOMERS}
    assert run("DBCC CHECKDB (N'other') WITH NO_INFOMSGS").told == []


def test_the_same_content_makes_the_same_pages(run: Run, server: MssqlServer) -> None:
    run(backup())
    one = (server.local_dir / "shop.bak").read_bytes()
    run(backup())
    assert (server.local_dir / "shop.bak").read_bytes()[-100_000:] == one[-100_000:]
    assert one.startswith(b"TAPE")


def test_a_compressed_backup_says_so_and_is_checksummed_by_default(run: Run, server: MssqlServer) -> None:
    run(backup("COMPRESSION", "FORMAT"))
    assert (server.local_dir / "shop.bak").read_bytes().startswith(b"MSSQLBAK")
    row = run(f"RESTORE HEADERONLY FROM DISK = N'{FILE}'").row
    assert (row["Compressed"], row["HasBackupChecksums"], row["DatabaseName"]) == ("1", "1", "shop")


def test_without_format_or_init_a_backup_is_appended(run: Run) -> None:
    run(backup("FORMAT"))
    run(backup("NAME = N'second'"))
    assert [row[:1] for row in run(f"RESTORE HEADERONLY FROM DISK = N'{FILE}'").rows] == [(None,), ("second",)]
    run(backup("INIT"))
    assert len(run(f"RESTORE HEADERONLY FROM DISK = N'{FILE}'").rows) == 1


def test_msdb_records_what_the_file_has(run: Run, server: MssqlServer) -> None:
    run(backup("COPY_ONLY", "FORMAT", "INIT", "CHECKSUM", "NAME = N'mine'"))
    row = run(
        "SELECT TOP (1) s.backup_size, s.compressed_backup_size, s.has_backup_checksums, s.is_copy_only, s.name"
        " FROM msdb.dbo.backupset AS s JOIN msdb.dbo.backupmediafamily AS f ON f.media_set_id = s.media_set_id"
        f" WHERE f.physical_device_name = N'{FILE}' AND s.database_name = N'SHOP' ORDER BY s.backup_set_id DESC"
    ).row
    size = str((server.local_dir / "shop.bak").stat().st_size - 512)
    assert row == {
        "backup_size": size,
        "compressed_backup_size": size,
        "has_backup_checksums": "1",
        "is_copy_only": "1",
        "name": "mine",
    }


@pytest.mark.parametrize(
    ("batch", "errors"),
    [
        (backup(database="nosuch"), [911, 3013]),
        (backup(database="tempdb"), [3147, 3013]),
        (backup(to="/nowhere/x.bak"), [3201, 3013]),
        (backup(to="relative.bak"), [3201, 3013]),
        (backup("INIT", "NOINIT"), [3031]),
        (backup("FORMAT", "FORMAT"), [3031]),
        (backup("NO_SUCH_OPTION"), [155]),
        (backup("MAXTRANSFERSIZE = 20971520"), [3032, 3013]),
        (backup("BLOCKSIZE = 1000"), [3032, 3013]),
        ("BACKUP DATABASE shop", [102]),
        ("BACKUP DATABASE shop TO 'x'", [102]),
        ("BACKUP DATABASE shop TO DISK = 'a' WITH STATS = N'5'", [102]),
        ("BACKUP DATABASE [shop TO DISK = 'a'", [105]),
        ("BACKUP DATABASE shop TO DISK = 'it's'", [105]),
        ("RESTORE VERIFYONLY FROM DISK = N'/var/opt/mssql/backup/none'", [3201, 3013]),
        ("RESTORE HEADERONLY FROM DISK = N'/var/opt/mssql/backup/none' WITH REPLACE", [155]),
        ("SELECT * FROM sys.nosuch", [208]),
        ("SELECT nosuch FROM sys.databases", [207]),
        ("SELECT nosuch(1)", [195]),
        ("SELECT @nosuch", [137]),
        ("SELECT /* not closed", [113]),
        ("DROP DATABASE nosuch", [3701]),
        ("ALTER DATABASE nosuch SET MULTI_USER", [5011, 5069]),
        ("DROP CREDENTIAL nosuch", [15151]),
        ("EXEC master.dbo.xp_nosuch N'x'", [2812]),
        ("DBCC CHECKDB (N'shop') WITH NO_SUCH", [155]),
        ("FLUSH EVERYTHING", [102]),
        ("SET NOCOUNT MAYBE", [102]),
    ],
)
def test_what_the_documentation_forbids_is_an_error_with_its_number(run: Run, batch: str, errors: list[int]) -> None:
    assert run(batch).errors == errors


def test_nothing_of_a_batch_runs_that_cannot_be_read(run: Run, server: MssqlServer) -> None:
    assert run(f"{backup()}; BACKUP DATABASE").errors == [102]
    assert list(server.local_dir.iterdir()) == []


def test_a_batch_goes_on_after_a_failed_backup_unless_told_otherwise(run: Run) -> None:
    failing = backup(database="nosuch")
    assert run(f"{failing}; SELECT 1 AS on_it_went").results
    assert not run(f"SET XACT_ABORT ON; {failing}; SELECT 1 AS on_it_went").results


def test_catch_knows_only_the_last_of_several_errors(run: Run) -> None:
    failing = backup(database="nosuch")
    assert run(f"BEGIN TRY {failing} END TRY BEGIN CATCH PRINT ERROR_NUMBER(); END CATCH").text == "3013"


def test_names_and_strings_hold_any_character(run: Run, server: MssqlServer) -> None:
    name = "it's ]]odd[ größe 🛒"
    server.make_database(name, [(1, "x")])
    quoted, literal = name.replace("]", "]]"), name.replace("'", "''")
    assert run(f"BACKUP DATABASE [{quoted}] TO DISK = N'/var/opt/mssql/backup/it''s.bak' WITH FORMAT").errors == []
    assert (server.local_dir / "it's.bak").exists()
    assert run(f"SELECT name FROM sys.databases WHERE name = N'{literal}'").rows == [(name,)]


def test_double_quotes_are_a_name_or_a_string_as_the_session_says(run: Run) -> None:
    assert run("SET QUOTED_IDENTIFIER ON").errors == []
    assert run("SELECT DB_ID(N'shop') AS \"a name\"").results[0].columns[0].name == "a name"
    run("SET QUOTED_IDENTIFIER OFF")
    assert run('USE "shop"').errors == [102]


def test_damage_is_found_by_a_check_with_checksums(run: Run, server: MssqlServer) -> None:
    run(backup())
    flip_a_bit(server.local_dir / "shop.bak")
    assert run(f"RESTORE VERIFYONLY FROM DISK = N'{FILE}' WITH CHECKSUM").errors == [3189, 3013]
    assert run(f"RESTORE VERIFYONLY FROM DISK = N'{FILE}' WITH NO_CHECKSUM").infos == [3262]
    assert run(move("other")).errors == [3183, 3013]
    assert server.databases["other"].state == "RESTORING"


def test_damage_is_not_found_in_a_backup_without_checksums(run: Run, server: MssqlServer) -> None:
    run(backup("FORMAT"))
    flip_a_bit(server.local_dir / "shop.bak")
    assert run(f"RESTORE VERIFYONLY FROM DISK = N'{FILE}'").errors == []
    assert run(f"RESTORE VERIFYONLY FROM DISK = N'{FILE}' WITH CHECKSUM").errors == [3187, 3013]


def test_a_check_of_the_file_passes_a_damaged_database(run: Run, server: MssqlServer) -> None:
    server.databases["shop"].is_corrupt = True
    assert run("DBCC CHECKDB ([shop]) WITH NO_INFOMSGS").errors == [8939]
    assert run(backup("FORMAT")).errors == []
    assert run(f"RESTORE VERIFYONLY FROM DISK = N'{FILE}'").errors == []
    assert run(backup()).errors == [3043, 3013]


def test_a_file_that_is_no_backup_or_half_of_one_is_told_apart(run: Run, server: MssqlServer) -> None:
    path = server.local_dir / "shop.bak"
    look = f"RESTORE HEADERONLY FROM DISK = N'{FILE}'"
    path.write_bytes(b"")
    assert run(look).errors == [3254, 3013]
    path.write_bytes(b"no backup at all")
    assert run(look).errors == [3241, 3013]
    assert run(backup("NOINIT")).errors == [3242, 3013]
    run(backup())
    path.write_bytes(path.read_bytes()[:50_000])
    assert run(look).row["BackupName"] == "*** INCOMPLETE ***"
    assert run(f"RESTORE VERIFYONLY FROM DISK = N'{FILE}'").errors == [3203, 3013]


def test_the_operating_system_says_why_a_device_cannot_be_opened(run: Run, server: MssqlServer) -> None:
    assert "error 3(The system cannot find the path specified.)" in run(backup(to="/nowhere/x.bak")).text
    assert "error 2(" in run("RESTORE HEADERONLY FROM DISK = N'/var/opt/mssql/backup/none'").text
    server.disks.denied.add(server.server_dir)
    assert "error 5(Access is denied.)" in run(backup()).text
    server.disks.denied.clear()
    server.disks.space = 50_000
    assert "112(There is not enough space on the disk.)" in run(backup()).text
    assert list(server.local_dir.iterdir()) == []


def test_a_restore_beside_the_original_needs_move(run: Run) -> None:
    run(backup())
    restore = f"RESTORE DATABASE [other] FROM DISK = N'{FILE}'"
    assert run(restore).errors == [1834, 3156, 1834, 3156, 3119, 3013]
    assert run(f"{restore} WITH MOVE N'nosuch' TO N'/x'").errors == [3234, 3013]
    assert run(f"{restore} WITH MOVE N'shop' TO N'/no/x', MOVE N'shop_log' TO N'/no/y'").errors[0] == 5133


def test_what_exists_is_replaced_only_when_that_is_said(run: Run, server: MssqlServer) -> None:
    run(backup())
    server.make_database("other", [(9, "precious")])
    assert run(move("other")).errors == [3154, 3013]
    assert server.rows("other") == {"customers": [(9, "precious")]}
    assert run(f"RESTORE DATABASE [shop] FROM DISK = N'{FILE}'").errors == [3159, 3013]
    assert run(move("other", "REPLACE")).errors == []
    assert server.rows("other") == {"customers": CUSTOMERS}


def test_a_database_in_use_is_replaced_only_after_its_sessions_end(
    run: Run, connect: Callable[..., Connection]
) -> None:
    run(backup())
    user = connect(Database="shop")
    restore = f"RESTORE DATABASE [shop] FROM DISK = N'{FILE}' WITH REPLACE"
    assert run(restore).errors == [3101, 3013]
    assert Answers(user, restore).errors == [3102, 3013]
    assert run("DROP DATABASE shop").errors == [3702]
    assert run("ALTER DATABASE shop SET SINGLE_USER WITH ROLLBACK IMMEDIATE").errors == []
    assert run(restore).errors == []


def test_a_database_that_is_not_online_cannot_be_backed_up(run: Run, server: MssqlServer) -> None:
    for state, number in (("OFFLINE", 942), ("RESTORING", 927)):
        server.databases["shop"].state = state
        assert run(backup()).errors == [number, 3013]
        assert run("SELECT state_desc FROM sys.databases WHERE name = 'shop'").rows == [(state,)]


def test_an_encrypted_backup_restores_only_beside_its_certificate(run: Run, server: MssqlServer) -> None:
    server.databases["shop"].is_encrypted = True
    assert run(backup()).errors == []
    assert run(
        "SELECT c.name FROM sys.dm_database_encryption_keys AS k"
        " JOIN master.sys.certificates AS c ON c.thumbprint = k.encryptor_thumbprint"
        " WHERE k.database_id = DB_ID('shop')"
    ).rows == [(server.certificate_name,)]
    server.has_certificate = False
    assert run(move("other")).errors == [33111, 3013]


def test_editions_have_their_limits(run: Run, server: MssqlServer) -> None:
    server.make_express()
    assert run("SELECT SERVERPROPERTY('EngineEdition')").rows == [("4",)]
    assert run(backup("COMPRESSION")).errors == [1844, 3013]
    assert run(backup()).errors == []
    server.make_azure(5)
    assert run(backup()).errors == [40510, 3013]


def test_an_older_server_does_not_restore_a_newer_backup(run: Run, server: MssqlServer) -> None:
    run(backup())
    server.build = (15, 0, 4415, 2)
    assert run(move("other")).errors == [3169, 3013]


def test_a_login_may_do_what_it_was_granted(server: MssqlServer, connect: Callable[..., Connection]) -> None:
    server.add_login(Login("operator", "pw", databases={"shop": {"public"}}))
    operator = connect(UID="operator", PWD="pw")
    assert Answers(operator, backup()).errors == [262, 3013]
    server.logins["operator"].databases["shop"].add("db_backupoperator")
    assert Answers(operator, backup()).errors == []
    server.make_database("secret")
    assert Answers(operator, backup(database="secret")).errors == [916, 3013]
    assert Answers(operator, f"RESTORE HEADERONLY FROM DISK = N'{FILE}'").errors == [262, 3013]
    assert Answers(operator, "CREATE CREDENTIAL c WITH IDENTITY = 'x', SECRET = 'y'").errors == [15247]
    assert Answers(operator, "SELECT name FROM sys.sql_logins WHERE password_hash IS NOT NULL").rows == []
    server.logins["operator"].permissions.append(("GRANT", "CREATE ANY DATABASE"))
    assert Answers(operator, f"RESTORE HEADERONLY FROM DISK = N'{FILE}'").errors == []


def test_a_login_comes_back_by_its_hash(run: Run, server: MssqlServer, connect: Callable[..., Connection]) -> None:
    server.add_login(Login("app", "p'w]", is_policy_checked=False))
    row = run(
        "SELECT CONVERT(varchar(514), l.password_hash, 1) AS hash, CONVERT(varchar(180), l.sid, 1) AS sid"
        " FROM sys.sql_logins AS l WHERE l.name = N'app'"
    ).row
    assert run("DROP LOGIN [app]").errors == []
    with pytest.raises(DriverError, match="18456"):
        connect(UID="app", PWD="p'w]")
    created = f"CREATE LOGIN [app] WITH PASSWORD = {row['hash']} HASHED, SID = {row['sid']}, CHECK_POLICY = OFF"
    assert run(created).errors == []
    assert run(created).errors == [15025]
    assert Answers(connect(UID="app", PWD="p'w]"), "SELECT SYSTEM_USER").rows == [("app",)]


def test_a_wrong_password_and_a_database_that_is_not_there_are_refused(connect: Callable[..., Connection]) -> None:
    with pytest.raises(DriverError, match="18456"):
        connect(PWD="wrong")
    with pytest.raises(DriverError, match="4060"):
        connect(Database="nosuch")


def test_a_certificate_that_nobody_vouches_for_is_refused(connect: Callable[..., Connection]) -> None:
    with pytest.raises(DriverError, match="certificate verify failed"):
        connect(TrustServerCertificate="No")


def test_progress_is_told_while_the_backup_runs(server: MssqlServer, connect: Callable[..., Connection]) -> None:
    told = threading.Event()
    server.on_percent = lambda percent: None if percent <= 50 else _wait(told)
    answers = connect().run(backup("STATS = 50"))
    first = next(answers)
    assert isinstance(first, Told)
    assert first.text == "50 percent processed."
    told.set()
    assert [one.number for one in answers if isinstance(one, Told)] == [3211, 4035, 4035, 3014]


def _wait(event: threading.Event) -> None:
    assert event.wait(30)


def test_a_client_that_leaves_cancels_its_backup(server: MssqlServer, connect: Callable[..., Connection]) -> None:
    """As pymssql's and pyodbc's users find out who do not read all answers."""
    answers = connect().run(backup("STATS = 1"))
    next(answers)
    answers.close()
    connection = connect()
    assert Answers(connection, "SELECT COUNT(*) FROM msdb.dbo.backupset").rows == [("0",)]
    assert not (server.local_dir / "shop.bak").exists()


def test_a_server_that_dies_leaves_half_a_file(server: MssqlServer, connect: Callable[..., Connection]) -> None:
    server.dies_at = 60
    answers = Answers(connect(), backup("STATS = 10"))
    assert answers.errors
    assert (server.local_dir / "shop.bak").stat().st_size > 0


def test_faults_can_be_asked_for(run: Run, server: MssqlServer) -> None:
    server.fail("BACKUP", 15404, "CORP\\sql", "0x54b", times=1)
    assert run(backup()).errors == [15404, 3013]
    server.forgets_backups = server.rots = True
    assert run(backup()).errors == []
    assert run("SELECT COUNT(*) FROM msdb.dbo.backupset").rows == [("0",)]
    assert run(f"RESTORE VERIFYONLY FROM DISK = N'{FILE}' WITH CHECKSUM").errors == [3189, 3013]


def test_a_windows_server_has_its_own_paths(tmp_path: Path, connect: Callable[..., Connection]) -> None:
    with closing(MssqlServer(windows=True)) as windows:
        windows.make_database("shop", CUSTOMERS)
        run = connect(Server=f"tcp:{windows.host},{windows.port}", PWD=windows.password)
        assert Answers(run, backup(to="d:/backup\\shop.bak")).errors == []
        assert (windows.local_dir / "shop.bak").exists()
        assert "error 3(" in Answers(run, backup(to="D:\\Other\\shop.bak")).text
        assert "error 123(" in Answers(run, backup(to="/var/opt/mssql/backup/shop.bak")).text
        assert Answers(run, "SELECT host_platform FROM sys.dm_os_host_info").rows == [("Windows",)]


def test_the_server_looks_at_its_own_disk(run: Run, server: MssqlServer) -> None:
    (server.local_dir / "probe").touch()
    assert run(f"EXEC master.sys.xp_fileexist N'{server.server_dir}/probe'").rows == [("1", "0", "1")]
    assert run(f"SELECT file_exists FROM sys.dm_os_file_exists(N'{server.server_dir}/none')").rows == [("0",)]
    assert run(f"EXEC xp_dirtree N'{server.server_dir}', 1, 1").rows == [("probe", "1", "1")]
    pattern = f"sys.dm_os_enumerate_filesystem(N'{server.server_dir}', N'*')"
    assert run(f"SELECT file_or_directory_name, size_in_bytes FROM {pattern}").rows == [("probe", "0")]


def use_store(server: MssqlServer, run: Run, store: HttpsStore) -> None:
    server.s3_ca_file = store.ca_file
    keys = f"{store.access_key_id}:{store.secret_access_key}"
    created = f"CREATE CREDENTIAL [{store.prefix}] WITH IDENTITY = 'S3 Access Key', SECRET = '{keys}'"
    assert run(created).errors == []
    assert run(created).errors == [15530]


def url_backup(store: HttpsStore, *words: str, key: str = "a/shop.bak") -> str:
    listed = f" WITH {', '.join(words)}" if words else ""
    return f"BACKUP DATABASE shop TO URL = N'{store.prefix}/{key}'{listed}"


def test_stripes_on_a_store_come_back_together(run: Run, server: MssqlServer, store: HttpsStore) -> None:
    use_store(server, run, store)
    urls = ", ".join(f"URL = N'{store.prefix}/striped/shop_{at}.bak'" for at in (1, 2, 3))
    words = "COPY_ONLY, FORMAT, CHECKSUM, COMPRESSION, MAXTRANSFERSIZE = 20971520, STATS = 50"
    assert run(f"BACKUP DATABASE shop TO {urls} WITH {words}").errors == []
    assert store.keys("striped/") == [f"striped/shop_{at}.bak" for at in (1, 2, 3)]
    assert run(f"RESTORE VERIFYONLY FROM {urls} WITH CHECKSUM").errors == []
    first = urls.partition(",")[0]
    assert run(f"RESTORE VERIFYONLY FROM {first}").errors == [3132, 3013]
    assert run(move("other").replace(f"DISK = N'{FILE}'", urls)).errors == []
    assert server.rows("other") == {"customers": CUSTOMERS}


def test_a_backup_to_a_store_keeps_its_rules(run: Run, server: MssqlServer, store: HttpsStore) -> None:
    assert "error 50(" in run(url_backup(store, "FORMAT")).text
    use_store(server, run, store)
    assert run(url_backup(store, "INIT")).errors == [3032, 3013]
    assert run(url_backup(store, "FORMAT", "MAXTRANSFERSIZE = 20971520")).errors == [3032, 3013]
    assert run(url_backup(store, "FORMAT", "COMPRESSION", "MAXTRANSFERSIZE = 1048576")).errors == [3032, 3013]
    assert run(url_backup(store, "FORMAT", key="x" * 260)).errors == [3057]
    assert run(url_backup(store)).errors == []
    assert run(url_backup(store)).errors == [3201, 3013]
    assert run(url_backup(store, "FORMAT")).errors == []


def test_a_store_that_refuses_is_told_as_an_error_of_the_operating_system(
    run: Run, server: MssqlServer, store: HttpsStore
) -> None:
    use_store(server, run, store)
    asked = url_backup(store, "FORMAT", key="refused.bak")
    server.clock_is_wrong = True
    assert "error 5(Access is denied.)" in run(asked).text
    server.clock_is_wrong = False
    assert "error 50(" in run(asked.replace(f"/{store.bucket}/", "/nosuch/")).text
    run(f"ALTER CREDENTIAL [{store.prefix}] WITH IDENTITY = 'S3 Access Key', SECRET = '{store.access_key_id}:wrong'")
    assert "error 5(Access is denied.)" in run(asked).text
    server.s3_ca_file = None
    assert "error 12175(" in run(asked).text
    server.build = (15, 0, 4415, 2)
    assert run(asked).errors == [3201, 3013]
    assert store.keys("refused") == []


def test_the_store_of_the_tests_asks_for_keys(store: HttpsStore) -> None:
    with pytest.raises(ClientError, match="403"):
        store.client(aws_secret_access_key="wrong").head_bucket(Bucket=store.bucket)


def test_errors_end_sqlcmd_only_with_b(sqlcmd: Sqlcmd) -> None:
    batch = backup(database="nosuch")
    lenient = sqlcmd("-C", "-Q", batch)
    assert lenient.returncode == 0
    assert "Msg 911, Level 16, State 1, Server TESTSQL, Line 1\nDatabase 'nosuch'" in lenient.stdout
    strict = sqlcmd("-C", "-b", "-r0", "-Q", batch)
    assert (strict.returncode, strict.stdout) == (1, "")
    assert "Msg 3013" in strict.stderr


def test_sqlcmd_substitutes_variables_unless_x(sqlcmd: Sqlcmd) -> None:
    plain = sqlcmd("-C", "-Q", "PRINT N'$(nosuch)'")
    assert (plain.returncode, plain.stderr) == (1, "'nosuch' scripting variable not defined.\n")
    assert sqlcmd("-C", "-Q", "PRINT N'$(Some)'", SOME="thing").stdout == "thing\n"
    assert sqlcmd("-C", "-x", "-Q", "PRINT N'$(nosuch)'").stdout == "$(nosuch)\n"


def test_sqlcmd_tells_messages_where_r_says(sqlcmd: Sqlcmd) -> None:
    batch = backup("STATS = 50")
    default, errors_only = sqlcmd("-C", "-Q", batch), sqlcmd("-C", "-r0", "-Q", batch)
    assert "50 percent processed." in default.stdout
    assert "50 percent processed." in errors_only.stdout
    every = sqlcmd("-C", "-r1", "-Q", batch)
    assert every.stdout == ""
    assert every.stderr.startswith("50 percent processed.\n100 percent processed.\n")


def test_sqlcmd_prints_what_a_program_can_read(sqlcmd: Sqlcmd, tmp_path: Path) -> None:
    script = tmp_path / "a script.sql"
    script.write_text(
        "SET NOCOUNT ON;\nSELECT name, source_database_id AS source FROM sys.databases WHERE name = N'shop'\ngo\n"
        "SELECT 0x0102 AS raw; SELECT 1 AS last\nGO\n"
    )
    read = sqlcmd("-C", "-b", "-W", "-s", "|", "-i", str(script))
    assert read.stdout == "name|source\n----|------\nshop|NULL\nraw\n---\n0x0102\n\nlast\n----\n1\n"
    assert sqlcmd("-C", "-h", "-1", "-W", "-Q", "SELECT 1").stdout == "1\n\n(1 rows affected)\n"


def test_sqlcmd_says_why_it_has_no_connection(sqlcmd: Sqlcmd) -> None:
    wrong = sqlcmd("-C", "-Q", "SELECT 1", SQLCMDPASSWORD="wrong")
    assert wrong.returncode == 1
    assert wrong.stderr == "Sqlcmd: Error: Microsoft ODBC Driver 18 for SQL Server : Login failed for user 'sa'.\n"
    assert "certificate verify failed" in sqlcmd("-Q", "SELECT 1").stderr


def test_sqlcmd_trusts_the_authority_that_its_environment_names(sqlcmd: Sqlcmd, server: MssqlServer) -> None:
    named = ("-S", f"tcp:localhost,{server.port}", "-b", "-Nm", "-Q", "PRINT 'in'")
    assert sqlcmd(*named, SSL_CERT_FILE=str(server.certificate_file)).stdout == "in\n"


def test_both_families_of_sqlcmd_tell_who_they_are(sqlcmd: Sqlcmd) -> None:
    assert sqlcmd("-?").stdout.startswith("Microsoft (R) SQL Server Command Line Tool\nVersion 18.")
    assert "aka.ms/SqlcmdLegal" in sqlcmd("--version", family="go").stdout
    assert "-C,--trust-server-certificate" in sqlcmd("-?", family="go").stdout
    assert sqlcmd("--version").returncode == 1


def test_the_go_family_validates_only_with_n(sqlcmd: Sqlcmd) -> None:
    assert sqlcmd("-b", "-Q", "PRINT 'in'", family="go").stdout == "in\n"
    assert "certificate verify failed" in sqlcmd("-b", "-N", "-Q", "PRINT 'in'", family="go").stderr
    assert sqlcmd("-b", "-N", "true", "-C", "-Q", "PRINT 'in'", family="go").stdout == "in\n"


def test_a_real_server_is_named_by_the_environment(tmp_path: Path) -> None:
    place = real_server(
        {
            "BACKUPCTL_TEST_MSSQL": "mssql://sa:p%40ss@db.example.com:1434",
            "BACKUPCTL_TEST_MSSQL_SERVER_DIR": "D:\\Backup",
            "BACKUPCTL_TEST_MSSQL_LOCAL_DIR": str(tmp_path),
        }
    )
    assert (place.host, place.port, place.user, place.password) == ("db.example.com", 1434, "sa", "p@ss")
    assert (place.server_dir, place.local_dir) == ("D:\\Backup", tmp_path)
