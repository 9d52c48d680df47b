"""How fast a pool becomes shuffled contexts on disk: ours against datatrove and against the bare engine.

Ours is the whole command, from the start of Python to the last rename, the identity check and its 1,000 documents
included; the others are timed without their start. datatrove is compared in processor seconds, so that other work on
the machine counts little; the bare engine, on all cores with the text in memory, in wall time, which means something
on an idle machine only. The engine remembers the words it has seen, so it is timed twice: on text that is new to it, as
specification 4.3 does and as most of a pool is, and on the same text again. datatrove may live in an environment of its
own:

    REPRO_PEERS_PYTHON=PATH/bin/python python -m pytest tests/bench/test_tokenize_speed.py -m bench -s
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.bench, pytest.mark.slow]

SHARDS, COPIES_EACH = 16, 4
COPIES = SHARDS * COPIES_EACH
"""Of the shared pool: 1.4 GB of text, about three of DCLM's shards, so that a start of seconds counts for little."""

MB = 21.883806  # of text in one copy

DATATROVE = """
import os, sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.pipeline.tokens.context_shuffler import DocumentTokenizerContextShuffler
pool, out, tokenizer = sys.argv[1:]
began = sum(os.times()[:4])
LocalPipelineExecutor([
    JsonlReader(pool),
    DocumentTokenizer(out + "/tokens", tokenizer, eos_token="<|endoftext|>", shuffle_documents=False),
], tasks=1, logging_dir=out + "/log1").run()
LocalPipelineExecutor([
    DocumentTokenizerContextShuffler(out + "/tokens", out + "/shuffled", window_size=2049, seed=1),
], tasks=1, logging_dir=out + "/log2").run()
print(sum(os.times()[:4]) - began)
"""

BARE = """
import sys, time
import gigatoken
from common.pools.shards import read_pool
texts = [document["text"] for document in read_pool(sys.argv[1])]
tokenizer = gigatoken.Tokenizer(sys.argv[2])
tokenizer.encode_batch(["A few words."] * 10)  # its import of awkward, its threads
for _ in range(3):
    began = time.monotonic()
    tokenizer.encode_batch(texts)
    print(time.monotonic() - began)
"""


@pytest.fixture(scope="module")
def neox(shared_data):
    return str(shared_data / "tokenizers/gpt-neox-20b/tokenizer.json")


@pytest.fixture(scope="module")
def ours(shared_data, neox, root, tmp_path_factory):
    """Text per processor second and per second of the whole command, in MB/s."""
    folder = tmp_path_factory.mktemp("ours")
    (folder / "pool").mkdir()
    whole = b"".join(path.read_bytes() for path in sorted((shared_data / "web/pool").glob("*.zst")))
    for number in range(SHARDS):  # frames may follow one another in a file
        (folder / "pool" / f"shard_{number:08d}.jsonl.zst").write_bytes(whole * COPIES_EACH)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    arguments = [f"input={folder}/pool", f"output={folder}/set", f"tokenizer={neox}", "engine=gigatoken"]
    subprocess.run([sys.executable, "-m", "pretrain.tokenize", *arguments], cwd=root, check=True)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert json.loads((folder / "set/dataset.json").read_text())["num_tokens"] == COPIES * 5_120_233
    text = COPIES * MB
    print(f"\nours: {text:.0f} MB, {text / seconds:.1f} MB per processor s, {text / wall:.1f} MB/s")  # noqa: T201
    return text / seconds, text / wall


def test_at_least_twenty_times_datatrove(ours, shared_data, neox, tmp_path):
    python = os.environ.get("REPRO_PEERS_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import datatrove"], capture_output=True, check=False).returncode:
        pytest.skip("no datatrove here; set REPRO_PEERS_PYTHON to the Python of an environment that has it")
    (tmp_path / "pool").mkdir()
    for number in (0, 1):  # a quarter of the pool: its rate does not depend on the size
        shutil.copy(shared_data / f"web/pool/shard_{number:08d}_processed.jsonl.zst", tmp_path / "pool")
    done = subprocess.run(
        [python, "-c", DATATROVE, str(tmp_path / "pool"), str(tmp_path), neox],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "true"},
    )
    # The text of these two shards, of 8, by their tokens (specification 4.4).
    rate = MB * (647_591 + 638_669) / 5_120_233 / float(done.stdout.split()[-1])
    print(f"datatrove: {rate:.2f} MB/s; ours is {ours[0] / rate:.1f} times as fast")  # noqa: T201
    assert ours[0] >= 20 * rate


def test_beside_the_bare_engine(ours, shared_data, neox, root):
    new, again = [], []
    for _ in range(3):
        command = [sys.executable, "-c", BARE, str(shared_data / "web/pool"), neox]
        environment = os.environ | {"PYTHONPATH": str(root)}
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, env=environment)
        first, *others = (MB / float(line) for line in done.stdout.split())
        new.append(first)
        again += others
    for what, rates in (("new to it", new), ("it has seen", again)):
        rate = statistics.median(rates)
        share = ours[1] / rate
        verdict = "reached" if share >= 0.6 else "NOT REACHED: reading, sorting and writing are most of a worker's time"
        print(  # noqa: T201
            f"bare engine on text {what}: {rate:.1f} MB/s ({min(rates):.1f} to {max(rates):.1f}); "
            f"ours has {share:.0%}, aim 60 %: {verdict}"
        )
