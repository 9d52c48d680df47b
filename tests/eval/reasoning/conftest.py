"""A real HTTP server that answers sums: slow, failing, cutting, talking nonsense, and sometimes stuck; and its task."""

import json
import random
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

QUESTIONS = 24

TASK = """# Sums for tests.
title: Sums
domain: math
source: {local: [sums.jsonl], expects: "records {a, b}"}
id: '{{a}}+{{b}}'
prompt: 'What is {{a}} + {{b}}? Answer within \\boxed{}.'
gold: '{{sum}}'
verifier: math
samples: 4
decoding: {temperature: 1.0, top_p: 0.9, max_tokens: 64}
judge: math
"""


class Sums(BaseHTTPRequestHandler):
    """What it says depends on the prompt and the seed alone; whether it fails depends on its own luck."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        prompt = body["messages"][-1]["content"]
        mine = random.Random(f"{prompt} {body['seed']}")
        with server.lock:
            server.asked.append((prompt, body["seed"]))
            luck = server.luck.random()
        time.sleep(server.slow_s * mine.random())
        if server.stuck and mine.random() < server.stuck:
            time.sleep(server.hang_s)
        if luck < server.failing:
            return self.reply(500, {"error": "out of luck"})
        a, b = map(int, re.search(r"(\d+) \+ (\d+)", prompt).groups())
        kind = mine.random()
        finish = "stop"
        if kind < 0.5:
            text = f"Let me see. Wait, \\boxed{{{a + b}}}"
        elif kind < 0.7:
            text = f"It is \\boxed{{{a + b + mine.randint(1, 3)}}}"
        elif kind < 0.85:
            text, finish = f"<think>{a} and {b} make", "length"
        else:
            text = "".join(mine.choice("ab {}\\<>\n\x00é\u202e") for _ in range(60))
        usage = {"prompt_tokens": 9, "completion_tokens": len(text)}
        choice = {"message": {"content": text}, "finish_reason": finish}
        return self.reply(200, {"choices": [choice], "usage": usage})

    def do_GET(self):
        self.reply(200, {"data": [{"id": "sums"}]})

    def reply(self, status, value):
        data = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the one who asked was killed

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


@pytest.fixture
def sums():
    """The server; its knobs are attributes."""
    server = Server(("127.0.0.1", 0), Sums)
    server.lock, server.luck, server.asked = threading.Lock(), random.Random(1), []
    server.slow_s, server.failing, server.stuck, server.hang_s = 0.01, 0.05, 0.0, 3.0
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sums_task(tmp_path):
    """The task's YAML file, its rows beside it."""
    folder = tmp_path / "task"
    folder.mkdir()
    rows = [{"a": a, "b": 3 * a + 1, "sum": str(4 * a + 1)} for a in range(1, QUESTIONS + 1)]
    (folder / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    path = folder / "sums.yaml"
    path.write_text(TASK, encoding="utf-8")
    return path
