"""Data stages killed anywhere, out of disk, or with input that changes: the same command ends as if never stopped.

The short form is in the suite. `FAULTS_KILLS=50 python -m pytest tests/faults` kills each stage so often.
"""

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time

import pytest

from common.pools.documents import write_documents

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("FAULTS_KILLS", "1"))
WORDS = ("the", "cat", "and", "dog", "sat", "on", "that", "mat", "with", "food", "which", "they", "had", "to", "be")


def text(draw, words=60):
    return " ".join(draw.choice(WORDS) for _ in range(words)).capitalize() + "."


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    draw = random.Random(0)
    for shard in range(3):
        documents = [{"id": f"{shard}-{number}", "text": text(draw)} for number in range(2500)]
        write_documents(str(folder / "pool" / f"shard_{shard}.jsonl.zst"), documents)
    recipe = {
        "scorers": [{"kind": "simple", "name": "character_length", "field": "q"}],
        "sources": [{"name": "organic", "select": {"kind": "fraction", "fraction": 0.5}}],
        "dedup": [{"kind": "exact"}],
        "shard_docs": 900,
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    return folder


STAGES = {
    "score": ["filter.quality", "score", "POOL", "OUT", "kind=simple", "name=character_length", "field=q"],
    "filter": ["filter.run", "RECIPE", "source_ref_paths=POOL", "output_dir=OUT"],
    "tokenize": ["pretrain.tokenize", "input=POOL", "output=OUT", "tokenizer=rephrase/tiny", "seq_len=128"],
}


def command(stage, room, source, out):
    names = {"POOL": str(source), "OUT": str(out), "RECIPE": str(room / "recipe.yaml")}
    words = STAGES[stage]
    for name, place in names.items():
        words = [word.replace(name, place) for word in words]
    return [sys.executable, "-m", *words]


def run(root, stage, room, source, out, **how):
    done = subprocess.run(
        command(stage, room, source, out), cwd=root, capture_output=True, text=True, check=False, **how
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def content(out):
    endings = (".jsonl.zst", ".bin", "manifest.jsonl")
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.name.endswith(endings)}


@pytest.fixture(scope="module", params=STAGES)
def straight(request, pool, root):
    out = pool / f"{request.param}_straight"
    began = time.monotonic()
    assert run(root, request.param, pool, pool / "pool", out).returncode == 0
    return request.param, content(out), time.monotonic() - began


def test_killed_anywhere_and_run_again_equals_never_stopped(straight, pool, root):
    stage, whole, seconds = straight
    draw = random.Random(stage)
    for number in range(KILLS):
        out = pool / f"{stage}_killed_{number}"
        for _ in range(2 if KILLS > 1 else 1):
            with subprocess.Popen(
                command(stage, pool, pool / "pool", out), cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                time.sleep(draw.uniform(0.3, 1) * seconds)
                process.kill()
        assert run(root, stage, pool, pool / "pool", out).returncode == 0
        assert content(out) == whole
        assert not [path for path in out.rglob(".*.tmp") if "steps" not in path.parts]
        shutil.rmtree(out)


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(straight, pool, root):
    stage, whole, _ = straight
    out = pool / f"{stage}_full"

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    done = run(root, stage, pool, pool / "pool", out, preexec_fn=small_files)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert run(root, stage, pool, pool / "pool", out).returncode == 0
    assert content(out) == whole


def test_an_input_that_changes_after_the_work_is_named(straight, pool, root):
    stage = straight[0]
    source, out = pool / f"{stage}_source", pool / f"{stage}_changed"
    shutil.copytree(pool / "pool", source)
    assert run(root, stage, pool, source, out).returncode == 0
    path = source / "shard_1.jsonl.zst"
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    done = run(root, stage, pool, source, out)
    assert done.returncode == 2
    assert "shard_1" in done.stderr or "another" in done.stderr
