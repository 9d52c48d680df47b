"""Evaluation items: read, spelled out, indexed by n-grams."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from common.pools.lines import read_lines
from common.pools.storage import exists, is_folder, list_files
from filter.contamination.config import DecontaminateConfig
from filter.ngrams import NgramHasher

WORD = re.compile(r"[^\W_]+")
"""Letters and digits: an underscore is a mark of emphasis on a page, or joins words."""

WORDS = "letters and digits"
"""Enters the step's hash: what was found by words of another kind is looked for again."""


def words_of(text: str) -> list[str]:
    """The words that are compared.

    >>> words_of("The ﬁrst, _2nd_!")
    ['the', 'first', '2nd']
    """
    return WORD.findall(unicodedata.normalize("NFKC", text).lower())


def item_text(row: Mapping[str, Any]) -> str | None:
    """What of an evaluation row must not be in training text: the question with its gold answer.

    Multiple choice and schema take the gold choice, language modelling context and continuation; the reasoning sets
    have names of their own. None for a row of no known form.
    """
    gold = row.get("gold")
    if "choices" in row and isinstance(gold, int):
        return f"{row['query']} {row['choices'][gold]}"
    if "context_options" in row and isinstance(gold, int):
        return f"{row['context_options'][gold]} {row['continuation']}"
    for pair in PAIRS:
        if all(name in row for name in pair):
            return " ".join(_spelled(row[name]) for name in pair)
    return None


PAIRS = (
    ("context", "continuation"),
    ("context", "answer"),
    ("question", "answer"),
    ("Question", "Answer"),
    ("prompt", "canonical_solution"),
    ("code", "input", "output"),
    ("train", "test"),
    ("text",),
)


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@dataclass(frozen=True)
class TestItem:
    """One evaluation item: its task and its id (or line number) there."""

    task: str
    id: str


@dataclass(frozen=True)
class Index:
    """All n-grams of all items."""

    items: list[TestItem]
    lengths: dict[str, int]
    """Task → items."""
    skipped: dict[str, int]
    """Task → items too short to look for."""
    grams: dict[int, NDArray[np.uint64]]
    """Words per n-gram → sorted hashes."""
    owners: dict[int, list[tuple[int, ...]]]
    """Words per n-gram → for each hash, the numbers of the items that hold it."""
    first: dict[int, int]
    """Words per n-gram → number of its first hash, when all are counted through."""


def open_index(config: DecontaminateConfig) -> Index:
    """Read all items; a process that asks again gets the index it has.

    Raises:
        ValueError: a file is missing, holds no items, or a row has no known form; names the line.
    """
    return _open_index(tuple(config.data), config.ngram, config.min_words)


@lru_cache(maxsize=2)
def _open_index(data: tuple[str, ...], ngram: int, min_words: int) -> Index:
    hasher = open_hasher(ngram)
    items: list[TestItem] = []
    lengths: dict[str, int] = {}
    skipped: dict[str, int] = {}
    found: dict[int, dict[int, set[int]]] = {}
    for path in item_files(data):
        task = PurePosixPath(path).name.partition(".")[0]
        if task in lengths:
            raise ValueError(f"two evaluation files are named {task}")
        lengths[task] = skipped[task] = 0
        for number, line in enumerate(read_lines(path)):
            if not line.strip():
                continue
            row = _row(path, number, line)
            lengths[task] += 1
            words = words_of(item_text(row) or "")
            if len(words) < min_words:
                skipped[task] += 1
                continue
            size = min(len(words), ngram)
            item = len(items)
            items.append(TestItem(task, str(row.get("id", row.get("task_id", number)))))
            for value in hasher.ngrams(words, size).tolist():
                found.setdefault(size, {}).setdefault(value, set()).add(item)
        if not lengths[task]:
            raise ValueError(f"{path} holds no items")
    grams, owners, first, count = {}, {}, {}, 0
    for size, of_size in sorted(found.items()):
        ordered = sorted(of_size)
        grams[size] = np.array(ordered, np.uint64)
        owners[size] = [tuple(sorted(of_size[value])) for value in ordered]
        first[size] = count
        count += len(ordered)
    return Index(items, lengths, skipped, grams, owners, first)


@lru_cache(maxsize=4)
def open_hasher(ngram: int) -> NgramHasher:
    """The n-gram hasher of one size."""
    return NgramHasher(ngram)


def item_files(paths: Sequence[str]) -> list[str]:
    """The files of evaluation items behind paths of files and folders.

    Raises:
        ValueError: there are none.
    """
    found: list[str] = []
    for path in paths:
        if is_folder(path):
            found += [file for file in list_files(path) if file.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst"))]
        elif exists(path):
            found.append(path)
        else:
            raise ValueError(f"no evaluation items at {path}")
    if not found:
        raise ValueError(f"no .jsonl files of evaluation items in {', '.join(paths)}")
    return found


def _row(path: str, number: int, line: bytes) -> Mapping[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{path}, line {number + 1}: {error}") from None
    if not isinstance(row, dict) or item_text(row) is None:
        raise ValueError(
            f"{path}, line {number + 1} is no item of a known form (query and choices, context, question, …)"
        )
    return row
