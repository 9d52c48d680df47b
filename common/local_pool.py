"""Write a pool of the real documents that every machine with this environment already holds.

The long descriptions (README pages) of the installed Python packages and the language reference topics that ship with
Python, as DCLM-form shards. Long pages are cut at their own headings, so that a document is about as long as a web
page; their pieces stay together and in order. Pages come in an order drawn from their names: the same environment
gives the same bytes, and any prefix is a mixture.

Usage:
    python -m common.local_pool OUT [limit=N]
    python -m common.local_pool runs/pool limit=200 shards=2
"""

import hashlib
import itertools
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import Out, RunConfig
from common.pools.documents import Document, write_documents
from common.runs.folder import write_json

HEADING = re.compile(r"^#{1,6} +\S")
UNDERLINE = re.compile(r"^([=\-*~^\"`])\1{2,}\s*$")
FENCE = re.compile(r"^\s*(```|~~~)")


class LocalPoolConfig(RunConfig):
    """Where the pool goes and how large it gets."""

    out: Annotated[str, Out(folder=True)]
    """Folder for the shards; files of the same names are replaced."""

    limit: int | None = Field(None, ge=1)
    """At most this many documents; all if not given."""

    shards: int = Field(4, ge=1)
    """Files the documents are spread over, in order."""

    min_chars: int = Field(200, ge=0)
    """Shorter documents are left out: a package's one-line description is no page."""

    max_chars: int = Field(6000, ge=1)
    """Longer pages are cut at headings; a section that is longer by itself stays whole."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then write the pool."""
    config = parse(LocalPoolConfig, __doc__, argv, positional=("out",))
    with usage_errors():
        count = write_pool(config)
    print(f"{count} documents in {config.shards} shards in {config.out}")  # noqa: T201


def write_pool(config: LocalPoolConfig) -> int:
    """Write the shards and `dataset.json`; returns the number of documents.

    Raises:
        ValueError: the environment holds fewer documents than there are shards, or the folder holds shards that would
            stay beside the new ones.
    """
    documents = [
        document for document in local_documents(config.max_chars) if len(document["text"]) >= config.min_chars
    ]
    documents = documents[: config.limit]
    if len(documents) < config.shards:
        raise ValueError(f"{len(documents)} documents do not fill {config.shards} shards; raise limit or lower shards")
    folder = Path(config.out)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"shard_{shard:08d}_processed.jsonl.zst" for shard in range(config.shards)]
    for stranger in sorted(set(folder.glob("*.jsonl*")) - set(files)):
        raise ValueError(f"{config.out} already holds {stranger.name}, which would join the pool; choose another")
    for number, file in enumerate(files):
        first, last = (len(documents) * edge // config.shards for edge in (number, number + 1))
        write_documents(str(file), documents[first:last])
    characters = sum(len(document["text"]) for document in documents)
    write_json(
        folder / "dataset.json",
        {"name": "local_pool", "dataset_url": str(folder), "documents": len(documents), "characters": characters},
    )
    return len(documents)


def local_documents(max_chars: int) -> Iterator[Document]:
    """Every page of this environment in the order of a hash of its name, long ones cut at headings."""
    pages = [*package_pages(), *topic_pages()]
    for page in sorted(pages, key=lambda page: hashlib.sha256(page["id"].encode()).digest()):
        parts = split_at_headings(page["text"], max_chars)
        for number, text in enumerate(parts):
            suffix = f"#{number}" if len(parts) > 1 else ""
            yield {**page, "id": page["id"] + suffix, "text": text}


def package_pages() -> Iterator[Document]:
    """The long description of each installed package that has one; a package installed twice counts once."""
    seen = set()
    for distribution in metadata.distributions():
        fields = distribution.metadata.json  # undoes the folding of descriptions that stand in a header
        name = re.sub(r"[-_.]+", "-", str(fields.get("name", ""))).lower()
        text = _clean(str(fields.get("description") or ""))
        if name in seen or not text or text == "UNKNOWN":
            continue
        seen.add(name)
        page: Document = {"id": f"package/{name}", "text": text}
        if url := _homepage(fields):
            page["url"] = url
        yield page | {"metadata": {"source": "package", "name": name, "version": fields.get("version", "")}}


def topic_pages() -> Iterator[Document]:
    """The language reference topics behind `help()`."""
    from pydoc_data.topics import topics

    for name, text in topics.items():
        yield {"id": f"topic/{name}", "text": _clean(text), "metadata": {"source": "topic", "name": name}}


def split_at_headings(text: str, max_chars: int) -> list[str]:
    """Cut a page before headings, as few times as keep each piece within `max_chars` characters where it can.

    Markdown headings and titles with a line drawn below them count, those inside a fenced block do not.

    >>> split_at_headings("# A\\n\\none\\n\\n# B\\n\\ntwo", max_chars=10)
    ['# A\\n\\none', '# B\\n\\ntwo']
    """
    lines = text.split("\n")
    cuts = [*_heading_lines(lines), len(lines)]
    if cuts[0] != 0:
        cuts.insert(0, 0)
    pieces: list[str] = []
    current = ""
    for first, last in itertools.pairwise(cuts):
        section = "\n".join(lines[first:last])
        if current.strip() and len(current) + len(section) > max_chars:
            pieces.append(current)
            current = ""
        current = f"{current}\n{section}" if current else section
    pieces.append(current)
    return [piece.strip("\n") for piece in pieces if piece.strip()]


def _heading_lines(lines: list[str]) -> list[int]:
    headings = []
    fenced = False
    for number, line in enumerate(lines):
        if FENCE.match(line):
            fenced = not fenced
        if fenced:
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        titled = bool(re.match(r"^\w", line)) and bool(UNDERLINE.match(following))
        if HEADING.match(line) or (titled and (number == 0 or not lines[number - 1].strip())):
            headings.append(number)
    return headings


def _homepage(fields: dict[str, str | list[str]]) -> str | None:
    home = fields.get("home_page")
    if isinstance(home, str) and home.startswith("http"):
        return home
    for link in fields.get("project_url", []):
        url = link.partition(",")[2].strip()
        if url.startswith("http"):
            return url
    return None


def _clean(text: str) -> str:
    """One kind of line end, and no empty lines around the page."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()


if __name__ == "__main__":
    main()
