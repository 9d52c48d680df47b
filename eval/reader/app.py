"""The local server: its routes, and what every answer carries so that a hostile page of text stays text.

Nothing is written, nothing asks who reads, no cookie is set. The answers allow no script and no style but the reader's
own files, no frame, and no request to anywhere. A request whose `Host` is a foreign name is refused: a web page that
points a name of its own at 127.0.0.1 (DNS rebinding) reads nothing here.
"""

import ipaddress
from collections.abc import Callable
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eval.reader import pages, rollout_pages
from eval.reader.frame import STATIC, figure, framed, href, stylesheet, text
from eval.reader.search import read_filters
from eval.reader.shelf import Book, Shelf
from eval.reader.store import get_meta
from eval.report.pairs.links import pool_path, run_path

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

LONGEST_ADDRESS = 8000
"""Characters of an address with its parameters."""


class Guard:
    """Refuses what is no reading of a page from this machine, and puts `HEADERS` on every answer.

    Args:
        app: what answers.
        names: host names that may be asked for, beside addresses and `localhost`.
    """

    def __init__(self, app: ASGIApp, names: tuple[str, ...] = ()) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    *((name.encode(), value.encode()) for name, value in HEADERS.items()),
                ]
            await send(message)

        refusal = self._refusal(scope)
        answer: ASGIApp = PlainTextResponse(f"{refusal}\n", 400) if refusal else self.app
        await answer(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> str:
        if scope["method"] not in ("GET", "HEAD"):
            return "The reader only shows; it takes GET and HEAD."
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_ADDRESS:
            return "The address is too long."
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not is_own(hosts[0], self.names):
            return "This host name is not the reader's; use the address that it printed."
        return ""


def is_own(host: str, names: tuple[str, ...] = ()) -> bool:
    """Whether a `Host` header names this machine by an address or a known name: a rebound name is neither.

    >>> [is_own(host) for host in ("127.0.0.1:8601", "localhost", "[::1]:8601", "evil.example", "127.0.0.1.evil.org")]
    [True, True, True, False, False]
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    if name.lower() in ("localhost", *names):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def make_app(shelf: Shelf, limit: int = 20, names: tuple[str, ...] = ()) -> ASGIApp:
    """The reader of a shelf.

    Args:
        shelf: started or not.
        limit: documents on a page.
        names: see `Guard`.
    """

    def about_pool(request: Request) -> Response:
        return _of_book(shelf, request, "pool", partial(pool_answer, limit=limit))

    def document(request: Request) -> Response:
        return _of_book(shelf, request, "pool", document_answer)

    def about_run(request: Request) -> Response:
        return _of_book(shelf, request, "run", run_answer)

    def step(request: Request) -> Response:
        return _of_book(shelf, request, "run", step_answer)

    def group(request: Request) -> Response:
        return _of_book(shelf, request, "run", group_answer)

    def start(request: Request) -> Response:
        if len(shelf.books) == 1:
            return RedirectResponse(_path(shelf.books[0]), 302)
        return HTMLResponse(shelf_page(shelf))

    routes = [
        Route("/", start),
        Route("/pool/{name}", about_pool),
        Route("/pool/{name}/document", document),
        Route("/run/{name}", about_run),
        Route("/run/{name}/step", step),
        Route("/run/{name}/group", group),
        Route("/static/reader.css", lambda request: PlainTextResponse(stylesheet(), media_type="text/css")),
        Route("/static/reader.js", lambda request: PlainTextResponse(_script(), media_type="text/javascript")),
        Route("/favicon.ico", lambda request: Response(status_code=204)),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={404: _not_found}), names)


def _script() -> str:
    return (STATIC / "reader.js").read_text(encoding="utf-8")


async def _not_found(request: Request, error: Exception) -> Response:
    return _nothing("There is no such page.")


def _nothing(told: str) -> Response:
    return HTMLResponse(framed("Nothing here", f"<p>{text(told)}</p>", [("all", "/")]), 404)


def _of_book(shelf: Shelf, request: Request, kind: str, answer: Callable[[Book, Request], str | None]) -> Response:
    book = shelf.find(request.path_params["name"], kind)
    if book is None:
        return _nothing("There is no pool or run of this name here.")
    shelf.look(book)
    if book.state != "ready" and not book.store.path.is_file():
        told = pages.waiting(book) or '<p class="banner" data-waiting>The index is about to be built.</p>'
        return HTMLResponse(framed(book.name, told, [("all", "/")]))
    body = answer(book, request)
    return _nothing("What this address names is not in the pool or run.") if body is None else HTMLResponse(body)


def pool_answer(book: Book, request: Request, limit: int) -> str:
    """The list of documents."""
    return pages.pool_page(book, read_filters(request.query_params), limit)


def document_answer(book: Book, request: Request) -> str | None:
    """One document."""
    params = request.query_params
    return pages.document_page(book, read_filters(params), params.get("id", ""), _count(params.get("copy", "")))


def run_answer(book: Book, request: Request) -> str:
    """A run's steps, or a search in it."""
    params = request.query_params
    return rollout_pages.run_page(book, params.get("q", "")[:500], _count(params.get("start", "")))


def step_answer(book: Book, request: Request) -> str | None:
    """A step's prompts."""
    params = request.query_params
    step, split = _count(params.get("step", "")), params.get("split", "train")
    return rollout_pages.step_page(book, step, split, _count(params.get("start", "")))


def group_answer(book: Book, request: Request) -> str | None:
    """A prompt's rollouts."""
    params = request.query_params
    return rollout_pages.group_page(
        book, _count(params.get("step", "")), params.get("split", "train"), params.get("id", "")
    )


def _count(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 15 else 0


def _path(book: Book) -> str:
    return pool_path(book.name) if book.kind == "pool" else run_path(book.name)


def _holds(book: Book) -> str:
    """How much is in a book that is indexed."""
    if book.state != "ready":
        return ""
    connection = book.store.reader()
    if book.kind == "run":
        (steps, samples) = connection.execute("SELECT count(DISTINCT step), count(*) FROM samples").fetchone()
        return f"{steps:,} steps, {samples:,} rollouts"
    kept, dropped = (get_meta(connection, name, 0) for name in ("documents", "dropped"))
    return f"{kept:,} documents" + (f", and {dropped:,} that were dropped" if dropped else "")


def shelf_page(shelf: Shelf) -> str:
    """All pools and runs that there are to read."""
    rows = []
    for book in shelf.books:
        state = {"ready": "ready", "failed": f"failed: {book.error}", "waiting": "waits to be indexed"}.get(
            book.state, f"being indexed: {figure(100 * book.share)} %"
        )
        kind = "pool of documents" if book.kind == "pool" else "rollouts of a run"
        rows.append(
            f'<tr><td><a data-hit href="{href(_path(book))}">{text(book.name)}</a></td><td>{kind}</td>'
            f"<td>{text(_holds(book))}</td><td>{text(book.path)}</td><td>{text(state)}</td></tr>"
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("name", "what it is", "what it holds", "where", "index"))
    unready = "" if all(book.state in ("ready", "failed") for book in shelf.books) else " data-waiting"
    body = (
        f'<div class="scroll"{unready} tabindex="0" role="region" aria-label="Pools and runs"><table><thead><tr>{head}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    return framed("Pools and runs", body, keys=(("j, k", "next and previous"), ("Enter", "open it")))
