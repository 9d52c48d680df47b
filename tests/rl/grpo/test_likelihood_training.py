"""`rl.train` with likelihood rewards, end to end on a policy of 60 thousand parameters that answers in tags."""

import json
import math
import shutil

import pytest

from common.config import load, to_yaml
from common.runs.folder import read_metrics
from rl.grpo.config import RLConfig
from rl.score import ScorePairsConfig
from rl.train import main

pytestmark = pytest.mark.integration

COMMON = {
    "num_generations": 4,
    "prompts_per_step": 2,
    "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 4,
    "max_prompt_length": 200,
    "max_completion_length": 48,
    "max_steps": 2,
    "learning_rate": 1e-3,
    "precision": "fp32",
    "gradient_checkpointing": False,
    "beta": 0.0,
    "advantage_eps": 1e-6,
    "top_p": 1.0,
    "eval_steps": 2,
    "save_steps": 2,
    "samples_every": 1,
    "max_skipped": 1.0,
}
RECIPES = {
    "reference_probability": {"rewards": [{"kind": "reference_probability"}], "reward_weights": [1]},
    "completion_gain": {
        "rewards": [{"kind": "completion_gain", "shape": {"kind": "identity"}, "share_prefix": True}],
        "reward_weights": [1],
        "beta": 1e-3,
        "loss_type": "grpo",
    },
    "process": {
        "rewards": [{"kind": "exact_answer"}, {"kind": "process", "alpha": 0.5}],
        "reward_weights": [1, 0],
        "loss_type": "dapo",
    },
    "verifiable": {
        "rewards": [{"kind": "verifiable", "verifier": "math"}, {"kind": "repetition", "words": 1, "times": 2}],
        "reward_weights": [1, 1],
    },
    "mixed": {
        "rewards": [
            {"kind": "exact_answer"},
            {"kind": "reference_probability", "refresh_every": 1, "baseline": "tags"},
            {"kind": "process"},
        ],
        "reward_weights": [1, 0.5, 0],
        "combine": "center_second",
        "updates_per_generation": 2,
    },
}
PARTS = {
    "reference_probability": ("r", "baseline", "gain", "shaped", "format", "repetition"),
    "completion_gain": ("gain", "j_base", "j_plan"),
    "process": ("points", "r_mean", "r_std", "j_b", "j_end", "s_magn", "s_stab", "share"),
    "verifiable": ("status/truncated", "math/score"),
    "mixed": (),
}
VOLATILE = ("time", "step_time", "runtime", "per_second")


def config_of(recipe, model, questions, out, **more):
    data = {"kind": "conversations", "train": [questions], "eval_rows": 4}
    return load(RLConfig, [], {"model": model, "out": str(out), "data": data, **COMMON, **recipe, **more})


def run(config, path):
    path.write_text(to_yaml(config))
    main([str(path)])
    return read_metrics(config.out)


def steady(row):
    return {name: value for name, value in row.items() if not name.endswith(VOLATILE)}


@pytest.mark.parametrize("name", RECIPES)
def test_two_steps_end_with_a_finite_loss_and_all_parts_logged(name, answering_policy, questions, tmp_path):
    config = config_of(RECIPES[name], answering_policy, questions, tmp_path / "run")
    rows = run(config, tmp_path / "config.yaml")
    training = [row for row in rows if "loss" in row]  # a step without fresh completions logs no rewards
    assert [row["step"] for row in training] == [1, 2]
    assert ["reward" in row for row in training] == [True, config.updates_per_generation == 1]
    assert all(math.isfinite(row["loss"]) and math.isfinite(row["grad_norm"]) for row in training)
    assert any(row["grad_norm"] > 0 for row in training)
    for part in PARTS[name]:
        assert f"{name}/{part}" in training[0], sorted(training[0])
    assert (tmp_path / "run" / "baselines.parquet").is_file() == (name not in ("process", "verifiable"))
    assert json.loads((tmp_path / "run" / "done.json").read_text())["steps"] == 2
    lines = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    trained = [line for line in lines if line["mode"] == "train" and "discarded" not in line]
    assert len(trained) >= 8 and all(math.isfinite(line["advantage"]) for line in trained)
    assert all(("advantages" in line) == (name in ("process", "mixed")) for line in trained)
    for line in trained:  # stretches reach to the end of what was written
        assert not line.get("advantages") or line["advantages"][-1][0] >= len(line["completion"])


