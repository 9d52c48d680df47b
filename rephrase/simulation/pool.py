"""The pool that is simulated: as a real one is, by its sample, or as the numbers say."""

import random
from collections.abc import Sequence

from common.pools.shards import list_shards
from rephrase.planning.details import COLUMNS
from rephrase.planning.sample import PoolSample
from rephrase.simulation.config import SimulateConfig
from rephrase.simulation.engine import draw_requests
from rephrase.simulation.world import PoolShape

SHARDS, SHARD_TOKENS = 600, 120e6
"""DCLM-RefinedWeb's tenth of a global shard: 600 shards of 120 million tokens (arXiv:2510.10681)."""

SPREAD = 1.0
"""Standard deviation of the logarithms of documents' tokens."""

DRAWN = 5000
"""Documents that are drawn; a run goes through them again and again."""


def pool_shape(config: SimulateConfig) -> PoolShape:
    """How many shards, how many documents in each, and how long those are.

    Raises:
        ValueError: there is no such pool, or nothing in it to rephrase.
    """
    shards, shard_tokens = config.shards or SHARDS, config.shard_tokens or SHARD_TOKENS
    if config.input:
        found = list_shards(config.input, config.start, config.end)
        sample = PoolSample(found, config)
        requests = _requests(sample)
        shards = config.shards or len(found)
        shard_tokens = config.shard_tokens or sample.figures()["tokens_sent"].value / len(found)
    else:
        draw = random.Random(f"pool {config.seed}")
        most = config.max_chunk_tokens or config.max_new_tokens / 1.25
        requests = [draw_requests(draw, config.doc_tokens, SPREAD, most) for _ in range(DRAWN)]
    mean = sum(map(sum, requests)) / max(1, len(requests))
    if not mean:
        raise ValueError(f"the documents of {config.input} that were sampled hold nothing to rephrase")
    return PoolShape(shards, max(1, round(shard_tokens / mean)), requests)


def _requests(sample: PoolSample) -> Sequence[Sequence[float]]:
    sent, count = COLUMNS.index("tokens_sent"), COLUMNS.index("requests")
    rows = [row for looked in sample.looked for row in looked.details]
    return [[row[sent] / row[count]] * int(row[count]) if row[count] else [] for row in rows]
