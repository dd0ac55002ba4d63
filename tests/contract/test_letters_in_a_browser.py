"""How letters look in a phone's and a desktop's window, light and dark; the pictures are in .parts/letters."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.letter_cases import letters
from tests.parts.browser import Browser, Scheme, chromium
from tests.parts.missing import or_skip
from tests.parts.servers import PARTS

WINDOWS = {"phone": 360, "desktop": 900}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
LETTERS = letters()
# A picture takes longer than all the measuring.
PICTURED = {"success", "failure", "drift", "partial", "stale", "digest"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with ExitStack() as stack:
        yield or_skip(lambda: stack.enter_context(chromium()))


@pytest.fixture(scope="module")
def pictures() -> Path:
    folder = PARTS / "letters"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_can_be_read_in_any_window(browser: Browser, pictures: Path, name: str) -> None:
    html = LETTERS[name].html
    assert html is not None
    browser.show(html)
    for window, width in WINDOWS.items():
        for scheme in SCHEMES:
            look = browser.look(width=width, scheme=scheme)
            assert (look.width, look.window) == (width, width), "it is wider than the window"
            assert (look.faint, look.small, look.fetched) == ([], [], [])
            if name in PICTURED:
                browser.take_picture(pictures / f"{name}-{window}-{scheme}.png")
