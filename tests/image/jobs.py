"""What the tests of the image write into a jobs file: every secret is a file."""

from tests.image.container import Place
from tests.parts.mariadb import MariadbServer
from tests.parts.postgres import PostgresServer
from tests.parts.s3 import WeedServer


def job(database: str, storage: str, *, name: str = "shop", cron: str = "30 3 * * *") -> str:
    return f"  - {{name: {name}, database: {database}, storage: {storage}, cron: '{cron}'}}\n"


def jobs_file(*jobs: str, top: str = "") -> str:
    return f"version: 1\n{top}jobs:\n{''.join(jobs)}"


def s3(place: Place, server: WeedServer, prefix: str) -> str:
    secret = place.secret("s3_secret", server.secret_access_key)
    return (
        f"{{type: s3, endpoint_url: '{server.endpoint_url}', bucket: {server.bucket}, prefix: '{prefix}/',"
        f" access_key_id: {server.access_key_id}, secret_access_key: '{secret}'}}"
    )


def postgres(place: Place, server: PostgresServer, name: str, *, port: int | None = None) -> str:
    password = place.secret("postgres_password", server.password)
    return (
        f"{{type: postgres, host: {server.host}, port: {port or server.port}, user: {server.user},"
        f" password: '{password}', name: {name}}}"
    )


def mariadb(place: Place, server: MariadbServer, name: str) -> str:
    password = place.secret("mariadb_password", server.password)
    return (
        f"{{type: mariadb, host: {server.host}, port: {server.port}, user: {server.user},"
        f" password: '{password}', name: {name}}}"
    )
