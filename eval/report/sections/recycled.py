"""Section: recycled text. Pages before and after in figures, what became of their parts, pairs with differences."""

from collections import Counter
from collections.abc import Sequence

from common.runs.terminal import visible
from eval.faithfulness.words import long_words_kept, stop_word_share
from eval.report.drawing.figure import figure, lines_figure, scatter_figure
from eval.report.drawing.frame import Axes
from eval.report.drawing.series import Series, bar_chart, steps
from eval.report.html import escape, grid, heading, html_table
from eval.report.names import reason
from eval.report.pairs.rows import pair_html, pair_rows
from eval.report.pairs.style import LEGEND
from eval.report.recycled import pick_pairs
from eval.report.sections.view import View
from eval.report.stages import Stage

LEAD = (
    "First the pool in figures: how pages changed, and how much of their content each kept. Then single pages with "
    "what was left out (red, struck) and put in (green, underlined)."
)

BINS = 30
OPEN_PAIRS = 3
"""Pairs that are shown at once; the others are folded away."""
MOST_DOTS = 600
"""Pages that the scatter shows; of more, evenly many along the pool."""


def recycled_text(view: View) -> str:
    """Charts and pairs of every recycled pool whose documents carry their organic text."""
    stages = view.recycled()
    pools = [stage for stage in view.stages if stage.kind == "recycled"]
    charts = [*_histograms(view, stages), _scatter(view, stages), *(_operations(view, stage) for stage in pools)]
    drawn = [one for one in charts if one]
    lines = [_lines(view, stage) for stage in stages]
    body = grid(drawn) + "".join(lines)
    return body + "".join(_pairs(view, stage) for stage in stages)


def _histograms(view: View, stages: Sequence[Stage]) -> list[str]:
    """Length and share of stop words, before and after."""
    if not stages:
        return []
    measures = [
        ("Length of pages, before and after", "words", lambda text: float(len(text.split())), 1.0),
        ("Share of stop words, before and after", "% of the words", stop_word_share, 100.0),
    ]
    drawn = []
    for title, unit, measure, factor in measures:
        found = [
            (stage, [[factor * measure(one[key]) for one in stage.recycled] for key in ("organic_text", "text")])
            for stage in stages
        ]
        values = sorted(value for _, sides in found for side in sides for value in side)
        low, high = values[0], values[min(len(values) - 1, int(0.99 * len(values)))]
        edges = [low + (high - low or 1.0) * number / BINS for number in range(BINS + 1)]
        series = []
        for stage, sides in found:
            for side, told in zip(sides, ("before", "after"), strict=True):
                colour = view.source_colour(stage, "organic") if told == "before" else view.colours.of(stage.name)
                label = f"{stage.name}, {told}" if len(stages) > 1 else told
                series.append(Series(label, steps(_binned(side, edges), edges), colour, int(told == "before")))
        drawn.append(lines_figure(title, series, Axes(unit, "% of pages", x=(edges[0], edges[-1]))))
    return drawn


def _binned(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    """Counts by bin; what lies beyond the last edge, as the longest percent may, counts in the last bin."""
    width = edges[1] - edges[0]
    counts = Counter(min(max(int((value - edges[0]) / width), 0), len(edges) - 2) for value in values)
    return [counts[number] for number in range(len(edges) - 1)]


def _scatter(view: View, stages: Sequence[Stage]) -> str:
    """Each page: how long it is beside its source, and how much of the source's content it kept."""
    series, names = [], {}
    for stage in stages:
        every = max(1, -(-len(stage.recycled) // MOST_DOTS))
        documents = [one for one in stage.recycled[::every] if one["organic_text"]]
        points = [
            (
                len(one["text"]) / len(one["organic_text"]),
                100 * (1.0 if (kept := long_words_kept(one["organic_text"], one["text"])) is None else kept),
            )
            for one in documents
        ]
        series.append(Series(stage.name, points, view.colours.of(stage.name)))
        names[stage.name] = [str(one["id"]) for one in documents]
    if not series:
        return ""
    note = "Each dot is a page. Short and low: much was dropped. As long and low: content was replaced."
    axes = Axes("length beside the source (1 = as long)", "% of content words kept", y=(0.0, 104.0))
    return scatter_figure("Faithfulness of each page", series, axes, note=note, names=names)


def _operations(view: View, stage: Stage) -> str:
    """What became of the chunks of a pool: rephrased, passed on untouched, kept organic or dropped for a reason."""
    counts: dict[str, float] = {}
    for key, number in {**stage.stats.get("chunk_statuses", {})}.items():
        counts[reason(key)] = counts.get(reason(key), 0) + number
    for key, number in stage.stats.get("verbatim", {}).items():
        counts[reason(f"verbatim/{key}")] = number
    counts = dict(sorted(counts.items(), key=lambda item: -item[1]))
    if not counts:
        return ""
    total = sum(counts.values())
    shares = {name: 100 * number / total for name, number in counts.items()}
    rows = [[name, number, shares[name]] for name, number in counts.items()]
    colours = dict.fromkeys(counts, view.colours.of(stage.name))
    drawn = bar_chart({name: round(share, 2) for name, share in shares.items()}, unit=" %", colours=colours)
    fate = stage.config.get("on_bad_chunk")
    fates = {"keep_organic": "its organic text was kept", "drop_document": "its document was dropped",
             "drop_chunk": "it was dropped"}  # fmt: skip
    note = f"Where a part was not rephrased, {fates[fate]}." if fate in fates else ""
    title = f"{stage.name}: what became of the parts of pages"
    return figure(title, drawn, ["what", "parts", "%"], rows, note=note)


def _lines(view: View, stage: Stage) -> str:
    """Lines that a cleaner is to drop, and how many are gone."""
    lines = view.findings.faithful.get(stage.name, {}).get("lines", {})
    rows = [
        [f"lines of {kind}s" if kind != "contents" else "lines of contents", one["lines"], one["dropped"],
         f"{100 * one['dropped'] / one['lines']:.1f} %"]
        for kind, one in lines.items() if one["lines"]
    ]  # fmt: skip
    if not rows:
        return ""
    title = f"{stage.name}: furniture of the pages that went through the model"
    return heading(title) + html_table(["what", "lines", "dropped", "share"], rows, title)


def _pairs(view: View, stage: Stage) -> str:
    """Organic pages beside their rephrasings, differences marked."""
    body = []
    for number, (why, document) in enumerate(pick_pairs(stage, view.pairs, view.pair_chars)):
        where = document.get("url") or document["id"]
        sizes = f"{len(document['organic_text']):,} → {len(document['text']):,} characters"
        opened = " open" if number < OPEN_PAIRS else ""
        body.append(
            f"<details{opened}><summary>{escape(visible(f'{where}: {why}'))}</summary>"
            f'<p class="note">{escape(f"{sizes}, before on the left, after on the right")}</p>'
            f"{pair_html(pair_rows(document))}</details>"
        )
    if not body:
        return ""
    among = ""
    if stage.read < stage.stats.get("docs_out", 0):
        among = f" They are from the {stage.read:,} documents that were looked at, of {stage.stats['docs_out']:,}."
    note = (
        "The median page, two of the worst tenth and the best, by the share of their prose that is kept; the others "
        f"were drawn by chance.{among}"
    )
    return (
        f'{heading(f"{stage.name}: pages before and after")}<p class="note">{escape(note)}</p>{LEGEND}{"".join(body)}'
    )
