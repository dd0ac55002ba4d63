"""Everything that is shown to people: results on stdout, messages on stderr."""

# ruff: noqa: TID251 -- this is the one module that may import rich

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from backupctl.figures import human_age as human_age
from backupctl.figures import human_duration as human_duration
from backupctl.figures import human_size as human_size

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_WIDE = 100_000


class Complaint(Protocol):
    """A problem of the file, as far as it is shown."""

    @property
    def place(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def hint(self) -> str | None: ...
    @property
    def source(self) -> str: ...
    @property
    def span(self) -> tuple[int, int]: ...


def console(*, stderr: bool = False) -> "Console":
    """A console of stdout or stderr that takes text for text: no markup, no emoji, no guessing at colours.

    Where no terminal reads, nothing is wrapped or cut: a script would read half a value.
    """
    # rich takes long to import, and `--json` never needs it.
    from rich.console import Console

    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = _WIDE
    return made


def _visible(value: object) -> str:
    """The text with its control characters shown: an escape sequence of a server must not reach the terminal."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table on stdout. Columns named in `right` are aligned to the right.

    On a terminal that is too narrow every row becomes lines of its own: an id that is folded cannot be copied.
    """
    out = console()
    cells = [[_visible(cell).replace("\n", "\\n") for cell in row] for row in rows]
    lines = _aligned([list(columns), *cells], [name in right for name in columns])
    if not out.is_terminal:
        out.file.writelines(f"{line}\n" for line in lines)
    elif _width(lines) <= out.width:
        _print(out, (lines[0], "bold"))
        _print(out, ("\n".join(lines[1:]), ""))
    else:
        _records(out, columns, cells)


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """The rows in columns, each whole, however long it is."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        blanks = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = (
            blank + cell if to_right else cell + blank for cell, blank, to_right in zip(row, blanks, right, strict=True)
        )
        lines.append("  ".join(cells).rstrip())
    return lines


def _records(out: "Console", columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    longest = _width(columns)
    for number, row in enumerate(rows):
        if number:
            _print(out, ("", ""))
        for name, cell in zip(columns, row, strict=True):
            _print(out, (f"{name:{longest}}  ", "bold"), (cell, ""))


def _width(lines: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, lines))


def json_document(document: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def say(text: str) -> None:
    """Print one line of a result on stdout."""
    _print(console(), (_visible(text), ""))


def note(text: str) -> None:
    """Tell something on stderr that is good to know."""
    _print(console(stderr=True), (_visible(text), ""))


def warn(text: str) -> None:
    """Warn on stderr."""
    _labelled("warning", "yellow", text)


def error(message: str, hint: str | None = None) -> None:
    """Show on stderr what went wrong, and what to try."""
    _labelled("error", "red", message)
    if hint:
        _labelled("hint", "cyan", hint)


def _labelled(label: str, colour: str, text: str, on: "Console | None" = None) -> None:
    _print(on or console(stderr=True), (f"{label}: ", f"bold {colour}"), (_visible(text), ""))


def _print(to: "Console", *parts: tuple[str, str]) -> None:
    """Print one line of parts, each with its style."""
    if not to.is_terminal:
        to.file.write("".join(text for text, _ in parts) + "\n")
        return
    from rich.text import Text

    to.print(Text.assemble(*parts), soft_wrap=True)


def problems(found: Iterable[Complaint]) -> None:
    """Show on stderr each problem of the file: where, what, the line with the place underlined, and what to try."""
    err = console(stderr=True)
    for problem in found:
        _problem(err, problem)


def _problem(err: "Console", problem: Complaint) -> None:
    path = f" {problem.path}:" if problem.path else ""
    _print(err, (problem.place, "bold"), (f":{_visible(path)} ", ""), (_visible(problem.message), "red"))
    if problem.source:
        _underlined(err, problem)
    if problem.hint:
        _print(err, ("  hint: ", "cyan"), (_visible(problem.hint), ""))


def _underlined(err: "Console", problem: Complaint) -> None:
    from rich.cells import cell_len

    source = "".join(char if char.isprintable() else " " for char in problem.source)
    begin, end = problem.span
    margin = f"{problem.line:>6} | "
    blank = " " * (len(margin) - 2) + "| "
    carets = " " * cell_len(source[:begin]) + "^" * max(1, cell_len(source[begin:end]))
    _print(err, (margin, "dim"), (source, ""))
    _print(err, (blank, "dim"), (carets, "red"))


class Bars:
    """One live progress bar a task on a terminal; elsewhere only the lines that are told in between."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self.live = self._console.is_terminal
        self._progress = _progress(self._console) if self.live else None
        self._tasks: dict[str, TaskID] = {}

    def begin(self, name: str, *, total: int | None) -> None:
        """Show a bar under this name, anew if it is there; `total` in bytes, None when nobody knows."""
        self.end(name)
        if self._progress:
            self._tasks[name] = self._progress.add_task(_visible(name), total=total, text="")

    def move(self, name: str, *, done: int, text: str) -> None:
        """Set how many bytes are done; a guess that proves too small becomes what is done."""
        if self._progress and name in self._tasks:
            task = self._tasks[name]
            total = self._progress.tasks[self._progress.task_ids.index(task)].total
            grown = max(total, done) if total is not None else None
            self._progress.update(task, completed=done, total=grown, text=text)

    def advance(self, name: str, count: int) -> None:
        """Add bytes to what is done."""
        if self._progress and name in self._tasks:
            self._progress.advance(self._tasks[name], count)

    def end(self, name: str) -> None:
        """Take the bar away."""
        if self._progress and name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))

    def note(self, text: str) -> None:
        """Tell a line above the bars."""
        self._console.print(_visible(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Warn in a line above the bars."""
        _labelled("warning", "yellow", text, self._console)

    def error(self, message: str, hint: str | None = None) -> None:
        """Show an error above the bars."""
        _labelled("error", "red", message, self._console)
        if hint:
            _labelled("hint", "cyan", hint, self._console)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Within the block the bars stand still, so that a question can be read and answered."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def __enter__(self) -> "Bars":
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._progress:
            self._progress.stop()


def _progress(on: "Console") -> "Progress":
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        TimeElapsedColumn(),
        console=on,
        transient=True,
    )
