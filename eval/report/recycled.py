"""What became of the pages of a recycled pool, where its documents carry their organic text."""

from typing import Any

from common.pools.documents import read_documents
from common.pools.shards import list_shards
from eval.faithfulness.pairs import chunk_records
from eval.faithfulness.recycled import pool_figures
from eval.report.stages import Stage


def faithfulness(stage: Stage) -> dict[str, Any]:
    """The figures of `eval.faithfulness.recycled` with the verdict; {} for a stage that is no such pool."""
    if not stage.stats.get("docs_out"):
        return {}
    try:
        shards = list_shards(stage.path)
    except ValueError:  # a tokenised set has stats and no documents
        return {}
    pages = [
        (document["organic_text"], document["text"], records)
        for shard in shards
        for document in read_documents(shard.path, shard.index)
        if isinstance(document.get("organic_text"), str) and (records := chunk_records(document))
    ]
    lost = stage.stats.get("docs_in", 0) - stage.stats["docs_out"]
    return pool_figures(pages, max(lost, 0)) if pages else {}
