"""Which kinds of Markdown blocks a text is made of, and how alike two texts are in that."""

import json
import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

BULLET = re.compile(r"^([ \t]*+)[•◦▪‣●○∙·][ \t]*", re.MULTILINE)

LONGEST = 100_000
"""Characters of a text that are parsed: of a longer one the beginning, up to a line end, tells which blocks it has."""

MIN_SIMILARITY = 0.7
"""Markdown similarity below which the structure counts as changed."""


class Similarity(NamedTuple):
    """How alike two texts are in their Markdown blocks."""

    sim: float
    """1 - half the L1 distance of the shares of text per block kind, in [0, 1]."""
    passed: bool
    """Alike enough, no kind of block lost or invented, paragraphs not run together."""


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    # Page text is indented for many reasons, and a rule below a line is a decoration, not a heading. What stands inside
    # a block is not looked at, and reading it would take the square of its length.
    return MarkdownIt("commonmark").enable("table").disable(["code", "lheading", "reference", "inline", "text_join"])


def block_shares(text: str) -> dict[str, float]:
    """Share of the non-blank characters in each kind of Markdown block; {} for a text without any.

    Kinds: table > list > quote > heading > prose (the first that encloses the text), code (fences), html, json (the
    whole text is an object or an array). Rules weigh nothing. Of a long text the first 100,000 characters count.

    >>> block_shares("# Soup\\n\\nBoil.")
    {'heading': 0.4444444444444444, 'prose': 0.5555555555555556}
    """
    if _is_json(text):
        return {"json": 1.0}
    weights: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    if len(text) > LONGEST:
        text = text[: text.rfind("\n", 0, LONGEST) + 1 or LONGEST]
    for token in _markdown().parse(BULLET.sub(r"\1- ", text)):
        kind = _ENCLOSING.get(token.tag)
        if kind and token.nesting:
            inside[kind] += token.nesting
        elif token.type in ("inline", "fence", "html_block"):
            enclosing = next((name for name in ("table", "list", "quote", "heading") if inside[name]), "prose")
            weights[_LEAVES.get(token.type, enclosing)] += len("".join(token.content.split()))
    total = weights.total()
    return {kind: weight / total for kind, weight in weights.items() if weight}


_LEAVES = {"fence": "code", "html_block": "html"}
_ENCLOSING = {
    "table": "table",
    "ul": "list",
    "ol": "list",
    "blockquote": "quote",
    **{f"h{level}": "heading" for level in range(1, 7)},
}


def _is_json(text: str) -> bool:
    text = text.strip()
    if not text.startswith(("{", "[")) or not text.endswith(("}", "]")):
        return False
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def markdown_similarity(organic: str, rephrased: str) -> Similarity:
    """Compare the kinds of Markdown blocks of two texts, not their words.

    `sim = 1 - 1/2 sum_k |share_k(organic) - share_k(rephrased)|`, 0 where a side is blank. Passed: sim >= 0.7; no kind
    but prose has a share >= 0.10 on one side and < 0.01 on the other; and the organic text's four or more lines of 40
    characters did not become one line (JSON may).
    """
    left, right = block_shares(organic), block_shares(rephrased)
    if not left or not right:
        return Similarity(0.0, False)
    kinds = left.keys() | right.keys()
    pairs = {kind: (left.get(kind, 0.0), right.get(kind, 0.0)) for kind in kinds}
    sim = min(1.0, max(0.0, 1 - sum(abs(a - b) for a, b in pairs.values()) / 2))
    lost = any(max(pair) >= 0.10 and min(pair) < 0.01 for kind, pair in pairs.items() if kind != "prose")
    run_together = (
        "json" not in right
        and sum(len(line) >= 40 for line in organic.split("\n")) >= 4
        and sum(bool(line.strip()) for line in rephrased.split("\n")) == 1
    )
    return Similarity(sim, sim >= MIN_SIMILARITY and not lost and not run_together)
