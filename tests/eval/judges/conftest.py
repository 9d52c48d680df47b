"""A real server that gives the replies of a script."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Scripted(BaseHTTPRequestHandler):
    """One reply after the other, the last one for ever; a number is a status, a function answers the request."""

    def do_POST(self):
        server, body = self.server, json.loads(self.rfile.read(int(self.headers["content-length"])))
        with server.lock:
            server.asked.append(body)
            server.keys.append(self.headers["authorization"])
            said = server.script[min(len(server.asked), len(server.script)) - 1]
        said = said(body) if callable(said) else said
        status, text = (said, "") if isinstance(said, int) else (200, said)
        data = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def serving():
    """Starts a server with a handler and what that keeps on it, and ends it with the test."""
    started = []

    def start(handler, **kept):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        vars(server).update(kept)
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def scripted(serving):
    """Starts a server with a script; it keeps what it was `asked`, and with which `keys`."""

    def start(*script):
        server = serving(Scripted, script=script, asked=[], keys=[], lock=threading.Lock())
        server.url += "/v1"
        return server

    return start
