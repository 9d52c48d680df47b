"""How faithful a rephrasing is to its organic text: lexical, structure, length, numbers, edits; no judge needed.

Usage:
    python -m eval.faithfulness ORGANIC RECYCLED out=FILE.jsonl
    python -m eval.faithfulness RECYCLED out=FILE.jsonl          # rows that carry `organic_text`
    python -m eval.faithfulness PAIRS semantic_model=PATH        # adds BERTScore F1

ORGANIC and RECYCLED are shard files or pools, joined by `id`. Writes one row per pair and prints a table. Rows that
carry `clean_text` (made by `rl.data.rephrase`) also give the share of content kept and of noise removed. For a
recycled pool with its records (`rephrase.chunks`) a second table tells of the pool as a whole: what became of the prose
that went through the model, of verbatim blocks, of badge, link and contents lines, and of whole pages; its last line is
the verdict.

The measures are those of arXiv:2510.10681 as far as published; the rest, and all that need no model, are ours.
`score_pair` is the one function behind reward, gate and report.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import HOW, Out, RunConfig
from common.runs.folder import write_json
from eval.faithfulness.measures import opening_collisions, score_pair
from eval.faithfulness.pairs import chunk_records, read_pairs, summarize, table
from eval.faithfulness.recycled import figures_table, pool_figures


class FaithfulnessConfig(RunConfig):
    """Measure how faithful a recycled pool is to its organic one."""

    organic: str
    """Shard file or pool of the organic documents; or of recycled ones with `organic_text`, if `recycled` is empty."""

    recycled: str = ""
    """Shard file or pool of the recycled documents."""

    out: Annotated[str, HOW, Out()] = ""
    """JSONL file to write, one row of measures per pair; nothing is written if empty."""

    figures: Annotated[str, HOW, Out()] = ""
    """JSON file for the figures of the pool as a whole; nothing is written if empty."""

    semantic_model: str = ""
    """Folder or hub name of an encoder; adds BERTScore F1 as `semantic_f1` if given."""

    semantic_layer: int = Field(18, ge=1)
    """Layer of that encoder whose states are compared (18 of microsoft/deberta-large-mnli: arXiv:2510.10681)."""

    limit: int | None = Field(None, ge=1)
    """Stop after this many pairs."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, score every pair, write the rows and print the table."""
    config = parse(FaithfulnessConfig, __doc__, argv, positional=("organic", "recycled"))
    with usage_errors():
        pairs = list(read_pairs(config.organic, config.recycled, config.limit))
        if not pairs:
            raise ValueError(f"no pairs in {config.recycled or config.organic}")
    rows = [{"id": pair["id"], **score_pair(pair["organic_text"], pair["text"]), **_cleaned(pair)} for pair in pairs]
    if config.semantic_model:
        from eval.faithfulness.bert_scorer import BertScorer

        scorer = BertScorer(config.semantic_model, layer=config.semantic_layer)
        scores = scorer.f1([pair["text"] for pair in pairs], [pair["organic_text"] for pair in pairs])
        for row, score in zip(rows, scores, strict=True):
            row["semantic_f1"] = score
    if config.out:
        from common.pools.documents import write_documents

        write_documents(config.out, rows)
    summary = summarize(rows)
    print(table(summary))  # noqa: T201
    collisions = opening_collisions(pair["text"] for pair in pairs)
    print(f"pairs {len(rows)}, opening collisions {collisions:.0f} per 1,000 documents")  # noqa: T201
    lost = 0
    if config.recycled:
        lost = _count(config.organic) - len(rows)
        print(f"organic documents without a rephrasing (dropped as out of form, or not in the pool): {lost}")  # noqa: T201
    if any(chunk_records(pair) for pair in pairs):
        pages = ((pair["organic_text"], pair["text"], chunk_records(pair)) for pair in pairs)
        figures = pool_figures(pages, max(lost, 0) if config.limit is None else 0)
        print("\n" + figures_table(figures))  # noqa: T201
        if config.figures:
            write_json(config.figures, figures)


def _count(pool: str) -> int:
    from common.pools.shards import read_pool

    return sum(1 for _ in read_pool(pool))


def _cleaned(pair: Mapping[str, Any]) -> dict[str, float | None]:
    """For a page made by putting noise into a clean text: how much of each the rephrasing kept and removed."""
    if not isinstance(pair.get("clean_text"), str):
        return {}
    from eval.faithfulness.noise import content_kept, noise_removed  # which builds on this module

    clean = pair["clean_text"]
    return {
        "content_kept": content_kept(clean, pair["text"]),
        "noise_removed": noise_removed(pair["organic_text"], clean, pair["text"]),
    }


if __name__ == "__main__":
    main()
