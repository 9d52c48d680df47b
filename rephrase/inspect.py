"""Show recycled documents beside their organic ones, in the terminal.

Usage:
    python -m rephrase.inspect POOL limit=3
    python -m rephrase.inspect POOL organic=ORGANIC_POOL      # where documents do not carry `organic_text`
    python -m rephrase.inspect POOL rejects=true              # what was dropped, and why
"""

import itertools
import json
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import RunConfig
from common.pools.documents import Document, before_mark, page_of, record_of
from common.pools.lines import read_lines
from common.pools.repair import id_text
from common.pools.shards import list_shards, read_pool
from common.pools.storage import list_files
from common.runs.terminal import visible

MISSING = "(no organic text at hand: give organic=POOL)"


class InspectConfig(RunConfig):
    """Which documents of a recycled pool to show."""

    pool: str
    """The recycled pool."""

    organic: str | None = None
    """The pool it was made from, joined by `id`, for documents without `organic_text`."""

    start: int = Field(0, ge=0)
    """Documents to pass over."""

    limit: int = Field(5, ge=1)
    """Documents to show."""

    id: str | None = None
    """Show only the document with this id."""

    rejects: bool = False
    """Show dropped documents with their reasons instead."""

    width: int = Field(0, ge=0)
    """Columns in all; 0: the terminal's."""


def chosen(config: InspectConfig) -> list[Document]:
    """The documents to show, each with `organic_text` where it is to be had."""
    source = _rejects(config.pool) if config.rejects else read_pool(config.pool)
    wanted = (document for document in source if config.id is None or str(document.get("id")) == config.id)
    documents = list(itertools.islice(wanted, config.start, config.start + config.limit))
    if config.organic:
        _join(documents, config.organic)
    return documents


def _rejects(pool: str) -> Iterator[Document]:
    for path in list_files(pool):
        if path.endswith(".rejects.jsonl"):
            for line in read_lines(path):
                row = json.loads(line)
                document = row.get("document") or {}
                text = document.get("text", row.get("raw", ""))
                yield {**document, "organic_text": text, "text": "", "reason": row.get("reason")}


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


def side_by_side(document: Document, width: int) -> str:
    """A heading, then the organic text on the left and the rephrasing on the right."""
    column = max(20, (width - 3) // 2)
    organic = document.get("organic_text")
    left = _wrap(MISSING if organic is None else str(organic), column)
    right = _wrap(document["text"], column)
    rows = [f"{one:<{column}} │ {other}" for one, other in itertools.zip_longest(left, right, fillvalue="")]
    return "\n".join([heading(document), "─" * column + "─┬─" + "─" * column, *rows])


def heading(document: Document) -> str:
    """The id, then how the chunks ended and the scores there are."""
    record: dict[str, Any] = record_of(document) or {}
    chunks = record.get("chunks") or []
    parts = [str(document.get("id", "?"))]
    if document.get("reason"):
        parts.append(f"dropped: {document['reason']}")
    if chunks:
        ends = [" ".join([chunk["status"], *(chunk.get("flags") or ())]) for chunk in chunks]
        parts.append(", ".join(f"{len(list(same))} x {end}" for end, same in itertools.groupby(sorted(ends))))
    parts += [
        f"{name} {record[name]}" for name in ("length_ratio", "semantic", "structure") if record.get(name) is not None
    ]
    return " · ".join(parts)


def _wrap(text: str, column: int) -> list[str]:
    return [
        line
        for paragraph in visible(text).split("\n")
        for line in (textwrap.wrap(paragraph, column, replace_whitespace=False, drop_whitespace=True) or [""])
    ]


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then show."""
    config = parse(InspectConfig, __doc__, argv, positional=("pool",), plan=lambda config: {"reads": config.pool})
    with usage_errors():
        if not config.rejects:
            list_shards(config.pool)
        documents = chosen(config)
        if not documents:
            raise ValueError(f"nothing to show in {config.pool}")
    width = config.width or shutil.get_terminal_size((160, 24)).columns
    print("\n\n".join(side_by_side(document, width) for document in documents))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
