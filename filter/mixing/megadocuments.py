"""Megadocuments: several rephrasings of one page joined to one document, so that a model sees them in one context.

Rollouts of a page carry its id with `#0`, `#1` … behind and lie one after the other, as `rephrase` writes them. Those
that are left of a page after the other steps are joined, `megadocument` at a time; organic text stays as it is.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from common.pools.documents import Document
from common.pools.exactly_once import Result
from common.pools.shards import Shard
from common.tokens.counting import TokenCountConfig, open_counter
from filter.mixing.versions import page_of
from filter.steps import Stats, rewrite_shard

BREAK = "\n\n"
"""Between two rephrasings."""


def join_shard(shard: Shard, output: str, size: int, tokens: TokenCountConfig, config_hash: str) -> Stats:
    """Write one shard with its rollouts joined; those that went into another document count as dropped (`joined`)."""

    def work(documents: Iterator[Document]) -> Iterator[Result]:
        for result in join_rollouts(documents, size, open_counter(tokens)):
            tokens_out = {} if result.document is None else {"tokens_out": result.document.get("token_count", 0)}  # type: ignore[union-attr]
            yield Result(result.document, result.reason, counts=tokens_out)

    return rewrite_shard(shard, output, work, config_hash)


def join_rollouts(documents: Iterable[Document], size: int, count: Any = None) -> Iterator[Result]:
    """Join up to `size` neighbouring rollouts of one page.

    A megadocument has its first rollout's fields, the texts with a blank line between them, the ids of its parts in
    `parts`, and its tokens counted anew.

    Args:
        documents: of one shard, in order.
        size: rollouts per megadocument.
        count: the counter of tokens, or None.

    Returns:
        One result per document: the joined one at its first part, the reason `joined` at the others.
    """
    for page, of_page in itertools.groupby(documents, page_of):
        rollouts: Iterator[Document] = iter(of_page)
        while group := list(itertools.islice(rollouts, 1 if page is None else size)):
            yield Result(group[0] if len(group) == 1 else _join(group, count))
            yield from (Result(reason="joined") for _ in group[1:])


def _join(group: Sequence[Document], count: Any) -> Document:
    text = BREAK.join(document["text"].strip("\n") for document in group)
    tokens = {} if count is None else {"token_count": count([text])[0]}
    return {**group[0], "text": text, **tokens, "parts": [document["id"] for document in group]}
