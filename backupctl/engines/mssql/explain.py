"""What SQL Server and sqlcmd say when they fail, as a fact and what to try."""

from backupctl.engines.messages import Known, Messages

RIGHTS_HINT = (
    "as an administrator run, for the login: GRANT CREATE ANY DATABASE TO it (reading a backup's header asks for it), "
    "and in the database ALTER ROLE db_backupoperator ADD MEMBER its user"
)
_TO_RESTORE_HINT = (
    "as an administrator run: ALTER SERVER ROLE dbcreator ADD MEMBER the login; or let it own the database that is "
    "replaced"
)
DAMAGE = "found damage"
NO_CREDENTIAL = "finds no bucket or no credential"
_SERVICE = "the account that SQL Server runs as (mssql on Linux, NT SERVICE\\MSSQLSERVER on Windows)"


def _error(numbers: str, text: str = "") -> str:
    """The heading of an error with one of these numbers, and its text on the next line."""
    return rf"(?m)^Msg (?:{numbers}), Level \d+[^\n]*\n{text}"


def _device(os_errors: str) -> str:
    """A device that could not be opened, read or written, for one of these errors of the operating system."""
    failure = r"(?:Cannot open backup device|Write on|Read on|The operating system returned)"
    return rf"(?m)^{failure}[^\n]*?(?:'(?P<device>[^'\n]*)')?[^\n]*?\b(?:error )?(?:{os_errors})\("


def _store(os_errors: str) -> str:
    """An object of a bucket that could not be opened, read or written; 3202 has its name in double quotes."""
    failure = r"(?:Cannot open backup device|Write on|Read on)"
    return rf"(?m)^{failure} ['\"]s3://(?P<device>[^'\"\n]*)['\"][^\n]*?\b(?:error )?(?:{os_errors})\("


