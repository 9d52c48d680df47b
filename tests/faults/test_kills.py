"""Data stages killed anywhere, out of disk, or with input that changes: the same command ends as if never stopped.

The short form is in the suite. `FAULTS_KILLS=50 python -m pytest tests/faults/test_kills.py` kills each stage so often.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest

from common.pools.documents import write_documents

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("FAULTS_KILLS", "2"))
WORDS = ("the", "cat", "and", "dog", "sat", "on", "that", "mat", "with", "food", "which", "they", "had", "to", "be")
FULL_BYTES = 3000
"""No file may be longer on the full disk."""


def text(draw, words=60):
    return " ".join(draw.choice(WORDS) for _ in range(words)).capitalize() + "."


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    draw = random.Random(0)
    for shard in range(4):
        documents = [{"id": f"{shard}-{number}", "text": text(draw)} for number in range(400)]
        write_documents(str(folder / "pool" / f"shard_{shard}.jsonl.zst"), documents)
    recipe = {
        "scorers": [{"kind": "simple", "name": "character_length", "field": "q"}],
        "sources": [{"name": "organic", "select": {"kind": "fraction", "fraction": 0.5}}],
        "dedup": [{"kind": "exact"}],
        "shard_docs": 200,
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    return folder


STAGES = {
    "score": ["filter.quality", "score", "POOL", "OUT", "kind=simple", "name=character_length", "field=q"],
    "filter": ["filter.run", "RECIPE", "source_ref_paths=POOL", "output_dir=OUT"],
    "tokenize": ["pretrain.tokenize", "input=POOL", "output=OUT", "tokenizer=rephrase/tiny", "seq_len=128"],
}

NAMED = {"score": "shard_1", "filter": "shard_1", "tokenize": "another"}
"""What the refusal of a changed input speaks of: the file, or, where its size is part of what was planned, the set."""


@pytest.fixture(scope="module")
def zygote(root):
    """A process that forks one for each command (`tests/fixtures/zygote.py`)."""
    command = [sys.executable, "-m", "tests.fixtures.zygote"]
    with subprocess.Popen(command, cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


@pytest.fixture
def run(zygote, pool):
    """A function that runs a stage over a pool: its exit status and what it said on standard error."""

    def start(stage, source, out, *, kill_after_s=None, file_bytes=None):
        names = {"POOL": str(source), "OUT": str(out), "RECIPE": str(pool / "recipe.yaml")}
        module, *words = STAGES[stage]
        for name, place in names.items():
            words = [word.replace(name, place) for word in words]
        stderr = pool / "stderr.txt"
        order = {"module": module, "words": words, "kill_after_s": kill_after_s, "file_bytes": file_bytes}
        print(json.dumps({**order, "stderr": str(stderr)}), file=zygote.stdin, flush=True)
        status, said = int(zygote.stdout.readline()), stderr.read_text(encoding="utf-8")
        assert "Traceback" not in said, said
        return status, said

    return start


def content(out):
    endings = (".jsonl.zst", ".bin", "manifest.jsonl")
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.name.endswith(endings)}


@pytest.fixture(params=STAGES)
def straight(request, pool, run):
    """A stage, what comes out of it where nothing goes wrong, and how long that takes."""
    out = pool / f"{request.param}_straight"
    if not out.exists():
        began = time.monotonic()
        assert run(request.param, pool / "pool", out)[0] == 0
        (pool / f"{request.param}.seconds").write_text(str(time.monotonic() - began))
    return request.param, content(out), float((pool / f"{request.param}.seconds").read_text())


def test_killed_anywhere_and_run_again_equals_never_stopped(straight, pool, run):
    stage, whole, span = straight
    draw = random.Random(stage)
    kills = 0
    while kills < KILLS:
        out = pool / f"{stage}_killed"
        for _ in range(min(3, KILLS - kills)):
            status, _ = run(stage, pool / "pool", out, kill_after_s=draw.uniform(0.02, 0.95) * span)
            kills += status < 0
            if status == 0:  # it had ended by then: the machine is less busy than it was
                span *= 0.8
                break
        assert run(stage, pool / "pool", out)[0] == 0
        assert content(out) == whole
        assert not [path for path in out.rglob(".*.tmp") if "steps" not in path.parts]
        shutil.rmtree(out)


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(straight, pool, run):
    stage, whole, _ = straight
    out = pool / f"{stage}_full"
    status, said = run(stage, pool / "pool", out, file_bytes=FULL_BYTES)
    assert status == 1
    assert len(said.strip().splitlines()) == 1
    assert run(stage, pool / "pool", out)[0] == 0
    assert content(out) == whole


def test_an_input_that_changes_after_the_work_is_named(straight, pool, run):
    stage = straight[0]
    source, out = pool / f"{stage}_source", pool / f"{stage}_changed"
    shutil.copytree(pool / "pool", source)
    assert run(stage, source, out)[0] == 0
    path = source / "shard_1.jsonl.zst"
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    status, said = run(stage, source, out)
    assert status == 2
    assert NAMED[stage] in said
