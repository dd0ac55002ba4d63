"""Text that is no jobs file: an error at its place, never a crash, never a guess."""

from pathlib import Path

import pytest

from backupctl.config import InvalidFile, Problem, load
from tests.unit.config_files import ONE_JOB, Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def only(problems: tuple[Problem, ...]) -> Problem:
    (problem,) = problems
    return problem


def test_an_unquoted_cron_expression_gets_the_advice_to_quote_it(files: Files) -> None:
    problem = only(files.problems(ONE_JOB + "    cron: */5 * * * *\n"))
    assert problem.line == 8
    assert problem.hint is not None
    assert "cron expression" in problem.hint


def test_an_alias_of_nothing_gets_the_advice_to_quote_it(files: Files) -> None:
    problem = only(files.problems(ONE_JOB + "    cron: *x\n"))
    assert problem.message == "to YAML this is an alias, and nothing has its name"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~\n"])
def test_an_empty_file_is_refused(files: Files, text: str) -> None:
    assert only(files.problems(text)).message == "the file is empty"


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n"])
def test_a_file_that_is_no_mapping_is_refused(files: Files, text: str) -> None:
    assert only(files.problems(text)).message == "the file must be a mapping of keys to values"


def test_two_documents_are_refused(files: Files) -> None:
    assert only(files.problems(f"{ONE_JOB}---\n{ONE_JOB}")).message == "the file has more than one document"


def test_a_duplicate_key_is_refused_at_the_second(files: Files) -> None:
    problem = only(files.problems(ONE_JOB + "    storage: disk\n"))
    assert (problem.line, problem.message, problem.hint) == (
        8,
        "the key 'storage' is there twice",
        "it is on line 7 already",
    )


@pytest.mark.parametrize("key", ["[a]", "{a: b}", "~"])
def test_a_key_that_is_no_word_is_refused(files: Files, key: str) -> None:
    assert any("a key must be a word" in line for line in files.told(f"{ONE_JOB}{key}: x\n"))


def test_merge_keys_are_refused(files: Files) -> None:
    text = ONE_JOB.replace("storage: disk", "storage: disk\n    <<: {enabled: false}")
    assert "merge keys" in only(files.problems(text)).message


def test_tags_are_refused(files: Files) -> None:
    assert "YAML tag" in only(files.problems(ONE_JOB + "    timezone: !zone UTC\n")).message


def test_a_tab_that_indents_is_told_to_be_spaces(files: Files) -> None:
    problem = only(files.problems("version: 1\njobs:\n\t- name: x\n"))
    assert (problem.line, problem.hint) == (3, "indent with spaces, not with tabs")


@pytest.mark.parametrize("text", ["a: [", "a: 'x", "a: b: c", "a: @b", "a: %b", "a: `b", "}", "a: b\x00c", "a: \x07"])
def test_broken_yaml_is_a_problem_with_a_place(files: Files, text: str) -> None:
    problem = only(files.problems(text))
    assert problem.line == 1


def test_bytes_that_are_not_utf8_are_told_at_their_place(files: Files) -> None:
    files.path.write_bytes(b"version: 1\nzone: caf\xe9\n")
    with pytest.raises(InvalidFile) as caught:
        load(files.path, environ={})
    problem = only(caught.value.problems)
    assert (problem.line, problem.column, problem.message) == (2, 10, "the file is not UTF-8 text")


def test_a_byte_order_mark_and_windows_line_ends_are_read_over(files: Files) -> None:
    files.path.write_bytes(b"\xef\xbb\xbf" + ONE_JOB.replace("\n", "\r\n").encode())
    assert load(files.path, environ={}).job("notes").storage_name == "disk"


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "a: " + "{a: " * 100_000, "- " * 50_000])
def test_a_file_nested_thousands_deep_is_an_error(files: Files, text: str) -> None:
    assert only(files.problems(text)).message == "the file is nested deeper than 100 levels"


def test_an_alias_bomb_is_an_error(files: Files) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    assert only(files.problems("\n".join(lines))).message == "the file's aliases make it too large"


def test_a_bomb_of_defaults_times_jobs_is_an_error(files: Files) -> None:
    big = "defaults: {tags: [" + ", ".join(["x"] * 30_000) + "]}\n"
    jobs = "".join(f"  - {{name: j{number}}}\n" for number in range(100))
    assert (
        only(files.problems(f"version: 1\n{big}jobs:\n{jobs}")).message == "the defaults are too large for so many jobs"
    )


def test_an_alias_of_what_it_is_in_is_an_error(files: Files) -> None:
    assert "itself a part of" in only(files.problems("version: 1\njobs: &jobs [*jobs]\n")).message


@pytest.mark.parametrize(
    "text", ["jobs: 5", "jobs: {}", "jobs: [5]", "jobs: [[]]", "jobs:", "jobs: [~]", "storages: 5"]
)
def test_parts_of_the_wrong_shape_are_problems(files: Files, text: str) -> None:
    assert files.problems(f"version: 1\n{text}\n")
