"""Every batch that is sent to a SQL Server, with names that need quoting: what tests/golden/mssql keeps."""

from backupctl.engines.mssql import statements
from backupctl.engines.mssql.statements import Devices

NAME = 'we ]ird\' [x] "name" $(HOME) größe; --/*'
WINDOWS_FILE = r"D:\Back]up\it's $(x)\backupctl_1.bak"
UNC_FILE = r"\\nas\sql's\backupctl_1.bak"
CREDENTIAL = "s3://s3.example.com/bucket/job's ]"
MARK = "backupctl_0123456789abcdef"
KEYS = ("AK'IA", "se'cr]et;--")
SQL_FILE = Devices.disk(WINDOWS_FILE)
STRIPES = Devices.url([f"s3://s3.example.com/b/it%27s.{number}of2.bak" for number in (1, 2)], "eu-central-1")
MOVES = {"it's ]": r"C:\SQL\DATA\we__ird_1.mdf", "log": r"E:\it's logs\we__ird_1_1.ldf"}

BATCHES = {
    "server": statements.SERVER,
    "databases": statements.DATABASES,
    "credentials": statements.CREDENTIALS,
    "logins": statements.LOGINS,
    "prelude": statements.PRELUDE,
    "database": statements.database(NAME),
    "certificate": statements.certificate(NAME),
    "files": statements.files(NAME),
    "file_exists": statements.file_exists(UNC_FILE),
    "backup": statements.backup(NAME, SQL_FILE, compression=True),
    "backup.express": statements.backup(NAME, SQL_FILE, compression=None),
    "backup.encrypted": statements.backup(NAME, SQL_FILE, compression=False),
    "backup.url": statements.backup(NAME, STRIPES, compression=True),
    "backup.url.uncompressed": statements.backup(NAME, STRIPES, compression=False),
    "recorded": statements.recorded(WINDOWS_FILE),
    "verify_only": statements.verify_only(SQL_FILE),
    "verify_only.url": statements.verify_only(STRIPES),
    "header_only": statements.header_only(SQL_FILE),
    "header_only.url": statements.header_only(STRIPES.first),
    "file_list_only": statements.file_list_only(SQL_FILE),
    "restore": statements.restore(NAME, SQL_FILE, MOVES, replace=False),
    "restore.replace": statements.single_user(NAME) + statements.restore(NAME, SQL_FILE, MOVES, replace=True),
    "restore.url": statements.restore(NAME, STRIPES, MOVES, replace=False),
    "user_access": statements.user_access(NAME, "RESTRICTED_USER"),
    "drop_database": statements.drop_database(NAME),
    "check_database": statements.check_database(NAME),
    "orphans": statements.orphans(NAME),
    "create_credential": statements.create_credential(CREDENTIAL, *KEYS),
    "create_credential.marked": statements.create_credential(CREDENTIAL, *KEYS) + statements.create_mark(MARK),
    "alter_credential": statements.alter_credential(CREDENTIAL, *KEYS),
    "drop_credential": statements.drop_credential(CREDENTIAL, MARK),
}
