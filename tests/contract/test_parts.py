"""The test parts themselves: what other tests take for granted of them."""

from collections.abc import Callable

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.parts.http_faults import HttpFaults
from tests.parts.mariadb import MariadbServer
from tests.parts.mysql import MysqlServer
from tests.parts.postgres import PostgresServer
from tests.parts.proxy import Fault, TcpProxy
from tests.parts.s3 import S3Server, WeedServer


def test_each_postgres_is_of_its_version(postgres: PostgresServer) -> None:
    assert postgres.sql("SHOW server_version_num").startswith(str(postgres.version))


def test_a_database_may_have_any_name(postgres: PostgresServer) -> None:
    name = "a=b \"c\" 'd' ñ"
    postgres.create_database(name)
    assert postgres.sql("SELECT current_database()", name) == name
    postgres.sql('DROP DATABASE "a=b ""c"" \'d\' ñ"')


def test_a_failing_statement_is_an_error(postgres: PostgresServer) -> None:
    with pytest.raises(RuntimeError, match="nosuch"):
        postgres.sql("SELECT 1; SELECT * FROM nosuch")


def test_a_killed_postgres_comes_back_with_its_data(new_postgres_server: Callable[[int], PostgresServer]) -> None:
    server = new_postgres_server(17)
    server.sql("CREATE TABLE t AS SELECT 1 AS a")
    server.kill()
    with pytest.raises(RuntimeError):
        server.sql("SELECT 1")
    server.start()
    server.stop()
    server.start()
    assert server.sql("SELECT a FROM t") == "1"


def test_mysql_and_mariadb_are_what_they_say(mysql_server: MysqlServer, mariadb_server: MariadbServer) -> None:
    assert "MariaDB" in mariadb_server.sql("SELECT VERSION()")
    assert "MariaDB" not in mysql_server.sql("SELECT VERSION()")
    with pytest.raises(RuntimeError, match="nosuch"):
        mysql_server.sql("SELECT * FROM nosuch.nosuch")


def test_an_s3_server_refuses_a_wrong_secret(s3_server: S3Server) -> None:
    with pytest.raises(ClientError, match="403"):
        s3_server.client(aws_secret_access_key="wrong").head_bucket(Bucket=s3_server.bucket)


def test_an_open_multipart_upload_is_seen(s3_server: S3Server) -> None:
    client = s3_server.client()
    begun = client.create_multipart_upload(Bucket=s3_server.bucket, Key="parts/open")
    assert s3_server.open_uploads() == ["parts/open"]
    client.abort_multipart_upload(Bucket=s3_server.bucket, Key="parts/open", UploadId=begun["UploadId"])
    assert s3_server.open_uploads() == []


def test_the_put_and_list_key_cannot_read(weed_server: WeedServer) -> None:
    limited = weed_server.client(
        aws_access_key_id=weed_server.put_list_access_key_id,
        aws_secret_access_key=weed_server.put_list_secret_access_key,
    )
    limited.put_object(Bucket=weed_server.bucket, Key="parts/limited", Body=b"x")
    assert limited.list_objects_v2(Bucket=weed_server.bucket, Prefix="parts/")["KeyCount"] == 1
    with pytest.raises(ClientError, match="AccessDenied"):
        limited.get_object(Bucket=weed_server.bucket, Key="parts/limited")
    weed_server.client().delete_object(Bucket=weed_server.bucket, Key="parts/limited")
    assert weed_server.keys("parts/") == []


def test_a_killed_s3_server_comes_back_with_its_objects(new_weed_server: Callable[[], WeedServer]) -> None:
    server = new_weed_server()
    server.client().put_object(Bucket=server.bucket, Key="kept", Body=b"x")
    server.kill()
    with pytest.raises(BotoCoreError):
        server.keys()
    server.start()
    assert server.keys() == ["kept"]


def test_the_http_proxy_fails_as_often_as_it_is_told(
    s3_server: S3Server, http_faults: Callable[[str], HttpFaults]
) -> None:
    proxy = http_faults(s3_server.endpoint_url)
    client = s3_server.client(endpoint_url=proxy.endpoint_url)
    proxy.fail(1, matches=lambda line: line.startswith("PUT"))
    assert s3_server.bucket in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    with pytest.raises(ClientError, match="InternalError"):
        client.put_object(Bucket=s3_server.bucket, Key="faults", Body=b"x" * 3_000_000)
    client.put_object(Bucket=s3_server.bucket, Key="faults", Body=b"x" * 3_000_000)
    assert len(client.get_object(Bucket=s3_server.bucket, Key="faults")["Body"].read()) == 3_000_000
    assert (proxy.failed, proxy.passed) == (1, 3)
    s3_server.client().delete_object(Bucket=s3_server.bucket, Key="faults")


def test_the_tcp_proxy_resets_after_some_bytes(s3_server: S3Server, tcp_proxy: Callable[[str, int], TcpProxy]) -> None:
    proxy = tcp_proxy("127.0.0.1", s3_server.port)
    client = s3_server.client(endpoint_url=f"http://127.0.0.1:{proxy.port}")
    proxy.to_server = Fault(reset_after=1_000_000)
    with pytest.raises(BotoCoreError):
        client.put_object(Bucket=s3_server.bucket, Key="reset", Body=b"x" * 3_000_000)
    proxy.refuse()
    with pytest.raises(BotoCoreError):
        client.list_buckets()
    proxy.heal()
    client.put_object(Bucket=s3_server.bucket, Key="reset", Body=b"x" * 3_000_000)
    s3_server.client().delete_object(Bucket=s3_server.bucket, Key="reset")
