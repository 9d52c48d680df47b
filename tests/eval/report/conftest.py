"""Runs of every kind for the report: finished, crashed, and with text that would run if it were not escaped."""

import contextlib
import json

import pytest

from common.config import RunConfig
from common.pools.documents import write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import list_shards
from common.runs.folder import Run, write_json
from eval.report.__main__ import main
from eval.runner.bits_per_byte import TextScores, store


class Small(RunConfig):
    """A config for these tests."""

    seed: int = 3


class WithRewards(Small):
    """What of `rl.train`'s config the report reads."""

    rewards: list[dict[str, str]] = [{"kind": "quality"}]
    model: str = "rephrase/tiny"
    max_steps: int = 4


class Pretrained(Small):
    """What of `pretrain.train`'s config the report reads."""

    global_bs: int = 4
    data_config: str = ""


class Rephrased(Small):
    """What of `rephrase.run`'s config the report reads."""

    input: str
    model: str
    max_new_tokens: int = 8
    on_bad_chunk: str = "keep_organic"


def rollouts(folder, steps=(0, 4)):
    rows = [
        {"step": step, "mode": "eval", "id": f"page {number}", "completion": f"<script>alert({step})</script> text",
         "rewards": {"quality": 1.0 + step / 4 + number / 100}, "total": 1.0 + step / 4 + number / 100,
         "prompt": [{"role": "user", "content": "Clean <b>this</b>."}]}
        for step in steps for number in range(5)
    ]  # fmt: skip
    rows += [
        {"step": 4, "mode": "train", "id": "page 9", "completion": f"answer {number}", "rewards": {"quality": number},
         "total": float(number), "skipped": ""}
        for number in range(4)
    ]  # fmt: skip
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def log_training(run):
    run.log({"eval_reward": 3.0, "eval_rewards/quality/mean": 0.75}, step=0)
    for step, reward in enumerate((3.0, 4.5, float("nan"), 5.0), 1):
        run.log({"reward": reward, "rewards/quality/mean": reward / 4, "quality/score": 0.5, "kl": 0.1,
                 "entropy": 0.9, "completions/mean_length": 20.0, "frac_reward_zero_std": 0.25}, step=step)  # fmt: skip
    run.log({"eval_reward": 4.9, "eval_rewards/quality/mean": 1.2}, step=4)


def recycle(folder, count=9):
    documents = [
        {"id": str(n), "text": f"Menu | Home <script>alert({n})</script> " + "The page goes on for its readers. " * 20}
        for n in range(count)
    ]
    write_documents(str(folder / "pool" / "a.jsonl.zst"), documents)

    def rephrase(documents):
        for document in documents:
            if document["id"] == "3":
                yield Result(document, reason="missing_sentinel", counts={"chunks_in": 1})
                continue
            organic, text = document["text"], "The page goes on for its readers. " * 20
            chunks = [{"start": 0, "end": len(organic), "out_start": 0, "out_end": len(text), "status": "ok"}]
            made = {**document, "organic_text": organic, "text": text, "rephrase": {"chunks": chunks}}
            counts = {"chunks_in": 1, "chunk_statuses": {"ok": 1}, "verbatim": {"code": 1}, "tokens_organic": 150}
            yield Result(made, counts={**counts, "tokens_kept": 120})

    process_shard(list_shards(folder / "pool")[0], folder / "recycled", rephrase, config_hash="h")
    Run(
        folder / "recycled" / "_rephrase", Rephrased(input=str(folder / "pool"), model=str(folder / "rl" / "export"))
    ).close()


def select(folder):
    sources = [
        {"name": name, "path": str(folder / path), "scorer": "stop_word_share", "tokens_in": 2000, "tokens": 1234,
         "tokens_selected": 1234, "documents_in": 9, "documents_selected": 4,
         "select": {"mode": "fraction", "threshold": 0.6}, "histogram": {
             "edges": [low, 0.5, 1.0], "documents": [5, 4], "kept": [0, 4], "tokens": [800, 1200]}}
        for name, path, low in (("organic", "pool", 0.0), ("recycled", "recycled", 0.25))
    ]  # fmt: skip
    steps = [{"step": "select", "source": "organic", "docs_in": 9, "docs_out": 4, "drops": {"below_threshold": 5}}]
    (folder / "selected").mkdir()
    write_json(folder / "selected" / "dataset.json", {"documents": 8, "sources": sources, "steps": steps})