_KNOWN = (
    Known(
        r"Login failed for user '(?P<user>[^']*)'",
        'the server {server} refused the login "{user}" (18456)',
        "check user and password; a $ in a password is written $$ in the file; the server must allow SQL logins "
        "(mixed mode), and its error log tells the reason by the error's state",
    ),
    Known(
        r"(?P<what>[^\n]*(?:certificate verify failed|certificate chain was issued by an authority|x509: [^\n]*"
        r"|[Cc]ertificate [^\n]*not trusted|self[- ]signed certificate)[^\n]*)",
        "the certificate of {server} is not trusted: {what}",
        "set ca_file to its certificate authority with tls: verify-full, or accept any with tls: require",
    ),
    Known(
        r"(?P<what>[^\n]*(?:SSL Provider|TLS Handshake failed|SSL routines)[^\n]*)",
        "the TLS connection to {server} failed: {what}",
        "the server's TLS version may be too old for this machine's OpenSSL; tls: off asks for none",
    ),
    Known(
        r"(?P<what>[^\n]*(?:Communication link failure|connection was forcibly closed|TCP Provider: Error code 0x2746"
        r"|severe error occurred on the current command|read: connection reset|\bEOF\b|SHUTDOWN is in progress)[^\n]*)",
        "the server {server} ended the connection: {what}",
        "look into the server's error log",
        transient=True,
    ),
    Known(
        r"(?P<what>[^\n]*(?:TCP Provider|Login timeout expired|network-related or instance-specific"
        r"|[Uu]nable to open tcp connection|no such host|unable to get instances|Adaptive Server is unavailable)"
        r"[^\n]*)",
        "the server {server} cannot be reached: {what}",
        "check host and port, that the server runs, and that TCP/IP is turned on in its network configuration",
        transient=True,
    ),
    Known(
        _error("4060|911|916", r"[^\n]*?[Dd]atabase [\"'](?P<name>[^\"'\n]*)[\"']"),
        'there is no database "{name}" on {server} that this login may use',
        "check name; or the login has no user in it: CREATE USER … FOR LOGIN …, in that database",
    ),
    Known(
        r"RequestTimeTooSkewed|InvalidSignatureException",
        "the store refused what {server} asked it: the clocks of the two differ by more than 15 minutes",
        "set the clock of the SQL Server's machine (NTP)",
        transient=True,
    ),
    Known(
        _device("112|39"),
        "the disk that {server} writes to is full: {line}",
        "free space in server_dir: a backup needs about as much as the data that are in use in the database",
    ),
    Known(
        _store("5"),
        "the store refused the server {server} access to s3://{device}",
        "the keys may lack a right (PutObject, ListBucket; GetObject for a restore), or the clocks of server and store "
        "differ by more than 15 minutes",
    ),
    Known(
        _store("50"),
        f"the server {{server}} {NO_CREDENTIAL} for s3://{{device}}",
        "check the storage's endpoint and bucket as the server sees them; the keys go into a credential of the server",
    ),
    Known(
        _store("87"),
        "the store took no more of s3://{device}: it has 10,000 parts, or the key is not one",
        "the database has outgrown its estimate: back it up again, or by mode: shared_path",
    ),
    Known(
        _store("2|3"),
        "the server {server} finds no s3://{device}",
        "backupctl list tells which backups are whole, and whether something removed an object",
    ),
    Known(
        _store(r"12\d{3}"),
        "the server {server} cannot talk to the store at s3://{device}: {line}",
        "its certificate must be trusted on the SQL Server's machine: on Linux put the authority's certificate into "
        "/var/opt/mssql/security/ca-certificates and restart SQL Server",
    ),
    Known(
        _device("2|3"),
        "the server {server} finds no such file or folder: {line}",
        "server_dir must be the folder's name on the server's own machine (in its container), where it must be there",
    ),
    Known(
        _device("5"),
        "the server {server} may not read or write there: {line}",
        f"give {_SERVICE} the right to the folder server_dir, and through its group or an ACL to files made in it",
    ),
    Known(
        _device("32|33"),
        "a file is in use on the server {server}: {line}",
        "leave the folder out of virus scanners, and let no other program take files from it",
        transient=True,
    ),
    Known(
        _device("53|64|67|1326|1909"),
        "the server {server} cannot reach a share: {line}",
        f"give {_SERVICE} an account that may use the share: drives that a user has mapped are not there for a service",
        transient=True,
    ),
    Known(
        _error("15404", r"(?P<what>[^\n]*)"),
        "the server {server} cannot ask the domain who a login is: {what}",
        "its machine reaches no domain controller: let a SQL login own the database and make the backup",
        transient=True,
    ),
    Known(
        _error("1844", r"(?P<what>[^\n]*)"),
        "this edition of SQL Server cannot do that: {what}",
        "Express and Web have no backup compression, and Express no BACKUP TO URL: use mode: shared_path",
    ),
    Known(
        _error("262|229|300|297|15247|15151", r"(?P<what>[^\n]*)"),
        "the login may not do that on {server}: {what}",
        RIGHTS_HINT,
    ),
    Known(
        _error("3169|3241", r"(?P<what>[^\n]*)"),
        "the server {server} cannot read this backup: {what}",
        "a backup restores into its own version of SQL Server or a newer one; else the file is damaged",
    ),
    Known(
        _error("33111", r"(?P<what>[^\n]*)"),
        "the server {server} lacks the certificate that this backup is encrypted by: {what}",
        "restore the certificate with its private key there first: CREATE CERTIFICATE … FROM FILE … WITH PRIVATE KEY",
    ),
    Known(
        _error("3189|3203|3242|3183|3043|823|824|825", r"(?P<what>[^\n]*)"),
        f"the server {{server}} {DAMAGE}: {{what}}",
        "DBCC CHECKDB tells what of the database is damaged; a damaged file of a backup restores from no copy of it",
    ),
    Known(
        _error(r"25[0-7]\d|89\d\d|798\d|52[34]\d", r"(?P<what>[^\n]*)"),
        f"the server {{server}} {DAMAGE} in the database (DBCC CHECKDB): {{what}}",
        "restore an older backup, and run DBCC CHECKDB on the database that this one was made of",
    ),
    Known(
        _error("3110|5011", r"(?P<what>[^\n]*)"),
        "the login may not do that on {server}: {what}",
        _TO_RESTORE_HINT,
    ),
    Known(
        _error("5133|3118|5105", r"(?P<what>[^\n]*)"),
        "the server {server} cannot put the database's files there: {what}",
        "set its default folders for data and log files to folders that are there",
    ),
    Known(
        _error("3101|3702|924|5061|5064|1205", r"(?P<what>[^\n]*)"),
        "the database is in use on {server}: {what}",
        "end the sessions that use it, and try again",
        transient=True,
    ),
    Known(
        _error("927|942|946|3036|3059|922|945", r"(?P<what>[^\n]*)"),
        "the database cannot be used as it is now on {server}: {what}",
        "sys.databases tells its state: bring it online, or end the restore that it is in",
    ),
    Known(
        _error("3023", r"(?P<what>[^\n]*)"),
        "another backup, or a change of the database's files, is going on: {what}",
        "run the job at another time",
        transient=True,
    ),
    Known(
        _error("1834|3156|1828|5170", r"(?P<what>[^\n]*)"),
        "a file of the database would overwrite another on {server}: {what}",
        "restore --into another name, or remove what a restore before has left there",
    ),
    Known(
        _error("3257|5149", r"(?P<what>[^\n]*)"),
        "the disk of {server} has not the space that the database needs: {what}",
        "free space on the server; a restored database has the size of its files, also of what is empty in them",
    ),
    Known(
        _error(r"(?P<number>\d+)", r"(?P<what>[^\n]*)"),
        "the server {server} refused it: {what} ({number})",
        "look the number up among SQL Server's errors, and into the server's error log",
    ),
    Known(
        r"\A(?:(?:Changed (?:language|database)[^\n]*|\d+ percent processed\.)(?:\n|\Z))*\Z",
        "sqlcmd ended with an error and did not say why, against {server}",
        "look into the server's error log",
        transient=True,
    ),
)

MESSAGES = Messages(_KNOWN, important=("Msg ", "rror:", "rror "))
