"""Megadocuments: several rephrasings of one page joined to one document, so that a model sees them in one context.

The record of a rollout names its page and its number (`common.pools.documents`), and the rollouts of a page lie one
after the other, as `rephrase` writes them. Those that are left of a page after the other steps are joined,
`megadocument` at a time; organic text stays as it is. Rollouts of earlier versions, whose ids alone name their page
(`#0`, `#1` …), are joined where their organic texts are equal too.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from common.pools.documents import Document, old_rollout, page_of, record_of, rollout_of
from common.pools.exactly_once import Result, with_own
from common.pools.shards import Shard
from common.tokens.counting import TokenCountConfig, open_counter
from filter.notes import with_counts
from filter.steps import Stats, rewrite_shard

log = logging.getLogger("repro.filter")

BREAK = "\n\n"
"""Between two rephrasings."""


def join_shard(shard: Shard, output: str, size: int, tokens: TokenCountConfig, config_hash: str) -> Stats:
    """Write one shard with its rollouts joined; those that went into another document count as dropped (`joined`)."""

    def work(documents: Iterator[Document]) -> Iterator[Result]:
        return with_counts(join_rollouts(documents, size, open_counter(tokens)))

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
    group: list[Document] = []
    apart = 0
    for document in documents:
        if group and len(group) < size and _follows(group[-1], document):
            group.append(document)
            continue
        yield from _joined(group, count)
        group = [document]
        apart += old_rollout(document) is not None and not document.get("organic_text")
    yield from _joined(group, count)
    if apart:
        log.warning("%d recycled documents do not name their page and have ids that end in `#n`: not joined", apart)


def _follows(before: Document, document: Document) -> bool:
    """Whether a document is a further rollout of the page that the one before it rephrases.

    Rollouts of a page come by rising number: where it does not rise, a page with the same id begins.
    """
    if (record_of(document) or {}).get("page") is not None:
        numbers = rollout_of(before), rollout_of(document)
        rises = numbers[0] is not None and numbers[1] is not None and numbers[0] < numbers[1]
        return rises and page_of(before) == page_of(document)
    page, organic = old_rollout(document), document.get("organic_text")
    return page is not None and page == old_rollout(before) and bool(organic) and organic == before.get("organic_text")


def _joined(group: Sequence[Document], count: Any) -> Iterator[Result]:
    if not group:
        return
    yield Result(group[0] if len(group) == 1 else _join(group, count))
    yield from (Result(reason="joined") for _ in group[1:])


def _join(group: Sequence[Document], count: Any) -> Document:
    text = BREAK.join(document["text"].strip("\n") for document in group)
    own: Document = {"parts": [document["id"] for document in group]}
    if count is not None:
        own["token_count"] = count([text])[0]
        return with_own({**group[0], "text": text, "token_count": None}, own)
    return with_own({**group[0], "text": text}, own)
