"""The real vLLM: the engine in this process, and the server back-end against `vllm serve`; once per session each."""

import importlib.util
import os
import socket
import subprocess
import sys

import pytest

from common.engines.config import ServerEngineConfig, VLLMEngineConfig
from common.engines.open import open_engine
from common.engines.requests import Request

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # vLLM's own, of many kinds
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed (setup_vllm.sh)"),
]

CPU_SETTINGS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # threads bound to cores starve where other work runs too
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "2",
}
ON_CPU = {"enforce_eager": True, "dtype": "float32", "max_model_len": 256, "options": {"max_num_seqs": 16}}


def chat(name, text, **options):
    return Request(id=name, messages=[{"role": "user", "content": text}], **{"max_tokens": 8, **options})


def answers(engine, requests):
    return {c.request_id: c for c in engine.stream(requests)}


@pytest.fixture(scope="session")
def cpu_settings():
    before = dict(os.environ)
    os.environ.update(CPU_SETTINGS)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def in_process(chat_model, cpu_settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # one import of vLLM less, 20 s of a core
        engine = open_engine(VLLMEngineConfig(in_flight=5, **ON_CPU), chat_model)
    with engine:
        yield engine


@pytest.fixture(scope="session")
def served(chat_model, cpu_settings, tmp_path_factory):
    """A `vllm serve` of the same model on a free port of 127.0.0.1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("served") / "log.txt"
    # what `vllm serve` runs; the command itself looks for the metadata of `vllm`, which the CPU build has as `vllm-cpu`
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", chat_model]
    command += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "tiny", "--enforce-eager"]
    command += ["--dtype", "float32", "--max-model-len", "256", "--max-num-seqs", "16"]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            config = ServerEngineConfig(
                url=f"http://127.0.0.1:{port}/v1", start_timeout_s=300, tokenizer=chat_model, in_flight=5
            )
            try:
                engine = open_engine(config, "tiny")
            except ValueError as error:
                pytest.fail(f"{error}\n{log.read_text()[-3000:]}")
            with engine:
                yield engine
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(params=["in_process", "served"])
def engine(request):
    return request.getfixturevalue(request.param)


def test_every_request_comes_back_once_with_its_counts(engine):
    found = answers(engine, (chat(str(n), f"the cat number {n}", temperature=0) for n in range(17)))
    assert sorted(found, key=int) == [str(n) for n in range(17)]
    for completion in found.values():
        assert completion.error is None and completion.finish_reason in ("stop", "length")
        assert 0 < completion.tokens_out <= 8
        assert completion.finish_reason == "stop" or completion.tokens_out == 8
        assert completion.tokens_in == len(engine.render(chat("x", f"the cat number {completion.request_id}")))


def test_greedy_is_what_transformers_gives(engine, chat_model):
    from common.engines.config import TransformersEngineConfig

    requests = [chat(str(n), "the dog ran " * (n + 1), temperature=0) for n in range(4)]
    found = answers(engine, requests)
    with open_engine(TransformersEngineConfig(), chat_model) as other:
        expected = answers(other, requests)
    for name, completion in expected.items():
        # vLLM holds back bytes at the end that are no whole character; a random model writes many such.
        assert found[name].text.rstrip("\ufffd") == completion.text.rstrip("\ufffd")
        assert found[name].finish_reason == completion.finish_reason
        assert (found[name].tokens_in, found[name].tokens_out) == (completion.tokens_in, completion.tokens_out)


def test_a_seed_repeats_itself_and_another_does_not(engine):
    requests = [chat(str(n), "the cat", seed=n, max_tokens=16) for n in range(4)]
    first, second = answers(engine, requests), answers(engine, reversed(requests))
    assert {n: c.text for n, c in first.items()} == {n: c.text for n, c in second.items()}
    assert len({c.text for c in first.values()}) > 1


def test_a_prompt_without_room_fails_alone(engine):
    found = answers(engine, [chat("long", "cat " * 400), chat("short", "cat")])
    assert found["long"].finish_reason == "error" and "the model takes 256" in found["long"].error
    assert found["short"].error is None


def test_a_stop_text_ends_the_completion(engine):
    whole = answers(engine, [chat("a", "the cat", temperature=0, max_tokens=12)])["a"].text
    middle = whole[len(whole) // 2 : len(whole) // 2 + 2]
    found = answers(engine, [chat("a", "the cat", temperature=0, max_tokens=12, stop=(middle,))])["a"]
    assert found.finish_reason == "stop" and found.text == whole[: whole.index(middle)]


def test_a_stream_can_be_left_halfway(engine):
    stream = engine.stream(chat(str(n), "the cat", max_tokens=50) for n in range(20))
    next(stream)
    stream.close()
    assert list(answers(engine, [chat("after", "cat")])) == ["after"]


def test_shards_are_rephrased_by_vllm(chat_model, in_process, tmp_path):
    """The stage over the real engine: a random model gives no usable answer, and every document is accounted for."""
    from common.config import load
    from rephrase.config import RephraseConfig
    from rephrase.rephraser import Rephraser

    options = {"input": "in", "output": str(tmp_path), "model": chat_model, "max_new_tokens": 8, "max_chars": 40}
    allowed = {"max_bad": 1, "max_truncated": 1}
    config = load(
        RephraseConfig, [], {**options, "system": "none", "prompt_file": str(tmp_path / "p"), "health": allowed}
    )
    (tmp_path / "p").write_text("Rewrite: {text}")
    documents = [{"id": str(n), "text": "the cat sat. " * n} for n in range(8)]
    results = list(Rephraser(config, in_process)(iter(documents)))
    assert [(r.source or r.document)["id"] for r in results] == [str(n) for n in range(8)]
    assert results[0].reason == "blank"
    assert all(r.counts["tokens_completion"] > 0 for r in results[1:])
