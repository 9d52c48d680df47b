"""`cluster=ray` on a local Ray: the same bytes as in this process. Needs Ray: `scripts/test.sh ray=true`."""

import json
import subprocess
import sys

import pytest

from common.pools.documents import write_documents

pytestmark = [pytest.mark.integration, pytest.mark.ray]


@pytest.fixture
def pool(tmp_path):
    for shard in range(3):
        documents = [
            {"id": f"{shard}-{number}", "text": "the cat and the dog " * (number % 7 + 1) + f"page {number}"}
            for number in range(40)
        ]
        write_documents(str(tmp_path / "pool" / f"shard_{shard}.jsonl.zst"), documents)
    (tmp_path / "recipe.yaml").write_text(json.dumps({
        "scorers": [{"kind": "simple", "field": "q"}],
        "sources": [{"name": "organic", "select": {"kind": "fraction", "fraction": 0.5}}],
        "dedup": [{"kind": "exact"}, {"kind": "minhash"}],
        "shard_docs": 30,
    }))  # fmt: skip
    return tmp_path


def run(root, *command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def content(folder, *endings):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.endswith(endings)}


def test_a_recipe_gives_the_same_pool_on_ray(pool, root):
    for cluster in ("local", "ray"):
        out = f"output_dir={pool}/{cluster}"
        command = ["filter.run", f"{pool}/recipe.yaml", f"source_ref_paths={pool}/pool", out, "workers=2"]
        run(root, *command, f"cluster={cluster}")
    whole = content(pool / "local", ".jsonl.zst", "dataset.json")
    assert len(whole) > 1
    assert content(pool / "ray", ".jsonl.zst", "dataset.json") == whole


def test_a_tokenised_set_is_the_same_on_ray(pool, root):
    for cluster in ("local", "ray"):
        command = ["pretrain.tokenize", f"input={pool}/pool", f"output={pool}/{cluster}", "tokenizer=rephrase/tiny"]
        run(root, *command, "seq_len=64", "workers=2", f"cluster={cluster}")
    whole = content(pool / "local", ".bin", "manifest.jsonl")
    assert len(whole) > 1
    assert content(pool / "ray", ".bin", "manifest.jsonl") == whole


def test_a_failing_shard_stops_the_command_with_its_error(pool, root):
    command = [sys.executable, "-m", "filter.quality", "score", f"{pool}/pool", f"{pool}/out", "cluster=ray"]
    (pool / "out").mkdir()
    (pool / "out" / "shard_1.stats.json").write_text('{"config_hash": "another"}')
    scorer = ["kind=simple", "name=character_length", "field=size"]
    done = subprocess.run([*command, *scorer], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "another configuration" in done.stderr
