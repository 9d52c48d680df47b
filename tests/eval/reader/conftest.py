"""A small recycled pool with everything in it, and a run's samples, as the stages write them."""

import json

import pytest

from common.pools.documents import write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import list_shards
from eval.reader import pool_index, run_index
from eval.reader.store import Store

HOSTILE = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)>"


def organic_page(number):
    return {
        "id": f"page/{number}",
        "url": f"https://example.org/{number}",
        "topic": ("Science", "History")[number % 2],
        "text": f"Home | About\n\nThe river Tiber rose {10 + number} metres in Rome in 1871.\n\nRead more » now.",
    }


def recycled_page(document):
    number = int(str(document["id"]).rpartition("/")[2])
    text = f"The river Tiber rose {10 + number} metres in Rome in 1871."
    if number == 3:
        text = f"{HOSTILE} The river Arno rose 99 metres."
    at = document["text"].index("The river")
    chunks = [{"start": 0, "end": len(document["text"]), "status": "ok", "flags": [], "attempts": 1}]
    if number == 4:
        chunks = [
            {"start": 0, "end": at - 2, "status": "ok", "flags": ["dropped"]},
            {"start": at, "end": len(document["text"]), "status": "missing_sentinel", "flags": ["kept_organic"]},
        ]
    record = {"model": "m", "chunks": chunks, "length_ratio": round(len(text) / len(document["text"]), 4)}
    return {**document, "text": text, "organic_text": document["text"], "rephrase": record, "quality": number / 10}


@pytest.fixture(scope="session")
def pool(tmp_path_factory):
    """A recycled pool of two shards: 18 documents, one of them hostile, two dropped with their reason."""
    folder = tmp_path_factory.mktemp("pools")
    for shard in range(2):
        pages = [organic_page(number) for number in range(10 * shard, 10 * shard + 10)]
        write_documents(str(folder / f"organic/s{shard}.jsonl.zst"), pages)

    def rephrase(documents):
        for document in documents:
            if document["id"] in ("page/7", "page/17"):
                yield Result(reason="truncated", aside=True, source=document)
            else:
                yield Result(recycled_page(document))

    for shard in list_shards(str(folder / "organic")):
        process_shard(shard, folder / "recycled", rephrase, config_hash="x")
    return folder / "recycled"


@pytest.fixture
def store(tmp_path):
    """An empty index of a pool."""
    made = Store(tmp_path / "index", pool_index.SCHEMA)
    yield made
    made.close()


def sample(step, mode, prompt, number, **more):
    right = (number + step) % 2
    return {
        "step": step,
        "mode": mode,
        "sample": number,
        "id": f"q{prompt}",
        "prompt": [{"role": "user", "content": f"What is {prompt} + 1? {HOSTILE}"}],
        "completion": f"It is {prompt + right}.",
        "finish_reason": "stop",
        "tokens": 5,
        "rewards": {"exact": float(right), "format": 1.0},
        "parts": {"exact/length": 5, "exact/status": "judged"},
        "total": float(right) + 1,
        "skipped": "",
        "reference": str(prompt + 1),
        **more,
    }


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """An RL run's folder: an evaluation, and two training steps with advantages and discards."""
    folder = tmp_path_factory.mktemp("runs") / "rl"
    folder.mkdir()
    lines = [sample(0, "eval", prompt, 0) for prompt in range(3)]
    for step in (1, 10):
        for prompt in range(2):
            for number in range(4):
                worth = {"advantage": 0.5 if (number + step) % 2 else -0.5, "advantages": [[3, 0.5], [8, -0.25]]}
                lines.append(sample(step, "train", prompt, number, **worth))
        lines += [sample(step, "train", 9, number, discarded="alike") for number in range(4)]
    lines.append(sample(10, "train", 1, 4, skipped="judge/timeout", total=None))
    (folder / run_index.SAMPLES).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
