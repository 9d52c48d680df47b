"""One policy for all servers: what is tried again, how long is waited, what an unreadable answer becomes."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model_server import (
    LONGEST_WAIT_S,
    Answer,
    Failure,
    ModelServer,
    healthy,
    is_loopback,
    read_answer,
    retry_after,
)


class Script(BaseHTTPRequestHandler):
    """Answers with what the test laid out, one entry a request, the last one for ever: (status, body, headers)."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1
        answers = self.server.answers
        status, body, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.headers["content-length"] = "0"
        self.do_POST()

    def log_message(self, *_):
        pass


@pytest.fixture
def scripted():
    started = []

    def start(*answers):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Script)
        server.answers, server.asked = list(answers), 0
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        started.append((server, thread))
        server.url = f"http://127.0.0.1:{server.server_port}"
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


GOOD = (200, '{"said": "yes"}', {})


def said(answer):
    return answer["said"]


def client(*servers, **options):
    return ModelServer([server.url for server in servers], **{"backoff_s": 0.01, "retries": 2, **options})


@pytest.mark.parametrize(
    "body",
    [
        '{"said": "\\ud800"}',
        "[" * 100_000,
        '{"said": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "",
        "<html>",
        b"\xff\xfe",
        "[]",
        '"said"',
        '{"other": 1}',
        "null",
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error_with_a_reason(scripted, body):
    server = scripted((200, body, {}))
    with client(server) as asked:
        failure = asked.post("x", {}, said)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.tries, server.asked) == ("malformed", 3, 3)


@pytest.mark.parametrize("value", ["inf", "nan", "-5", "1e400", "Wed, 21 Oct 2026 07:28:00 GMT", "", "x"])
def test_no_nonsense_of_a_server_is_waited_for(scripted, value):
    server = scripted((429, "", {"retry-after": value}), GOOD)
    began = time.monotonic()
    with client(server) as asked:
        assert asked.post("x", {}, said) == Answer("yes", 2)
    assert time.monotonic() - began < 5


@given(st.floats() | st.text(max_size=20))
def test_a_wait_is_bounded_whatever_is_asked(value):
    assert 0 <= retry_after({"retry-after": str(value)}) <= LONGEST_WAIT_S


@pytest.mark.parametrize(("status", "asked"), [(400, 1), (401, 1), (404, 1), (429, 3), (500, 3), (503, 3)])
def test_what_is_the_requests_own_fault_is_not_tried_again(scripted, status, asked):
    server = scripted((status, "no", {}))
    with client(server) as asking:
        failure = asking.post("x", {}, said)
    assert failure == Failure(f"http_{status}", "no", asked)
    assert server.asked == asked


def test_a_deadline_ends_the_tries(scripted):
    server = scripted((500, "", {}))
    with client(server, retries=50, backoff_s=0.2, deadline_s=0.5) as asked:
        began = time.monotonic()
        assert asked.post("x", {}, said).reason == "deadline"
    assert time.monotonic() - began < 2


def test_a_server_on_this_machine_is_not_asked_through_a_proxy(scripted, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = scripted(GOOD)
    with client(server, retries=0) as asked:
        assert asked.post("x", {}, said) == Answer("yes", 1)
    assert healthy(server.url)


def test_of_several_servers_a_dead_one_rests_and_the_others_answer(scripted):
    alive = scripted(GOOD)
    with ModelServer(f"http://127.0.0.1:9,{alive.url}", backoff_s=30, retries=2) as asked:
        began = time.monotonic()
        found = [asked.post("x", {"n": n}, said) for n in range(20)]
    assert time.monotonic() - began < 5
    assert {one.value for one in found} == {"yes"}
    assert sum(one.tries for one in found) == 21  # only the first request met the dead one


def test_a_server_that_comes_back_is_asked_again(scripted):
    first, second = scripted((500, "", {}), GOOD), scripted(GOOD)
    with client(first, second, retries=1) as asked:
        assert all(isinstance(asked.post("x", {"n": n}, said), Answer) for n in range(4))


def test_requests_go_to_the_server_with_the_fewest_in_work(scripted):
    servers = [scripted(GOOD), scripted(GOOD)]
    with client(*servers, connections=8) as asked:
        threads = [threading.Thread(target=asked.post, args=("x", {"n": n}, said)) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(server.asked for server in servers) == 40


def test_models_are_those_of_the_first_that_answers(scripted):
    alive = scripted((200, json.dumps({"data": [{"id": "one"}]}), {}))
    with ModelServer(["http://127.0.0.1:9", alive.url]) as asked:
        assert asked.models() == [{"id": "one"}]
    with ModelServer("http://127.0.0.1:9") as asked, pytest.raises(ValueError, match="no server at http://127"):
        asked.models()


def test_a_missing_key_and_a_missing_address_are_named(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(ValueError, match="SOME_KEY"):
        ModelServer("http://127.0.0.1:1", api_key_env="SOME_KEY")
    with pytest.raises(ValueError, match="no server is named"):
        ModelServer(" , ")


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.8.0.1/v1", "http://[::1]:8000/v1"])
def test_loopback_addresses(url):
    assert is_loopback(url)
    assert not is_loopback("http://judge.example:8000/v1")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x), max_leaves=5))
def test_an_ordinary_answer_is_read_as_it_is(value):
    assert read_answer(json.dumps(value)) == value
