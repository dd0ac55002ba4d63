"""The messages of SQL Server that the part can say: number, severity, and the text as sys.messages has it."""

from dataclasses import dataclass

# Severity and text; from "Database Engine events and errors", and the BACKUP, RESTORE and S3 pages of Microsoft.
TEXTS: dict[int, tuple[int, str]] = {
    102: (15, "Incorrect syntax near '{}'."),
    105: (15, "Unclosed quotation mark after the character string '{}'."),
    113: (15, "Missing end comment mark '*/'."),
    134: (15, "The variable name '{}' has already been declared. Variable names must be unique within a query batch."),
    137: (15, 'Must declare the scalar variable "{}".'),
    155: (15, "'{}' is not a recognized {} option."),
    156: (15, "Incorrect syntax near the keyword '{}'."),
    195: (15, "'{}' is not a recognized {}."),
    207: (16, "Invalid column name '{}'."),
    208: (16, "Invalid object name '{}'."),
    262: (14, "{} permission denied in database '{}'."),
    911: (16, "Database '{}' does not exist. Make sure that the name is entered correctly."),
    916: (14, 'The server principal "{}" is not able to access the database "{}" under the current security context.'),
    924: (14, "Database '{}' is already open and can only have one user at a time."),
    927: (14, "Database '{}' cannot be opened. It is in the middle of a restore."),
    942: (14, "Database '{}' cannot be opened because it is offline."),
    1801: (16, "Database '{}' already exists. Choose a different database name."),
    1834: (16, "The file '{}' cannot be overwritten.  It is being used by database '{}'."),
    1844: (16, "{} is not supported on {}."),
    2812: (16, "Could not find stored procedure '{}'."),
    3013: (16, "{} is terminating abnormally."),
    3014: (0, "{} successfully processed {} pages in {} seconds ({} MB/sec)."),
    3031: (16, "Option '{}' conflicts with option(s) '{}'. Remove the conflicting option and reissue the statement."),
    3032: (
        16,
        "One or more of the options ({}) are not supported for this statement. Review the documentation for supported"
        " options.",
    ),
    3035: (
        16,
        'Cannot perform a differential backup for database "{}", because a current database backup does not exist.'
        " Perform a full database backup by reissuing BACKUP DATABASE, omitting the WITH DIFFERENTIAL option.",
    ),
    3043: (
        16,
        "BACKUP '{}' detected an error on page (1:{}) in file '{}'.",
    ),
    3057: (
        16,
        "Invalid device name. The length of the device name provided exceeds supported limit (maximum length is:259)."
        " Reissue the BACKUP statement with a valid device name.",
    ),
    3098: (
        16,
        "The backup cannot be performed because '{}' was requested after the media was formatted with an incompatible"
        " structure. To append to this media set, either omit '{}' or specify '{}'.",
    ),
    3102: (
        16,
        "RESTORE cannot process database '{}' because it is in use by this session. It is recommended that the master"
        " database be used when performing this operation.",
    ),
    3101: (16, "Exclusive access could not be obtained because the database is in use."),
    3110: (14, "User does not have permission to RESTORE database '{}'."),
    3119: (16, "Problems were identified while planning for the RESTORE statement. Previous messages provide details."),
    3147: (16, "Backup and restore operations are not allowed on database tempdb."),
    3132: (
        16,
        "The media set has {} media families but only {} are provided. All members must be provided.",
    ),
    3154: (16, "The backup set holds a backup of a database other than the existing '{}' database."),
    3156: (16, "File '{}' cannot be restored to '{}'. Use WITH MOVE to identify a valid location for the file."),
    3159: (
        16,
        'The tail of the log for the database "{}" has not been backed up. Use BACKUP LOG WITH NORECOVERY to backup the'
        " log if it contains work you do not want to lose. Use the WITH REPLACE or WITH STOPAT clause of the RESTORE"
        " statement to just overwrite the contents of the log.",
    ),
    3169: (
        16,
        "The database was backed up on a server running version {}. That version is incompatible with this server,"
        " which is running version {}. Either restore the database on a server that supports the backup, or use a"
        " backup that is compatible with this server.",
    ),
    3183: (16, 'RESTORE detected an error on page ({}:{}) in database "{}" as read from the backup set.'),
    3187: (
        16,
        "RESTORE WITH CHECKSUM cannot be specified because the backup set does not contain checksum information.",
    ),
    3189: (16, "Damage to the backup set was detected."),
    3201: (16, "Cannot open backup device '{}'. Operating system error {}."),
    3202: (16, 'Write on "{}" failed: {}'),
    3203: (16, 'Read on "{}" failed: {}'),
    3205: (16, "Too many backup devices specified for backup or restore; only 64 are allowed."),
    3211: (0, "{} percent processed."),
    3231: (
        16,
        'The media loaded on "{}" is formatted to support {} media families, but {} media families are expected'
        " according to the backup device specification.",
    ),
    3234: (
        16,
        "Logical file '{}' is not part of database '{}'. Use RESTORE FILELISTONLY to list the logical file names.",
    ),
    3241: (
        16,
        "The media family on device '{}' is incorrectly formed. SQL Server cannot process this media family.",
    ),
    3242: (16, "The file on device '{}' is not a valid Microsoft Tape Format backup set."),
    3247: (
        16,
        "The volume on device '{}' has the wrong media sequence number ({}). Remove it and insert volume {}.",
    ),
    3254: (16, "The volume on device '{}' is empty."),
    3257: (
        16,
        "There is insufficient free space on disk volume '{}' to create the database. The database requires {}"
        " additional free bytes, while only {} bytes are available.",
    ),
    3262: (0, "The backup set on file {} is valid."),
    3271: (16, 'A nonrecoverable I/O error occurred on file "{}:" {}.'),
    3287: (16, "The file ID {} on device '{}' is incorrectly formed and can not be read."),
    3634: (16, "The operating system returned the error '{}' while attempting '{}' on '{}'."),
    3701: (
        11,
        "Cannot drop the {} '{}', because it does not exist or you do not have permission.",
    ),
    3702: (16, 'Cannot drop database "{}" because it is currently in use.'),
    3723: (16, "{}"),
    4035: (0, "Processed {} pages for database '{}', file '{}' on file {}."),
    4060: (11, 'Cannot open database "{}" requested by the login. The login failed.'),
    4208: (
        16,
        "The statement {} is not allowed while the recovery model is SIMPLE. Use BACKUP DATABASE or change the"
        " recovery model using ALTER DATABASE.",
    ),
    5011: (
        14,
        "User does not have permission to alter database '{}', the database does not exist, or the database"
        " is not in a state that allows access checks.",
    ),
    5133: (16, 'Directory lookup for the file "{}" failed with the operating system error {}.'),
    5061: (16, "ALTER DATABASE failed because a lock could not be placed on database '{}'. Try again later."),
    5069: (16, "ALTER DATABASE statement failed."),
    5703: (0, "Changed language setting to {}."),
    5701: (0, "Changed database context to '{}'."),
    8939: (
        16,
        "Table error: Object ID {}, index ID 1, partition ID 0, alloc unit ID 0 (type In-row data), page (1:{})."
        " Test (IS_OFF (BUF_IOERR, pBUF->bstat)) failed. Values are 133129 and -4.",
    ),
    8989: (0, "CHECKDB found {} allocation errors and {} consistency errors in database '{}'."),
    8958: (0, "repair_allow_data_loss is the minimum repair level for the errors found by DBCC CHECKDB ({})."),
    2528: (0, "DBCC execution completed. If DBCC printed error messages, contact your system administrator."),
    15025: (16, "The server principal '{}' already exists."),
    15151: (
        16,
        "Cannot {} the {} '{}', because it does not exist or you do not have permission.",
    ),
    15247: (16, "User does not have permission to perform this action."),
    15404: (16, "Could not obtain information about Windows NT group/user '{}', error code {}."),
    15530: (16, 'The credential with name "{}" already exists.'),
    18204: (16, "{}: Backup device '{}' failed to {}. Operating system error {}."),
    18456: (14, "Login failed for user '{}'."),
    33111: (16, "Cannot find server certificate with thumbprint '{}'."),
    40510: (16, "Statement '{}' is not supported in this version of SQL Server."),
    41922: (
        16,
        "The backup operation for a database with service-managed transparent data encryption is not supported on SQL"
        " Database Managed Instance.",
    ),
    41901: (
        16,
        "One or more of the options ({}) are not supported for this statement in SQL Database Managed Instance."
        " Review the documentation for supported options.",
    ),
}

