"""How variables and files get into a value."""

from pathlib import Path

import pytest

from backupctl.config.interpolate import Interpolation

ENVIRON = {"A": "one", "EMPTY": "", "TRICKY": "${A} $$ ${file:/etc/passwd}", "_x1": "under"}


def expand(text: str, folder: Path = Path("/nowhere")) -> str:
    value, missing = Interpolation(ENVIRON, folder).expand(text)
    assert missing == []
    return value


def missing(text: str, folder: Path = Path("/nowhere")) -> list[str]:
    value, found = Interpolation(ENVIRON, folder).expand(text)
    assert value == text
    return [one.message for one in found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${A}", "one"),
        ("x${A}y${A}z", "xoneyonez"),
        ("${_x1}", "under"),
        ("${EMPTY}", ""),
        ("${EMPTY:-default}", "default"),
        ("${NOT_SET:-default}", "default"),
        ("${NOT_SET:-}", ""),
        ("${A:-default}", "one"),
        ("${NOT_SET:-a:-b $c 'd'}", "a:-b $c 'd'"),
        ("${A:?why}", "one"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$$${A}", "$${A}"),
        ("$$${A}", "$one"),
        ("$A", "$A"),
        ("pa$word$", "pa$word$"),
        ("$ {A}", "$ {A}"),
        ("${TRICKY}", "${A} $$ ${file:/etc/passwd}"),
    ],
)
def test_references_are_replaced_once(text: str, value: str) -> None:
    assert expand(text) == value


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("${NOT_SET}", ["the variable NOT_SET is not set"]),
        ("${ONE}${A}${TWO}", ["the variable ONE is not set", "the variable TWO is not set"]),
        ("${EMPTY:?it is needed}", ["the variable EMPTY is not set: it is needed"]),
        ("${NOT_SET:?}", ["the variable NOT_SET is not set"]),
        ("${my-variable}", ["this ${ begins no reference"]),
        ("${", ["this ${ begins no reference"]),
        ("${}", ["this ${ begins no reference"]),
        ("${NOT_SET:-${A}}", ["the default of NOT_SET holds another reference"]),
    ],
)
def test_what_nothing_stands_for_is_told(text: str, messages: list[str]) -> None:
    assert missing(text) == messages


@pytest.mark.parametrize(
    ("content", "value"),
    [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret\n\n", "s3cret\n"), ("a ${A}", "a ${A}")],
)
def test_a_file_is_read_without_its_last_newline_and_never_expanded(tmp_path: Path, content: str, value: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    assert expand("${file:secret}", tmp_path) == value
    assert expand(f"<${{file:{tmp_path}/secret}}>", Path("/nowhere")) == f"<{value}>"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert missing("${file:nothing}", tmp_path) == ["the file nothing cannot be read: no such file or directory"]
    assert missing("${file:.}", tmp_path) == ["the file . cannot be read: is a directory"]
    assert missing("${file:binary}", tmp_path) == ["the file binary cannot be read: it is not UTF-8 text"]
    assert missing("${file:/dev/zero}", tmp_path) == ["the file /dev/zero is too large for a value"]


def test_a_value_cannot_change_the_structure_of_the_file(tmp_path: Path) -> None:
    from tests.unit.config_files import ONE_JOB, Files

    evil = 'x"}\n  - name: evil\nversion: 2'
    job = Files(tmp_path).load(
        ONE_JOB.replace("storage: disk", "storage: disk\n    tags: ['${T}']"), environ={"T": evil}
    )
    assert job.job("notes").tags == (evil,)
