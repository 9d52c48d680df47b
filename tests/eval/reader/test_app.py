"""The server's answers: pages, permalinks, and nothing that a hostile page or a foreign web page could use."""

import re

import pytest

starlette = pytest.importorskip("starlette", reason="the reader's extra is not installed")

from starlette.testclient import TestClient  # noqa: E402

from common.pools.documents import write_documents  # noqa: E402
from eval.reader.app import HEADERS, is_own, make_app  # noqa: E402
from eval.reader.shelf import Shelf, find_books  # noqa: E402
from eval.report.pairs.links import document_path, group_path, pool_path, run_path, step_path  # noqa: E402


@pytest.fixture(scope="module")
def client(pool, run, tmp_path_factory):
    index = tmp_path_factory.mktemp("index")
    shelf = Shelf(find_books([str(pool), str(run)], None, str(index)))
    shelf.start()
    shelf.wait()
    assert [(book.name, book.kind, book.state) for book in shelf.books] == [
        ("recycled", "pool", "ready"),
        ("rl", "run", "ready"),
    ]
    with TestClient(make_app(shelf, limit=5), base_url="http://127.0.0.1:8601") as made:
        yield made
    shelf.close()


PAGES = [
    "/",
    pool_path("recycled"),
    pool_path("recycled") + "?q=river&sort=-quality&score=quality&least=0.2",
    document_path("recycled", "page/3"),
    document_path("recycled", "page/4"),
    document_path("recycled", "page/7"),
    run_path("rl"),
    run_path("rl") + "?q=what",
    step_path("rl", 10, "train"),
    step_path("rl", 0, "eval"),
    group_path("rl", 10, "train", "q1"),
]


@pytest.mark.parametrize("address", PAGES)
def test_a_page_is_whole_and_locked_down(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "set-cookie" not in answer.headers
    shown = answer.text
    assert re.findall(r"<script\b[^>]*>", shown) == ['<script src="/static/reader.js" defer>']
    tags = re.findall(r"<[a-z][^>]*>", shown)
    assert not [tag for tag in tags if re.search(r"\s(?:on\w+|style)\s*=", tag)]
    assert all(
        re.match("/|#|data:text/csv", to) for tag in tags for to in re.findall(r'\s(?:href|src|action)="([^"]*)', tag)
    )
    assert shown.count("<main") == shown.count("</main>") == 1


def test_the_first_page_says_what_there_is(client):
    shown = client.get("/").text
    assert "18 documents, and 2 that were dropped" in shown and "3 steps, 28 rollouts" in shown


def test_a_policy_allows_no_foreign_script():
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_a_script_in_a_document_is_text(client):
    shown = client.get(document_path("recycled", "page/3")).text
    assert "&lt;" in shown and "onerror=alert" in shown and "<img" not in shown and "<script>" not in shown
    assert "<img" not in client.get(group_path("rl", 10, "train", "q1")).text


def test_words_are_found_and_pages_turn(client):
    first = client.get(pool_path("recycled"), params={"q": "tiber"})
    assert "documents, 1 to 5 shown here" in first.text
    onward = re.search(r'<a href="([^"]+)" data-key="n">', first.text)[1].replace("&amp;", "&")
    second = client.get(onward).text
    assert "6 to 10 shown here" in second and first.text.count("data-hit") == second.count("data-hit") == 5
    assert "0 documents" in client.get(pool_path("recycled"), params={"q": "nowhere"}).text


def test_filters_by_reason_score_topic_and_status(client):
    def count(**params):
        return int(re.search(r"([\d,]+) documents?[,.]?", client.get(pool_path("recycled"), params=params).text)[1])

    assert count() == 20 and count(reason="truncated") == 2 and count(show="kept") == 18
    assert count(topic="History") == 10 and count(status="missing_sentinel") == 1
    assert count(score="quality", least="0.5", most="0.8") == 3  # 0.5, 0.6 and 0.8; 0.7 was dropped


def test_a_document_shows_differences_facts_and_why_a_chunk_stayed(client):
    shown = client.get(document_path("recycled", "page/4")).text
    assert "Kept organic: the answer does not say where the rephrasing begins" in shown
    shown = client.get(document_path("recycled", "page/5")).text
    assert "<del>Home | About</del>" in shown and '<mark class="kept" title="number kept">1871</mark>' in shown
    shown = client.get(document_path("recycled", "page/3")).text
    assert 'title="number invented">99</mark>' in shown and 'title="number lost">13</mark>' in shown
    shown = client.get(document_path("recycled", "page/7")).text
    assert "Dropped: the model ran out of tokens before the end (truncated)" in shown


def test_neighbours_follow_the_filters(client):
    shown = client.get(document_path("recycled", "page/3", q="tiber")).text
    assert "page%2F3" in shown
    shown = client.get(document_path("recycled", "page/5", topic="History")).text
    assert 'data-key="j"' in shown and "page%2F9" not in shown.split("back to the list")[0].split('data-key="k"')[0]


def test_a_prompts_rollouts_stand_side_by_side(client):
    shown = client.get(group_path("rl", 10, "train", "q1")).text
    assert shown.count("<section class=") == 5 and "not scored: judge/timeout" in shown
    assert "exact/status" in shown and "judged" in shown and "advantage" in shown
    assert '<span class="up" title="advantage +0.5">It </span><span class="down"' in shown
    assert "at the step before" in shown and "step=1&amp;split=train" in shown


def test_discarded_rollouts_say_why(client):
    assert "4 discarded" in client.get(step_path("rl", 10, "train")).text
    assert "discarded: the prompt&#x27;s rewards hardly differ" in client.get(group_path("rl", 10, "train", "q9")).text


@pytest.mark.parametrize(
    "address",
    [
        "/pool/none",
        "/run/recycled",
        "/nowhere",
        document_path("recycled", "page/99"),
        step_path("rl", 5, "train"),
        group_path("rl", 1, "train", "q77"),
        "/static/../app.py",
    ],
)
def test_what_is_not_there_is_said(client, address):
    answer = client.get(address)
    assert answer.status_code == 404 and "Nothing here" in answer.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "evil.example:8601", "localhost.evil"])
