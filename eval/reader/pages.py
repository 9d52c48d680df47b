"""The pages of a pool: its documents as a list, and one document beside the page that it was made from."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from common.pools.documents import Document, address_of, before_mark, page_of, record_of
from common.pools.repair import id_text
from common.pools.shards import read_stats
from common.pools.stats import sum_stats
from eval.reader.frame import chips, field, figure, framed, href, link, select, snippet, text
from eval.reader.search import MOST_COUNTED, Filters, FoundDocument, PoolSearch, terms
from eval.reader.shelf import Book
from eval.reader.store import get_meta
from eval.report.pairs.links import document_path, pool_path
from eval.report.pairs.reasons import meaning
from eval.report.pairs.rows import PairRow, pair_html, pair_rows
from eval.report.pairs.style import LEGEND

MOST_CHARS = 400_000
"""Longest text that is shown whole."""

SCORE_WORDS = {
    "characters": "characters",
    "content_kept": "content words kept",
    "numbers_kept": "numbers kept",
    "length_ratio": "length ratio",
    "token_count": "tokens",
    "semantic": "semantic (lexical F1)",
    "structure": "structure kept",
    "numbers": "numbers kept in the worst chunk",
    "urls": "addresses kept in the worst chunk",
    "names": "names kept in the worst chunk",
    "content": "content words kept in the worst chunk",
    "length": "length in the worst chunk",
    "invented_words": "words invented in the worst chunk",
    "novel_5grams": "new runs of five words in the worst chunk",
}
"""Scores whose own names say too little."""

KEYS = (
    ("/", "go to the search"),
    ("j, k", "next and previous document"),
    ("Enter", "open it"),
    ("n, p", "next and previous page"),
)

DOCUMENT_KEYS = (
    ("j, k", "next and previous document"),
    ("u", "back to the list"),
    ("d", "differences on or off"),
    ("f", "facts on or off"),
)


def score_name(name: str) -> str:
    """A score as a person would say it."""
    return SCORE_WORDS.get(name, name)


def pool_page(book: Book, filters: Filters, limit: int) -> str:
    """The list of a pool's documents."""
    search = PoolSearch(book.store.reader())
    count = search.count(filters)
    hits = [_hit(book, filters, one) for one in search.page(filters, limit)]
    first = filters.start + 1
    told = (
        f"{count:,}"
        if count <= MOST_COUNTED or filters == Filters(start=filters.start)
        else f"More than {MOST_COUNTED:,}"
    )
    shown = f"{told} document{'' if count == 1 else 's'}"
    shown += f", {first:,} to {filters.start + len(hits):,} shown here." if hits else "."
    here = pool_path(book.name)
    back = filters.params(start=max(0, filters.start - limit)) if filters.start else None
    onward = filters.params(start=filters.start + limit) if filters.start + limit < count else None
    steps = "".join(
        link(None if params is None else f"{here}?{_encoded(params)}", label, key)
        for params, label, key in ((back, "← previous page", "p"), (onward, "next page →", "n"))
    )
    steps = f'<nav class="steps" aria-label="Pages">{steps}</nav>'
    body = (
        f"{waiting(book)}{_form(book, search, filters)}"
        f'<p class="note" role="status">{shown}</p><ol class="hits">{"".join(hits)}</ol>{steps}{_aside(book, search)}'
    )
    return framed(book.name, body, [("all", "/")], KEYS)


def _encoded(params: Mapping[str, str]) -> str:
    return urlencode(params, errors="replace")


def waiting(book: Book) -> str:
    """What is said of a book that is not wholly indexed."""
    if book.state == "failed":
        return f'<p class="banner" role="alert">This could not be indexed: {text(book.error)}</p>'
    if book.state == "ready":
        return ""
    left = book.left_s()
    told = f"{book.documents:,} documents, {100 * book.share:.0f} %" if book.size else "about to begin"
    told += f", about {left / 60:.0f} min left" if left and left > 90 else f", about {left:.0f} s left" if left else ""
    return (
        f'<p class="banner" data-waiting>The index is being built: {told}. What is indexed can be read already. '
        f'<progress value="{book.share:.3f}" max="1" aria-label="Share that is indexed"></progress></p>'
    )


