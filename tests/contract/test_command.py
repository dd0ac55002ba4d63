"""Databases of type command, with the real programs that docs/commands.md shows, and with programs that fail."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backupctl.cancel import Cancellation
from backupctl.engines.base import Part
from backupctl.engines.command import CommandEngine, CommandOptions
from backupctl.errors import EngineError, IntegrityError, ToolMissingError, UsageError
from backupctl.process import Session
from backupctl.redact import Redactor
from tests.contract.engine_members import Kept, keep, read_all
from tests.contract.tar_commands import tar_of
from tests.parts.missing import or_skip
from tests.parts.postgres import PostgresServer
from tests.parts.redis import RedisServer

RDB_END = r"(?s)\xff.{8}([0-9a-f]{40})?\Z"
"""The opcode EOF and a checksum; redis-cli 7.0 writes the stream's own mark of 40 digits behind it."""

REDIS_RESTORE = """\
set -e
umask 077
[ ! -e "$BACKUPCTL_INTO" ] || [ -n "$BACKUPCTL_CLEAN" ]
cat > "$BACKUPCTL_INTO.part"
mv "$BACKUPCTL_INTO.part" "$BACKUPCTL_INTO"
"""
SECRET = "p4ss w0rd"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    scratch = tmp_path / "scratch"
    scratch.mkdir(mode=0o700)
    return Session(scratch, Cancellation(), Redactor([SECRET]))


@pytest.fixture
def engine(session: Session) -> Callable[..., CommandEngine]:
    def build(**options: Any) -> CommandEngine:
        return CommandEngine.build(CommandOptions.model_validate(options), session)

    return build


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with closing(or_skip(RedisServer)) as server:
        server.ask("EVAL", "for n=1,2000 do redis.call('SET', 'k'..n, string.rep(n, 20)) end", "0")
        server.ask("HSET", "käufer", "name", "ü")
        yield server


def _redis_options(server: RedisServer, **more: Any) -> dict[str, Any]:
    asked = ("redis-cli", "-h", server.host, "-p", str(server.port))
    return {
        "name": "sessions",
        "dump": (*asked, "--rdb", "-"),
        "restore": shell(REDIS_RESTORE),
        "version": shell(f"{' '.join(asked)} INFO server | grep -o 'redis_version.*'"),
        "env": {"REDISCLI_AUTH": server.password},
        "suffix": ".rdb",
        "end_marker": RDB_END,
    } | more


def test_redis_comes_back_with_all_its_keys(
    redis: RedisServer, engine: Callable[..., CommandEngine], tmp_path: Path
) -> None:
    dumping = engine(**_redis_options(redis))
    assert dumping.preflight().server_version.startswith("redis_version:")
    kept = keep(dumping)
    restored = tmp_path / "dump.rdb"
    dumping.restore(kept.request(str(restored)))
    with closing(RedisServer(restored)) as back:
        assert back.ask("DBSIZE") == redis.ask("DBSIZE") == "2001"
        assert back.ask("GET", "k1999") == redis.ask("GET", "k1999")
        assert back.ask("HGET", "käufer", "name") == redis.ask("HGET", "käufer", "name")


def test_redis_with_a_wrong_password_is_an_error_without_it(
    redis: RedisServer, engine: Callable[..., CommandEngine]
) -> None:
    with pytest.raises(EngineError, match="WRONGPASS") as caught:
        keep(engine(**_redis_options(redis, env={"REDISCLI_AUTH": SECRET})))
    assert SECRET not in caught.value.message
    assert "database.dump" in str(caught.value.hint)


def test_a_cut_redis_dump_is_told_by_its_end(redis: RedisServer, engine: Callable[..., CommandEngine]) -> None:
    script = f"redis-cli -p {redis.port} --rdb - | head -c 20000"
    with pytest.raises(EngineError, match="do not match its end_marker"):
        keep(engine(**_redis_options(redis, dump=shell(script))))


def test_a_whole_postgres_cluster_comes_back(
    new_postgres_server: Callable[[int], PostgresServer], engine: Callable[..., CommandEngine]
) -> None:
    server = new_postgres_server(17)
    server.create_database("shop")
    server.sql("CREATE ROLE seller LOGIN; CREATE TABLE t AS SELECT 'ü' AS a; ALTER TABLE t OWNER TO seller", "shop")
    place = ("-h", server.host, "-p", str(server.port), "-w")
    psql = f"{server.bin_dir}/psql {' '.join(place)} -U restorer -d postgres"
    # A dump of all makes the superuser, too, and the first one of a cluster cannot be dropped.
    out_of_the_way = f"{psql} -qc 'ALTER ROLE postgres RENAME TO initial' </dev/null"
    dumping = engine(
        name="cluster",
        dump=(f"{server.bin_dir}/pg_dumpall", *place, "-U", "postgres"),
        restore=shell(f"{out_of_the_way} && exec {psql} -X -q -v ON_ERROR_STOP=1 >/dev/null"),
        env={"PGPASSWORD": server.password},
        suffix=".sql",
        end_marker="-- PostgreSQL database cluster dump complete",
    )
    kept = keep(dumping)
    server.sql("DROP DATABASE shop")
    password = server.password.replace("'", "''")
    server.sql(f"DROP ROLE seller; CREATE ROLE restorer SUPERUSER LOGIN PASSWORD '{password}'")
    dumping.restore(kept.request("cluster"))
    assert server.sql("SELECT a, tableowner FROM t, pg_tables WHERE tablename = 't'", "shop") == "ü|seller"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("head -c 100000 /dev/zero; echo the disk is gone >&2; exit 3", "sh ended with exit code 3: the disk is gone"),
        ("head -c 100000 /dev/zero; kill -9 $$", "sh was killed by SIGKILL"),
        ("true", "the dump has 0 bytes, and at least 1 are expected of it"),
        ("echo almost", "the last 1024 bytes of the dump do not match its end_marker"),
    ],
)
def test_a_dump_that_is_not_whole_raises_instead_of_ending(
    engine: Callable[..., CommandEngine], script: str, told: str
) -> None:
    marker = {"end_marker": "done"} if "almost" in script else {}
    with pytest.raises(EngineError, match=re.escape(told)) as caught:
        keep(engine(dump=shell(script), **marker))
    assert "database." in str(caught.value.hint)


