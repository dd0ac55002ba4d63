"""What is said of a file with mistakes: all of them, each at its place, with the nearest name, without any secret."""

import json
from pathlib import Path

import pytest

from tests.unit.config_files import ONE_JOB, Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def database(fields: str) -> str:
    return ONE_JOB.replace("{type: sqlite, path: notes.sqlite}", fields)


def test_every_mistake_is_told_at_once_in_the_order_of_the_file(files: Files) -> None:
    text = """\
        version: 2
        timezon: UTC
        workers: many
        storages:
          disk: {type: locl, path: backups}
        defaults:
          timezone: America/Sao_Paolo
        jobs:
          - name: shop
            database: {type: postgres, hots: db, port: 99999, tls: requires}
            storage: dsk
            cron: 61 * * * *
            recipients: ops@example.com
          - name: shop
            storage: disk
        """
    problems = files.problems(text)
    assert [(one.line, one.path, one.message, one.hint) for one in problems] == [
        (1, "version", "this backupctl knows version 1 of the file alone", None),
        (2, "timezon", "the key 'timezon' is unknown here", "did you mean timezone?"),
        (3, "workers", "this must be a whole number", None),
        (5, "storages.disk.type", "there is no storage type 'locl'", "did you mean local?"),
        (7, "defaults.timezone", "there is no such time zone", "did you mean America/Sao_Paulo?"),
        (10, "jobs[shop].database.name", "the key 'name' is missing", None),
        (10, "jobs[shop].database.hots", "the key 'hots' is unknown here", "did you mean host?"),
        (10, "jobs[shop].database.port", "this must be at most 65535", None),
        (
            10,
            "jobs[shop].database.tls",
            "this must be 'off', 'prefer', 'require', 'verify-ca' or 'verify-full'",
            "did you mean require?",
        ),
        (11, "jobs[shop].storage", "there is no storage named 'dsk'", "did you mean disk?"),
        (
            12,
            "jobs[shop].cron",
            "the cron expression has a bad minute field",
            'minute hour day month weekday, such as "30 3 * * *" for 03:30 every day',
        ),
        (13, "jobs[shop].recipients", "this must be a list", "write a list: [one, two]"),
        (14, "jobs[shop].database", "the key 'database' is missing", None),
        (14, "jobs[shop].name", "the job name 'shop' is there twice", "the other one is on line 9"),
    ]


def test_the_place_is_exact_and_marked_in_the_line(files: Files) -> None:
    (problem,) = files.problems(database("{type: postgres, name: x, port: abc}"))
    assert (problem.line, problem.column) == (6, 47)
    begin, end = problem.span
    assert problem.source[begin:end] == "abc"


@pytest.mark.parametrize("name", [".", "..", "a b", "a/b", "é", "x" * 101])
def test_a_job_name_that_cannot_be_a_folder_is_refused(files: Files, name: str) -> None:
    (problem,) = files.problems(ONE_JOB.replace("name: notes", f"name: {name}"))
    assert "a job's name is made of" in problem.message


@pytest.mark.parametrize("policy", ["{}", "{keep_last: 0}", "{keep_within: 0d}"])
def test_a_retention_policy_that_keeps_nothing_is_refused(files: Files, policy: str) -> None:
    (problem,) = files.problems(ONE_JOB + f"    retention: {policy}\n")
    assert problem.path.startswith("jobs[notes].retention")


@pytest.mark.parametrize("text", [ONE_JOB + "    retention: null\n", ONE_JOB + "defaults: {retention: }\n"])
def test_a_retention_without_a_value_is_told_how_to_keep_everything(files: Files, text: str) -> None:
    (problem,) = files.problems(text)
    assert problem.message == "there is no value here"
    assert problem.hint == "write `retention: all` to keep every backup, or leave the key out"


@pytest.mark.parametrize("word", ["none", "All", "30d"])
def test_all_is_the_only_word_for_a_retention(files: Files, word: str) -> None:
    (problem,) = files.problems(ONE_JOB + f"    retention: {word}\n")
    assert problem.message == "this must be a mapping of rules such as keep_last, or the word all"


def test_a_mistyped_rule_of_a_retention_policy_is_named(files: Files) -> None:
    (problem,) = files.problems(ONE_JOB + "    retention: {keep_dayly: 7}\n")
    assert problem.hint == "did you mean keep_daily?"


def test_a_mistake_in_defaults_is_told_once_where_it_is(files: Files) -> None:
    more = "".join(
        f"  - {{name: j{number}, database: {{type: sqlite, path: x}}, storage: disk}}\n" for number in range(5)
    )
    assert files.told(ONE_JOB + more + 'defaults: {cron: "* * *"}\n') == [
        "13:18 defaults.cron: a cron expression has five fields (minute hour day month weekday), this one has 3"
    ]


