"""What both families of `sqlcmd` print of themselves."""

from tests.parts.sqlcmd.arguments import GO_LONG

DRIVER = "Microsoft ODBC Driver 18 for SQL Server"

ODBC_HELP = """Microsoft (R) SQL Server Command Line Tool
Version 18.6.0002.1 Linux
Copyright (C) 2017 Microsoft Corporation. All rights reserved.

usage: sqlcmd            [-U login id]          [-P password]
  [-S server or Dsn if -D is provided]
  [-H hostname]          [-E trusted connection]
  [-N[s|m|o] Encrypt Connection][-C Trust Server Certificate]
  [-d use database name] [-l login timeout]     [-t query timeout]
  [-h headers]           [-s colseparator]      [-w screen width]
  [-a packetsize]        [-e echo input]        [-I Enable Quoted Identifiers]
  [-c cmdend]
  [-q "cmdline query"]   [-Q "cmdline query" and exit]
  [-m errorlevel]        [-V severitylevel]     [-W remove trailing spaces]
  [-u unicode output]    [-r[0|1] msgs to stderr]
  [-i inputfile]         [-o outputfile]
  [-k[1|2] remove[replace] control characters]
  [-y variable length type display width]
  [-Y fixed length type display width]
  [-p[1] print statistics[colon format]]
  [-R use client regional setting]
  [-K application intent]
  [-M multisubnet failover]
  [-b On error batch abort]
  [-D Dsn flag, indicate -S is Dsn]
  [-X[1] disable commands, startup script, environment variables [and exit]]
  [-x disable variable substitution]
  [-g enable column encryption]
  [-G use Azure Active Directory for authentication]
  [-? show syntax summary]
"""

_BANNER = """sqlcmd: Install/Create/Query SQL Server, Azure SQL, and Tools

Version: v1.8.2
"""

GO_VERSION = f"""{_BANNER}
Legal docs and information: aka.ms/SqlcmdLegal
Third party notices: aka.ms/SqlcmdNotices"""

GO_HELP = f"{_BANNER}\nFlags:\n" + "\n".join(f"-{letter},--{name}" for name, letter in GO_LONG.items())

HELP = {
    "odbc": ODBC_HELP,
    "odbc17": ODBC_HELP.replace("[s|m|o]", "").replace("18.6.0002.1", "17.10.0001.1"),
    "go": GO_HELP,
}
