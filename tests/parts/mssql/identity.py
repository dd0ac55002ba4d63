"""What a server says of itself: its version, edition and folders."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.parts.mssql.server import MssqlServer

_YEARS = {13: 2016, 14: 2017, 15: 2019, 16: 2022, 17: 2025}


def version_text(server: "MssqlServer") -> str:
    build = ".".join(str(part) for part in server.build)
    system = "Windows Server 2022 Standard" if server.windows else "Linux (Ubuntu 22.04)"
    return f"Microsoft SQL Server {_YEARS[server.build[0]]} - {build} (X64) \n\t{server.edition} on {system} <X64>"


def properties(server: "MssqlServer") -> dict[str, Any]:
    """What SERVERPROPERTY knows, by names in small letters."""
    return {
        "productversion": ".".join(str(part) for part in server.build),
        "productmajorversion": str(server.build[0]),
        "productminorversion": str(server.build[1]),
        "productlevel": "RTM",
        "edition": server.edition,
        "engineedition": server.engine_edition,
        "instancedefaultdatapath": server.data_path,
        "instancedefaultlogpath": server.data_path,
        # It came with SQL Server 2019.
        "instancedefaultbackuppath": server.disks.path.normpath(server.server_dir) if server.build[0] >= 15 else None,
        "machinename": server.name,
        "servername": server.name,
        "instancename": None,
        "collation": server.collation,
        "isclustered": 0,
        "ishadrenabled": 0,
        "isintegratedsecurityonly": 0,
        "processid": 4242,
    }
