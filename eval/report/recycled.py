"""What became of a recycled pool's pages, where they carry their organic text, and which pages show it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from common.pools.documents import Document
from eval.faithfulness.pairs import chunk_records
from eval.faithfulness.recycled import GOES, page_counts, pool_figures
from eval.faithfulness.words import long_words_kept
from eval.report.stages import Stage, sample_pairs


class PickedPair(NamedTuple):
    """A page to show, and why this one."""

    why: str
    """One line for a reader."""

    document: Document
    """Recycled, with `organic_text`."""


def faithfulness(stage: Stage) -> dict[str, Any]:
    """The figures of `eval.faithfulness.recycled` with the verdict; {} for a stage that is no such pool.

    Of a large pool they are those of the documents that the report reads, which the verdict then says.
    """
    found = ((document, chunk_records(document)) for document in stage.recycled)
    pages = [(document["organic_text"], document["text"], records) for document, records in found if records]
    if not pages:
        return {}
    lost = stage.stats.get("docs_in", 0) - stage.stats["docs_out"]
    figures = pool_figures(pages, max(lost, 0))
    if stage.read < stage.stats["docs_out"]:
        figures["documents_read"], figures["documents_made"] = stage.read, stage.stats["docs_out"]
        figures["verdict"] += f" (looked at: {stage.read:,} of {stage.stats['docs_out']:,} documents)"
    return figures


def pick_pairs(stage: Stage, wanted: int, longest_chars: int) -> list[PickedPair]:
    """The pages that tell how faithful a pool is: the median, two of the worst tenth, the best; the rest is drawn.

    Pages that were changed are put in order by the share of content words kept in the prose that the model was given
    (of whole pages where there is no record), those that kept as much by the lines of furniture that are gone.
    """
    documents = [one for one in stage.recycled if 200 <= len(one["organic_text"]) <= longest_chars]
    changed = [one for one in documents if one["organic_text"].split() != one["text"].split()]
    ranked = sorted(changed, key=lambda one: (*_kept_and_dropped(one), str(one["id"])))
    picked = _ranks(ranked)[:wanted]
    shown = {str(pair.document["id"]) for pair in picked}
    drawn = (one for one in sample_pairs(stage, wanted + len(picked), longest_chars) if str(one["id"]) not in shown)
    others = [PickedPair("drawn by the hash of its id", one) for one in drawn]
    return picked + others[: wanted - len(picked)]


def _ranks(ranked: Sequence[Document]) -> list[PickedPair]:
    """One page of each kind, none twice; `ranked` is sorted from the worst page to the best."""
    count = len(ranked)
    named = (
        ((count - 1) // 2, "the median page"),
        (0, "the worst page"),
        ((count - 1) // 10, "the best of the worst tenth"),
        (count - 1, "the best page"),
    )
    picked: dict[int, PickedPair] = {}
    for place, name in named if count else ():
        kept, dropped = _kept_and_dropped(ranked[place])
        what = f"{100 * kept:.0f} % of its prose kept, {dropped} lines of furniture dropped"
        picked.setdefault(place, PickedPair(f"{name} of {count} changed ones: {what}", ranked[place]))
    return list(picked.values())


def _kept_and_dropped(document: Document) -> tuple[float, int]:
    records = chunk_records(document)
    if not records:
        kept = long_words_kept(document["organic_text"], document["text"])
        return 1.0 if kept is None else kept, 0
    counts = page_counts(document["organic_text"], document["text"], records)
    content = counts["prose_content"]
    kept = counts["prose_content_kept"] / content if content else 1.0
    return kept, sum(counts[f"lines_dropped/{kind}"] for kind in GOES)