def test_a_rebound_name_is_refused(client, host):
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 400 and "host name" in answer.text and "recycled" not in answer.text


def test_names_of_this_machine_are_taken(client):
    for host in ("localhost:8601", "127.0.0.1", "[::1]:8601", "10.0.0.7:80"):
        assert client.get("/", headers={"host": host}).status_code == 200
    assert is_own("box:80", ("box",)) and not is_own("box:80")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_reading_is_taken(client, method):
    assert client.request(method, "/").status_code == 400


@pytest.mark.parametrize("address", ["/pool/recycled?q=" + "x" * 9000, "/pool/recycled/document?id=" + "y" * 9000])
def test_a_very_long_address_is_refused(client, address):
    assert client.get(address).status_code == 400


def test_strange_parameters_are_no_errors(client):
    for query in (
        "start=-1",
        "start=99999999999999999",
        "least=nan&score=quality",
        "sort=-none",
        "within=x",
        "q=%00%ff",
    ):
        assert client.get(f"{pool_path('recycled')}?{query}").status_code == 200


def test_documents_without_their_pages_get_them_from_the_organic_pool(pool, tmp_path):
    rows = [{"id": f"page/{number}", "text": "The river Tiber rose.", "rephrase": {"model": "m"}} for number in (1, 99)]
    write_documents(str(tmp_path / "bare/a.jsonl"), rows)
    shelf = Shelf(find_books([str(tmp_path / "bare")], str(pool.parent / "organic"), str(tmp_path / "index")))
    shelf.start()
    shelf.wait()
    with TestClient(make_app(shelf), base_url="http://127.0.0.1:8601") as client:
        shown = client.get(document_path("bare", "page/1")).text
        assert "11</mark> metres" in shown and 'title="number lost"' in shown
        assert "not at hand" in client.get(document_path("bare", "page/99")).text
        assert client.get("/", follow_redirects=False).headers["location"] == "/pool/bare"
    shelf.close()


def test_a_pool_can_be_read_while_it_is_indexed_and_a_broken_one_says_so(pool, tmp_path):
    shelf = Shelf(find_books([str(pool)], None, str(tmp_path / "index")))  # not started
    with TestClient(make_app(shelf), base_url="http://127.0.0.1:8601") as client:
        assert "data-waiting" in client.get("/pool/recycled").text
        shelf.start()
        shelf.wait()
        shelf.books[0].state = "indexing"
        shown = client.get("/pool/recycled").text
        assert "20 documents" in shown and "The index is being built" in shown
        shelf.books[0].state, shelf.books[0].error = "failed", "<disk full>"
        assert "could not be indexed: &lt;disk full&gt;" in client.get("/pool/recycled").text
    shelf.close()


def test_two_pools_of_one_name_have_names_of_their_own(tmp_path):
    for folder in ("a", "b"):
        write_documents(str(tmp_path / folder / "pool/s.jsonl"), [{"id": folder, "text": "x"}])
    books = find_books([str(tmp_path / "a/pool"), str(tmp_path / "b/pool")], None, str(tmp_path / "index"))
    assert [book.name for book in books] == ["pool (a:pool)", "pool (b:pool)"]
    assert books[0].store.path != books[1].store.path


def test_the_pools_and_runs_of_a_folder_are_found(pool, run, tmp_path):
    (tmp_path / "all").mkdir()
    for name, to in (("recycled", pool), ("rl", run)):
        (tmp_path / "all" / name).symlink_to(to)
    (tmp_path / "all" / "tokens").mkdir()
    (tmp_path / "all" / "tokens" / "manifest.jsonl").write_text("{}")
    found = find_books([str(tmp_path / "all")], None, str(tmp_path / "index"))
    assert [(book.name, book.kind) for book in found] == [("recycled", "pool"), ("rl", "run")]


def test_a_huge_document_is_shown_in_part(tmp_path):
    page = "".join(f"Line {number} of a very long page that has no end.\n" for number in range(40_000))
    chunk = len(page) // 100
    chunks = [
        {"start": at, "end": at + chunk, "out_start": at, "out_end": at + chunk, "status": "ok"}
        for at in range(0, 100 * chunk, chunk)
    ]
    row = {"id": "huge", "text": page, "organic_text": page, "rephrase": {"chunks": chunks}}
    write_documents(str(tmp_path / "pool/a.jsonl"), [row, {"id": "long", "text": page, "organic_text": page[:50]}])
    shelf = Shelf(find_books([str(tmp_path / "pool")], None, str(tmp_path / "index")))
    shelf.start()
    shelf.wait()
    with TestClient(make_app(shelf), base_url="http://127.0.0.1:8601") as client:
        shown = client.get(document_path("pool", "huge")).text
        assert "further parts of this document are not shown" in shown and len(shown) < 4_000_000
        shown = client.get(document_path("pool", "long")).text
        assert "further characters are not shown" in shown and len(shown) < 4_000_000
        assert len(client.get("/pool/pool").text) < 20_000
    shelf.close()
