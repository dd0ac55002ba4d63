"""A headless Chromium, of the distribution, that shows a letter as a mail client does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.parts.missing import PartMissingError

PROGRAM = "chromium"
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Scheme = Literal["light", "dark"]

# The contrast of a text with what is behind it, as WCAG 2.2 works it out.
_FAINT = """
() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const luminance = c => { const [r, g, b] = parts(c).map(channel); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (parts(c)[3] !== 0) return c;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!walker.currentNode.textContent.trim()) continue;
    const e = walker.currentNode.parentElement;
    if (['STYLE', 'TITLE', 'SCRIPT'].includes(e.tagName)) continue;
    const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${walker.currentNode.textContent.trim()}`);
  }
  return found;
}
"""
_WIDTHS = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
_SMALL = """
() => [...document.body.querySelectorAll('*')]
  .filter(e => e.childNodes.length && parseFloat(getComputedStyle(e).fontSize) < 12 && e.innerText.trim())
  .map(e => e.innerText.trim())
"""


@dataclass(frozen=True)
class Look:
    """How a letter looks: texts that are faint or small, how wide it and the window are, and what it fetched."""

    faint: list[str]
    small: list[str]
    width: int
    window: int
    fetched: list[str]


class Browser:
    """One window, which shows one letter after the other."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._fetched: list[str] = []
        page.on("request", lambda request: self._fetched.append(request.url))

    def show(self, html: str) -> None:
        self._fetched.clear()
        self._page.set_content(html)

    def look(self, *, width: int, scheme: Scheme) -> Look:
        """At the letter that is shown, in a window of that width."""
        self._page.set_viewport_size({"width": width, "height": 640})
        self._page.emulate_media(color_scheme=scheme)
        inside, window = self._page.evaluate(_WIDTHS)
        return Look(self._page.evaluate(_FAINT), self._page.evaluate(_SMALL), inside, window, list(self._fetched))

    def take_picture(self, path: Path) -> None:
        """Of all of the letter as it was last looked at."""
        self._page.screenshot(path=str(path), full_page=True)


@contextmanager
def chromium() -> Iterator[Browser]:
    program = shutil.which(PROGRAM)
    if program is None:
        raise PartMissingError("Chromium", "`chromium` is not on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            yield Browser(browser.new_page())
        finally:
            browser.close()
