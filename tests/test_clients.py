"""Clients of model servers let their connections go when they end themselves."""

import gc
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from tokenizers import Tokenizer, models

from eval.judges.judge import Judge, JudgeConfig
from eval.likelihood.config import ScorerConfig
from eval.likelihood.server import ServerScorer
from filter.scorers.dataman import DataManConfig, DataManScorer


class Folder(SimpleHTTPRequestHandler):
    """Serves files, and keeps the connection open after each."""

    protocol_version = "HTTP/1.1"


@pytest.fixture
def url(tmp_path):
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "models").write_text('{"data": [{"id": "one"}]}')
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Folder, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def open_clients():
    return {found for found in gc.get_objects() if type(found) is httpx.Client and not found.is_closed}


def judge(url, _folder):
    return Judge(JudgeConfig(url=url, model="one"))


def server_scorer(url, _folder):
    return ServerScorer(url, ScorerConfig())


def dataman(url, folder):
    Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
    return DataManScorer(DataManConfig(url=url, tokenizer=str(folder)))


@pytest.mark.parametrize("opened", [judge, server_scorer, dataman])
def test_a_clients_connections_end_with_it(opened, url, tmp_path):
    before = open_clients()
    scorer = opened(url, tmp_path)
    assert scorer.server.models() == [{"id": "one"}]
    (client,) = open_clients() - before
    del scorer
    gc.collect()
    assert client.is_closed
