"""Pages with boilerplate in them, and which lines to drop or cut: rows for a rephraser that edits by line."""

import itertools
import random
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from common.config import Out, RunConfig
from common.pools.documents import read_documents
from common.pools.shards import list_shards
from eval.faithfulness.line_kinds import line_kinds
from rephrase.text.chunking import chunk
from rephrase.text.lines import apply_edits, number_lines, write_edits
from rephrase.text.prompts import SystemName, messages
from rl.data.recycling.furniture import Stock, furniture
from rl.data.recycling.noise import Noisy, Span, add_noise
from rl.data.recycling.passages import (
    Count,
    clean_runs,
    is_heading,
    is_item,
    is_prose,
    is_scrap,
    part_of,
    passages,
    sentences,
)
from rl.data.recycling.remnants import notices, remnants

Row = dict[str, Any]
Source = Literal["seeded", "crawled", "documents"]

GOES = frozenset({"badge", "link", "contents", "rule"})
"""Kinds of lines of a document that are to go."""

VERBATIM = frozenset({"code", "table", "math"})
"""Kinds that never reach a model."""

_DOUBTFUL = re.compile(
    r"cookie|copyright|©|all rights reserved|click here|log ?in\b|sign (in|up)|subscri|newsletter|privacy policy|"
    r"javascript|read more|continue reading|posted (by|on|in)|share this|follow us|advertis|add to cart|\||»|→",
    re.IGNORECASE,
)


class EditRowsConfig(RunConfig):
    """Which pages become rows, and in which shares."""

    pool: str = "runs/quickstart/pool"
    """Shards of real web pages."""

    documents: str | None = None
    """Shards of README pages and reference text; without them that share falls to the others."""

    out: Annotated[str, Out()] = "runs/tiny/data/edits.jsonl"
    """File of rows."""

    tokenizer: str = "rephrase/tiny"
    """Hugging Face folder of the tokenizer that counts tokens."""

    part: Literal["train", "held_out"] = "train"
    """Which documents: split by hash of their id."""

    held_out_frac: float = Field(0.05, ge=0, le=1)
    """Share of the documents held out."""

    rows: int = Field(1000, gt=0)
    """How many rows."""

    seeded: float = Field(0.35, ge=0)
    """Weight of seeded pages."""

    crawled: float = Field(0.35, ge=0)
    """Weight of crawled pages."""

    readme: float = Field(0.3, ge=0)
    """Weight of README pages and reference text."""

    min_tokens: int = Field(24, gt=0)
    """Least budget of a chunk; each page draws its own."""

    max_tokens: int = Field(256, gt=0)
    """Greatest budget of a chunk."""

    max_chunk_lines: int | None = Field(None, gt=0)
    """Most lines of a chunk, as in `rephrase.config`."""

    max_pieces: int = Field(5, ge=0)
    """Most pieces of boilerplate in a seeded page."""

    max_lines: int = Field(30, gt=0)
    """Most lines of boilerplate above a crawled page, and below it."""

    clean_frac: float = Field(0.1, ge=0, le=1)
    """Share of pages without boilerplate."""

    unseen: bool = False
    """Seeded pieces are of the kinds kept for measuring."""

    stock_pages: int = Field(8000, gt=0)
    """Titles, sentences, scraps, remnants and notices come from so many training pages."""

    system: SystemName = "assistant"
    """The request's system line."""

    seed: int = 0
    """Seed of every draw; a document's draws also depend on its id."""


def build_rows(config: EditRowsConfig, count: Count) -> Iterator[Row]:
    """The rows, the kinds of pages mixed."""
    stock = make_stock(config)
    makers: dict[Source, tuple[float, Callable[[], Iterator[Row]]]] = {
        "seeded": (config.seeded, lambda: _seeded(config, count, stock)),
        "crawled": (config.crawled, lambda: _crawled(config, count, stock)),
        "documents": (config.readme if config.documents else 0.0, lambda: _documents(config, count, stock)),
    }
    streams = {name: maker() for name, (weight, maker) in makers.items() if weight}
    weights = [makers[name][0] for name in streams]
    rng = random.Random(f"kinds:{config.seed}")
    names = list(streams)
    for _ in range(config.rows):
        yield next(streams[rng.choices(names, weights)[0]])


