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
def scripted():
    """Starts a server with a script; it keeps what it was `asked`, and with which `keys`."""
    started = []

    def start(*script):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
        server.script, server.asked, server.keys, server.lock = script, [], [], threading.Lock()
        server.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()