def test_an_unset_variable_of_defaults_is_told_once(files: Files) -> None:
    more = "".join(f"  - {{name: j{number}, storage: disk}}\n" for number in range(5))
    text = ONE_JOB + more + 'defaults: {database: {type: sqlite, path: "${NOPE}"}}\n'
    assert files.told(text) == ["13:43 defaults.database.path: the variable NOPE is not set"]


def test_the_password_that_a_comment_sign_swallows_is_told(files: Files) -> None:
    (problem,) = files.problems("version: 1\nemail:\n  from: a@b.c\n  host: h\n  user: u\n  password: #x\njobs: []\n")
    assert (problem.path, problem.message) == ("email.password", "there is no value here")
    assert problem.hint is not None
    assert "# must be quoted" in problem.hint


@pytest.mark.parametrize("value", ["&x", "&x y"])
def test_the_password_that_an_anchor_swallows_is_told(files: Files, value: str) -> None:
    problems = files.problems(
        f"version: 1\nemail:\n  from: a@b.c\n  host: h\n  user: u\n  password: {value}\njobs: []\n"
    )
    assert any("& must be quoted" in (problem.hint or "") for problem in problems)


def test_half_a_login_is_told(files: Files) -> None:
    told = files.told("version: 1\nemail: {from: a@b.c, host: h, user: u}\njobs: []\n")
    assert told == ["2:8 email: user and password go together: give both, or neither for no login"]


def test_a_missing_variable_does_not_make_a_second_mistake(files: Files) -> None:
    assert files.told(database('{type: postgres, name: x, port: "${PORT}"}')) == [
        "6:47 jobs[notes].database.port: the variable PORT is not set"
    ]


def test_all_unset_variables_of_one_value_are_told(files: Files) -> None:
    told = files.told(database('{type: sqlite, path: "${ONE}/${TWO:?the second}"}'))
    assert told == [
        "6:36 jobs[notes].database.path: the variable ONE is not set",
        "6:36 jobs[notes].database.path: the variable TWO is not set: the second",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        "{type: postgres, name: x, password: hunter2, port: abc}",
        "{type: postgres, name: x, port: abc, password: 'hunter2, and more'}",
        "{type: postgres, name: x, pasword: hunter2}",
        "{type: postgres, name: x, port: abc, unheard: {of: hunter2}}",
        "{type: postgres, name: x, port: abc} # password: hunter2",
        "{type: postgres, name: x, port: abc, password: [hunter2]}",
        "{type: postgres, name: x, password: a, password: hunter2}",
        '{type: postgres, name: x, port: abc, extra_args: ["--password=hunter2"]}',
        "{type: postgres, name: x, port: abc, password: '${NAME:-hunter2}'}",
        '{type: postgres, name: x, password: "hunter2\n      hunter2", port: abc}',
        "{type: postgres, name: x, password: hunter2",
        "{type: postgres, name: x, password: *hunter2}",
        "{type: postgres, name: x, secret: \"hunter2\n      hunter2, port: 'x}",
        "{type: postgres, name: x}\n    pass\nword: hunter2",
        "\n      type: postgres\n      &ssword: hunter2",
        "{type: postgres, name: x}\n  paswd: hunter2: x",
        "{type: postgres, name: x, port: abc, host: 'postgres://me:hunter2@host'}",
    ],
)
def test_a_secret_is_in_no_problem_nor_in_its_quoted_line(files: Files, fields: str) -> None:
    problems = files.problems(database(fields))
    assert problems
    assert "hunter2" not in "".join(map(repr, problems))


def test_a_reference_is_no_secret_and_is_shown(files: Files) -> None:
    (problem,) = files.problems(database('{type: postgres, name: x, password: "${SHOP_PASSWORD}"}'))
    begin, end = problem.span
    assert problem.source[begin:end] == '"${SHOP_PASSWORD}"'


def test_what_came_out_of_a_variable_is_not_repeated(files: Files) -> None:
    environ = {"A": "swordfish", "B": "swordfish", "C": "swordfish", "D": "swordfish"}
    text = database('{type: "${A}", name: x}').replace("storage: disk", 'storage: "${B}"\n    timezone: "${C}"')
    problems = files.problems(text + '    cron: "${D}"\n', environ=environ)
    assert len(problems) == 4
    assert "swordfish" not in "".join(map(repr, problems))


def test_problems_become_json_with_the_promised_fields(files: Files) -> None:
    (problem,) = files.problems(ONE_JOB.replace("version: 1", "version: 9"))
    assert json.loads(json.dumps(problem.as_json())) == {
        "file": str(files.path),
        "line": 1,
        "column": 10,
        "path": "version",
        "message": "this backupctl knows version 1 of the file alone",
        "hint": None,
    }