OS_ERRORS = {
    2: "The system cannot find the file specified.",
    3: "The system cannot find the path specified.",
    5: "Access is denied.",
    32: "The process cannot access the file because it is being used by another process.",
    38: "Reached the end of the file.",
    50: "The request is not supported.",
    80: "The file exists.",
    53: "The network path was not found.",
    87: "The parameter is incorrect.",
    112: "There is not enough space on the disk.",
    123: "The filename, directory name, or volume label syntax is incorrect.",
    12007: "failed to retrieve text for this error. Reason: 15105",
    12029: "failed to retrieve text for this error. Reason: 15105",
    12175: "failed to retrieve text for this error. Reason: 15105",
}


@dataclass(frozen=True)
class Message:
    """One message of the server."""

    number: int
    severity: int
    text: str
    state: int = 1
    line: int = 1


class SqlError(Exception):
    """A statement that failed, with every message that it ends with."""

    def __init__(self, *messages: Message) -> None:
        super().__init__("; ".join(f"{one.number}: {one.text}" for one in messages))
        self.messages = messages


class OsError(Exception):
    """What the operating system of the server said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}({OS_ERRORS[self.code]})"


def message(number: int, *parts: object) -> Message:
    severity, text = TEXTS[number]
    return Message(number, severity, text.format(*parts))


def failure(number: int, *parts: object) -> SqlError:
    return SqlError(message(number, *parts))
