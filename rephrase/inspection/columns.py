"""A document in a terminal: a heading, then the organic text on the left and the rephrasing on the right.

What pages hold cannot steer the terminal: control codes are spelled out before anything is measured or wrapped.
"""

import itertools
import textwrap
from collections.abc import Mapping
from typing import Any

from common.pools.documents import Document, address_of, record_of
from common.runs.terminal import visible
from eval.faithfulness.words import word_changes
from rephrase.inspection.choosing import score_of

MISSING = "(no organic text at hand: give organic=POOL)"

SCORES = ("length_ratio", "semantic", "structure")
"""What a heading says where it is there, beside the score that was asked for."""


def side_by_side(document: Document, width: int, *, differences: bool = False, score: str | None = None) -> str:
    """A heading, then both texts.

    Args:
        document: a recycled one, with its `organic_text` where that is at hand.
        width: columns in all.
        differences: mark the words that only one of the texts has.
        score: name of a number that the heading says.
    """
    column = max(20, (width - 3) // 2)
    organic, text = document.get("organic_text"), str(document["text"])
    old = MISSING if organic is None else str(organic)
    if differences and organic is not None and text:
        old, text = marked(old, text)
    left, right = _wrap(old, column), _wrap(text, column)
    rows = [f"{one:<{column}} │ {other}" for one, other in itertools.zip_longest(left, right, fillvalue="")]
    return "\n".join([heading(document, score), "─" * column + "─┬─" + "─" * column, *rows])


def marked(organic: str, rephrased: str) -> tuple[str, str]:
    """Both texts, the words that only one has in marks of their own.

    >>> marked("The cat sat.", "The cat ran off.")
    ('The cat [-sat-].', 'The cat {+ran off+}.')
    """
    old: list[str] = []
    new: list[str] = []
    for same, before, after in word_changes(organic, rephrased):
        old.append(before if same is not False else _within("[-", before, "-]"))
        new.append(after if same is not False else _within("{+", after, "+}"))
    return "".join(old), "".join(new)


def _within(opening: str, text: str, closing: str) -> str:
    """The words of a text between two marks; the white space around them stays outside."""
    words = text.strip()
    if not words:
        return text
    before, _, after = text.partition(words)
    return f"{before}{opening}{words}{closing}{after}"


def heading(document: Mapping[str, Any], score: str | None = None) -> str:
    """Id and address, how the chunks ended, why it was dropped if it was, and the scores there are; one line."""
    record: dict[str, Any] = record_of(document) or {}
    chunks = record.get("chunks") or []
    parts = [str(document.get("id", "?"))]
    if address := address_of(document):
        parts.append(address)
    if document.get("reason"):
        parts.append(f"dropped: {document['reason']}")
    if chunks:
        ends = [" ".join([chunk["status"], *(chunk.get("flags") or ())]) for chunk in chunks]
        parts.append(", ".join(f"{len(list(same))} x {end}" for end, same in itertools.groupby(sorted(ends))))
    for name in dict.fromkeys([*SCORES, *([score] if score else [])]):
        value = score_of(record if name in SCORES else document, name)
        if value is not None:
            parts.append(f"{name} {value:g}")
    return visible(" · ".join(parts)).replace("\n", "\\n")


def _wrap(text: str, column: int) -> list[str]:
    return [
        line
        for paragraph in visible(text).split("\n")
        for line in (textwrap.wrap(paragraph, column, replace_whitespace=False, drop_whitespace=True) or [""])
    ]
