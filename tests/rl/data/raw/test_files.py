"""Raw records come from local files of any form, and from a hub at a pinned commit."""

import gzip
import json
import os
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rl.data.raw.files import find, read

RECORDS = [{"problem": "2 + 2?", "answer": "4"}, {"problem": "3 + 3?", "answer": "6"}]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def values(source, patterns=("*",)):
    return [raw.value for raw in read(find(str(source), "main", patterns, "records"))]


def test_every_form_gives_the_same_records(tmp_path):
    lines = "".join(json.dumps(one) + "\n" for one in RECORDS)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "c.json").write_text(json.dumps(RECORDS))
    (tmp_path / "d.json").write_text(json.dumps({"data": RECORDS}))
    (tmp_path / "e.csv").write_text("problem,answer\n2 + 2?,4\n3 + 3?,6\n")
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "f.parquet")
    with zipfile.ZipFile(tmp_path / "g.zip", "w") as archive:
        archive.writestr("x/a.json", json.dumps(RECORDS[0]))
        archive.writestr("x/b.json", json.dumps(RECORDS[1]))
    for path in sorted(tmp_path.iterdir()):
        assert [{name: one[name] for name in RECORDS[0]} for one in values(path)] == RECORDS, path
    assert len(values(tmp_path)) == 14
    assert len(values(tmp_path / "*.json*")) == 8
    assert values(tmp_path, ("c.*",)) == RECORDS
    raws = list(read(find(str(tmp_path / "a.jsonl"), "", ("*",), "")))
    assert [(raw.file, raw.number, len(raw.sha256)) for raw in raws] == [("a.jsonl", 0, 64), ("a.jsonl", 1, 64)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("a.jsonl", b"{}\n{broken\n", "a.jsonl, line 2: no JSON"), ("a.json", b"{", "a.json: no JSON")],
)
def test_a_broken_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        values(tmp_path)


class Hub(BaseHTTPRequestHandler):
    """What huggingface_hub asks for when it fetches one data set."""

    files = {"train.jsonl": "".join(json.dumps(one) + "\n" for one in RECORDS).encode(), "README.md": b"# card\n"}

    def answer(self):
        path = self.path.split("?")[0]
        if path.startswith("/api/datasets/some/set"):
            if "/tree/" in path:
                tree = [
                    {"type": "file", "path": name, "size": len(body), "oid": COMMIT}
                    for name, body in self.files.items()
                ]
                return "application/json", json.dumps(tree).encode()
            siblings = [{"rfilename": name} for name in self.files]
            found = {
                "id": "some/set",
                "sha": COMMIT,
                "siblings": siblings,
                "private": False,
                "tags": [],
                "downloads": 0,
            }
            return "application/json", json.dumps(found).encode()
        return "text/plain", self.files.get(path.rsplit("/", 1)[-1])

    def do_HEAD(self):
        kind, body = self.answer()
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body or b"")))
        self.send_header("ETag", f'"{COMMIT}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        return body

    def do_GET(self):
        body = self.do_HEAD()
        self.wfile.write(body or b"")

    def log_message(self, *arguments):
        del arguments


def test_a_hub_data_set_is_fetched_and_its_commit_stands_in_every_row(tmp_path, root):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        environment = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        }
        command = [sys.executable, "-m", "rl.data.prepare", "deepscaler_preview", "source=some/set", "revision=v1"]
        command += [f"out={tmp_path / 'rows.parquet'}", "max_length=null"]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    rows = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [json.loads(row["ground_truth"]) for row in rows] == ["4", "6"]
    assert {json.loads(row["provenance"])["revision"] for row in rows} == {COMMIT}
    assert not list(Path(tmp_path / "cache").rglob("README.md"))


def test_a_glob_that_matches_nothing_says_what_is_expected(tmp_path):
    with pytest.raises(ValueError, match="expected: records of grids"):
        find(str(tmp_path / "*.nothing"), "main", ("*",), "records of grids")
