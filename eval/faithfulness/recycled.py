"""What became of the pages of a recycled pool: kept, changed, invented, lost; and of every kind of line in them.

A recycled document tells of each chunk where it stood and where its text stands now (`rephrase.chunks`). What counts as
the model's work is the prose of the chunks that it was given; code, tables and formulae that passed it by, and lines of
badges, links and contents, are counted apart. All shares are over the pool, with an interval over pages drawn again.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from eval.faithfulness.kept import NUMBER
from eval.faithfulness.line_kinds import line_kinds
from eval.faithfulness.words import long_words, ngrams, stop_word_share, words

GOES = ("badge", "link", "contents", "rule")
"""Kinds of lines that a cleaner is to drop."""

RESAMPLES = 400
"""Draws of pages for an interval."""

IN_FORM = ("ok", "unfaithful/")
"""How the status of a chunk begins whose answer could be read."""

Figures = dict[str, Any]
Page = tuple[str, str, Sequence[Mapping[str, Any]]]


def page_counts(organic: str, text: str, chunks: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """What one page adds to every sum; `chunks` is its `rephrase.chunks`, [] for a page without a record."""
    organic = organic.replace("\r\n", "\n")
    counts: Counter[str] = Counter()
    _compare(counts, "page", organic, organic, text)
    counts["pages"] += 1
    counts["pages_changed"] += organic.split() != text.split()
    for one in chunks:
        source = organic[one["start"] : one["end"]]
        output = text[one["out_start"] : one["out_end"]] if one.get("out_start") is not None else ""
        if one["status"] == "verbatim":
            counts[f"verbatim/{one['kind']}"] += 1
            counts["verbatim_words"] += len(source.split())
            counts["verbatim_numbers"] += len(NUMBER.findall(source))
            counts["verbatim_altered"] += source != output
            continue
        counts["chunks"] += 1
        counts["chunks_in_form"] += one["status"].startswith(IN_FORM)
        counts["chunks_unfaithful"] += one["status"].startswith(IN_FORM[1])
        _lines(counts, source, output)
        prose = "\n".join(line for line, kind in _kinds(source) if kind == "prose")
        if not prose:
            continue
        counts["prose_chunks"] += 1
        counts["prose_chunks_in_form"] += one["status"].startswith(IN_FORM)
        _compare(counts, "prose", prose, source, output)
        if not {"dropped", "cut"} & set(one.get("flags") or ()):
            counts["whole_chars"] += len(source)
            counts["whole_chars_out"] += len(output)
    return counts


def _kinds(text: str) -> Iterable[tuple[str, str]]:
    return zip(text.split("\n"), line_kinds(text), strict=True)


def _lines(counts: Counter[str], source: str, output: str) -> None:
    """Lines of badges, links, contents and rules, and how many of them are gone."""
    left = Counter(line.strip() for line in output.split("\n"))
    for line, kind in _kinds(source):
        if kind in GOES:
            counts[f"lines/{kind}"] += 1
            stays = left[line.strip()] > 0
            left[line.strip()] -= stays
            counts[f"lines_dropped/{kind}"] += not stays


def _compare(counts: Counter[str], name: str, wanted: str, source: str, output: str) -> None:
    """Words and numbers of `wanted` that the output has; words and runs of five of the output that `source` lacks."""
    content, numbers = long_words(wanted), Counter(NUMBER.findall(wanted))
    counts[f"{name}_content"] += content.total()
    counts[f"{name}_content_kept"] += (content & long_words(output)).total()
    counts[f"{name}_numbers"] += numbers.total()
    counts[f"{name}_numbers_kept"] += (numbers & Counter(NUMBER.findall(output))).total()
    known, said = set(words(source)), words(output)
    counts[f"{name}_words_out"] += len(said)
    counts[f"{name}_words_invented"] += sum(word not in known for word in said)
    runs, there = set(ngrams(output, 5)), set(ngrams(source, 5))
    counts[f"{name}_5grams"] += len(runs)
    counts[f"{name}_5grams_novel"] += len(runs - there)
    counts[f"{name}_chars"] += len(wanted)
    counts[f"{name}_chars_out"] += len(output)


SHARES = {
    "content_kept": ("prose_content_kept", "prose_content"),
    "numbers_kept": ("prose_numbers_kept", "prose_numbers"),
    "words_invented": ("prose_words_invented", "prose_words_out"),
    "novel_5grams": ("prose_5grams_novel", "prose_5grams"),
    "length_ratio_nothing_dropped": ("whole_chars_out", "whole_chars"),
    "in_form": ("prose_chunks_in_form", "prose_chunks"),
    "sent_back": ("chunks_unfaithful", "chunks"),
    "page_content_kept": ("page_content_kept", "page_content"),
    "page_numbers_kept": ("page_numbers_kept", "page_numbers"),
    "page_words_invented": ("page_words_invented", "page_words_out"),
    "page_novel_5grams": ("page_5grams_novel", "page_5grams"),
    "page_length_ratio": ("page_chars_out", "page_chars"),
    "pages_changed": ("pages_changed", "pages"),
}
"""Figure → what is divided by what."""

WITH_INTERVAL = ("content_kept", "numbers_kept", "page_content_kept", "page_numbers_kept")


def pool_figures(
    pages: Iterable[tuple[str, str, Sequence[Mapping[str, Any]]]], lost: int = 0, seed: int = 0
) -> Figures:
    """The figures of a pool: shares (None where there is nothing to divide by), counts, intervals, the verdict.

    Args:
        pages: organic text, recycled text and chunk records of each page.
        lost: organic pages without a recycled one.
        seed: of the draws for the intervals.
    """
    told = list(pages)
    counted = [page_counts(*page) for page in told]
    total: Counter[str] = Counter()
    for one in counted:
        total.update(one)
    figures: Figures = {"pages": total["pages"], "pages_lost": lost}
    figures |= {name: _share(total, *parts) for name, parts in SHARES.items()}
    goes = {kind: total[f"lines/{kind}"] for kind in GOES}
    dropped = {kind: total[f"lines_dropped/{kind}"] for kind in GOES}
    named = sum(goes[kind] for kind in GOES[:3])
    figures["lines"] = {kind: {"lines": goes[kind], "dropped": dropped[kind]} for kind in GOES}
    figures["lines_dropped"] = sum(dropped[kind] for kind in GOES[:3]) / named if named else None
    figures["chunks"] = {
        name: total[name] for name in ("chunks", "prose_chunks", "chunks_in_form", "chunks_unfaithful")
    }
    figures["verbatim"] = {
        **{name.partition("/")[2]: count for name, count in sorted(total.items()) if name.startswith("verbatim/")},
        **{name: total[f"verbatim_{name}"] for name in ("words", "numbers", "altered")},
    }
    rng = random.Random(f"recycled:{seed}")
    figures["intervals"] = {name: _interval(counted, *SHARES[name], rng) for name in WITH_INTERVAL}
    figures["quality"] = quality_figures([(organic, text) for organic, text, _ in told])
    figures["verdict"] = verdict(figures)
    return figures


def quality_figures(pairs: Sequence[tuple[str, str]]) -> Figures:
    """Mean quality of the pages before and after, the mean gain of a page, and its standard error.

    The scorer is the share of stop words, by which the quickstart selects too: it needs no model and tells labelled
    good web pages from bad ones better (AUC 0.81) than a classifier that a few hundred pages can train.
    """
    before, after = ([stop_word_share(text) for text in side] for side in zip(*pairs, strict=True))
    gains = [new - old for old, new in zip(before, after, strict=True)]
    error = stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else None
    return {
        "scorer": "stop_word_share",
        "organic": fmean(before),
        "recycled": fmean(after),
        "gain": fmean(gains),
        "error": error,
    }


def _share(counts: Mapping[str, int], part: str, whole: str) -> float | None:
    return counts[part] / counts[whole] if counts[whole] else None


def _interval(pages: Sequence[Counter[str]], part: str, whole: str, rng: random.Random) -> list[float] | None:
    """The middle 95 % of a share over pages drawn again."""
    if not sum(page[whole] for page in pages):
        return None
    drawn = []
    for _ in range(RESAMPLES):
        again = rng.choices(pages, k=len(pages))
        total = sum(page[whole] for page in again)
        if total:
            drawn.append(sum(page[part] for page in again) / total)
    drawn.sort()
    return [drawn[int(0.025 * len(drawn))], drawn[int(0.975 * (len(drawn) - 1))]]


def verdict(figures: Mapping[str, Any]) -> str:
    """One line: what was kept, changed, invented and lost.

    >>> found = {"content_kept": 0.98, "numbers_kept": None, "words_invented": 0.0, "lines_dropped": None}
    >>> told = {**found, "pages": 4, "pages_changed": 0.5, "pages_lost": 1, "quality": {"gain": 0.02, "error": 0.003}}
    >>> verdict(told).split("; ")[:2]
    ['kept: 98.0 % of the prose, no number to keep', 'changed: 2 of 4 pages, better by more than chance']
    """
    kept, numbers = figures["content_kept"], figures["numbers_kept"]
    dropped, lost = figures["lines_dropped"], figures["pages_lost"]
    parts = [
        f"kept: {_percent(kept)} of the prose, "
        + (f"{_percent(numbers)} of its numbers" if numbers is not None else "no number to keep"),
        f"changed: {round((figures['pages_changed'] or 0) * figures['pages'])} of {figures['pages']} pages"
        + (f", {100 * dropped:.0f} % of badge, link and contents lines dropped" if dropped is not None else "")
        + f", {_direction(figures['quality'])}",
        f"invented: {_percent(figures['words_invented'], 2)} of the words",
        f"lost: {lost} page{'' if lost == 1 else 's'}",
    ]
    return "; ".join(parts)


def _direction(quality: Mapping[str, Any]) -> str:
    gain, error = quality["gain"], quality["error"]
    if error is None or abs(gain) <= 2 * error:
        return "neither better nor worse by more than chance"
    return f"{'better' if gain > 0 else 'worse'} by more than chance"


def _percent(share: float | None, digits: int = 1) -> str:
    return "none" if share is None else f"{100 * share:.{digits}f} %"


def figures_table(figures: Mapping[str, Any]) -> str:
    """The figures as aligned text, the prose that went through the model beside whole pages."""
    intervals = figures["intervals"]
    lines = [f"{'':<24}{'prose through the model':>34}{'whole pages':>28}"]
    for name in ("content_kept", "numbers_kept", "words_invented", "novel_5grams"):
        cells = []
        for key in (name, f"page_{name}"):
            value, between = figures[key], intervals.get(key)
            shown = "-" if value is None else f"{value:.4f}"
            cells.append(shown + (f" ({between[0]:.4f} to {between[1]:.4f})" if between else ""))
        lines.append(f"{name:<24}{cells[0]:>34}{cells[1]:>28}")
    for name in ("length_ratio_nothing_dropped", "in_form", "sent_back", "lines_dropped", "page_length_ratio"):
        value = figures[name]
        lines.append(f"{name:<30}{'-' if value is None else f'{value:.4f}':>28}")
    for kind, found in figures["lines"].items():
        lines.append(f"{f'{kind} lines':<24}{found['lines']:>10}   {found['dropped']} dropped")
    quality = figures["quality"]
    error = "" if quality["error"] is None else f", error {quality['error']:.4f}"
    lines.append(
        f"quality ({quality['scorer']}): {quality['organic']:.4f} to {quality['recycled']:.4f}, "
        f"gain {quality['gain']:+.4f}{error}"
    )
    passed = ", ".join(f"{name} {count}" for name, count in figures["verbatim"].items())
    return "\n".join([*lines, f"verbatim blocks: {passed}", figures["verdict"]])