def make_stock(config: EditRowsConfig) -> Stock:
    """What training pages lend, whatever part is built."""
    titles: list[str] = []
    said: list[str] = []
    scraps: list[str] = []
    blocks: list[list[str]] = []
    notes: list[str] = []
    pages = (page for page in _pages(config.pool) if part_of(page["id"], config.held_out_frac) == "train")
    for page in itertools.islice(pages, config.stock_pages):
        text = page["text"].replace("\r\n", "\n")
        blocks += remnants(text)
        notes += notices(text)
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        if lines and 3 <= len(lines[0].split()) <= 16 and len(lines[0]) <= 110:
            titles.append(lines[0])
        scraps += [line for line in lines if is_scrap(line)]
        prose = next((line for line in lines[1:] if is_prose(line)), None)
        if prose:
            said += [text.strip() for text in sentences(prose)[:2]]
    unique = (list(dict.fromkeys(found)) for found in (titles, scraps, notes))
    titles, scraps, notes = unique
    return Stock(titles, said, scraps, blocks, notes)


def _pages(pool: str) -> Iterator[dict[str, Any]]:
    return itertools.chain.from_iterable(read_documents(shard.path, shard.index) for shard in list_shards(pool))


def _turns(pool: str, config: EditRowsConfig) -> Iterator[tuple[str, str, random.Random]]:
    """Key, text and generator of every page of the wanted part, pass after pass, each pass in an order of its own."""
    pages = [page for page in _pages(pool) if part_of(page["id"], config.held_out_frac) == config.part]
    if not pages:
        raise ValueError(f"{pool} has no page in its {config.part} part")
    for turn in itertools.count():
        for page in random.Random(f"order:{config.seed}:{turn}").sample(pages, len(pages)):
            key = f"{page['id']}#{turn}"
            yield key, page["text"].replace("\r\n", "\n"), random.Random(f"edits:{config.seed}:{key}")


def _seeded(config: EditRowsConfig, count: Count, stock: Stock) -> Iterator[Row]:
    for key, text, rng in _turns(config.pool, config):
        for number, passage in enumerate(passages(text, rng, count, config.min_tokens, config.max_tokens)):
            name = f"{key}.{number}"
            pieces = 0 if rng.random() < config.clean_frac else rng.randint(1, config.max_pieces)
            page = add_noise(passage, name, seed=config.seed, pieces=pieces, unseen=config.unseen, harvest=stock.scraps)
            yield from _row(name, page.text, page, config)


def _crawled(config: EditRowsConfig, count: Count, stock: Stock) -> Iterator[Row]:
    for key, text, rng in _turns(config.pool, config):
        runs = [run for run in (lenient_runs(text) if rng.random() < 0.5 else clean_runs(text)) if len(run) > 80]
        if not runs:
            continue
        article = rng.choice(runs)[: rng.randint(300, 2500)]
        article = article[: max(article.rfind(". ") + 1, article.rfind(".\n") + 1)] or article
        pieces = rng.choice((0, 0, 0, 1, 2))
        page = add_noise(article, key, seed=config.seed, pieces=pieces, unseen=config.unseen, harvest=stock.scraps)
        if rng.random() >= config.clean_frac:
            page = _framed(page, rng, stock, config)
        yield from _chunks(key, page, rng, config, count)


def _framed(page: Noisy, rng: random.Random, stock: Stock, config: EditRowsConfig) -> Noisy:
    """A page between two stretches of furniture, one of which may be missing, and now and then one in the middle."""
    lines = config.max_lines
    above = furniture(rng, stock, rng.randint(1, lines)) if rng.random() < 0.75 else ""
    below = furniture(rng, stock, rng.randint(1, lines)) if rng.random() < 0.75 else ""
    gap = rng.choice(("\n", "\n\n"))
    text, spans = page.text, list(page.spans)
    seams = [found.end() for found in re.finditer(r"\n+", text)]
    seams = [at for at in seams if not any(span.start < at < span.end for span in spans)]
    if seams and rng.random() < 0.3:
        at, inner = rng.choice(seams), furniture(rng, stock, rng.randint(1, 6)) + "\n"
        spans = [
            span if span.end <= at else Span(span.kind, span.start + len(inner), span.end + len(inner))
            for span in spans
        ]
        spans = sorted([*spans, Span("furniture", at, at + len(inner))], key=lambda span: span.start)
        text = text[:at] + inner + text[at:]
    if above:
        lead = above + gap
        spans = [
            Span("furniture", 0, len(lead)),
            *(Span(s.kind, s.start + len(lead), s.end + len(lead)) for s in spans),
        ]
        text = lead + text
    if below:
        spans.append(Span("furniture", len(text), len(text) + len(gap + below)))
        text += gap + below
    return Noisy(text, tuple(spans))


