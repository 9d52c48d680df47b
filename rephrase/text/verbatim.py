"""What is no prose passes a model by: code, tables, formulae, by choice badges, links and contents tables."""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from eval.faithfulness.line_kinds import line_kinds
from rephrase.text.chunking import Chunk


class Passage(NamedTuple):
    """A piece of a document, the white space that follows it there, and what it is."""

    text: str
    sep: str
    kind: str = ""
    """Why it passes as it stands: a kind of lines or `short`; "" for what a model is to rephrase."""


Cut = Callable[[str], Sequence[Chunk]]

SHORT = "short"
"""Kind of a chunk of prose that has too few words to be worth a request."""


def cut_around(text: str, verbatim: Collection[str], min_words: int, cut: Cut) -> list[Passage]:
    r"""Cut a document into verbatim blocks, which have a `kind`, and the chunks of what stands between them.

    Lossless as `rephrase.text.chunking.chunk`: texts and separators joined give the text, line ends normalised.

    Args:
        text: the document.
        verbatim: kinds of lines (`eval.faithfulness.line_kinds`) that pass as they stand.
        min_words: a chunk of prose alone with fewer words passes as it stands too, as kind `short`.
        cut: cuts a stretch between verbatim blocks.

    >>> from rephrase.text.chunking import chunk
    >>> [(part.text, part.kind) for part in cut_around("It prints:\n\n```\nx\n```", {"code"}, 0, chunk)]
    [('It prints:', ''), ('```\nx\n```', 'code')]
    """
    text = text.replace("\r\n", "\n")
    if not text.strip():
        return []
    chunks: list[Passage] = []
    for stretch, kind in _stretches(text, verbatim):
        body = stretch.rstrip()
        if kind or not body.strip():
            chunks.append(Passage(body, stretch[len(body) :], kind))
        else:
            chunks += (_judged(part, min_words) for part in cut(stretch))
    return _without_blanks(chunks)


def _stretches(text: str, verbatim: Collection[str]) -> Iterator[tuple[str, str]]:
    """Stretches of neighbouring lines of one verbatim kind, or of none (""); blank lines go with what is above."""
    lines = text.splitlines(keepends=True) if "\r" not in text else _lines(text)
    kinds = line_kinds(text)[: len(lines)]
    kept = ""
    wanted: list[str] = []
    for kind in kinds:
        if kind != "blank":
            kept = kind if kind in verbatim else ""
        wanted.append(kept)
    for name, rows in itertools.groupby(range(len(lines)), key=wanted.__getitem__):
        yield "".join(lines[row] for row in rows), name


def _lines(text: str) -> list[str]:
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _judged(part: Chunk, min_words: int) -> Passage:
    plain = len(part.text.split()) >= min_words or set(line_kinds(part.text)) - {"prose", "blank"}
    return Passage(part.text, part.sep, "" if plain else SHORT)


def _without_blanks(chunks: list[Passage]) -> list[Passage]:
    """A blank stretch joins the chunk before it, so that only the first may be blank."""
    joined: list[Passage] = []
    for part in chunks:
        if joined and not part.text:
            joined[-1] = joined[-1]._replace(sep=joined[-1].sep + part.sep)
        else:
            joined.append(part)
    return joined
