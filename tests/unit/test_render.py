"""How values are shown to people."""

import pytest

from backupctl.cli import render


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (8 << 20, "8.0 MiB"), (3 << 50, "3.0 PiB")]
)
def test_sizes_have_a_unit(size: int, text: str) -> None:
    assert render.human_size(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0s"), (59.9, "59s"), (60, "1m"), (7300, "2h"), (200_000, "2d")])
def test_ages_are_rough(seconds: float, text: str) -> None:
    assert render.human_age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4s"), (12.4, "12s"), (59.6, "1m 00s"), (185, "3m 05s"), (7620, "2h 07m")]
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert render.human_duration(seconds) == text


def test_a_table_that_no_terminal_reads_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    render.table(["NAME", "SIZE"], [["x" * 300, 5], ["[bold]é[/bold]", 12345]], right=["SIZE"])
    header, first, second = capsys.readouterr().out.splitlines()
    assert first == "x" * 300 + "      5"
    assert second.split() == ["[bold]é[/bold]", "12345"]
    assert len(header) == len(first) == len(second)


def test_a_row_with_a_line_break_in_it_stays_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    render.table(["NAME"], [["a\nb"]])
    assert capsys.readouterr().out == "NAME\na\\nb\n"


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ("25", "NAME                 SIZE\n20261123T062442Z-x  1 KiB\nb                     2 B\n"),
        ("24", "NAME  20261123T062442Z-x\nSIZE  1 KiB\n\nNAME  b\nSIZE  2 B\n"),
    ],
)
def test_a_terminal_that_is_too_narrow_gets_a_line_for_every_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, shown: str
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", "24")
    render.table(["NAME", "SIZE"], [["20261123T062442Z-x", "1 KiB"], ["b", "2 B"]], right=["SIZE"])
    assert capsys.readouterr().out == shown


def test_messages_go_to_stderr_with_their_control_characters_shown(capsys: pytest.CaptureFixture[str]) -> None:
    render.error("the server said \x1b[31m:boom:", hint="try [again]")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "error: the server said \\x1b[31m:boom:\nhint: try [again]\n")


def test_a_terminal_gets_colours_unless_no_color_is_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    render.warn("x")
    assert "\x1b[1;33mwarning" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    render.warn("x")
    assert "33" not in capsys.readouterr().err
