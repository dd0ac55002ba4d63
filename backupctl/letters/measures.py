"""How sizes, times and changes are written in a letter."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

_KIBI = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_BARS = "▁▂▃▄▅▆▇█"
_MINUS = "\N{MINUS SIGN}"


def size(count: int) -> str:
    """532 B, 1.4 MiB."""
    value = float(count)
    for unit in _UNITS:
        if value < _KIBI or unit == _UNITS[-1]:
            break
        value /= _KIBI
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def change(before: int | None, after: int | None) -> str:
    """By how much it grew or shrank: +3.2 %, unchanged; empty where that cannot be said."""
    if not before or after is None:
        return ""
    percent = (after - before) / before * 100
    if after == before:
        return "unchanged"
    if abs(percent) < 0.1:
        return "nearly unchanged"
    digits = 1 if abs(percent) < 10 else 0
    return f"{'+' if percent > 0 else _MINUS}{abs(percent):,.{digits}f} %"


def duration(seconds: float) -> str:
    """0.4 s, 12 s, 3 min 05 s, 2 h 07 min, 3 d 4 h."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    hours = whole % _DAY // _HOUR
    return f"{whole // _DAY} d {hours} h" if hours else f"{whole // _DAY} d"


def moment(when: datetime, zone: str) -> str:
    """2026-03-01 04:30:00 +01:00 (Europe/Berlin)."""
    return f"{clock(when, zone)} ({zone})"


def clock(when: datetime, zone: str) -> str:
    """2026-03-01 04:30:00 +01:00."""
    return when.astimezone(ZoneInfo(zone)).isoformat(sep=" ", timespec="seconds")[:19] + offset(when, zone)


def offset(when: datetime, zone: str) -> str:
    return " " + when.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")[19:]


def trend(sizes: Sequence[int]) -> str:
    """The sizes as a row of bars, the largest as high as can be; text, since mail clients show no drawings."""
    highest = max(sizes, default=0)
    if not highest:
        return ""
    return "".join(_BARS[round(each / highest * (len(_BARS) - 1))] for each in sizes)


def one_line(text: str, longest: int) -> str:
    """The text on one line, without control characters, and cut with an ellipsis."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def visible(text: str, longest: int = 1000) -> str:
    """The text with its control characters shown, cut with an ellipsis; its lines stay lines."""
    text = text.strip() if len(text) <= longest else text[:longest].strip() + "…"
    return "".join(char if char.isprintable() or char == "\n" else _shown(char) for char in text.replace("\r\n", "\n"))


def _shown(char: str) -> str:
    return "    " if char == "\t" else ascii(char)[1:-1]
