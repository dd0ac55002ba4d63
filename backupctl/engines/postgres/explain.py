"""What PostgreSQL's clients say when they fail, as a fact and what to try."""

from backupctl.engines.messages import Known, Messages

_KNOWN = (
    Known(
        r'password authentication failed for user "(?P<user>[^"]*)"',
        'the server {server} refused the password of user "{user}"',
        "check user and password; a password with $ in it is written $$ in the file",
    ),
    Known(
        r'(?P<how>Peer|Ident|LDAP|PAM|GSSAPI|RADIUS|certificate) authentication failed for user "(?P<user>[^"]*)"',
        'the server {server} did not let the user "{user}" in: {how} authentication failed',
        "over the local socket, peer wants the system user of that name: set host, or change pg_hba.conf",
    ),
    Known(
        r'FATAL:  role "(?P<user>.*?)" does not exist',
        'the server {server} has no user "{user}"',
        "check user; without it the name of the system user is taken",
    ),
    Known(
        r"no password supplied",
        "the server {server} wants a password and none was given",
        "set password, for example to ${{DB_PASSWORD}}",
    ),
    Known(
        r'no pg_hba\.conf entry for (?:host|replication connection from host) "(?P<host>[^"]*)", (?P<rest>[^\n]*)',
        "the server {server} lets nobody in from {host} ({rest}): its pg_hba.conf has no entry for that",
        "add an entry to pg_hba.conf and reload the server; where it says `no encryption`, set tls: require",
    ),
    Known(
        r"could not translate host name \"(?P<host>[^\"]*)\"",
        'the host "{host}" has no address',
        "check host, and that this machine's name service knows it",
    ),
    Known(
        r"(?P<what>Connection refused|No route to host|Network is unreachable"
        r"|No such file or directory\n\s*Is the server)",
        "the server {server} cannot be reached: {what}",
        "check host and port, and that the server runs and listens there",
        transient=True,
    ),
    Known(
        r"timeout expired",
        "the server {server} did not answer in time",
        "check host, port and firewall",
        transient=True,
    ),
    Known(
        r'database "(?P<name>.*?)" does not exist',
        'there is no database "{name}" on {server}',
        "check name; it is case-sensitive",
    ),
    Known(
        r"server version: (?P<version>[\d.]+)[^;]*; pg_dump(?:all)? version: (?P<client>[\d.]+)",
        "pg_dump {client} is older than the server, which is {version}",
        "install the client of the server's version, or set bin_dir to the folder that has it",
    ),
    Known(
        r"server does not support SSL, but SSL was required",
        "the server {server} does not offer TLS",
        "turn ssl on at the server, or set tls: prefer",
    ),
    Known(
        r"(?P<what>certificate verify failed|root certificate file \"[^\"]*\" does not exist|"
        r"server certificate for \"[^\"]*\"[^\n]*|SSL error: [^\n]*)",
        "the TLS connection to {server} failed: {what}",
        "set ca_file to the certificate authority of the server, and host to the name in its certificate",
    ),
    Known(
        r"(?:too many clients already|remaining connection slots are reserved|too many connections for)",
        "the server {server} has no connection left",
        "raise max_connections, or run fewer workers at once",
        transient=True,
    ),
    Known(
        r"the database system is (?P<state>starting up|shutting down|in recovery mode|not yet accepting connections)",
        "the server {server} is {state}",
        transient=True,
    ),
    Known(
        r"canceling statement due to (?:statement|lock) timeout(?s:.*)LOCK TABLE (?P<table>.*?) IN ACCESS",
        "another session holds an exclusive lock on {table}",
        "run the job when nothing alters tables, or set extra_args: [--lock-wait-timeout=1h]",
        transient=True,
    ),
    Known(
        r"canceling statement due to conflict with recovery",
        "the standby {server} cancelled the dump, because it had to replay a change of the rows that were being read",
        "raise max_standby_streaming_delay, set hot_standby_feedback = on, or dump the primary",
        transient=True,
    ),
    Known(
        r"No space left on device",
        "the server {server} has no disk space left",
        "free space on the server, and try again",
    ),
    Known(
        r"server closed the connection unexpectedly|terminating connection due to|connection not open|"
        r"SSL connection has been closed unexpectedly|could not receive data from server|Connection reset by peer",
        "the server {server} ended the connection: {line}",
        "look into the server's log",
        transient=True,
    ),
    Known(
        r"query would be affected by row-level security policy for table \"(?P<table>[^\"]*)\"",
        'row-level security hides rows of the table "{table}" from this user',
        "ALTER ROLE … BYPASSRLS for the user that dumps",
    ),
    Known(
        r"permission denied to create database",
        "this user may not create a database on {server}",
        "ALTER ROLE … CREATEDB, or make the empty database yourself and restore into it",
    ),
    Known(
        r"(?P<what>must be able to SET ROLE|must be member of role) \"(?P<role>[^\"]*)\"",
        'this user may not give anything to the role "{role}"',
        "restore with --no-owner, or as a superuser",
    ),
    Known(
        r'role "(?P<role>[^"]*)" does not exist',
        'there is no role "{role}" on {server}',
        "--create-roles makes it; --no-owner restores without owners and grants",
    ),
    Known(
        r"(?P<what>extension \"[^\"]*\" is not available|could not open extension control file)",
        "{what} on {server}",
        "install the extension's package on the server",
    ),
    Known(
        r"out of shared memory",
        "the server {server} has no room for so many locks in one transaction",
        "raise max_locks_per_transaction, or let backupctl make the database: it then needs no single transaction",
    ),
    Known(
        r"(?P<what>invalid (?:LC_COLLATE |LC_CTYPE )?locale name[^\n]*|invalid locale[^\n]*"
        r"|encoding \"[^\"]*\" does not match locale[^\n]*|could not open collator[^\n]*)",
        "{server} does not know the locale of the backup: {what}",
        "install the locale on the server, or make the empty database yourself and restore into it",
    ),
    Known(
        r"database \"(?P<name>.*?)\" is being accessed by other users(?P<rest>[^\n]*)",
        'the database "{name}" is in use',
        "end the other sessions and prepared transactions, and try again",
    ),
    Known(
        r"permission denied for (?P<what>[^\n]*)",
        "this user has no permission for {what}",
        "GRANT pg_read_all_data to the user that dumps; restore as the owner or a superuser",
    ),
)

MESSAGES = Messages(_KNOWN, important=("ERROR", "FATAL", "error:"))
explaining = MESSAGES.explaining
explained = MESSAGES.explained