@pytest.mark.parametrize("name", ["reference_probability", "completion_gain", "process"])
def test_recorded_rollouts_score_as_in_training(name, answering_policy, questions, tmp_path):
    """`val_only` records what the initial policy writes; `rl.score` finds the same parts in the record."""
    from rl.score import main as score

    config = config_of(RECIPES[name], answering_policy, questions, tmp_path / "run", val_only=True)
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    main([str(tmp_path / "config.yaml")])
    assert not (tmp_path / "run" / "checkpoints").exists()
    samples = tmp_path / "run" / "val_only" / "samples.jsonl"
    score([str(tmp_path / "config.yaml"), str(samples), f"out={tmp_path}/scored.jsonl"])
    before = [json.loads(line) for line in samples.read_text().splitlines()]
    after = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
    assert len(before) == 4 == len(after)
    compared = 0
    for mine, theirs in zip(after, before, strict=True):
        assert mine["skipped"] == theirs["skipped"]
        for part, value in theirs["parts"].items():
            if isinstance(value, float):
                assert mine["parts"][part] == pytest.approx(value, abs=1e-4 if "gain" in part else 1e-5), part
                compared += 1
    assert compared >= 8


def test_a_run_with_the_std_filter_goes_on_as_if_never_stopped(answering_policy, questions, tmp_path):
    recipe = {
        "rewards": [{"kind": "exact_answer"}, {"kind": "reference_probability"}, {"kind": "repetition", "words": 1}],
        "reward_weights": [0, 1, 0.1],
        "std_filter": {"beta": 1.0, "record_from": 1, "filter_from": 2, "max_rounds": 3},
        "max_steps": 6,
        "save_total_limit": 6,
    }
    config = config_of(recipe, answering_policy, questions, tmp_path / "run")
    whole = run(config, tmp_path / "config.yaml")
    training = [row for row in whole if "reward" in row]
    assert any(row["filter/rounds"] > 1 for row in training) and any(row["filter/queue"] > 0 for row in training)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "run", copy)
    (copy / "done.json").unlink()
    for step in (4, 6):
        shutil.rmtree(copy / "checkpoints" / f"checkpoint-{step}")
    resumed = run(config.model_copy(update={"out": str(copy)}), tmp_path / "copy.yaml")
    expected, found = ([steady(row) for row in rows if "reward" in row] for rows in (whole, resumed))
    assert [row["step"] for row in found] == [1, 2, 3, 4, 5, 6]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-7, nan_ok=True), mine["step"]


def test_a_scored_config_needs_no_run(answering_policy, questions, tmp_path):
    config = config_of(RECIPES["process"], answering_policy, questions, "runs/x")
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    scored = load(ScorePairsConfig, [tmp_path / "run.yaml"], {"pairs": "x"}, passes_over=RLConfig)
    assert scored.rewards == config.rewards


def test_a_template_that_rewrites_its_question_is_exit_2_before_a_model_loads(
    small_policy, questions, tmp_path, capsys
):

    from rl.train import main

    moody = (
        "{% if add_generation_prompt %}[brief]{% endif %}{% for m in messages %}{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    shutil.copytree(small_policy, tmp_path / "policy")
    (tmp_path / "policy" / "chat_template.jinja").write_text(moody)
    (tmp_path / "policy" / "model.safetensors").write_bytes(b"never read")
    run = f"""
model: {tmp_path}/policy
out: {tmp_path}/run
data: {{kind: conversations, train: [{questions}], rows: 4, eval_rows: 0}}
rewards: [{{kind: completion_gain}}]
reward_weights: [1]
max_completion_length: 8
"""
    (tmp_path / "run.yaml").write_text(run)
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "run.yaml")])
    error = capsys.readouterr().err
    assert "otherwise once its answer follows" in error and len(error.strip().splitlines()) == 1