def test_a_dump_that_is_smaller_than_expected_is_none(engine: Callable[..., CommandEngine]) -> None:
    small = {"dump": shell("head -c 2000 /dev/zero")}
    with pytest.raises(EngineError, match="2000 bytes, and at least 2048 are expected"):
        keep(engine(**small, min_size="2KiB"))
    assert keep(engine(**small, min_size="2KB")).manifest.dump.dump_size == 2000


def test_a_program_may_ask_to_be_tried_again(engine: Callable[..., CommandEngine]) -> None:
    for code, transient in ((75, True), (1, False)):
        with pytest.raises(EngineError) as caught:
            keep(engine(dump=shell(f"exit {code}")))
        assert caught.value.transient is transient


def test_pipefail_makes_an_error_of_what_fails_before_a_pipe(engine: Callable[..., CommandEngine]) -> None:
    with pytest.raises(EngineError, match="exit code 5"):
        keep(engine(dump=("bash", "-o", "pipefail", "-c", "(echo half; exit 5) | cat")))


def test_the_programs_get_the_variables_of_the_job_and_no_other(
    engine: Callable[..., CommandEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_JOBS_SECRET", "x")
    told = read_all(_part(engine(dump=("env",), name="shop", env={"TOKEN": SECRET, "EMPTY": ""})).open()).decode()
    assert {f"TOKEN={SECRET}", "EMPTY=", "BACKUPCTL_DATABASE=shop"} <= set(told.splitlines())
    assert "OTHER_JOBS_SECRET" not in told


def _part(engine: CommandEngine) -> Part:
    (part,) = engine.preflight().parts
    assert isinstance(part, Part)
    return part


def test_a_secret_in_what_a_program_says_is_masked(engine: Callable[..., CommandEngine]) -> None:
    talking = shell('echo "login with $TOKEN failed" >&2; echo "server of $TOKEN"; exit 1')
    options = {"dump": talking, "env": {"TOKEN": SECRET}}
    with pytest.raises(EngineError, match=r"login with \*\*\* failed"):
        keep(engine(**options))
    preflight = engine(**options, version=shell('echo "made for $TOKEN"'), estimate=talking).preflight()
    assert preflight.server_version == "made for ***"
    assert SECRET not in str(preflight.warnings)


def test_a_missing_program_is_known_before_the_dump(engine: Callable[..., CommandEngine], tmp_path: Path) -> None:
    for program in ("no-such-program", str(tmp_path / "dump.sh"), str(tmp_path)):
        with pytest.raises(ToolMissingError, match=f"the program {program} is not installed") as caught:
            engine(dump=(program, "x")).preflight()
        assert "database.dump" in str(caught.value.hint)


def test_programs_are_looked_for_where_the_child_looks(engine: Callable[..., CommandEngine], tmp_path: Path) -> None:
    program = tmp_path / "dump-it"
    program.write_text("#!/bin/sh\necho dumped\n")
    program.chmod(0o755)
    options = {"dump": ("dump-it",), "env": {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}}
    assert read_all(keep(engine(**options)).open()) == b"dumped\n"


def test_what_a_dump_can_do_without_is_a_warning(engine: Callable[..., CommandEngine]) -> None:
    preflight = engine(
        dump=("true",), version=("false",), estimate=shell("echo a lot"), restore=("no-such-program",)
    ).preflight()
    assert (preflight.server_version, preflight.parts[0].size_estimate) == ("", None)
    assert preflight.warnings == (
        "a restore on this machine would fail: the program no-such-program is not installed (database.restore)",
        "database.version gave no answer: false ended with exit code 1",
        "database.estimate printed 'a lot' where a number of bytes is expected",
    )


@pytest.mark.parametrize(("printed", "size"), [("4096", 4096), (" 12\\t/srv/files\\n", 12), ("0", 0)])
def test_an_estimate_is_the_first_word(engine: Callable[..., CommandEngine], printed: str, size: int) -> None:
    preflight = engine(dump=("true",), estimate=("printf", printed)).preflight()
    assert (preflight.parts[0].size_estimate, preflight.warnings) == (size, ())


@pytest.mark.parametrize("printed", ["", "-1", "12MB", "1" * 19, "٣"])
def test_an_estimate_that_is_no_number_of_bytes_is_not_taken(
    engine: Callable[..., CommandEngine], printed: str
) -> None:
    preflight = engine(dump=("true",), estimate=("printf", "%s", printed)).preflight()
    assert preflight.parts[0].size_estimate is None
    assert "where a number of bytes is expected" in preflight.warnings[0]


def test_a_rehearsal_does_not_run_the_dump(engine: Callable[..., CommandEngine], tmp_path: Path) -> None:
    engine(dump=("touch", str(tmp_path / "ran")), restore=("touch", str(tmp_path / "ran"))).preflight()
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    (made / "a").write_bytes(b"a" * 300_000)
    return made


def test_the_end_that_counts_is_the_one_of_the_backups_day(session: Session, folder: Path) -> None:
    kept = keep(CommandEngine.build(tar_of(folder), session))
    assert kept.manifest.details == {"end_marker": r"\x00{1024}"}
    today = CommandEngine.build(tar_of(folder, end_marker="another format"), session)
    today.check_dump(kept.manifest, kept.open(), say=lambda _: None)
    without_sums = _without_sums(kept)
    cut = without_sums.altered(lambda dump: dump[:200_000])
    with pytest.raises(IntegrityError, match="do not match its end_marker"):
        today.check_dump(cut.manifest, cut.open(), say=lambda _: None)


def _without_sums(kept: Kept) -> Kept:
    """The same backup, of a server that told no sums of what it stored."""
    other = kept.altered(lambda dump: dump)
    unknown = kept.manifest.dump.model_copy(update={"dump_size": None, "dump_sha256": None})
    other.manifest = kept.manifest.model_copy(update={"artifacts": (unknown,)})
    return other


def test_a_dump_without_its_end_never_ends_for_the_restoring_program(
    session: Session, folder: Path, tmp_path: Path
) -> None:
    dumping = CommandEngine.build(tar_of(folder), session)
    cut = _without_sums(keep(dumping)).altered(lambda dump: dump[:200_000])
    with pytest.raises(IntegrityError, match="do not match its end_marker"):
        dumping.restore(cut.request(str(tmp_path / "back")))
    assert not (tmp_path / "back").exists()


def test_a_marker_of_a_manifest_that_cannot_be_used_is_an_integrity_error(session: Session, folder: Path) -> None:
    dumping = CommandEngine.build(tar_of(folder), session)
    kept = keep(dumping)
    kept.manifest = kept.manifest.model_copy(update={"details": {"end_marker": "("}})
    with pytest.raises(IntegrityError, match="end_marker in the manifest"):
        dumping.check_dump(kept.manifest, kept.open(), say=lambda _: None)


def test_the_restoring_program_is_told_what_is_restored_where(
    engine: Callable[..., CommandEngine], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    restoring = engine(dump=("echo", "x"), name="shop", restore=shell(f"env > {told}; cat > {tmp_path}/dump"))
    kept = keep(restoring)
    restoring.restore(kept.request("there"))
    plain = {line for line in told.read_text().splitlines() if line.startswith("BACKUPCTL_")}
    assert plain == {
        "BACKUPCTL_DATABASE=shop",
        "BACKUPCTL_INTO=there",
        f"BACKUPCTL_BACKUP_ID={kept.manifest.id}",
    }
    restoring.restore(kept.request("there", clean=True, confirm=lambda _: True))
    assert "BACKUPCTL_CLEAN=1" in told.read_text().splitlines()
    assert (tmp_path / "dump").read_text() == "x\n"


def test_a_restoring_program_that_does_not_read_it_all_has_failed(engine: Callable[..., CommandEngine]) -> None:
    restoring = engine(dump=("head", "-c", "3000000", "/dev/zero"), restore=("head", "-c", "10"))
    with pytest.raises(EngineError, match="head stopped reading before the end of its input") as caught:
        restoring.restore(keep(restoring).request("there"))
    assert "database.restore" in str(caught.value.hint)


def test_a_restore_that_nothing_is_known_for_is_refused_with_the_way_out(engine: Callable[..., CommandEngine]) -> None:
    dumping = engine(dump=("echo", "x"))
    with pytest.raises(UsageError) as caught:
        dumping.restore(keep(dumping).request("there"))
    assert "--to-file" in str(caught.value.hint)


@pytest.mark.parametrize("options", [{"owner": False}, {"create_roles": True}, {"into": ""}])
def test_a_restore_that_a_program_cannot_be_asked_for_is_refused(
    engine: Callable[..., CommandEngine], tmp_path: Path, options: dict[str, Any]
) -> None:
    restoring = engine(dump=("echo", "x"), restore=("touch", str(tmp_path / "ran")))
    with pytest.raises(UsageError):
        restoring.restore(keep(restoring).request(**{"into": "there", **options}))
    assert not (tmp_path / "ran").exists()
