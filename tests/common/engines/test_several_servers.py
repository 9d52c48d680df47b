"""One engine over several servers: a dead one is left alone and comes back, a slow one holds up nobody."""

import contextlib
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from common.engines.config import ServerEngineConfig
from common.engines.open import open_engine
from common.engines.requests import AHEAD, Request

LATER_S = 120
"""What should take a moment may take so long where other work fills the machine."""


class StandIn:
    """A stand-in server in a process of its own."""

    def __init__(self, script, port=0, delay_s=0.0, status=0):
        command = [sys.executable, str(script), str(port), str(delay_s), str(status)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def requests(self):
        """How many it got."""
        return httpx.get(f"http://127.0.0.1:{self.port}/figures").json()["requests"]

    def end(self):
        """Kill it."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def stand_in(root):
    """A function that starts a server."""
    with contextlib.ExitStack() as started:

        def start(**options):
            server = StandIn(root / "tests" / "common" / "stand_in_server.py", **options)
            started.callback(server.end)
            return server

        yield start


def open_at(*urls, **options):
    options = {"backoff_s": 0.05, "timeout_s": LATER_S, "start_timeout_s": 5, "look_s": 0.3, **options}
    return open_engine(ServerEngineConfig(url=list(urls), **options), "stand-in")


def chats(count, mark=""):
    for number in range(count):
        yield Request(str(number), prompt=f"{mark} number {number}", max_tokens=8)


def answered(completions):
    found = {one.request_id: one for one in completions}
    assert all(one.error is None for one in found.values()), [one.error for one in found.values() if one.error][:3]
    return found


def wait_for(condition):
    end = time.monotonic() + LATER_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_requests_are_shared_out_and_each_comes_back_once(stand_in):
    first, second = stand_in(), stand_in()
    with open_at(first.url, second.url, in_flight=8) as engine:
        assert len(answered(engine.stream(chats(200, "[[slow 0.01]]")))) == 200
    shares = [first.requests(), second.requests()]
    assert sum(shares) >= 200 and min(shares) >= 40, shares


def test_what_a_dying_server_had_in_work_goes_to_the_other_and_no_try_is_lost(stand_in):
    first, second = stand_in(), stand_in()
    found = []
    with open_at(first.url, second.url, in_flight=16, retries=0) as engine:
        for completion in engine.stream(chats(200, "[[slow 0.02]]")):
            found.append(completion)
            if len(found) == 40:
                first.process.kill()
        assert len(answered(found)) == len(found) == 200
        assert len(engine.balance.awake()) == 1


def test_a_server_that_falls_silent_is_retired_and_taken_back_when_it_answers(stand_in):
    first, second = stand_in(), stand_in()
    with open_at(first.url, second.url, in_flight=8, retries=0, second_after=0) as engine:
        first.process.send_signal(signal.SIGSTOP)
        assert len(answered(engine.stream(chats(60)))) == 60
        assert [one.url for one in engine.balance.awake()] == [second.url]
        first.process.send_signal(signal.SIGCONT)
        wait_for(lambda: len(engine.balance.awake()) == 2)
        before = first.requests()
        assert len(answered(engine.stream(chats(60, "[[slow 0.01]] again")))) == 60
        assert first.requests() > before


def test_a_server_that_is_not_there_yet_joins_when_it_comes(stand_in, caplog):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alive = stand_in()
    with open_at(f"http://127.0.0.1:{port}/v1", alive.url, in_flight=4) as engine:
        assert "left alone until it answers" in caplog.text
        assert len(answered(engine.stream(chats(20)))) == 20
        late = stand_in(port=port)
        wait_for(lambda: len(engine.balance.awake()) == 2)
        assert len(answered(engine.stream(chats(40, "[[slow 0.01]] again")))) == 40
        assert late.requests() > 0


def test_no_request_waits_for_a_server_that_is_far_slower_than_the_other(stand_in):
    slow, quick = stand_in(delay_s=2 * LATER_S), stand_in()
    with open_at(slow.url, quick.url, in_flight=8) as engine:
        began = time.monotonic()
        assert len(answered(engine.stream(chats(120)))) == 120
        assert time.monotonic() - began < LATER_S
        assert 0 < engine.sent_twice <= 20


def test_a_server_that_fails_at_once_does_not_draw_all_requests(stand_in):
    bad, good = stand_in(status=503), stand_in()
    with open_at(bad.url, good.url, in_flight=4, retries=3, backoff_s=2.0) as engine:
        assert len(answered(engine.stream(chats(100, "[[slow 0.01]]")))) == 100
    assert bad.requests() < 50


def test_where_no_server_is_left_requests_end_as_errors(stand_in):
    first, second = stand_in(), stand_in()
    with open_at(first.url, second.url, in_flight=4, retries=1) as engine:
        for server in (first, second):
            server.process.kill()
        found = list(engine.stream(chats(8)))
    assert len(found) == 8 and all(one.finish_reason == "error" for one in found)


def test_all_servers_serve_one_model(stand_in):
    one = stand_in()
    with pytest.raises(ValueError, match="serves stand-in, not other"):
        open_engine(ServerEngineConfig(url=f"{one.url}, {one.url}"), "other")


def test_answers_come_in_their_turn_where_that_is_asked_for_and_a_slow_one_holds_up_no_request(server_url):
    def source():
        for number in range(60):
            taken.append(number)
            yield Request(str(number), prompt="[[slow 0.5]] first" if number == 0 else f"n {number}", max_tokens=8)

    with open_at(server_url, in_flight=4) as engine:
        taken = []
        stream = engine.stream(source(), ordered=True)
        assert next(stream).request_id == "0"
        assert 8 < len(taken) <= AHEAD * 4 + 1  # others were sent and answered meanwhile; not without end
        assert [one.request_id for one in stream] == [str(number) for number in range(1, 60)]
        taken = []
        stream = engine.stream(source())
        assert next(stream).request_id != "0"
        stream.close()
