"""The server back-end against a real HTTP server on this machine that speaks the completions protocol."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
import transformers

from eval.likelihood.config import ScorerConfig, ServerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Branch, Trunk

VOCAB = 61
TRUNKS = [
    Trunk(range(20), [Branch(7, [1, 2, 3]), Branch(20, [5]), Branch(4, [])]),
    Trunk([9, 8], [Branch(1, [8, 8, 8, 8])]),
    Trunk([4, 4, 4]),
]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.15,
    )
    return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture
def server(model):
    """The server; `server.faults` makes the next requests fail: a status, or "shift" for the wrong ids."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def send(self, value, status=200):
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            self.send({"data": [{"id": "small"}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/completions" and body["model"] == "small"
            fault = self.server.faults.pop(0) if self.server.faults else None
            if isinstance(fault, int):
                return self.send({"error": "busy"}, fault)
            ids = body["prompt"]
            shown = [token + 1 for token in ids] if fault == "shift" else ids
            with torch.no_grad():
                rows = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
            scored = [
                (row[token].item(), row.argmax().item(), row.max().item())
                for row, token in zip(rows, ids[1:], strict=False)
            ]
            if body.get("echo"):
                numbers = {
                    "tokens": [f"token_id:{token}" for token in [*shown, 7]],
                    "token_logprobs": [None, *(own for own, _, _ in scored), -1.0],
                    "top_logprobs": [
                        None,
                        *({f"token_id:{best}": top} for _, best, top in scored),
                        {"token_id:7": -1.0},
                    ],
                }
                return self.send({"choices": [{"text": "", "logprobs": numbers}]})
            places = [None]
            for token, (own, best, top) in zip(shown[1:], scored, strict=True):
                place = {str(best): {"logprob": top, "rank": 1, "decoded_token": "?"}}
                place.setdefault(str(token), {"logprob": own, "rank": 2, "decoded_token": "?"})
                places.append(place)
            return self.send({"choices": [{"text": "", "prompt_logprobs": places}]})

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.faults = []
    running.url = f"http://127.0.0.1:{running.server_port}/v1"
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def opened(server, **options):
    return open_scorer(server.url, ScorerConfig(server=ServerConfig(retries=1, **options)))


@pytest.mark.parametrize("style", ["prompt_logprobs", "echo"])
def test_a_server_gives_the_numbers_of_its_model(model, server, style):
    for ours, theirs in zip(open_scorer(model).score(TRUNKS), opened(server, style=style).score(TRUNKS), strict=True):
        assert theirs.error is None
        for a, b in zip(ours.branches, theirs.branches, strict=True):
            np.testing.assert_allclose(a.logprobs, b.logprobs, atol=1e-5)
            assert a.greedy.tolist() == b.greedy.tolist()


def test_a_busy_server_is_asked_again(server):
    server.faults = [503]
    assert [scores.error for scores in opened(server, concurrency=1).score(TRUNKS)] == [None, None, None]


@pytest.mark.parametrize(("faults", "error"), [([503, 503], "server"), ([400], "server"), (["shift"], "server_answer")])
@pytest.mark.parametrize("style", ["prompt_logprobs", "echo"])
def test_a_failure_is_an_error_of_its_trunk_alone_never_a_score(server, faults, error, style):
    server.faults = list(faults)
    scores = opened(server, concurrency=1, style=style).score(TRUNKS)
    assert [score.error for score in scores] == [error, None, None]
    assert not scores[0].branches


def test_what_a_server_cannot_do_is_refused(server):
    with pytest.raises(ValueError, match="no entropy"):
        opened(server).score([Trunk([1, 2], probe_rows=[0])])
    with pytest.raises(ValueError, match="temperature 1, not"):
        open_scorer(server.url, ScorerConfig(temperature=0.5))
    with pytest.raises(ValueError, match="no server at"):
        open_scorer("http://127.0.0.1:9/v1")
