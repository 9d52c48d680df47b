"""Section: scores of the pools with the thresholds that were used, and what other thresholds would keep."""

from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.drawing.figure import lines_figure
from eval.report.drawing.frame import Axes, short_number
from eval.report.drawing.series import Series, steps
from eval.report.html import grid, html_table
from eval.report.names import Name, scorer
from eval.report.sections.view import View
from eval.report.stages import Stage

LEAD = (
    "Scores of every pool as it came (solid) and as it was kept (dashed); the upright line is the threshold. The "
    "curves of tokens say what any other threshold would have kept."
)

BINS = 25
"""Bins that a histogram is drawn with; the record has 100."""


def quality_histograms(view: View) -> str:
    """Scores of every source as it came and as it was kept, a curve of tokens by threshold, a table of the cuts."""
    charts: list[str] = []
    rows: list[list[Any]] = []
    for stage in view.stages:
        sources = stage.dataset.get("sources") or []
        scored = [source for source in sources if any((source.get("histogram") or {}).get("documents", ()))]
        for field in dict.fromkeys(source["scorer"] for source in scored):
            of_scorer = [source for source in scored if source["scorer"] == field]
            charts += _charts(view, stage, of_scorer, scorer(field))
        rows += [_row(stage, source) for source in sources if "select" in source]
    if not charts and not rows:
        return ""
    head = ["pool", "source", "rule", "threshold", "documents in", "kept", "share", "tokens in", "tokens kept"]
    return grid(charts) + (html_table(head, rows, "What each rule kept") if rows else "")


def _charts(view: View, stage: Stage, sources: Sequence[Mapping[str, Any]], name: Name) -> list[str]:
    low, high, bins = _range(sources)
    edges = [name.factor * (low + (high - low) * number / bins) for number in range(bins + 1)]
    shares, tokens, marks = [], [], []
    for source in sources:
        colour = view.source_colour(stage, source["name"])
        for kind, told in (("documents", ""), ("kept", ", kept")):
            counts = rebinned(source["histogram"], kind, low, high, bins)
            shares.append(Series(f"{source['name']}{told}", steps(counts, edges), colour, int(bool(told))))
        threshold = source.get("select", {}).get("threshold")
        if threshold is not None:
            marks.append((name.factor * threshold, f"{source['name']}: {short_number(name.factor * threshold)}"))
        curve = [
            (name.factor * edge, kept) for edge, kept in budget_curve(source["histogram"]) if low <= edge <= high + 1e-9
        ]
        if any(kept for _, kept in curve):
            tokens.append(Series(source["name"], curve, colour))
    x_label = f"{name.text.lower()}{f' ({name.unit})' if name.unit else ''}"
    limits = (edges[0], edges[-1])
    drawn = [
        lines_figure(
            f"{stage.name}: {name.text.lower()}",
            shares,
            Axes(x_label, "% of documents", x=limits, marks=marks),
            note=name.about,
        )
    ]
    if tokens:
        axes = Axes(f"threshold: {x_label}", "tokens kept", x=limits, marks=marks)
        drawn.append(lines_figure(f"{stage.name}: tokens kept by threshold", tokens, axes))
    return drawn


def _range(sources: Sequence[Mapping[str, Any]]) -> tuple[float, float, int]:
    """Where the sources have documents, from and to, and how many bins to draw: no more than the record has there."""
    full = [
        (left, right)
        for source in sources
        for left, right, count in zip(
            source["histogram"]["edges"],
            source["histogram"]["edges"][1:],
            source["histogram"]["documents"],
            strict=False,
        )
        if count
    ]
    low, high = min(left for left, _ in full), max(right for _, right in full)
    narrow = min(right - left for left, right in full)
    return low, high, max(1, min(BINS, round((high - low) / narrow)))


def _row(stage: Stage, source: Mapping[str, Any]) -> list[Any]:
    rule = source["select"]
    share = f"{100 * source['documents_selected'] / source['documents_in']:.1f} %" if source["documents_in"] else ""
    return [
        stage.name,
        source["name"],
        f"{rule['mode']}, by {scorer(source['scorer']).text.lower()}" if source.get("scorer") else rule["mode"],
        _shown(rule.get("threshold"), source.get("scorer")),
        source["documents_in"],
        source["documents_selected"],
        share,
        source["tokens_in"],
        source["tokens_selected"],
    ]


def _shown(threshold: float | None, field: str | None) -> str | None:
    """A threshold in the unit of its score."""
    if threshold is None or not field:
        return None
    name = scorer(field)
    return f"{short_number(name.factor * threshold)} {name.unit if name.factor != 1 else ''}".strip()


def budget_curve(histogram: Mapping[str, Any]) -> list[tuple[float, float]]:
    """(threshold, tokens that score at least that) at the edges of a record's bins.

    >>> budget_curve({"edges": [0, 1, 2], "tokens": [30, 10]})
    [(0, 40), (1, 10), (2, 0)]
    """
    kept = [0]
    for tokens in reversed(histogram.get("tokens") or []):
        kept.append(kept[-1] + tokens)
    return list(zip(histogram["edges"], reversed(kept), strict=False)) if len(kept) > 1 else []


def rebinned(source: Mapping[str, Any], kind: str, low: float, high: float, bins: int) -> list[int]:
    """Counts of a source's own fine bins in coarse bins that all sources share."""
    coarse = [0] * bins
    edges = source["edges"]
    for left, right, count in zip(edges, edges[1:], source[kind], strict=False):
        place = ((left + right) / 2 - low) / (high - low) if high > low else 0.0
        if count:
            coarse[min(max(int(place * bins), 0), bins - 1)] += count
    return coarse
