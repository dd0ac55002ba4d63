"""What the clients of MySQL and MariaDB say when they fail, as a fact and what to try."""

from backupctl.engines.messages import Known, Messages


def _code(numbers: str, rest: str = "") -> str:
    """A line with one of the error numbers, as the clients write them: `ERROR 1045`, `error: 1045:`, `(1356)`."""
    return rf"(?m)^(?=.*(?:(?:ERROR|[Ee]rror:?) (?:{numbers})\b|\((?:{numbers})\))).*?{rest}"


_KNOWN = (
    Known(
        _code("1045", r"user '(?P<user>.*)'@'(?P<from>[^']*)' \(using password: NO\)"),
        'the server {server} wants a password for user "{user}" and none was given',
        "set password, for example to ${{DB_PASSWORD}}",
    ),
    Known(
        _code("1045|1698", r"user '(?P<user>.*)'@'(?P<from>[^']*)'"),
        'the server {server} refused the password of user "{user}" coming from {from}',
        "check user and password, and that the account is for that host; a $ in a password is written $$ in the file",
    ),
    Known(
        _code("1044", r"user '(?P<user>.*)'@'(?P<from>[^']*)' to database '(?P<name>.*)'"),
        'the user "{user}" may not use the database "{name}" on {server}, or there is none of that name',
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT on the database to that user; check name",
    ),
    Known(
        _code("1049", r"Unknown database '(?P<name>.*\\['\\].*)'"),
        "mariadb-dump finds no events in a database whose name has a quote or a backslash (10.11)",
        "rename the database, or set bin_dir to a folder with MySQL's mysqldump alone",
    ),
    Known(
        _code("1049", r"Unknown database '(?P<name>.*)'"),
        'there is no database "{name}" on {server}',
        "check name; it is case-sensitive on most servers",
    ),
    Known(
        _code("2005", r"host '(?P<host>[^']*)'"),
        'the host "{host}" has no address',
        "check host, and that this machine's name service knows it",
    ),
    Known(
        _code("2002|2003", r"(?P<what>Can't connect[^\n\"]*)"),
        "the server {server} cannot be reached: {what}",
        "check host and port, or socket, and that the server runs and listens there",
        transient=True,
    ),
    Known(
        _code("1130|1129", r"(?P<what>Host [^\n\"]*)"),
        "the server {server} lets nobody in from here: {what}",
        "make an account for this host on the server; where it is blocked: FLUSH HOSTS",
    ),
    Known(
        _code("2059|1524|2061", r"(?P<what>(?:Authentication plugin|Plugin)[^\n\"]*)"),
        "this client and {server} have no way to log in in common: {what}",
        "install the client of the server's own vendor, or set bin_dir to the folder that has it; with tls: require, "
        "caching_sha2_password needs no key of the server",
    ),
    Known(
        _code("2026", r"(?P<what>SSL is required[^\n\"]*)"),
        "the server {server} does not offer TLS",
        "turn TLS on at the server, or set tls: prefer",
    ),
    Known(
        _code("2026", r"(?P<what>(?:TLS/)?SSL[^\n\"]*)"),
        "the TLS connection to {server} failed: {what}",
        "set ca_file to the certificate authority of the server, and host to the name in its certificate",
    ),
    Known(
        _code("1040|1203|1226"),
        "the server {server} has no connection left",
        "raise max_connections, or run fewer workers at once",
        transient=True,
    ),
    Known(
        _code("1356|1449", r"(?P<what>View '[^\n]*|The user specified as a definer[^\n\"]*)"),
        "a view, or what it is made of, is not valid: {what}",
        "mend or drop it: SHOW CREATE VIEW shows what it needs; no dump gets past it",
    ),
    Known(
        _code("1412") + r"|Error in field count for table",
        "a table was altered while it was dumped: {line}",
        "nothing was stored; run the job again, when nothing alters tables",
        transient=True,
    ),
    Known(
        _code("1146", r"Table '(?P<table>[^\n]*)' doesn't exist"),
        "the table {table} is not there",
        "where it was dropped during the dump: run the job again, when nothing alters tables",
        transient=True,
    ),
    Known(
        _code("1205|1213"),
        "another session holds a lock that this needs: {line}",
        "run the job when nothing alters tables",
        transient=True,
    ),
    Known(
        _code("2013|2006|2055|1053|1927|1317|1152|1158|1159|1160|1161"),
        "the server {server} ended the connection: {line}",
        "look into the server's log; for a slow storage, raise net_write_timeout on the server",
        transient=True,
    ),
    Known(
        _code("1305", r"(?P<what>(?:PROCEDURE|FUNCTION|PACKAGE)[^\n]* does not exist)"),
        "a routine that is needed is not there: {what}",
        "where it has letters beyond ASCII in its name: install the client of the server's own vendor",
    ),
    Known(
        _code("1419"),
        "{server} refuses routines and triggers of this user, since it writes a binary log",
        "SET GLOBAL log_bin_trust_function_creators = 1 on the server, or restore as a user with SUPER",
    ),
    Known(
        _code("1227", r"(?P<what>you need[^\n]*)"),
        "this user has not the right: {what}",
        "restore with --no-owner, so that everything belongs to this user; or as an administrator",
    ),
    Known(
        _code("1142|1143|1370", r"(?P<what>[A-Za-z][A-Za-z ,]* command denied to user [^\n]*)"),
        "this user has not the right: {what}",
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT on the database to the user that dumps",
    ),
    Known(
        r"(?P<what>insufficient privileges? to SHOW[^\n]*|insufficent privileges to SHOW[^\n]*)",
        "this user may not see the definition of a routine: {what}",
        "GRANT SHOW_ROUTINE ON *.* (MySQL), or SELECT ON mysql.proc (MariaDB) to the user that dumps",
    ),
    Known(
        _code("1273|1115", r"(?P<what>Unknown c[^\n]*)"),
        "{server} does not know a character set or collation of the backup: {what}",
        "restore into a server of the version that it was dumped from, or newer",
    ),
    Known(
        _code("1153|2020"),
        "a row is larger than {server} takes in one packet",
        "raise max_allowed_packet on the server, up to 1G",
    ),
    Known(
        _code("1194|1195|1034|1033"),
        "a table is damaged: {line}",
        "REPAIR TABLE, or restore it from an older backup",
    ),
    Known(
        r"\A\Z",
        "a client of the server {server} ended with an error and did not say why",
        "its connection may have been ended between two statements: look into the server's log",
        transient=True,
    ),
    Known(
        r"(?P<what>[^\n]*(?:No space left on device|Errcode: 28|ERROR 1114)[^\n]*)",
        "the server {server} has no disk space left",
        "free space on the server, and try again",
    ),
)

MESSAGES = Messages(_KNOWN, important=("ERROR", "rror:", "Couldn't"))
