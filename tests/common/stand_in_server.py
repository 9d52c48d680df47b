"""A small OpenAI-compatible server for tests: `python stand_in_server.py` prints its port and serves until killed.

`python stand_in_server.py PORT DELAY_S STATUS` listens there, takes so long for each answer, and answers with that
status; 0 and no words more leave each as it is.

It answers a rephrasing prompt with the sentinel and the text in capitals, and a raw prompt with its words reversed:
both are functions of the request alone. Marks in the text ask for trouble:
    [[busy 2]]   HTTP 503 for the first two attempts       [[refuse]]    HTTP 400
    [[broken 1]] a reply that is no JSON, once             [[slow 0.3]]  an answer after 0.3 s
    [[cut]]      finish_reason length                      [[mute]]      an answer without the sentinel
    [[odd]]      no sentinel when the seed is odd          [[abort]]     finish_reason abort
    [[echo]]     the request body as the answer
"""

import json
import re
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SENTINEL = "Here is a paraphrased version:"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    seen = Counter()
    in_flight = 0
    most_in_flight = 0
    delay_s = 0.0
    status = 0
    lock = threading.Lock()

    def do_GET(self):
        """The list of models, and what a test may ask about the server."""
        if self.path.endswith("/models"):
            self.reply(200, {"data": [{"id": "stand-in", "max_model_len": 4096}]})
        else:
            self.reply(200, {"most_in_flight": Handler.most_in_flight, "requests": sum(Handler.seen.values())})

    def do_POST(self):
        """A completion."""
        try:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        except ValueError:
            return  # the client was killed while it wrote
        with self.lock:
            Handler.in_flight += 1
            Handler.most_in_flight = max(Handler.most_in_flight, Handler.in_flight)
        try:
            self.complete(body)
        finally:
            with self.lock:
                Handler.in_flight -= 1

    def complete(self, body):
        """Answer by the marks in the text."""
        chat = "messages" in body
        whole = body["messages"][-1]["content"] if chat else body["prompt"]
        marks = {name: float(value or 0) for name, value in re.findall(r"\[\[(\w+) ?([\d.]*)\]\]", whole)}
        with self.lock:
            Handler.seen[whole] += 1
            attempt = Handler.seen[whole]
        time.sleep(marks.get("slow", 0) + self.delay_s)
        if self.status:
            return self.reply(self.status, {"error": "as told"})
        if attempt <= marks.get("busy", 0):
            return self.reply(503, {"error": "busy"})
        if attempt <= marks.get("broken", 0):
            return self.send(200, b"<html>")
        if "refuse" in marks:
            return self.reply(400, {"error": "bad request"})
        found = re.search(r"Text:\n(.*)\n\n", whole, re.DOTALL)
        text = found[1].upper() if found else " ".join(reversed(whole.split()))
        if not ("mute" in marks or ("odd" in marks and body["seed"] % 2)):
            text = f"{SENTINEL}\n\n{text}" if chat else text
        if "echo" in marks:
            text = json.dumps({"headers": {key.lower(): value for key, value in self.headers.items()}, "body": body})
        finish = "length" if "cut" in marks else "abort" if "abort" in marks else "stop"
        choice = (
            {"message": {"content": text}, "finish_reason": finish} if chat else {"text": text, "finish_reason": finish}
        )
        usage = {"prompt_tokens": len(whole.split()), "completion_tokens": len(text.split())}
        return self.reply(200, {"choices": [choice], "usage": usage})

    def reply(self, status, value):
        """Send JSON."""
        self.send(status, json.dumps(value).encode())

    def send(self, status, content):
        """Send bytes."""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Threads that do not keep the process alive; a queue for many connections at once."""

    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    port, Handler.delay_s, Handler.status = (
        cast(word) for cast, word in zip((int, float, int), [*sys.argv[1:], "0", "0", "0"], strict=False)
    )
    server = Server(("127.0.0.1", port), Handler)
    print(server.server_port, flush=True)  # noqa: T201
    server.serve_forever()
