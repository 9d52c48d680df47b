"""Sandbox servers over HTTP: their verdicts are taken, their failures are nobody's."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from eval.sandbox import fusion
from eval.sandbox.limits import Limits
from eval.sandbox.programs import Sandbox, stdio
from eval.verifiers.registry import score
from eval.verifiers.sandboxed import sandbox_of

LIMITS = Limits(cpu_s=1, wall_s=1, deadline_s=20)


def finished(stdout="", code=0, status="Finished"):
    return {"status": "Success", "run_result": {"status": status, "return_code": code, "stdout": stdout, "stderr": ""}}


class Server(ThreadingHTTPServer):
    """Answers as the program's text asks it to."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = Counter()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code, asked = body["code"].strip(), self.server.asked
        asked[code] += 1
        answers = {
            "echo": finished(body["stdin"]),
            "fails": finished(code=1, status="Error") | {"status": "Failed"},
            "late": finished(code=None, status="TimeLimitExceeded") | {"status": "Failed"},
            "broken": {"status": "SandboxError", "message": "no disk", "run_result": None},
            "odd": finished(status="Vanished"),
            "once": finished("2\n") if asked[code] > 1 else {"status": "SandboxError"},
        }
        if code == "hang":
            time.sleep(30)
        text = "<html>" if code == "garbled" else json.dumps(answers.get(code, {}))
        self.send_response(500 if code == "500" else 200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def two_servers():
    started = [Server(), Server()]
    for one in started:
        threading.Thread(target=one.serve_forever, daemon=True).start()
    yield started
    for one in started:
        one.shutdown()
        one.server_close()


def addresses(started):
    return ",".join(f"http://127.0.0.1:{one.server_address[1]}" for one in started)


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("echo", "ok"),
        ("fails", "error"),
        ("late", "time_limit"),
        ("once", "ok"),
        ("broken", "infra_error"),
        ("odd", "infra_error"),
        ("500", "infra_error"),
        ("garbled", "infra_error"),
    ],
)
def test_verdicts_are_taken_and_failures_are_no_verdict(program, status, two_servers):
    with fusion.servers(addresses(two_servers[:1]), LIMITS) as where:
        found = fusion.run(program, "text", where, LIMITS)
    assert found.status == status, found
    assert found.isolation == "remote (sandbox_fusion)"
    tries = two_servers[0].asked[program]
    assert tries == {"infra_error": 1 + fusion.RETRIES}.get(status, 2 if program == "once" else 1)


def test_a_server_that_hangs_or_is_gone_is_no_verdict_either(two_servers, monkeypatch):
    monkeypatch.setattr(fusion, "ANSWER_S", -0.7)
    with fusion.servers(addresses(two_servers[:1]), LIMITS) as where:
        assert fusion.run("hang", "", where, LIMITS).status == "infra_error"
    with fusion.servers("http://127.0.0.1:9", LIMITS) as where:
        assert fusion.run("echo", "", where, LIMITS).status == "infra_error"


def test_servers_share_the_work_and_one_that_is_gone_is_passed_over(two_servers):
    with fusion.servers(addresses(two_servers) + ",http://127.0.0.1:9", LIMITS) as where:
        place = Sandbox(LIMITS, servers=where)
        found = stdio("echo", [str(n) for n in range(30)], [str(n) for n in range(30)], str.__eq__, place)
    assert found.passed is True
    assert min(one.asked["echo"] for one in two_servers) > 0


def test_a_server_must_be_named(monkeypatch):
    monkeypatch.delenv("SANDBOX_FUSION_SERVERS", raising=False)
    with pytest.raises(ValueError, match="SANDBOX_FUSION_SERVERS"):
        fusion.servers()


def test_a_runs_settings_reach_the_servers(two_servers, monkeypatch):
    urls = ",".join(f"http://127.0.0.1:{one.server_port}" for one in two_servers)
    row = {"verifier": "code", "ground_truth": {"inputs": ["7\n"], "outputs": ["7\n"]}}
    limits = {"cpu_s": 1, "wall_s": 1, "deadline_s": 20}
    found = score(row, "```python\necho\n```", options={"sandbox": {"servers": urls, **limits}})
    assert found.status == "correct"
    assert sum(one.asked["echo"] for one in two_servers) == 1
    monkeypatch.setenv(fusion.VARIABLE, urls)
    found = score(row, "```python\nbroken\n```", options={"sandbox": {"servers": "env", **limits}})
    assert (found.status, found.score, found.reason) == ("infra_error", None, "sandbox_down")
    assert sandbox_of({"sandbox": {"servers": urls}}).servers is sandbox_of({"sandbox": {"servers": urls}}).servers
    with pytest.raises(ValueError, match="there are backend, require, servers"):
        sandbox_of({"sandbox": {"server": urls}})
