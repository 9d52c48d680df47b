"""Two texts side by side with their differences marked, as escaped HTML."""

import html
import itertools
from bisect import bisect_left
from collections.abc import Sequence

from eval.faithfulness.kept import Fact, KnownFacts, facts
from eval.faithfulness.words import word_changes

Span = tuple[int, int]


def marked_pair(organic: str, recycled: str, known: tuple[KnownFacts, KnownFacts] | None = None) -> tuple[str, str]:
    """HTML of both texts: words only the organic one has in `<del>`, words only the recycled one has in `<ins>`.

    Every character of both texts is kept and escaped; page text can hold anything, scripts included. Texts that are too
    long to be compared are shown unmarked.

    Args:
        organic: a page, or a part of one.
        recycled: its rephrasing.
        known: what the whole page and the whole rephrasing hold (`known_facts`); numbers, addresses and names then
            stand in `<mark>` too, of the class `kept`, `lost` or `invented`.
    """
    old, new = changed_spans(organic, recycled)
    left = facts(organic, known[1]) if known else []
    right = facts(recycled, known[0]) if known else []
    return _marked(organic, old, "del", left, "lost"), _marked(recycled, new, "ins", right, "invented")


def changed_spans(organic: str, recycled: str) -> tuple[list[Span], list[Span]]:
    """Where each text holds words that the other lacks at that place, without the white space behind them."""
    old: list[Span] = []
    new: list[Span] = []
    place, other = 0, 0
    for same, before, after in word_changes(organic, recycled):
        if same is False:
            old += _span(place, before)
            new += _span(other, after)
        place, other = place + len(before), other + len(after)
    return old, new


def _span(start: int, passage: str) -> list[Span]:
    length = len(passage.rstrip())
    return [(start, start + length)] if length else []


def _marked(text: str, changed: Sequence[Span], tag: str, found: Sequence[Fact], missing: str) -> str:
    """A text's HTML; a fact that is partly changed is cut where the change begins or ends."""
    cuts = sorted({0, len(text), *(at for span in changed for at in span), *(at for fact in found for at in fact[:2])})
    starts, stops = {start for start, _ in changed}, {stop for _, stop in changed}
    facts_at = _covering(found, cuts)
    out = []
    for start, stop in itertools.pairwise(cuts):
        piece = html.escape(text[start:stop])
        fact = facts_at.get(start)
        if fact is not None:
            fate = "kept" if fact.shared else missing
            piece = f'<mark class="{fate}" title="{fact.kind} {fate}">{piece}</mark>'
        out.append(f"{f'<{tag}>' if start in starts else ''}{piece}{f'</{tag}>' if stop in stops else ''}")
    return "".join(out)


def _covering(found: Sequence[Fact], cuts: Sequence[int]) -> dict[int, Fact]:
    """Cut → the fact that the piece behind it belongs to."""
    pieces = {}
    for fact in found:
        for at in range(bisect_left(cuts, fact.start), bisect_left(cuts, fact.end)):
            pieces[cuts[at]] = fact
    return pieces
