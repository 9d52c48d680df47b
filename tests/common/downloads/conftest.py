"""A hub and a plain file server for the tests: on this machine, with faults on demand."""

import hashlib
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Published:
    """What the server holds, and how it misbehaves."""

    def __init__(self):
        self.files = {}  # "owner/name/path" or a plain path → bytes
        self.in_lfs = set()
        self.lies = {}  # path → bytes that are sent in place of the file
        self.breaks_after = {}  # path → bytes after which each connection is closed, as often as listed
        self.busy = 0  # so many requests are answered "later"
        self.asked = []

    def siblings(self, repository):
        found = []
        for path, content in self.files.items():
            if path.startswith(f"{repository}/"):
                name = path.removeprefix(f"{repository}/")
                one = {"rfilename": name, "size": len(content)}
                one["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                if name in self.in_lfs:
                    digest = hashlib.sha256(content).hexdigest()
                    one["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 100}
                found.append(one)
        return found

    def tree(self, repository, folder, recursive):
        """Files of a folder, and the folders in it."""
        front, found = f"{folder}/" if folder else "", []
        for one in self.siblings(repository):
            rest = one["rfilename"].removeprefix(front)
            if front and rest == one["rfilename"]:
                continue
            if recursive or "/" not in rest:
                found.append({"type": "file", "path": one["rfilename"], "oid": one["blobId"], **one})
            else:
                place = {"type": "directory", "path": f"{front}{rest.split('/')[0]}", "oid": COMMIT}
                found += [place] if place not in found else []
        return found


def handler_of(published):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            path = self.path.partition("?")[0].lstrip("/")
            published.asked.append((self.command, path, self.headers.get("range", "")))
            if published.busy and body and not path.startswith("api/"):
                published.busy -= 1
                self.send(503, b"", {"retry-after": "0"})
                return
            if path.startswith("api/") and "/tree/" in path:
                inside = "/".join(urllib.parse.unquote(path).split("/")[6:])
                found = published.tree("/".join(path.split("/")[2:4]), inside, "recursive=true" in self.path.lower())
                self.send(200, json.dumps(found).encode(), {"content-type": "application/json"})
                return
            if path.startswith("api/"):
                kind, repository = path.split("/")[1], "/".join(path.split("/")[2:4])
                about = {"id": repository, "sha": COMMIT, "siblings": published.siblings(repository)}
                found = bool(about["siblings"]) and kind in ("models", "datasets")
                self.send(200 if found else 404, json.dumps(about).encode(), {"content-type": "application/json"})
                return
            path = path.removeprefix("datasets/").replace(f"/resolve/{COMMIT}", "").replace("/resolve/v1", "")
            if path not in published.files:
                self.send(404, b"", {"x-error-code": "EntryNotFound"})
                return
            content = published.lies.get(path, published.files[path])
            start = int((self.headers.get("range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
            if start and start >= len(content):
                self.send(416, b"", {"content-range": f"bytes */{len(content)}"})
                return
            headers = {
                "etag": f'"{hashlib.sha256(published.files[path]).hexdigest()}"',
                "x-repo-commit": COMMIT,
                "accept-ranges": "bytes",
            }
            if start:
                headers["content-range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send(206 if start else 200, content[start:], headers, body, published.breaks_after.get(path))

        def send(self, status, content, headers, body=True, breaks=None):
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                cut = breaks.pop(0) if breaks else len(content)
                self.wfile.write(content[:cut])
                if cut < len(content):
                    self.wfile.flush()
                    self.close_connection = True

    return Handler


@pytest.fixture
def published():
    """What the server of this test holds."""
    return Published()


@pytest.fixture
def commit():
    """The commit that every repository of the server is at."""
    return COMMIT


@pytest.fixture
def address(published):
    """The server's address, until the test ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(published))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
