"""Speed of fastText filtering on the shared pool, in CPU seconds, so that other work on the machine does not count.

    python -m pytest tests/bench/test_filter_speed.py -m bench -s

DATATROVE names the Python of an environment with datatrove 0.10.1, fasttext-numpy2-wheel, fasteners, orjson and
zstandard; without it the comparison skips.
"""

import json
import os
import subprocess
import sys
import time

import pytest

from filter.run import main
from filter.train_quality import FastTextTraining, read_rows, train_fasttext

pytestmark = [pytest.mark.bench, pytest.mark.slow]

REPEATS = 3

BARE = """
import sys, time
import fasttext, orjson
from common.documents import read_lines
from common.shards import list_shards
from filter.quality import normalize
model = fasttext.load_model(sys.argv[1])
began = time.process_time()
kept = 0
for shard in list_shards(sys.argv[2]):
    for line in read_lines(shard.path):
        (label,), (probability,) = model.predict(normalize(orjson.loads(line)["text"]))
        kept += (probability if label == "__label__hq" else 1 - probability) >= 0.9
print(time.process_time() - began, kept)
"""

OURS = """
import contextlib, io, sys, time
from filter.run import main
from filter.quality import FastTextConfig, open_scorer
import filter.recipe
open_scorer(FastTextConfig(model=sys.argv[2], field="q"))
began = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    main(sys.argv[3:])
print(time.process_time() - began)
"""

DATATROVE = """
import sys, time
from loguru import logger
logger.remove()
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters.fasttext_filter import FastTextClassifierFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
model, pool, out = sys.argv[1:]
step = FastTextClassifierFilter(model, keep_labels=("hq", 0.9), newline_replacement=" ")
began = time.process_time()
reader = JsonlReader(pool, glob_pattern="*.jsonl.zst", compression="zstd")
pipeline = [reader, step, JsonlWriter(out, compression="zstd")]
LocalPipelineExecutor(pipeline, logging_dir=out + "_log", workers=1).run()
print(time.process_time() - began)
"""


@pytest.fixture(scope="module")
def pool(shared_data):
    return str(shared_data / "web" / "pool")


@pytest.fixture(scope="module")
def model(shared_data, tmp_path_factory):
    """A classifier of DCLM's dimensions but for its hash buckets (80 MB in place of 800)."""
    out = tmp_path_factory.mktemp("model") / "quality.bin"
    shape = FastTextTraining(dim=100, bucket=200_000)
    train_fasttext(read_rows(shared_data / "web" / "human_quality.jsonl"), out, shape)
    return str(out)


def recipe(folder, model):
    path = folder / "recipe.yaml"
    rules = [{"name": "organic", "select": {"kind": "threshold", "threshold": 0.9}}]
    scorers = [{"kind": "fasttext", "model": model, "field": "q"}]
    path.write_text(json.dumps({"scorers": scorers, "sources": rules}))
    return str(path)


def best_cpu_s(python, program, *arguments):
    """Least CPU seconds of some runs of a program that prints them."""
    found = []
    for repeat in range(REPEATS):
        given = [one.replace("REPEAT", str(repeat)) for one in arguments]
        done = subprocess.run([python, "-c", program, *given], capture_output=True, text=True, check=True)
        found.append(float(done.stdout.splitlines()[-1].split()[0]))
    return min(found)


def test_filtering_costs_little_more_than_reading_and_predicting(pool, model, tmp_path, capsys):
    config = recipe(tmp_path, model)
    arguments = [config, model, config, f"source_ref_paths={pool}", f"output_dir={tmp_path}/outREPEAT"]
    bare = best_cpu_s(sys.executable, BARE, model, pool)
    ours = best_cpu_s(sys.executable, OURS, *arguments)
    with capsys.disabled():
        print(f"\nfastText filtering: bare loop {bare:.2f} s, ours {ours:.2f} s of CPU: {bare / ours:.0%} of its speed")  # noqa: T201
    assert bare / ours >= 0.85


def test_filtering_beats_datatrove(pool, model, tmp_path, capsys):
    python = os.environ.get("DATATROVE")
    if not python:
        pytest.skip("DATATROVE names no Python with datatrove in it")
    config = recipe(tmp_path, model)
    arguments = [config, model, config, f"source_ref_paths={pool}", f"output_dir={tmp_path}/outREPEAT"]
    ours = best_cpu_s(sys.executable, OURS, *arguments)
    theirs = best_cpu_s(python, DATATROVE, model, pool, f"{tmp_path}/datatroveREPEAT")
    with capsys.disabled():
        print(f"\nfastText filtering: ours {ours:.2f} s, datatrove {theirs:.2f} s of CPU: {theirs / ours:.2f} x")  # noqa: T201
    assert theirs / ours >= 2


def test_two_workers_are_nearly_twice_as_fast(pool, model, tmp_path, capsys):
    seconds = {}
    for workers in (1, 2):
        out = f"output_dir={tmp_path}/out{workers}"
        began = time.monotonic()
        main([recipe(tmp_path, model), f"source_ref_paths={pool}", out, f"workers={workers}"])
        seconds[workers] = time.monotonic() - began
    with capsys.disabled():
        print(f"\nfastText filtering: {seconds[1]:.1f} s with one worker, {seconds[2]:.1f} s with two")  # noqa: T201
    assert seconds[1] / seconds[2] >= 1.8


def test_memory_does_not_grow_with_the_shard(tmp_path, capsys):
    """A shard ten times as long may not cost more than a few megabytes more."""
    peaks = []
    for copies in (1, 10):
        folder = tmp_path / f"pool{copies}"
        folder.mkdir()
        line = json.dumps({"text": "the quick brown fox and the lazy dog " * 100}).encode() + b"\n"
        (folder / "a.jsonl").write_bytes(line * 3000 * copies)
        (tmp_path / "r.yaml").write_text(
            json.dumps({"scorers": [{"kind": "simple"}], "sources": [{"name": "organic"}], "shard_docs": 2000})
        )
        arguments = [str(tmp_path / "r.yaml"), f"source_ref_paths={folder}", f"output_dir={tmp_path}/out{copies}"]
        program = (
            f"import resource; from filter.run import main; main({arguments!r}); print(resource.getrusage(0).ru_maxrss)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    with capsys.disabled():
        print(f"\npeak memory: {peaks[0]:.0f} MiB for 11 MB of text in a shard, {peaks[1]:.0f} MiB for 111 MB")  # noqa: T201
    assert peaks[1] - peaks[0] < 60
