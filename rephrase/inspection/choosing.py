"""Which documents of a recycled pool are shown: by id, address, score and status, kept or dropped."""

import base64
import itertools
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import orjson
from pydantic import Field, model_validator

from common.config import HOW, RunConfig
from common.pools.documents import Document, address_of, as_object, before_mark, page_of, record_of
from common.pools.lines import read_lines
from common.pools.repair import id_text
from common.pools.shards import list_shards, read_pool
from common.pools.storage import exists, is_folder, join, list_below


class InspectConfig(RunConfig):
    """Which documents of a recycled pool to show, and how. What is asked for together must hold together."""

    pool: str
    """The recycled pool."""

    organic: str | None = None
    """The pool it was made from, joined by `id`, for documents without `organic_text`."""

    start: int = Field(0, ge=0)
    """Documents to pass over."""

    limit: int = Field(5, ge=1)
    """Documents to show."""

    id: str | None = None
    """Show only the document with this id, or those that rephrase the page with this id."""

    url: Annotated[str | None, HOW] = None
    """Show only pages whose address holds this text."""

    status: Annotated[str | None, HOW] = None
    """Show only documents with a chunk of this status or flag (`truncated`, `unfaithful/numbers`), and documents that
    were dropped for this reason."""

    score: Annotated[str | None, HOW] = None
    """A number of the document or of its record, such as `quality`, `length_ratio` or `metadata.language_score`."""

    min_score: Annotated[float | None, HOW] = None
    """Least `score` that is shown."""

    max_score: Annotated[float | None, HOW] = None
    """Greatest `score` that is shown."""

    rejects: bool = False
    """Show dropped documents with their reasons instead."""

    differences: Annotated[bool, HOW] = True
    """Mark what differs: [-words that only the organic text has-], {+words that only the rephrasing has+}."""

    width: int = Field(0, ge=0)
    """Columns in all; 0: the terminal's."""

    @model_validator(mode="after")
    def _check(self) -> "InspectConfig":
        if self.score is None and (self.min_score is not None or self.max_score is not None):
            raise ValueError("min_score and max_score need the name of a score: score=NAME")
        return self


def chosen(config: InspectConfig) -> list[Document]:
    """The documents to show, each with `organic_text` where it is to be had."""
    source = dropped(config.pool) if config.rejects else read_pool(config.pool)
    if config.status is not None and not config.rejects:
        source = itertools.chain(source, dropped(config.pool))
    tests = list(_tests(config))
    wanted = (document for document in source if all(test(document) for test in tests))
    documents = list(itertools.islice(wanted, config.start, config.start + config.limit))
    if config.organic:
        _join(documents, config.organic)
    return documents


def dropped(pool: str) -> Iterator[Document]:
    """The documents (or lines that are none) that a stage set aside, each with its `reason` and an empty text."""
    for path in _rejects_files(pool):
        for line in read_lines(path):
            row = orjson.loads(line)
            document = row.get("document") or {}
            raw = row.get("raw", base64.b64decode(row.get("raw_base64", "")).decode(errors="backslashreplace"))
            text = document.get("text", raw)
            yield {**document, "organic_text": text, "text": "", "reason": row.get("reason")}


def _rejects_files(pool: str) -> list[str]:
    if is_folder(pool):
        return [join(pool, name) for name in sorted(list_below(pool)) if name.endswith(".rejects.jsonl")]
    names = {
        join(posixpath.dirname(shard.path), f"{posixpath.basename(shard.name)}.rejects.jsonl")
        for shard in list_shards(pool)
    }
    return [path for path in sorted(names) if exists(path)]


def _tests(config: InspectConfig) -> Iterator[Callable[[Document], bool]]:
    """What a document must answer to, one question after the other."""
    if (wanted := config.id) is not None:
        yield lambda document: wanted in (str(document.get("id")), page_of(document) if "id" in document else None)
    if (part := config.url) is not None:
        yield lambda document: part in address_of(document)
    if (status := config.status) is not None:
        yield lambda document: status in statuses_of(document)
    if (name := config.score) is not None:
        low = float("-inf") if config.min_score is None else config.min_score
        high = float("inf") if config.max_score is None else config.max_score
        yield lambda document: (value := score_of(document, name)) is not None and low <= value <= high


def statuses_of(document: Mapping[str, Any]) -> set[str]:
    """How a document's chunks ended, what was noted of them, and why it was dropped if it was."""
    found = {str(document["reason"])} if document.get("reason") else set()
    for chunk in (record_of(document) or {}).get("chunks") or ():
        found |= {str(chunk.get("status")), *map(str, chunk.get("flags") or ())}
    return found


def score_of(document: Mapping[str, Any], name: str) -> float | None:
    """A number by its dotted name, of the document or else of its record; None where there is none.

    >>> score_of({"quality": 0.5, "rephrase": {"length_ratio": 0.8}}, "length_ratio")
    0.8
    """
    for place in (document, record_of(document) or {}):
        value: Any = place
        for part in name.split("."):
            value = (as_object(value) if isinstance(value, str) else value) or {}
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _join(documents: list[Document], organic: str) -> None:
    """Look the originals up, by the page that a document's record names."""
    missing = [document for document in documents if document.get("organic_text") is None]
    pages = {id(document): page_of(document) or id_text(document["id"]) for document in missing}
    wanted = set(pages.values())
    old = {before_mark(page) for page in wanted} - wanted  # rollouts of earlier versions have ids that end in #0, #1
    found: dict[str, str] = {}
    for original in read_pool(organic) if missing else ():
        name = id_text(original["id"])
        if name in wanted or name in old:
            found.setdefault(name, original["text"])
            wanted.discard(name)
        if not wanted:
            break
    for document in missing:
        page = pages[id(document)]
        text = found.get(page, found.get(before_mark(page) or ""))
        if text is not None:
            document["organic_text"] = text
