"""Clients of model servers let their connections go when they end themselves."""

import gc
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tokenizers import Tokenizer, models

from eval.judge import Judge, JudgeConfig
from eval.likelihood import ScorerConfig
from eval.server_scorer import ServerScorer
from filter.dataman import DataManConfig, DataManScorer


class Lister(BaseHTTPRequestHandler):
    """Lists one model, and keeps the connection open after it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        raw = json.dumps({"data": [{"id": "one"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Lister)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def judge(url, _folder):
    return Judge(JudgeConfig(url=url, model="one"))


def server_scorer(url, _folder):
    return ServerScorer(url, ScorerConfig())


def dataman(url, folder):
    Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
    return DataManScorer(DataManConfig(url=url, tokenizer=str(folder)))


@pytest.mark.parametrize("opened", [judge, server_scorer, dataman])
def test_a_clients_connections_end_with_it(opened, url, tmp_path):
    scorer = opened(url, tmp_path)
    client = scorer.client
    assert client.get(f"{url}/models").status_code == 200
    assert not client.is_closed
    del scorer
    gc.collect()
    assert client.is_closed
