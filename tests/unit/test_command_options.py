"""What the file may say of a database of type command."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from backupctl.engines.command import CommandOptions
from backupctl.keys import ACCEPTED_SUFFIX
from tests.contract.tar_commands import RESTORE
from tests.unit.config_files import ONE_JOB, Files

GUIDE = Path(__file__).parents[2] / "docs/commands.md"
SECRET = "geheim-4711"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def database(keys: str) -> str:
    return ONE_JOB.replace("{type: sqlite, path: notes.sqlite}", f"{{type: command, {keys}}}")


def options(files: Files, keys: str) -> CommandOptions:
    read = files.load(database(keys)).job("notes").database
    assert isinstance(read, CommandOptions)
    return read


def test_a_dump_is_all_that_is_needed(files: Files) -> None:
    read = options(files, "dump: [/usr/bin/tar, -c, 'a b', $$x]")
    assert read.dump == ("/usr/bin/tar", "-c", "a b", "$x")
    assert (read.title, read.suffix, read.min_size, read.server) == ("tar", ".dump", 1, None)
    assert (read.restore, read.end_marker, read.estimate, read.version) == (None, None, None, None)


def test_a_job_says_what_its_artifacts_are_called_and_which_server_it_is_on(files: Files) -> None:
    read = options(files, "dump: [x], name: shop, host: 127.0.0.1, min_size: 10KiB, suffix: .tar.gz")
    assert (read.title, read.server, read.min_size, read.suffix) == ("shop", "localhost", 10240, ".tar.gz")
    assert options(files, "dump: [x], host: DB1.internal").server == "db1.internal"


@pytest.mark.parametrize(
    ("keys", "path", "message"),
    [
        ("name: x", "dump", "the key 'dump' is missing"),
        ("dump: tar -c .", "dump", "this must be a list"),
        ("dump: []", "dump", "this list must have at least 1"),
        ("dump: ['', -c]", "dump", "the first word of a command is the name of its program"),
        ('dump: [tar, "a\\0b"]', "dump[1]", "an argument of a program has no NUL character in it"),
        ("dump: [x], name: ''", "name", "this must not be empty"),
        ("dump: [x], restore: [/]", "restore", "the first word of a command is the name of its program"),
        ("dump: [x], min_size: 0B", "min_size", "this must be at least 1"),
        ("dump: [x], min_size: 1000", "min_size", "a size is a number with a unit, such as 8MiB"),
        ("dump: [x], suffix: tar", "suffix", "a suffix begins with a dot and has letters and digits, such as .tar"),
        ("dump: [x], suffix: '.a/b'", "suffix", "a suffix begins with a dot and has letters and digits, such as .tar"),
        ("dump: [x], suffix: .a.b.c.d", "suffix", "a suffix begins with a dot and has letters and digits"),
        ("dump: [x], suffix: .Manifest.json", "suffix", "are the endings of what backupctl itself writes"),
        ("dump: [x], end_marker: 'done('", "end_marker", "this is no regular expression: missing )"),
        ("dump: [x], end_marker: '(a*)*'", "end_marker", "this is found in whatever a dump ends with, also in nothing"),
        ("dump: [x], env: {A B: x}", "env.A B", "the name of a variable is made of letters, digits and '_'"),
        ("dump: [x], env: {1A: x}", "env.1A", "the name of a variable is made of letters, digits and '_'"),
        ("dump: [x], env: {BACKUPCTL_INTO: x}", "env.BACKUPCTL_INTO", "are set by backupctl itself"),
        ("dump: [x], env: [A=x]", "env", "this must be a mapping of keys to values"),
        ("dump: [x], env: {A: {b: c}}", "env.A", "this must be a text"),
        ("dump: [x], env: {A: }", "env.A", "there is no value here"),
        ('dump: [x], env: {A: "x\\0y"}', "env.A", "a variable has no NUL character in it"),
        ("dump: [x], user: backup", "user", "the key 'user' is unknown here"),
    ],
)
def test_a_mistake_is_named_with_its_place(files: Files, keys: str, path: str, message: str) -> None:
    (problem,) = files.problems(database(keys))
    assert problem.path == f"jobs[notes].database.{path}"
    assert message in problem.message


def test_the_values_of_variables_are_secrets_wherever_they_come_from(files: Files) -> None:
    text = database(f"dump: [x], env: {{HARMLESS: {SECRET}, OTHER: '${{OTHER}}'}}")
    configuration = files.load(text, environ={"OTHER": "another-secret"})
    assert configuration.redactor(f"{SECRET} another-secret HARMLESS") == "*** *** HARMLESS"
    assert SECRET not in repr(configuration)


def test_the_values_of_variables_are_not_in_a_quoted_line(files: Files) -> None:
    (problem,) = files.problems(database(f"dumb: [x], dump: [y], env: {{HARMLESS: {SECRET}}}"))
    assert "HARMLESS: ***" in problem.source


def test_the_variables_of_a_job_are_not_needed_to_read_its_backups(files: Files) -> None:
    text = database("dump: [x, '${PLACE}'], env: {TOKEN: '${TOKEN}'}, min_size: '${LEAST}', suffix: '${SUFFIX}'")
    assert files.load(text, jobs=["notes"], database=False).job("notes").database.type == "command"
    assert [problem.path.removeprefix("jobs[notes].database.") for problem in files.problems(text)] == [
        "dump[1]",
        "env.TOKEN",
        "min_size",
        "suffix",
    ]


def test_no_suffix_is_taken_for_a_manifest_or_for_a_mark_of_acceptance() -> None:
    for taken in (".manifest.json", ACCEPTED_SUFFIX):
        with pytest.raises(ValidationError, match="are the endings of what backupctl itself writes"):
            CommandOptions.model_validate({"dump": ["x"], "suffix": taken})


def test_a_command_of_the_job_itself_has_a_program_too(files: Files) -> None:
    (problem,) = files.problems(ONE_JOB + "    before: ['', x]\n")
    assert problem.message == "the first word of a command is the name of its program"


def test_the_jobs_of_the_guide_are_valid(files: Files) -> None:
    told = GUIDE.read_text(encoding="utf-8")
    pieces = re.findall(r"^```yaml\n(jobs:\n.*?)^```", told, re.MULTILINE | re.DOTALL)
    assert len(pieces) == len(re.findall("type: command$", told, re.MULTILINE)) >= 5
    environ = {"REDIS_PASSWORD": "a", "POSTGRES_PASSWORD": "b", "MONGO_URI": "mongodb://c:d@e"}
    for piece in pieces:
        files.load("version: 1\nstorages: {offsite: {type: local, path: /b}}\n" + piece, environ=environ)
    assert RESTORE in [yaml.safe_load(piece)["jobs"][0]["database"].get("restore", [""])[-1] for piece in pieces]