def _form(book: Book, search: PoolSearch, filters: Filters) -> str:
    connection = search.connection
    scores = [(name, score_name(name)) for name in search.columns]
    sorts = [("", "the pool's order")]
    for name in search.columns:
        sorts += [(name, f"least {score_name(name)} first"), (f"-{name}", f"most {score_name(name)} first")]
    parts = [
        f'<span class="wide">{field("q", "Words, or part of an address", filters.q, "search", SEARCH_KEY)}</span>',
        select(
            "within",
            "in",
            [("", "both texts"), ("recycled", "the recycled text"), ("organic", "the page")],
            filters.within,
        ),
    ]
    if get_meta(connection, "dropped", 0) or filters.show:
        parts.append(select("show", "Documents", [("", "all"), ("kept", "kept"), ("dropped", "dropped")], filters.show))
    for name, label in (
        ("reason", "Dropped because"),
        ("status", "A chunk ended or was"),
        ("topic", "Topic"),
        ("source", "Source"),
    ):
        values = get_meta(connection, f"facet_{name}", [])
        chosen = getattr(filters, name)
        if values or chosen:
            said = meaning if name in ("reason", "status") else str
            options = [("", "any"), *((value, f"{said(value)}: {count:,}") for value, count in values)]
            parts.append(select(name, label, options, chosen))
    step = ' step="any"'
    parts += [
        select("score", "Score", [("", "any"), *scores], filters.score),
        field("least", "from", _bound(filters.least), "number", step),
        field("most", "to", _bound(filters.most), "number", step),
        select("sort", "Order", sorts, filters.sort),
        '<button type="submit">Show</button>',
        f'<a href="{href(pool_path(book.name))}">Clear</a>',
    ]
    action = href(pool_path(book.name))
    return f'<form class="filters" role="search" method="get" action="{action}">{"".join(parts)}</form>'


SEARCH_KEY = ' data-key="/" autocomplete="off" spellcheck="false"'