def lenient_runs(text: str) -> Iterator[str]:
    """Stretches between lines of prose, with all that stands between them and is no boilerplate by its words."""
    lines = [
        (found.start(), found.end(), found[0].strip()) for found in re.finditer(r"[^\n]*\n?", text) if found[0].strip()
    ]
    start = end = None
    for at, (begin, stop, line) in enumerate(lines):
        prose = is_prose(line)
        if start is None:
            following = lines[at + 1][2] if at + 1 < len(lines) else ""
            if prose or (is_heading(line) and is_prose(following)):
                start, end = begin, stop if prose else begin
        elif prose:
            end = stop
        elif not (is_item(line) or is_heading(line) or (len(line.split()) >= 6 and not _DOUBTFUL.search(line))):
            yield text[start:end].strip()
            start = end = None
    if start is not None:
        yield text[start:end].strip()


def _documents(config: EditRowsConfig, count: Count, stock: Stock) -> Iterator[Row]:
    if config.documents is None:
        raise ValueError("no documents")
    for key, text, rng in _turns(config.documents, config):
        noisy = rng.random() < 0.4
        for number, part in enumerate(_without_verbatim(text)):
            name = f"{key}.{number}"
            page = _labelled(part)
            if noisy and rng.random() < 0.5:
                page = _more_noise(page, name, rng, stock, config)
            yield from _chunks(name, page, rng, config, count)


def _without_verbatim(text: str) -> list[str]:
    """The stretches of a document between its verbatim blocks."""
    kinds, lines = line_kinds(text), text.split("\n")
    groups = itertools.groupby(range(len(lines)), key=lambda at: kinds[at] in VERBATIM)
    parts = ("\n".join(lines[at] for at in rows).strip("\n") for verbatim, rows in groups if not verbatim)
    return [part for part in parts if len(part.split()) >= 4]


def _labelled(text: str) -> Noisy:
    """What is to go in a document: the units all of whose lines are badges, links, contents entries or rules."""
    kinds, numbered = line_kinds(text), number_lines(text)
    spans, position, row = [], len(numbered.lead), numbered.lead.count("\n")
    for unit, sep in zip(numbered.units, numbered.seps, strict=True):
        inside = kinds[row : row + unit.count("\n") + 1]
        if all(kind in GOES for kind in inside):
            spans.append(Span(inside[0], position, position + len(unit + sep)))
        position += len(unit + sep)
        row += (unit + sep).count("\n")
    return Noisy(text, tuple(spans))


def _more_noise(page: Noisy, key: str, rng: random.Random, stock: Stock, config: EditRowsConfig) -> Noisy:
    """Seeded pieces and furniture between the units of a document."""
    numbered = number_lines(page.text)
    ends, position = [], len(numbered.lead)
    for unit, sep in zip(numbered.units, numbered.seps, strict=True):
        position += len(unit + sep)
        if "\n" in sep:
            ends.append(position)
    if not ends:
        return page
    at = rng.choice(ends)
    if rng.random() < 0.5:
        piece = furniture(rng, stock, rng.randint(1, 8))
    else:
        made = add_noise("x\n\ny", key, seed=config.seed, pieces=1, unseen=config.unseen, harvest=stock.scraps)
        piece = made.pieces()[0]["text"] if made.spans else "Share this:"
    piece += rng.choice(("\n", "\n\n"))
    moved = [
        span if span.end <= at else Span(span.kind, span.start + len(piece), span.end + len(piece))
        for span in page.spans
    ]
    spans = sorted([*moved, Span("furniture", at, at + len(piece))], key=lambda span: span.start)
    return Noisy(page.text[:at] + piece + page.text[at:], tuple(spans))


def _chunks(key: str, page: Noisy, rng: random.Random, config: EditRowsConfig, count: Count) -> Iterator[Row]:
    budget = rng.randint(config.min_tokens + (config.max_tokens - config.min_tokens) // 2, config.max_tokens)
    if rng.random() < 0.2:
        budget = rng.randint(config.min_tokens, config.max_tokens)
    position = 0
    for number, part in enumerate(chunk(page.text, 4 * budget + 40, 100, budget, count, config.max_chunk_lines)):
        start, end = position, position + len(part.text)
        position = end + len(part.sep)
        spans = [
            Span(span.kind, max(span.start, start) - start, min(span.end, end) - start)
            for span in page.spans
            if span.start < end and span.end > start
        ]
        if len(part.text.split()) >= 3:
            yield from _row(f"{key}/{number}", part.text, Noisy(part.text, tuple(spans)), config)


def _row(key: str, text: str, page: Noisy, config: EditRowsConfig) -> Iterator[Row]:
    edits = write_edits(number_lines(text), [(span.start, span.end) for span in page.spans])
    if edits is None:
        return
    yield {
        "id": key,
        "text": text,
        "clean_text": apply_edits(text, edits).text,
        "noise": [piece for piece in page.pieces() if piece["text"]],
        "messages": [*messages(text, "edit_lines", config.system), {"role": "assistant", "content": edits}],
    }
