"""A recycled document as rows: each stretch of the page beside what became of it, with a sentence where there is one.

The record of a document (`rephrase.chunks`) may come from anywhere, so its places are believed only where they lie in
the texts and follow each other; else the document is one row.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from common.pools.documents import record_of
from common.runs.terminal import visible
from eval.faithfulness.kept import known_facts
from eval.report.html import escape
from eval.report.pairs.reasons import chunk_note
from eval.report.textdiff import marked_pair

MOST_ROWS = 400
"""A document in more chunks is shown in one row: nobody reads a page of so many boxes."""

MISSING = "The page that this was made from is not at hand: give organic=POOL."


class PairRow(NamedTuple):
    """A stretch of a page and what became of it."""

    organic: str
    recycled: str
    note: str = ""
    """What happened to it, as a sentence."""
    status: str = ""
    """The chunk's status; empty for the whole document."""


def pair_rows(document: Mapping[str, Any]) -> list[PairRow]:
    """A document's chunks one by one where its record tells their places, else the whole document."""
    organic, text = str(document.get("organic_text") or ""), str(document.get("text") or "")
    found = (record_of(document) or {}).get("chunks")
    chunks = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    pages = organic.replace("\r\n", "\n")
    cut = _cut(pages, text, chunks) if organic and len(chunks) <= MOST_ROWS else None
    if cut:
        return cut
    notes = dict.fromkeys(chunk_note(one) for one in chunks)
    statuses = [str(one.get("status")) for one in chunks if one.get("status") not in ("ok", "verbatim")]
    return [PairRow(organic, text, " ".join(notes), statuses[0] if statuses else "")]


def _cut(organic: str, text: str, chunks: Sequence[Mapping[str, Any]]) -> list[PairRow] | None:
    """The chunks as rows which hold both texts whole, or None where their places are not told or not to be believed."""
    if not any("out_start" in one for one in chunks):
        return None
    rows: list[tuple[int, int, Mapping[str, Any]]] = []
    place = out = 0
    for one in chunks:
        start, end = one.get("start"), one.get("end")
        if not _follow(place, start, end, len(organic)):
            return None
        here = one.get("out_start"), one.get("out_end")
        if here != (None, None):
            if not _follow(out, *here, len(text)):
                return None
            out = here[1]  # type: ignore[assignment]
        rows.append((start, out, one))  # type: ignore[arg-type]
        place = end  # type: ignore[assignment]
    cut, before = [], 0
    for number, (start, out_end, one) in enumerate(rows):
        last = number + 1 == len(rows)
        end = len(organic) if last else rows[number + 1][0]
        made = text[before : len(text) if last else out_end]
        before = out_end
        first = 0 if not number else start
        cut.append(PairRow(organic[first:end], made, chunk_note(one), str(one.get("status") or "")))
    return cut


def _follow(least: int, start: Any, end: Any, most: int) -> bool:
    numbers = all(isinstance(one, int) and not isinstance(one, bool) for one in (start, end))
    return numbers and least <= start <= end <= most


def pair_html(rows: Sequence[PairRow], *, has_organic: bool = True) -> str:
    """Rows of a document as HTML: the page on the left, the rephrasing on the right, differences and facts marked.

    A fact is lost or invented where the other text has it nowhere, in whatever row.
    """
    known = (known_facts("".join(row.organic for row in rows)), known_facts("".join(row.recycled for row in rows)))
    out = []
    for row in rows:
        organic, recycled = row.organic.strip("\r\n"), row.recycled.strip("\r\n")
        if has_organic:
            old, new = (visible(one) for one in marked_pair(organic, recycled, known))
        else:
            old, new = f'<em class="note">{escape(MISSING)}</em>', escape(visible(recycled))
        note = f'<p class="why">{escape(visible(row.note))}</p>' if row.note else ""
        kind = ' class="pair stayed"' if row.status not in ("", "ok", "verbatim") else ' class="pair"'
        out.append(f'{note}<div{kind}><div dir="auto" lang="">{old}</div><div dir="auto" lang="">{new}</div></div>')
    return "".join(out)