def pretrain(folder, name, losses):
    home = folder / "models" / name
    with Run(home, Pretrained(data_config=str(folder / "tokens"))) as run:
        for step, loss in enumerate(losses):
            run.log({"loss": loss, "lr": 0.001, "tok_s": 900.0, "mfu": 0.4, "tokens": 100 * (step + 1)}, step=step)
    write_json(home / "record.json", {"status": "finished", "steps": len(losses)})


def score(folder, name, nats):
    (folder / "scores").mkdir(exist_ok=True)
    scores = TextScores([str(at) for at in range(len(nats))], nats, [20] * len(nats), [100] * len(nats))
    store(scores, folder / "scores" / name, {"key": "k"})
    found = scores.figures(draws=50)
    short = {key: found[key] for key in ("bits_per_byte", "nats_per_token")}
    record = {"name": name, "eval_metrics": {}, "rows_folder": name, "bpb": short, "bpb_details": found}
    write_json(folder / "scores" / f"{name}.json", record)


def finished_runs(folder):
    with Run(folder / "rl", WithRewards(), seed=3) as run:
        log_training(run)
    rollouts(folder / "rl")
    write_json(folder / "rl" / "done.json", {"best_step": 4, "data": {"train_rows": 12}})
    recycle(folder)
    select(folder)
    stats = {"shard": "a", "docs_in": 8, "docs_out": 8, "drops": {}, "config_hash": "t", "seconds": 1.0}
    write_json(folder / "tokens" / "a.stats.json", stats)  # a tokenised set: stats without documents
    write_json(folder / "tokens" / "dataset.json", {"num_tokens": 5000, "num_sequences": 10})
    pretrain(folder, "organic", [6.5, 5.5])
    pretrain(folder, "mixed", [6.5, 5.25])
    score(folder, "organic", [100.0 + at for at in range(30)])
    score(folder, "mixed", [97.0 + at for at in range(30)])
    write_json(folder / "eval.json", {"eval_metrics": {"icl": {"copa": 0.55}}, "Core_v2": "N/A due to missing tasks"})
    return folder


def crashed_runs(folder):
    with contextlib.suppress(RuntimeError), Run(folder / "rl", WithRewards(max_steps=40), seed=3) as run:
        log_training(run)
        raise RuntimeError("the reward server \x1b[31mwent away")
    rollouts(folder / "rl")
    with (folder / "rl" / "samples.jsonl").open("a") as target:
        target.write('{"step": 4, "mode": "tra')  # a kill inside a line
    with (folder / "rl" / "metrics.jsonl").open("a") as target:
        target.write('{"step": 5, "rew')
    recycle(folder, 4)
    write_documents(str(folder / "pool" / "b.jsonl.zst"), [{"id": "x", "text": "A page that was not reached."}])
    (folder / "recycled" / ".b.parts").mkdir()
    with Run(folder / "models" / "organic", Pretrained()) as run:
        run.log({"loss": 6.5, "tokens": 100}, step=1)
    write_json(folder / "models" / "organic" / "record.json",
               {"status": "failed", "steps": 50, "error": "Traceback\nOSError: no space left"})  # fmt: skip
    (folder / "tokens").mkdir()
    (folder / "tokens" / "dataset.json").write_text('{"num_tokens": 50')  # a copy that was cut short
    return folder


@pytest.fixture
def runs(tmp_path):
    """A folder with a run of every kind, all finished."""
    return finished_runs(tmp_path / "runs")


@pytest.fixture
def crashed(tmp_path):
    """A folder of runs that a kill, a full disk and an error of their own have left."""
    return crashed_runs(tmp_path / "crashed")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The address of a page about finished and crashed runs."""
    folder = tmp_path_factory.mktemp("report")
    runs = [str(finished_runs(folder / "runs")), str(crashed_runs(folder / "crashed"))]
    main([*runs, f"out={folder / 'report.html'}"])
    return (folder / "report.html").as_uri()
