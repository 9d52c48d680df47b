"""Read pools of documents and the rollouts of RL runs in a browser, from a small server on this machine.

Usage:
    python -m eval.reader runs/recycled                      # a recycled pool: pages before and after
    python -m eval.reader runs/recycled organic=data/pool    # where documents do not carry their pages
    python -m eval.reader runs/rl                            # an RL run: steps, prompts, rollouts with their rewards
    python -m eval.reader runs/quickstart                    # all pools and runs in a folder
    bash scripts/view.sh runs/recycled                       # the same on a terminal; elsewhere it prints texts

An index is built at the first reading, in a cache folder (`REPRO_CACHE`, else `~/.cache/repro`); what is indexed can be
read meanwhile, and a build that is stopped goes on the next time. Only this machine can read the pages, unless `host`
says otherwise.
"""

import socket
import sys
import time
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from pydantic import Field

from common.command import WorkFailed, entry_point, parse, usage_errors
from common.config import HOW, Out, RunConfig
from eval.report.pairs.links import PORT, document_path, pool_path

if TYPE_CHECKING:
    from eval.reader.shelf import Book, Shelf


class ReaderConfig(RunConfig):
    """What is read, and where the pages are."""

    pool: list[str]
    """Pools (folders, globs, shards, URLs), run folders of RL, or folders of these."""

    organic: str | None = None
    """The pool that recycled ones were made from, joined by `id`, for documents without `organic_text`."""

    start: int = Field(0, ge=0)
    """Documents to pass over at first."""

    limit: int = Field(20, ge=1, le=200)
    """Documents on a page."""

    id: str | None = None
    """Begin with the document with this id."""

    url: str = ""
    """Begin with pages whose address holds these words."""

    rejects: bool = False
    """Begin with what was dropped."""

    status: str = ""
    """Begin with documents that have a chunk of this status or flag, such as `missing_sentinel`."""

    score: str = ""
    """A number of the documents to begin with, such as `quality` or `length_ratio`, bounded by the next two."""

    min_score: float | None = None
    """Least `score` that is shown at first."""

    max_score: float | None = None
    """Greatest `score` that is shown at first."""

    differences: bool = True
    """Mark differences on the terminal (`terminal=true`); a page has a switch for it."""

    width: int = Field(0, ge=0)
    """Columns on the terminal; a page uses the browser's width."""

    host: Annotated[str, HOW] = "127.0.0.1"
    """Address or name to listen at; anything but this machine's own lets others read."""

    port: Annotated[int, HOW] = Field(PORT, ge=0, le=65535)
    """Port to listen at; 0 chooses a free one, and so does a default that is taken."""

    index: Annotated[str | None, Out(folder=True)] = None
    """Folder for the indexes; a cache folder if null."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then serve until Ctrl-C."""
    config = parse(ReaderConfig, __doc__, argv, positional=("pool",), plan=lambda config: {"reads": config.pool})
    try:
        import uvicorn

        from eval.reader.app import make_app
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "starlette"):
            raise
        raise WorkFailed(
            f"the reader's pages need {error.name}: pip install -e .[reader]; terminal=true prints in the terminal"
        ) from None
    from eval.reader.shelf import Shelf, find_books

    with usage_errors():
        shelf = Shelf(find_books(config.pool, config.organic, config.index))
        listening = _listen(config.host, config.port)
    shelf.told = _Teller()
    names = () if config.host in ("0.0.0.0", "::") else (config.host.lower(),)
    options = uvicorn.Config(
        make_app(shelf, config.limit, names), log_level="warning", access_log=False, server_header=False, lifespan="off"
    )
    shelf.start()
    host = f"[{config.host}]" if ":" in config.host else config.host
    base = f"http://{host}:{listening.getsockname()[1]}"
    print(f"{base}{_first_page(config, shelf)}  (Ctrl-C ends)", flush=True)  # noqa: T201 - the command's output
    if not _is_own(config.host):
        print(f"Whoever can reach {config.host} can read these pages.", file=sys.stderr)  # noqa: T201
    try:
        uvicorn.Server(options).run(sockets=[listening])
    finally:
        shelf.close()


def _listen(host: str, port: int) -> socket.socket:
    """A socket at the port, or at a free one where the default is taken.

    Raises:
        ValueError: the address or port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for tried in (port, 0) if port == PORT else (port,):
        try:
            return socket.create_server((host, tried), family=family)
        except OSError as error:
            problem = f"port {port} of {host} cannot be listened at ({error.strerror}); port=0 chooses a free one"
    raise ValueError(problem)


def _is_own(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _first_page(config: ReaderConfig, shelf: "Shelf") -> str:
    """The page that the keys of the command line ask for."""
    from eval.reader.search import Filters

    book = shelf.books[0]
    if book.kind != "pool":
        return "/"
    if config.id is not None:
        return document_path(book.name, config.id)
    filters = Filters(
        q=f'"{config.url}"' if config.url else "",
        show="dropped" if config.rejects else "",
        status=config.status,
        score=config.score,
        least=config.min_score,
        most=config.max_score,
        start=config.start,
    )
    params = filters.params()
    return f"{pool_path(book.name)}?{urlencode(params)}" if params else "/"


class _Teller:
    """Says on standard error how far the indexes are, every few seconds."""

    def __init__(self, every_s: float = 5.0) -> None:
        self.every_s, self.said = every_s, time.monotonic()

    def __call__(self, book: "Book") -> None:
        now = time.monotonic()
        if book.state == "indexing" and now - self.said < self.every_s:
            return
        self.said = now
        rate = book.documents / max(now - book.began, 1e-9)
        left = book.left_s()
        told = {
            "ready": f"{book.documents:,} documents indexed" if book.documents else "indexed",
            "failed": f"not indexed: {book.error}",
        }.get(
            book.state, f"{100 * book.share:.0f} %, {rate:,.0f} documents/s" + (f", {left:.0f} s left" if left else "")
        )
        print(f"{book.name}: {told}", file=sys.stderr, flush=True)  # noqa: T201 - the command's progress


if __name__ == "__main__":
    main()
