"""The stage's engine over vLLM's CPU build: beside a bare LLM.generate, slices that drain, and datatrove's runner.

    DATATROVE=PYTHON .venv-vllm/bin/python -m pytest tests/bench/test_vllm_speed.py -m bench -s

In the environment that scripts/setup_vllm.sh makes. DATATROVE is the Python of one with `datatrove[inference]==0.10.1
orjson zstandard fasteners`; without it that part skips itself.
"""

import importlib.util
import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from common.config import load
from common.engines.config import VLLMEngineConfig
from common.engines.open import open_engine
from common.engines.requests import Request
from common.model_server import healthy
from common.pools.documents import read_documents, write_documents
from common.pools.shards import list_shards
from common.pools.storage import one_listing_each
from rephrase.config import RephraseConfig
from rephrase.rephraser import Rephraser
from rephrase.text.prompts import PROMPTS
from rephrase.worker import RephraseWorker
from tests.bench.harness import Side, measure

pytestmark = [
    pytest.mark.bench,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore"),  # vLLM's own, of many kinds
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed (setup_vllm.sh)"),
]

CPU_SETTINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "OMP_NUM_THREADS": "1",
}
MODEL = "rephrase/tiny_text"
SEQS = 64
REQUESTS = int(os.environ.get("REPRO_BENCH_REQUESTS", "1024"))
RUNS = 3
TOKENS = 32
PAGES = 300

PEER = """
import json, sys, time
from functools import partial
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

pool, out, url, tokens, prompt = sys.argv[1:]
head, tail = json.loads(prompt)

async def rollout(document, generate, **_):
    text = f"{head}{document.text}{tail}"
    messages = [{"role": "user", "content": text}]
    return await generate({"messages": messages, "max_tokens": int(tokens), "temperature": 0})

config = InferenceConfig(server_type="endpoint", endpoint_url=url, model_name_or_path="tiny",
                         model_max_context=1024, max_concurrent_generations=256)
runner = InferenceRunner(rollout, config, output_writer=JsonlWriter(out, compression=None))
began = time.process_time()
LocalPipelineExecutor(pipeline=[JsonlReader(pool), runner], tasks=1, logging_dir=out + "/logs").run()
print(time.process_time() - began)
"""


@pytest.fixture(scope="module", autouse=True)
def settings(root):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CPU_SETTINGS.items():
            patch.setenv(name, value)
        patch.chdir(root)
        yield


@pytest.fixture(scope="module")
def engine(settings):
    config = VLLMEngineConfig(
        enforce_eager=True, dtype="float32", max_model_len=1024, max_num_seqs=SEQS, in_flight=4 * SEQS
    )
    with open_engine(config, MODEL) as engine:
        yield engine


@pytest.fixture(scope="module")
def texts(shared_data):
    shard = list_shards(shared_data / "web" / "pool")[0]
    return [page["text"][:300] for page in read_documents(shard.path)]


def long_tailed(count):
    """Most texts are short and one in twenty is ten times as long."""
    draw = random.Random(0)
    return [1 + int(draw.expovariate(1 / 12)) + (120 if draw.random() < 0.05 else 0) for _ in range(count)]


def requests_of(texts, lengths):
    for number, length in enumerate(lengths):
        yield Request(str(number), prompt=texts[number % len(texts)], max_tokens=length, temperature=0.0)


def counts(completions):
    """Tokens made, by request: greedy texts differ in near-ties between batches, lengths hardly."""
    return {one.request_id: one.tokens_out for one in completions}


def alike(one, other):
    assert one.keys() == other.keys()
    assert sum(one[name] != other[name] for name in one) <= len(one) // 100


