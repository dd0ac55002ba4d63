"""A letter as HTML that mail clients show: tables and inline styles, no script, and nothing from elsewhere."""

import re
from html import escape

from backupctl.letters.letter import Entries, Entry, Letter, Listing, Part, Rows, Says, Tone
from backupctl.letters.measures import visible

_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_BREAK = "overflow-wrap:anywhere;word-break:break-word"
_INK, _DIM = "color:#1f2937", "color:#5b6472"
_HAIR = "border-bottom:1px solid #e3e6ea"
_TABLE = '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"'

# A browser breaks a line after any hyphen, and half an option cannot be read.
_OPTION = re.compile(r"(?<!\S)--?[a-z][a-z-]*")
_UNBROKEN = r'<span style="white-space:nowrap">\g<0></span>'

# Text on background has a contrast of 4.5 or more (WCAG 2.2, AA), light and dark. Inline styles are the light ones, for
# clients that take no style sheet; the classes below change them in the dark.
_LIGHT = {
    Tone.GOOD: ("#14532d", "#e7f6ec", "#15803d"),
    Tone.WARNING: ("#713f12", "#fef6dc", "#a16207"),
    Tone.BAD: ("#7f1d1d", "#fdeaea", "#b91c1c"),
    Tone.CALM: ("#1f2937", "#f3f4f6", "#4b5563"),
}
_DARK = {
    Tone.GOOD: ("#bbf7d0", "#12301d", "#15803d"),
    Tone.WARNING: ("#fde68a", "#362a0b", "#a16207"),
    Tone.BAD: ("#fecaca", "#3b1518", "#b91c1c"),
    Tone.CALM: ("#e5e7eb", "#2a2f38", "#4b5563"),
}
_DARK_RULES = "".join(
    [
        ".page{background:#111418!important}",
        ".card{background:#1b1f26!important;border-color:#343a46!important}",
        ".ink{color:#e5e7eb!important}",
        ".dim{color:#a3acb9!important}",
        ".line{border-color:#343a46!important}",
        ".code{background:#11151b!important;border-color:#343a46!important;color:#e5e7eb!important}",
        *(
            f".{tone}{{color:{ink}!important;background:{ground}!important;border-color:{edge}!important}}"
            f".word-{tone}{{color:{ink}!important}}"
            for tone, (ink, ground, edge) in _DARK.items()
        ),
    ]
)
_STYLE = (
    ":root{color-scheme:light dark;supported-color-schemes:light dark}"
    "body{margin:0;padding:0}"
    f"@media(prefers-color-scheme:dark){{{_DARK_RULES}}}"
)


def html(letter: Letter) -> str:
    body = "".join(_part(part) for part in letter.parts)
    foot = "<br>".join(escape(line) for line in letter.footer)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{escape(letter.subject)}</title><style>{_STYLE}</style></head>"
        f'<body class="page" style="margin:0;padding:0;background:#eef0f3">'
        f'{_TABLE} class="page" style="background:#eef0f3"><tr><td align="center" style="padding:12px 8px">'
        f'{_TABLE} class="card" style="max-width:640px;table-layout:fixed;background:#ffffff;'
        f'border:1px solid #d9dde3;border-radius:8px;{_FONT};text-align:left">'
        f"{_banner(letter)}{body}"
        '<tr><td style="height:18px;line-height:18px;font-size:0">&nbsp;</td></tr>'
        f'<tr><td class="dim line" style="padding:14px 20px 16px;border-top:1px solid #e3e6ea;font-size:12px;'
        f'line-height:18px;{_DIM};{_BREAK}">{foot}</td></tr></table></td></tr></table></body></html>'
    )


def _banner(letter: Letter) -> str:
    edge = _LIGHT[letter.tone][2]
    name = f" {escape(letter.job)}" if letter.job else ""
    return (
        f'<tr><td style="padding:16px 20px;background:{edge};border-radius:7px 7px 0 0;color:#ffffff;{_BREAK}">'
        f'<div style="font-size:20px;line-height:26px;font-weight:700">{escape(letter.word)}{name}</div>'
        f'<div style="font-size:15px;line-height:21px;padding-top:2px">{escape(letter.headline)}</div></td></tr>'
    )


def _part(part: Part) -> str:
    match part:
        case Says(text, tone):
            inside = _paragraph(text) if tone is Tone.CALM else _callout(text, tone)
        case Rows(rows):
            inside = _rows(rows)
        case Listing(title, text):
            inside = _title(title) + _code(text)
        case Entries(title, entries):
            inside = _title(title) + _entries(entries)
    return f'<tr><td style="padding:14px 20px 0;{_BREAK}">{inside}</td></tr>'


def _paragraph(text: str) -> str:
    return f'<div class="ink" style="font-size:15px;line-height:22px;{_INK}">{_lines(text)}</div>'


def _callout(text: str, tone: Tone) -> str:
    ink, ground, edge = _LIGHT[tone]
    return (
        f'<div class="{tone}" style="padding:10px 12px;border-left:4px solid {edge};background:{ground};color:{ink};'
        f'font-size:15px;line-height:22px">{_lines(text)}</div>'
    )


def _rows(rows: tuple[tuple[str, str], ...]) -> str:
    cells = "".join(
        f'<tr><td class="dim line" valign="top" width="96" style="padding:6px 8px 6px 0;{_HAIR};'
        f'font-size:13px;line-height:20px;{_DIM}">{escape(name)}</td>'
        f'<td class="ink line" valign="top" style="padding:6px 0;{_HAIR};font-size:14px;'
        f'line-height:20px;{_INK};{_BREAK}">{_lines(visible(value))}</td></tr>'
        for name, value in rows
    )
    return _table(cells)


def _title(text: str) -> str:
    return f'<div class="dim" style="padding-bottom:6px;font-size:13px;line-height:18px;{_DIM}">{escape(text)}</div>'


def _code(text: str) -> str:
    return (
        '<pre class="code" style="margin:0;padding:10px 12px;background:#f6f7f9;border:1px solid #e3e6ea;'
        f"border-radius:6px;{_INK};{_MONO};font-size:12px;line-height:18px;white-space:pre-wrap;{_BREAK}"
        f'">{_OPTION.sub(_UNBROKEN, escape(text))}</pre>'
    )


def _entries(entries: tuple[Entry, ...]) -> str:
    return _table("".join(_entry(entry) for entry in entries))


def _entry(entry: Entry) -> str:
    ink = _LIGHT[entry.tone][0]
    trend = f' <span class="dim" style="{_DIM};white-space:nowrap;{_MONO}">{entry.trend}</span>'
    note = f'<br><span class="word-{entry.tone}" style="color:{ink}">{escape(entry.note)}</span>'
    return (
        f'<tr><td class="ink line" style="padding:6px 0;{_HAIR};font-size:13px;line-height:19px;'
        f'{_INK};{_BREAK}"><b class="word-{entry.tone}" style="color:{ink}">{escape(entry.word)}</b> '
        f"<b>{escape(entry.name)}</b><br>{escape(entry.text)}"
        f"{trend if entry.trend else ''}{note if entry.note else ''}</td></tr>"
    )


def _table(rows: str) -> str:
    # A fixed layout: else one long word makes the table wider than a phone.
    return f'{_TABLE} style="table-layout:fixed;border-collapse:collapse">{rows}</table>'


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")
