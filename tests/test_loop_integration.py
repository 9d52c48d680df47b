"""The stages fit together: real web pages are rephrased, selected, mixed and tokenised through the commands."""

import itertools
import json
import os
import subprocess

import pytest

from common.pools.documents import write_documents
from common.pools.shards import list_shards, read_pool, read_stats

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def slice_of_the_pool(shared_data, tmp_path_factory):
    pool = tmp_path_factory.mktemp("loop") / "pool"
    pages = (page for page in read_pool(shared_data / "web" / "pool") if 200 <= len(page["text"]) <= 500)
    pages = list(itertools.islice(pages, 16))
    for number in range(2):
        write_documents(str(pool / f"shard_{number:08d}_processed.jsonl.zst"), pages[number::2])
    return pool


def run(root, script, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = ["bash", str(root / "scripts" / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pages_go_through_rephrase_filter_and_tokenise(root, slice_of_the_pool, tmp_path):
    tiny = root / "rephrase" / "tiny"
    recycled, selected, tokens = tmp_path / "recycled", tmp_path / "selected", tmp_path / "tokens"
    config = root / "configs" / "rephrase" / "rephrase_tiny_cpu.yaml"
    run(
        root, "infer.sh", 0, 1, config, f"input={slice_of_the_pool}", f"output={recycled}", f"model={tiny}", "workers=1"
    )
    organic = {page["id"]: page for page in read_pool(slice_of_the_pool)}
    rephrased = {page["id"]: page for page in read_pool(recycled)}
    stats = read_stats(recycled)
    assert [shard.name for shard in list_shards(recycled)] == [shard.name for shard in list_shards(slice_of_the_pool)]
    assert sum(one["docs_in"] for one in stats) == 16
    assert sum(one["docs_out"] + sum(one["drops"].values()) for one in stats) == 16
    assert set(rephrased) <= set(organic)
    for name, page in rephrased.items():  # all other fields ride along
        assert page["url"] == organic[name]["url"]
        assert page["text"].strip()

    recipe = root / "configs" / "filter" / "smoke_cpu.yaml"
    run(root, "filter.sh", recipe, f"source_ref_paths={slice_of_the_pool},{recycled}", f"output_dir={selected}")
    dataset = json.loads((selected / "dataset.json").read_text())
    kept = list(read_pool(selected))
    assert len(kept) == dataset["documents"] > 0
    assert {page["source"] for page in kept} == {"organic", "recycled"}

    run(root, "tokenize.sh", f"input={selected}", f"output={tokens}", f"tokenizer={tiny}", "seq_len=64", "seed=1")
    manifest = [json.loads(line) for line in (tokens / "manifest.jsonl").read_text().splitlines()]
    described = json.loads((tokens / "dataset.json").read_text())
    contexts = sum(line["num_sequences"] for line in manifest)
    assert contexts == described["num_sequences"]
    assert contexts * 65 == described["num_tokens"] + described["num_pads"]
