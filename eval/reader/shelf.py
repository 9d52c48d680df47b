"""What there is to read: pools and runs found under the paths that a person named, indexed behind the page's back."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from common.pools.shards import list_shards
from common.pools.storage import is_folder, is_remote
from eval.labels import distinct_labels
from eval.reader import pool_index, run_index
from eval.reader.store import Store, index_folder

log = logging.getLogger("repro.reader")

NOT_POOLS = ("data", "checkpoints", "export")
"""Folders of runs whose files are no pool to read, looked for below a folder of stages."""


@dataclass
class Book:
    """A pool or a run's samples, with its index."""

    name: str
    """Part of its addresses; no other book has it."""
    path: str
    kind: Literal["pool", "run"]
    store: Store
    organic: "Book | None" = None
    """The pool that a recycled pool was made from, where its documents do not carry their pages."""
    state: Literal["waiting", "indexing", "ready", "failed"] = "waiting"
    done: int = 0
    size: int = 0
    documents: int = 0
    error: str = ""
    began: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def share(self) -> float:
        """How much of it is indexed, 0 to 1."""
        return min(1.0, self.done / self.size) if self.size else 0.0

    def left_s(self) -> float | None:
        """Seconds until it is indexed, as far as can be told by now."""
        passed = time.monotonic() - self.began
        return passed * (1 - self.share) / self.share if self.began and self.share > 0.01 else None


class Shelf:
    """All that is read, and the thread that indexes it.

    Args:
        books: in the order in which they are shown and indexed.
    """

    def __init__(self, books: Sequence[Book]) -> None:
        self.books = list(books)
        self.closing = False
        self.told: Callable[[Book], None] = lambda book: None
        """Called with the book that was indexed a bit further."""
        self._thread = threading.Thread(target=self._index, name="index", daemon=True)

    def start(self) -> None:
        """Mark what is indexed already, and begin with the rest."""
        for book in self._all():
            if book.kind == "pool" and pool_index.is_complete(book.path, book.store):
                book.state = "ready"
        self._thread.start()

    def close(self) -> None:
        """Stop indexing; what is committed stays."""
        self.closing = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)  # it may be waiting for another reader that indexes the same

    def wait(self) -> None:
        """Wait until all is indexed."""
        self._thread.join()

    def find(self, name: str, kind: str) -> Book | None:
        """The book of a name."""
        return next((book for book in self.books if book.name == name and book.kind == kind), None)

    def look(self, book: Book) -> None:
        """Bring a run's index up to date, as a run that is alive adds to its samples."""
        if book.kind != "run" or book.state != "ready" or run_index.is_fresh(Path(book.path), book.store):
            return
        with book.lock:
            run_index.refresh(Path(book.path), book.store)

    def _all(self) -> list[Book]:
        return [one for book in self.books for one in (book, book.organic) if one is not None]

    def _index(self) -> None:
        for book in self._all():
            if self.closing:
                return
            if book.state == "ready":
                continue
            book.state, book.began = "indexing", time.monotonic()
            try:
                with book.lock:
                    self._build(book)
            except Exception as error:  # whatever is wrong with one book, the others can be read
                log.debug("indexing %s failed", book.path, exc_info=True)
                book.state, book.error = "failed", str(error) or type(error).__name__
            self.told(book)

    def _build(self, book: Book) -> None:
        def pool_told(progress: pool_index.Progress) -> None:
            book.documents, book.done, book.size = progress
            self.told(book)

        def run_told(done: int, size: int) -> None:
            book.done, book.size = done, size
            self.told(book)

        if book.kind == "pool":
            if pool_index.build(book.path, book.store, pool_told, lambda: self.closing):
                book.state = "ready"
        else:
            run_index.refresh(Path(book.path), book.store, run_told)
            book.state = "ready"


def find_books(paths: Sequence[str], organic: str | None = None, index: str | None = None) -> list[Book]:
    """The pools and runs under some paths: each itself if it is one, else those inside it.

    Args:
        paths: pools (folders, globs, shards, URLs), run folders of RL, or folders of these.
        organic: the pool that recycled ones were made from.
        index: folder of the indexes; a cache folder if None.

    Raises:
        ValueError: a path holds nothing to read.
    """
    found: list[tuple[str, Literal["pool", "run"]]] = []
    for path in paths:
        kind = _kind(path, named=True)
        inside = [(path, kind)] if kind else _inside(path)
        if not inside:
            list_shards(path)  # says what is wrong, or finds shards further below
            inside = [(path, "pool")]
        found += [one for one in inside if one not in found]
    ends = [Path(path.rstrip("/")) for path, _ in found]
    labels = distinct_labels(ends, [end.name or str(end) for end in ends])
    names = [label.replace("/", ":") for label in labels]  # a name is one part of an address
    page = _book("organic", organic, "pool", index) if organic else None
    books = [_book(name, path, kind, index) for name, (path, kind) in zip(names, found, strict=True)]
    for book in books:
        if book.kind == "pool":
            book.organic = page
    return books


def _book(name: str, path: str, kind: Literal["pool", "run"], index: str | None) -> Book:
    schema = pool_index.SCHEMA if kind == "pool" else run_index.SCHEMA
    return Book(name, path, kind, Store(index_folder(path, index), schema))


def _kind(path: str, *, named: bool = False) -> Literal["pool", "run"] | None:
    """Whether a path is a run with samples, or a pool with shards of its own; `named` are those that a person named."""
    if is_remote(path):
        return "pool"
    if (Path(path) / run_index.SAMPLES).is_file():
        return "run"
    if is_folder(path):
        stage = not named and any((Path(path) / name).is_file() for name in ("config.yaml", "manifest.jsonl"))
        try:
            shards = list_shards(path)
        except ValueError:
            return None
        own = [shard for shard in shards if Path(shard.path).parent == Path(path)]
        return "pool" if own and not stage else None
    return "pool" if any(mark in path for mark in "*?") or Path(path).is_file() else None


def _inside(path: str) -> list[tuple[str, Literal["pool", "run"]]]:
    folder = Path(path)
    if not folder.is_dir():
        return []
    found = []
    for one in sorted(folder.iterdir()):
        if one.is_dir() and not one.name.startswith((".", "_")) and one.name not in NOT_POOLS:
            kind = _kind(str(one))
            if kind:
                found.append((str(one), kind))
    return found
