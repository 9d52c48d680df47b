"""What all pages of the reader share: the frame, the form's pieces, short texts, numbers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from common.runs.terminal import visible
from eval.report.drawing.frame import short_number
from eval.report.html import escape
from eval.report.pairs.style import PAIR_STYLE
from eval.report.style import STYLE

STATIC = Path(__file__).parent / "static"

SNIPPET_CHARS = 260
"""Text of a document in a list."""

Keys = Sequence[tuple[str, str]]
"""(key, what it does), as the page says."""


def stylesheet() -> str:
    """The report's colours and rules, and the reader's own behind them."""
    return STYLE + PAIR_STYLE + (STATIC / "reader.css").read_text(encoding="utf-8")


def framed(title: str, body: str, crumbs: Sequence[tuple[str, str]] = (), keys: Keys = ()) -> str:
    """A whole page.

    Args:
        title: of the page and of the browser's window.
        body: its HTML.
        crumbs: (label, address) of the pages above it.
        keys: what keys do here; `static/reader.js` finds what they press by `data-key`.
    """
    way = " / ".join(f'<a href="{escape(address)}">{escape(label)}</a>' for label, address in crumbs)
    shown = "".join(f"<dt><kbd>{escape(key)}</kbd></dt><dd>{escape(what)}</dd>" for key, what in keys)
    help_box = f'<details class="keys"><summary data-key="?">Keys</summary><dl>{shown}</dl></details>' if keys else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title>"
        '<link rel="stylesheet" href="/static/reader.css">'
        '<script src="/static/reader.js" defer></script></head><body>'
        '<a class="skip" href="#content">Skip to the text</a>'
        f"<header>{f'<nav aria-label=Place>{way}</nav>' if way else ''}{help_box}</header>"
        f'<main id="content" tabindex="-1"><h1>{text(title)}</h1>{body}</main></body></html>\n'
    )


def text(value: object) -> str:
    """Foreign text for HTML: escaped, control codes and marks of direction spelled out."""
    return escape(visible(str(value)))


def href(path: str, params: Mapping[str, str] | None = None) -> str:
    """An address for an attribute."""
    return escape(f"{path}?{urlencode(params, errors='replace')}" if params else path)


def figure(value: float | None, signed: bool = False) -> str:
    """A number as a person writes it, or a dash."""
    if value is None:
        return "–"
    shown = short_number(round(value, 4))
    return f"+{shown}" if signed and value > 0 else shown


def chips(values: Iterable[tuple[str, str]]) -> str:
    """Names with their values, in a row."""
    return "".join(f'<span class="chip">{text(name)} <b>{text(value)}</b></span>' for name, value in values)


def link(path: str | None, label: str, key: str = "") -> str:
    """A link that a key presses too; plain text where there is nowhere to go."""
    if path is None:
        return f'<span class="off">{escape(label)}</span>'
    pressed = f' data-key="{escape(key)}"' if key else ""
    return f'<a href="{escape(path)}"{pressed}>{escape(label)}</a>'


def select(name: str, label: str, options: Iterable[tuple[str, str]], chosen: str) -> str:
    """A list to choose from; what is chosen and not on the list is on it all the same."""
    listed = list(options)
    if chosen and chosen not in [value for value, _ in listed]:
        listed.append((chosen, chosen))
    inside = "".join(
        f'<option value="{text(value)}"{" selected" if value == chosen else ""}>{text(shown)}</option>'
        for value, shown in listed
    )
    return f'<label>{escape(label)}<select name="{name}">{inside}</select></label>'


def field(name: str, label: str, value: str, kind: str = "text", more: str = "") -> str:
    """An input field."""
    return f'<label>{escape(label)}<input type="{kind}" name="{name}" value="{text(value)}"{more}></label>'


def snippet(body: str, words: Sequence[str]) -> str:
    """The beginning of a text, or the place of the first of some words, with these marked."""
    wanted = [re.escape(word.strip('" *')) for word in words if word.strip('" *')]
    pattern = re.compile("|".join(wanted), re.IGNORECASE) if wanted else None
    match = pattern.search(body) if pattern else None
    first = max(0, match.start() - SNIPPET_CHARS // 3) if match else 0
    part = body[first : first + SNIPPET_CHARS]
    shown = f"{'… ' if first else ''}{part}{' …' if first + SNIPPET_CHARS < len(body) else ''}"
    shown = " ".join(shown.split())
    if pattern is None:
        return text(shown)
    pieces, place = [], 0
    for found in pattern.finditer(shown):
        pieces += [text(shown[place : found.start()]), f'<b class="hit">{text(found[0])}</b>']
        place = found.end()
    return "".join([*pieces, text(shown[place:])])
