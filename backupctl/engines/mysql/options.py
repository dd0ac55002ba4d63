"""What a MySQL or MariaDB job's `database` may say."""

from typing import Literal

from pydantic import Field, field_validator

from backupctl.engines.base import CountRows, ServerOptions

Flavour = Literal["mysql", "mariadb"]
PRODUCTS: dict[Flavour, str] = {"mysql": "MySQL", "mariadb": "MariaDB"}

SYSTEM_SCHEMAS = frozenset({"mysql", "information_schema", "performance_schema", "sys"})

# These belong to backupctl: where the dump comes from and goes, how much of the database is in it, what proves its end.
_OURS = (
    *("host", "port", "socket", "user", "password", "protocol", "default-auth", "plugin-dir", "login-path"),
    *("defaults-file", "defaults-extra-file", "defaults-group-suffix", "no-defaults", "print-defaults"),
    *("ssl", "ssl-mode", "ssl-ca", "ssl-verify-server-cert", "default-character-set", "set-charset"),
    *("result-file", "tab", "xml", "compact", "comments", "force", "system", "users"),
    *("databases", "all-databases", "tables", "add-drop-database", "all-tablespaces", "flush-privileges"),
    *("single-transaction", "lock-tables", "lock-all-tables", "quick", "opt", "hex-blob", "quote-names"),
    *("routines", "events", "triggers", "set-gtid-purged", "help", "version"),
)
_SWITCHES = ("skip-", "disable-", "enable-", "loose-")
_LEAVING_OUT = ("where", "no-data", "no-create-info", "ignore-table", "ignore-table-data", "ignore-views")
# These write a statement that would change the replication of the server that is restored to, unless as a comment.
_REPLICATION = ("master-data", "source-data", "dump-slave", "dump-replica")
_AS_COMMENT = "2"


class FamilyOptions(ServerOptions):
    """A database that is dumped by mysqldump or mariadb-dump."""

    allow_incomplete: bool = Field(
        default=False,
        description="Only warn where routines, triggers or events are not in the dump for want of a right",
    )
    count_rows: CountRows = Field(
        default="auto", description="Count what is in each table: auto (bytes of the dump), exact (rows, slower), off"
    )

    @field_validator("name")
    @classmethod
    def _not_the_servers_own(cls, name: str) -> str:
        if name.lower() in SYSTEM_SCHEMAS:
            raise ValueError(
                f"{name} belongs to the server and does not restore elsewhere; accounts are stored with globals: true"
            )
        return name

    @field_validator("extra_args")
    @classmethod
    def _not_ours(cls, arguments: tuple[str, ...]) -> tuple[str, ...]:
        for argument in arguments:
            if not argument.startswith("--") or argument == "--":
                raise ValueError(f"{argument} must be written in its long form, such as --where=VALUE")
            if _is_ours(argument):
                raise ValueError(f"{argument} is chosen by backupctl")
        return arguments

    @property
    def flavour(self) -> Flavour:
        """The kind of server that this is for."""
        return "mariadb" if self.type == "mariadb" else "mysql"

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """The extra arguments that keep a part of the database out of the dump."""
        return tuple(argument for argument in self.extra_args if _names_one_of(_word(argument), _LEAVING_OUT))


class MysqlOptions(FamilyOptions):
    """A MySQL database, dumped by mysqldump."""

    type: Literal["mysql"]


def _word(argument: str) -> str:
    """The option's name: the clients take `_` for `-`, and any beginning of a name that is not ambiguous."""
    word = argument.removeprefix("--").partition("=")[0].replace("_", "-").lower()
    for switch in _SWITCHES:
        word = word.removeprefix(switch)
    return word


def _names_one_of(word: str, options: tuple[str, ...]) -> bool:
    return any(option.startswith(word) for option in options)


def _is_ours(argument: str) -> bool:
    word = _word(argument)
    if _names_one_of(word, _REPLICATION):
        return argument.partition("=")[2] != _AS_COMMENT
    return _names_one_of(word, _OURS)