def test_the_engine_beside_a_bare_generate(engine, texts):
    from vllm import LLM, SamplingParams

    lengths = [TOKENS] * (REQUESTS // 4)
    bare = LLM(model=MODEL, enforce_eager=True, dtype="float32", max_model_len=1024, max_num_seqs=SEQS)

    def generate():
        asked = list(requests_of(texts, lengths))
        settings = [SamplingParams(max_tokens=one.max_tokens, temperature=0.0, seed=0) for one in asked]
        outputs = bare.generate([one.prompt for one in asked], settings, use_tqdm=False)
        return {one.id: len(output.outputs[0].token_ids) for one, output in zip(asked, outputs, strict=True)}

    sides = {"generate": Side(generate), "ours": Side(lambda: counts(engine.stream(requests_of(texts, lengths))))}
    found = measure("requests with the engine", sides, alike, runs=RUNS)
    found.aim("generate", "ours", least=0.97)


def test_a_stream_beside_slices_that_drain(engine, texts):
    lengths = long_tailed(REQUESTS)
    size = REQUESTS // 4  # four slices for each batch of the engine, as 1,024 are for 256

    def sliced():
        asked, found = list(requests_of(texts, lengths)), {}
        for start in range(0, len(asked), size):
            found |= counts(engine.stream(asked[start : start + size]))
        return found

    sides = {"slices": Side(sliced), "stream": Side(lambda: counts(engine.stream(requests_of(texts, lengths))))}
    found = measure(f"{REQUESTS} requests in slices of {size}", sides, alike, runs=RUNS)
    found.aim("slices", "stream", least=1.25)


@pytest.fixture
def served(root, tmp_path):
    """A vLLM server of the same model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", MODEL, "--port", str(port)]
    command += ["--host", "127.0.0.1", "--served-model-name", "tiny", "--enforce-eager", "--dtype", "float32"]
    command += ["--max-model-len", "1024", "--max-num-seqs", str(SEQS)]
    log = tmp_path / "server.txt"
    with log.open("w") as output, subprocess.Popen(command, cwd=root, stdout=output, stderr=output) as process:
        end = time.monotonic() + 900
        while not healthy(f"http://127.0.0.1:{port}/v1"):
            assert process.poll() is None and time.monotonic() < end, log.read_text()[-3000:]
            time.sleep(1)
        yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
        process.terminate()
        process.wait(60)


def cpu_seconds(process):
    """Of a process and its children so far."""
    return sum(sum(one.cpu_times()[:2]) for one in [process, *process.children(recursive=True)])


def test_the_stage_beside_datatroves_runner(engine, served, texts, tmp_path):
    """The runner needs a server, whose seconds count; the stage has its engine inside. Starts count for nobody."""
    peer = os.environ.get("DATATROVE")
    if not peer:
        pytest.skip("set DATATROVE to a Python that has datatrove[inference]==0.10.1")
    url, server = served
    pages = [{"id": str(number), "text": text} for number, text in enumerate(texts[:PAGES]) if text.strip()]
    write_documents(str(tmp_path / "pool" / "s.jsonl"), pages)
    runs = iter(range(100))

    def ours():
        out = tmp_path / f"ours_{next(runs)}"
        values = {"input": str(tmp_path / "pool"), "output": str(out), "model": MODEL, "system": "none"}
        values |= {"temperature": 0, "max_new_tokens": TOKENS, "on_bad_chunk": "keep_organic"}
        values |= {"max_chunk_tokens": 512}  # a page is one request on both sides
        config = load(RephraseConfig, [], {**values, "health": {"max_bad": 1, "max_truncated": 1}})
        with one_listing_each():
            worker = RephraseWorker(config, list_shards(config.input), [], [], 0)
            worker._rephraser = Rephraser(config, engine)
            began = time.process_time()
            (stats,) = worker.work().done.values()
            taken = time.process_time() - began
            worker.run.close()
        assert stats["chunks_in"] == len(pages)
        return taken, len((out / "s.jsonl").read_text().split("\n"))

    def theirs():
        out = tmp_path / f"theirs_{next(runs)}"
        prompt = json.dumps([PROMPTS["repro"].head, PROMPTS["repro"].tail])
        command = [peer, "-c", PEER, str(tmp_path / "pool"), str(out), url, str(TOKENS), prompt]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        began = cpu_seconds(server)
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        taken = float(done.stdout.split()[-1]) + cpu_seconds(server) - began
        (written,) = Path(out).glob("*.jsonl")
        return taken, len(written.read_text().split("\n"))

    def same(one, other):
        assert one == other == len(pages) + 1

    sides = {"datatrove": Side(theirs, "256 at a time", timed=True), "ours": Side(ours, timed=True)}
    found = measure(f"{len(pages)} pages", sides, same, runs=RUNS)
    found.aim("datatrove", "ours", least=1.0)