def _bound(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _hit(book: Book, filters: Filters, found: FoundDocument) -> str:
    document = found.document
    identity = id_text(document.get("id", ""))
    address = document_path(book.name, identity, **filters.params(start=0))
    url = address_of(document)
    body = str(document.get("text") or document.get("organic_text") or "")
    words = terms(filters.q)[0]
    where = f'<span class="url">{text(url[:200])}</span>' if url and url != identity else ""
    return (
        f'<li><a href="{href(address)}" data-hit>{text(identity[:200]) or "(no id)"}</a>{where}'
        f"<p>{snippet(body[:MOST_CHARS], words)}</p>{_badges(found)}</li>"
    )


def _badges(found: FoundDocument) -> str:
    document = found.document
    out = []
    if found.dropped:
        out.append(f'<span class="chip bad">dropped: {text(meaning(str(document.get("reason"))))}</span>')
    stayed = _stayed(document)
    if stayed:
        out.append(f'<span class="chip bad">{stayed} chunk{"" if stayed == 1 else "s"} kept organic or left out</span>')
    scores = [(score_name(name), figure(value)) for name, value in list(found.scores.items())[:6]]
    return "".join(out) + chips(scores)


def _stayed(document: Document) -> int:
    chunks = (record_of(document) or {}).get("chunks")
    listed = [one for one in chunks if isinstance(one, dict)] if isinstance(chunks, list) else []
    return sum(one.get("status") not in ("ok", "verbatim") for one in listed)


def _aside(book: Book, search: PoolSearch) -> str:
    """What the pool's own counts say of documents that are in no file, and what the index leaves out."""
    lines = []
    kept_rejects = dict(get_meta(search.connection, "facet_reason", []))
    drops = sum_stats(read_stats(book.path)).get("drops", {}) if _has_stats(book) else {}
    gone = [
        f"{meaning(str(reason))} {count:,}" for reason, count in drops.items() if reason not in kept_rejects and count
    ]
    if gone:
        lines.append(f"Dropped, and kept in no file that could be shown: {'; '.join(gone)}.")
    if unreadable := get_meta(search.connection, "unreadable", 0):
        lines.append(f"{unreadable:,} lines or rows are no documents.")
    if left_out := get_meta(search.connection, "left_out", 0):
        lines.append(f"{left_out} further numbers of the documents cannot be filtered by.")
    return "".join(f'<p class="note">{text(line)}</p>' for line in lines)


def _has_stats(book: Book) -> bool:
    try:
        return bool(read_stats(book.path))
    except (ValueError, OSError):
        return False


def document_page(book: Book, filters: Filters, identity: str, copy: int) -> str | None:
    """One document, or None where no document bears the id."""
    search = PoolSearch(book.store.reader())
    same = search.by_id(identity)
    if not same:
        return None
    found = same[min(copy, len(same) - 1)]
    document = _joined(book, found.document)
    before, after = (search.beside(filters, found, after=after) for after in (False, True))
    here = f"{pool_path(book.name)}?{_encoded(filters.params())}" if filters.params() else pool_path(book.name)
    steps = "".join(
        link(None if one is None else _address(book, filters, one, search), label, key)
        for one, label, key in ((before, "← previous", "k"), (after, "next →", "j"))
    )
    body = (
        f'<nav class="steps" aria-label="Documents">{steps}{link(here, "back to the list", "u")}'
        f"{link(document_path(book.name, identity, **_copy(copy)), 'permalink')}</nav>"
        f"{_about(found, document)}{_copies(book, filters, identity, same, copy)}{_texts(found, document)}"
        f"{_all_fields(document)}"
    )
    return framed(identity[:200] or "(no id)", body, [("all", "/"), (book.name, here)], DOCUMENT_KEYS)


TOGGLES = (
    '<p class="toggles"><label><input type="checkbox" id="no-differences" data-key="d"> hide differences</label>'
    '<label><input type="checkbox" id="no-facts" data-key="f"> hide facts</label></p>'
)


def _copy(copy: int) -> dict[str, str]:
    return {"copy": str(copy)} if copy else {}


def _address(book: Book, filters: Filters, found: FoundDocument, search: PoolSearch) -> str:
    identity = id_text(found.document.get("id", ""))
    place = [one.number for one in search.by_id(identity)]
    copy = place.index(found.number) if found.number in place else 0
    return document_path(book.name, identity, **_copy(copy), **filters.params(start=0))


def _joined(book: Book, document: Document) -> Document:
    """A document with its page, taken from the organic pool where it does not carry it."""
    if isinstance(document.get("organic_text"), str) or book.organic is None or book.organic.state != "ready":
        return document
    page = page_of(document) or id_text(document.get("id", ""))
    search = PoolSearch(book.organic.store.reader())
    old = before_mark(page)
    same = search.by_id(page) or (search.by_id(old) if old else [])
    if not same:
        return document
    shared = {"pages_of_that_id": len(same)} if len(same) > 1 else {}
    return {**document, "organic_text": same[0].document["text"], **shared}


def _about(found: FoundDocument, document: Document) -> str:
    out = []
    if address := address_of(document):
        out.append(f'<p class="url">{text(address)}</p>')
    if found.dropped:
        out.append(f'<p class="banner bad">Dropped: {text(meaning(str(document.get("reason"))))}.</p>')
    if document.get("pages_of_that_id"):
        told = f"{document['pages_of_that_id']} pages of the organic pool bear this id; the first one is shown."
        out.append(f'<p class="banner">{told}</p>')
    return "".join(out) + f"<p>{chips((score_name(name), figure(value)) for name, value in found.scores.items())}</p>"


def _copies(book: Book, filters: Filters, identity: str, same: Sequence[FoundDocument], copy: int) -> str:
    if len(same) < 2:
        return ""
    others = []
    for number in range(len(same)):
        address = href(document_path(book.name, identity, **_copy(number), **filters.params(start=0)))
        others.append(f"<b>{number + 1}</b>" if number == copy else f'<a href="{address}">{number + 1}</a>')
    return f'<p class="note">{len(same)} documents bear this id: {" ".join(others)}</p>'


def _texts(found: FoundDocument, document: Document) -> str:
    """The page and its rephrasing side by side; one text where there is but one."""
    organic = document.get("organic_text")
    body = str(document.get("text") or "")
    if found.dropped or (organic is None and record_of(document) is None):
        alone = str(organic or "") if found.dropped else body
        return f'<div class="alone" dir="auto" lang="">{text(_cut(alone))}</div>'
    has_organic = isinstance(organic, str)
    rows, hidden = _bounded(pair_rows(document))
    left = f"the page ({len(str(organic)):,} characters)" if has_organic else "the page"
    heads = f'<div class="heads"><h2>{left}</h2><h2>the recycled text ({len(body):,} characters)</h2></div>'
    rest = f'<p class="note">{hidden:,} further parts of this document are not shown.</p>' if hidden else ""
    return f"{TOGGLES}{LEGEND}{heads}{pair_html(rows, has_organic=has_organic)}{rest}"


def _bounded(rows: Sequence[PairRow]) -> tuple[list[PairRow], int]:
    """The first rows up to `MOST_CHARS` on a side, a long one cut; and how many are left out."""
    shown: list[PairRow] = []
    size = 0
    for row in rows:
        if size >= MOST_CHARS:
            break
        shown.append(row._replace(organic=_cut(row.organic), recycled=_cut(row.recycled)))
        size += max(len(row.organic), len(row.recycled))
    return shown, len(rows) - len(shown)


def _cut(body: str) -> str:
    if len(body) <= MOST_CHARS:
        return body
    return f"{body[:MOST_CHARS]}\n… {len(body) - MOST_CHARS:,} further characters are not shown"


def _all_fields(document: Mapping[str, Any]) -> str:
    others = {name: value for name, value in document.items() if name not in ("text", "organic_text")}
    shown = json.dumps(others, ensure_ascii=False, indent=1, default=str)[:MOST_CHARS]
    return f"<details><summary>All other fields</summary><pre>{text(shown)}</pre></details>"
