"""What became of the pages of a recycled pool, where its documents carry their organic text."""

from typing import Any

from eval.faithfulness.pairs import chunk_records
from eval.faithfulness.recycled import pool_figures
from eval.report.stages import Stage


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
        figures["documents_read"] = stage.read
        figures["verdict"] += f" (looked at: {stage.read:,} of {stage.stats['docs_out']:,} documents)"
    return figures
