"""Samples in others' forms: the shapes that their readers ask for, nothing lost on the way."""

import json

import pytest

from common.samples import SampleFile
from eval.export import main

EXAMPLE = {"kind": "example", "id": "q", "config": "c", "messages": [{"role": "user", "content": "6 x 7?"}]}
EXAMPLE |= {"verifier": "math", "ground_truth": "42", "task": "sums", "versions": {"model": "m", "temperature": 0.5}}


def sample(number, completion, finish="stop", score=1.0, **more):
    line = {"kind": "sample", "id": "q", "sample": number, "config": "c", "task": "sums", "completion": completion}
    line |= {"finish_reason": finish, "tokens_in": 4, "tokens_out": 3} | more
    verdict = {"score": score, "status": "correct" if score else "wrong", "reason": "ok", "extracted": "42"}
    return [line, {"kind": "verdict", "id": "q", "sample": number, "config": "c", "mode": "strict", "verdict": verdict}]


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "samples.jsonl"
    with SampleFile(path) as file:
        file.write(EXAMPLE, *sample(0, "\\boxed{42}\x00é"), *sample(1, "41", "length", 0.0))
        file.write(sample(2, "", "error", error="HTTP 500")[0])
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_conversations(stored, tmp_path):
    main(["messages", str(stored), str(tmp_path / "out.jsonl")])
    found = lines(tmp_path / "out.jsonl")
    assert [row["score"] for row in found] == [1.0, 0.0]
    assert found[0]["messages"] == [*EXAMPLE["messages"], {"role": "assistant", "content": "\\boxed{42}\x00é"}]
    assert (found[0]["ground_truth"], found[0]["dataset"], found[1]["finish_reason"]) == ("42", "sums", "length")
    main(["messages", str(stored), str(tmp_path / "out.jsonl")])  # made anew, not appended to
    assert lines(tmp_path / "out.jsonl") == found


def test_rollouts_of_nemo_gym(stored, tmp_path):
    main(["gym", str(stored), str(tmp_path / "out.jsonl")])
    found = lines(tmp_path / "out.jsonl")
    assert [(row["_ng_task_index"], row["_ng_rollout_index"], row["reward"]) for row in found] == [
        (0, 0, 1.0),
        (0, 1, 0.0),
    ]
    first = found[0]
    assert first["responses_create_params"] == {"input": EXAMPLE["messages"]}
    (message,) = first["response"]["output"]
    assert message["role"] == "assistant" and message["content"][0]["text"] == "\\boxed{42}\x00é"
    assert first["response"]["usage"] == {"input_tokens": 4, "output_tokens": 3, "total_tokens": 7}
    assert found[1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_logs_of_inspect(stored, tmp_path):
    main(["inspect", str(stored), str(tmp_path / "logs")])
    (path,) = (tmp_path / "logs").glob("*_sums_*.json")
    log = json.loads(path.read_text("utf-8"))
    assert (log["version"], log["status"], log["eval"]["model"], log["eval"]["config"]) == (
        2,
        "success",
        "m",
        {"epochs": 3},
    )
    assert log["eval"]["dataset"]["sample_ids"] == ["q"] and log["results"]["completed_samples"] == 2
    assert log["results"]["scores"][0]["metrics"]["mean"]["value"] == 0.5
    first, second, failed = log["samples"]
    assert first["epoch"] == 1 and first["target"] == "42" and first["scores"]["strict"]["value"] == 1.0
    assert first["messages"][-1]["content"] == first["output"]["choices"][0]["message"]["content"] == "\\boxed{42}\x00é"
    assert second["output"]["choices"][0]["stop_reason"] == "max_tokens"
    assert failed["error"]["message"] == "HTTP 500" and "scores" not in failed


def test_inspect_reads_our_logs(stored, tmp_path):
    logs = pytest.importorskip("inspect_ai.log", reason="inspect-ai is not installed")
    main(["inspect", str(stored), str(tmp_path / "logs")])
    (path,) = (tmp_path / "logs").glob("*.json")
    log = logs.read_eval_log(str(path))
    assert log.samples[0].output.completion == "\\boxed{42}\x00é" and log.samples[1].scores["strict"].value == 0.0


def test_rollouts_without_verdicts_export_their_reward(tmp_path):
    path = tmp_path / "samples.jsonl"
    row = {
        "step": 1,
        "mode": "train",
        "id": "r",
        "prompt": "?",
        "completion": "a",
        "rewards": {"x": 0.25},
        "total": 0.25,
    }
    with SampleFile(path) as file:
        file.write(row)
    main(["gym", str(path), str(tmp_path / "out.jsonl")])
    assert [line["reward"] for line in lines(tmp_path / "out.jsonl")] == [0.25]


def test_nothing_to_export_is_a_failure(tmp_path, capsys):
    path = tmp_path / "samples.jsonl"
    path.write_text("")
    with pytest.raises(SystemExit) as ended:
        main(["gym", str(path), str(tmp_path / "out.jsonl")])
    assert ended.value.code == 1 and "no sample" in capsys.readouterr().err
