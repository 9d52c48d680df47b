"""Test items in the pool: pages that share an n-gram with an evaluation item are reported, dropped, or cut.

Words are runs of letters and digits, NFKC, lower case, so case, punctuation, spacing and marks of emphasis hide
nothing. An item of 13 or more words matches by any 13-gram; one of 8 to 12 words by all of them in a row; a shorter one
is skipped and counted. N-grams found in more than 10 pages are common phrases and count for nothing (GPT-3's rule,
arXiv:2005.14165).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from common.pools.documents import Document
from common.pools.exactly_once import Result
from filter.contamination.config import DecontaminateConfig
from filter.contamination.items import Index, open_hasher, open_index, words_of


def find(index: Index, words: list[str], ngram: int) -> list[tuple[int, int, int]]:
    """N-grams of a page that an item holds: (number of the n-gram, first word, words) each."""
    hits = []
    of_sizes = open_hasher(ngram).of_sizes(words, index.grams) if index.grams else {}
    for size, known in index.grams.items():
        hashes = of_sizes[size]
        places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
        for start in np.flatnonzero(known[places] == hashes).tolist():
            hits.append((index.first[size] + int(places[start]), start, size))
    return hits


def scan(documents: Iterable[Document], index: Index, ngram: int) -> Iterator[list[int]]:
    """Per document, the distinct n-grams it shares with items."""
    for document in documents:
        yield sorted({gram for gram, _, _ in find(index, words_of(document["text"]), ngram)})


def rare(pages: Iterable[Sequence[int]], max_pages: int) -> set[int]:
    """The n-grams that count: those found in some page, and in no more pages than `max_pages`."""
    counts: dict[int, int] = {}
    for grams in pages:
        for gram in grams:
            counts[gram] = counts.get(gram, 0) + 1
    return {gram for gram, number in counts.items() if number <= max_pages}


def owners_of(index: Index, grams: Iterable[int]) -> set[int]:
    """Numbers of the items that hold any of these n-grams."""
    found: set[int] = set()
    sizes = sorted(index.first, key=lambda size: index.first[size])
    for gram in grams:
        size = next(size for size in reversed(sizes) if index.first[size] <= gram)
        found.update(index.owners[size][gram - index.first[size]])
    return found


def excise(text: str, index: Index, counted: set[int], ngram: int) -> str:
    """The text without the paragraphs (lines) that any counted n-gram touches."""
    paragraphs = text.split("\n")
    words: list[str] = []
    place: list[int] = []  # of each word: its paragraph
    for number, paragraph in enumerate(paragraphs):
        found = words_of(paragraph)
        words += found
        place += [number] * len(found)
    gone = {
        place[word]
        for gram, start, size in find(index, words, ngram)
        if gram in counted
        for word in range(start, start + size)
    }
    return "\n".join(paragraph for number, paragraph in enumerate(paragraphs) if number not in gone)


def treat(
    documents: Iterable[Document], shared: Iterable[Sequence[int]], counted: set[int], config: DecontaminateConfig
) -> Iterator[Result]:
    """Report, drop or cut each document that shares a counted n-gram.

    Args:
        documents: of a shard.
        shared: what `scan` found in them.
        counted: from `rare`.
        config: what to do.
    """
    index = open_index(config)
    for document, grams in zip(documents, shared, strict=True):
        own = [gram for gram in grams if gram in counted]
        if not own:
            yield Result(document)
            continue
        counts = {"docs_contaminated": 1}
        if config.action == "drop":
            yield Result(reason="contaminated", counts=counts)
        elif config.action == "report":
            yield Result(document, counts=counts)
        else:
            left = excise(document["text"], index, counted, config.ngram)
            if left.strip():
                yield Result(document | {"text": left}, counts=counts)
            else:
                yield Result(reason="contaminated", counts=counts)


def report(index: Index, found: Mapping[str, Mapping[int, int]]) -> dict[str, Any]:
    """Per task: items, how many were too short, and for each source the contaminated items and the pages they are in.

    Args:
        index: all items.
        found: source → item number → pages.
    """
    tasks: dict[str, Any] = {}
    for task, number in index.lengths.items():
        sources = {}
        for source, pages in found.items():
            of_task = {index.items[item].id: count for item, count in pages.items() if index.items[item].task == task}
            sources[source] = {"items": len(of_task), "matches": sum(of_task.values()), "ids": sorted(of_task)}
        looked_for = number - index.skipped[task]
        tasks[task] = {"items": number, "too_short": index.skipped[task], "looked_for": looked_for, "sources": sources}
    return tasks
