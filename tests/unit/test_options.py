"""The field types that YAML has no word for."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from backupctl.options import FOLDER, Duration, FilePath, Size, written


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400), (" 5 s ", 5), ("0s", 0)]
)
def test_durations_are_read_as_seconds(text: str, seconds: int) -> None:
    assert TypeAdapter(Duration).validate_python(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("8MiB", 8 << 20), ("1 KB", 1000), ("512B", 512), ("2gib", 2 << 30), ("1TB", 10**12)]
)
def test_sizes_are_read_as_bytes(text: str, size: int) -> None:
    assert TypeAdapter(Size).validate_python(text) == size


@pytest.mark.parametrize("text", ["", "90", "1w", "-5s", "1.5h", "s"])
def test_a_duration_without_a_known_unit_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="a duration is a number with a unit"):
        TypeAdapter(Duration).validate_python(text)


@pytest.mark.parametrize("text", ["36501d", "99999999999999d", "9999999999999999999s"])
def test_a_duration_that_times_cannot_be_counted_with_is_refused(text: str) -> None:
    assert timedelta(seconds=TypeAdapter(Duration).validate_python("36500d"))
    with pytest.raises(ValidationError, match="a duration is at most 36500d"):
        TypeAdapter(Duration).validate_python(text)


@pytest.mark.parametrize("text", ["", "8", "8M", "MiB", "-1KB"])
def test_a_size_without_a_known_unit_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="a size is a number with a unit"):
        TypeAdapter(Size).validate_python(text)


def test_a_relative_path_starts_at_the_folder_of_the_file() -> None:
    paths = TypeAdapter(FilePath)
    assert paths.validate_python("data/x.db", context={FOLDER: Path("/srv")}) == Path("/srv/data/x.db")
    assert paths.validate_python("/abs/x.db", context={FOLDER: Path("/srv")}) == Path("/abs/x.db")
    assert paths.validate_python("~/x.db", context={FOLDER: Path("/srv")}) == Path.home() / "x.db"


@pytest.mark.parametrize("text", ["~no-such-user/x.db", "a\0b"])
def test_a_path_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"no home folder for ~no-such-user|no NUL"):
        TypeAdapter(FilePath).validate_python(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (1, "1s"), (90, "90s"), (120, "2m"), (7200, "2h"), (90000, "25h"), (172800, "2d")]
)
def test_a_duration_is_written_as_the_file_has_it(seconds: int, text: str) -> None:
    assert written(seconds) == text
