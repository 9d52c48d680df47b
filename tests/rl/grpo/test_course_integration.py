"""`rl.train` end to end on a policy of 60 thousand parameters."""

import json
import shutil

import pytest

from common.runs.folder import read_metrics
from rl.train import main

pytestmark = pytest.mark.integration

YAML = """
data:
  rows: 24
  eval_rows: 4
  noise: {max_tokens: 48, quality_model: "{out}/data/quality.bin", quality_rows: 100, harvest_pages: 0}
rewards:
  - {kind: quality, scale: one_to_five, scorer: {kind: fasttext, model: "{out}/data/quality.bin", field: quality}}
  - {kind: semantic, measure: lexical, threshold: 0.5}
  - {kind: repetition, words: 1, times: 2} # something that differs between the random policy's completions
reward_weights: [3, 1, 1]
num_generations: 4
prompts_per_step: 2
per_device_train_batch_size: 4
per_device_eval_batch_size: 4
max_prompt_length: 2000
max_completion_length: 8
max_steps: 4
learning_rate: 1e-3
precision: fp32
gradient_checkpointing: false
eval_steps: 2
save_steps: 2
save_total_limit: 4
samples_every: 1
"""
VOLATILE = ("time", "step_time", "runtime", "per_second")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_pool, small_policy):
    """Arguments and folder of a finished run."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "config.yaml").write_text(YAML)
    arguments = [str(folder / "config.yaml"), f"model={small_policy}", f"data.pool={small_pool}"]
    main([*arguments, f"out={folder}/run"])
    return arguments, folder / "run"


def steady(row):
    return {name: value for name, value in row.items() if not name.endswith(VOLATILE)}


def test_the_run_folder_holds_metrics_samples_and_an_export(finished):
    _, out = finished
    rows = read_metrics(out)
    training = [row for row in rows if "reward" in row]
    assert [row["step"] for row in training] == [1, 2, 3, 4]
    assert [row["step"] for row in rows if "eval_reward" in row] == [0, 2, 4]
    for name in ("rewards/quality/mean", "rewards/semantic/std", "kl", "entropy", "completions/clipped_ratio"):
        assert name in training[0]
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert sum(row["mode"] == "train" for row in samples) == 4 * 8
    first = samples[0]
    assert first["mode"] == "eval" and first["step"] == 0
    assert set(first["rewards"]) == {"quality", "semantic", "repetition"} and "quality/base" in first["parts"]
    total = 3 * first["rewards"]["quality"] + first["rewards"]["semantic"] + first["rewards"]["repetition"]
    assert first["total"] == pytest.approx(total)
    assert (out / "export" / "model.safetensors").is_file() and (out / "export" / "tokenizer.json").is_file()
    assert not list((out / "export").glob("*.bin"))


def test_the_export_is_a_stock_folder_and_the_best_of_the_held_out_rewards(finished):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _, out = finished
    AutoModelForCausalLM.from_pretrained(out / "export")
    assert AutoTokenizer.from_pretrained(out / "export").chat_template
    done = json.loads((out / "done.json").read_text())
    saved = {step: reward for step, reward in done["eval_reward"].items() if step != "0"}
    assert done["eval_reward"][str(done["best_step"])] == max(saved.values())


def test_going_on_from_step_2_gives_the_metrics_of_not_stopping(finished, tmp_path):
    arguments, out = finished
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    (copy / "done.json").unlink()
    shutil.rmtree(copy / "checkpoints" / "checkpoint-4")
    shutil.rmtree(copy / "export")
    # The config holds the classifier's path, which moves with `out` and does not count for the run's identity.
    main([*arguments, f"out={copy}"])
    whole, resumed = read_metrics(out), read_metrics(copy)
    expected = [steady(row) for row in whole if "reward" in row or "eval_reward" in row]
    found = [steady(row) for row in resumed if "reward" in row or "eval_reward" in row]
    assert [row["step"] for row in found] == [row["step"] for row in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-7), mine["step"]


def test_a_finished_run_is_not_repeated_and_another_config_is_refused(finished, capsys):
    arguments, out = finished
    before = (out / "metrics.jsonl").read_bytes()
    main([*arguments, f"out={out}"])
    assert (out / "metrics.jsonl").read_bytes() == before
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, f"out={out}", "seed=7"])
    assert "another config" in capsys.readouterr().err


@pytest.mark.parametrize(("measured", "passes"), [("false", 0), ("true", 2)])
def test_evaluations_make_only_the_passes_that_rewards_need(finished, tmp_path, monkeypatch, measured, passes):
    from trl import GRPOTrainer

    asked = []
    plain = GRPOTrainer._get_per_token_logps_and_entropies

    def counted(trainer, *arguments, **options):
        asked.append(arguments[1].shape)
        return plain(trainer, *arguments, **options)

    monkeypatch.setattr(GRPOTrainer, "_get_per_token_logps_and_entropies", counted)
    arguments, _ = finished
    main([*arguments, f"out={tmp_path}/run", "val_only=true", "beta=0.01", f"eval_kl={measured}"])
    found = json.loads((tmp_path / "run" / "val_only" / "eval.json").read_text())
    assert len(asked) == passes  # of one batch: the reference's log-probabilities and the loss
    assert "eval_reward" in found and ("eval_kl" in found) == bool(passes)


def test_an_evaluation_alone_touches_nothing_of_a_finished_run_and_is_not_replaced(finished, tmp_path, capsys):
    arguments, out = finished
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in copy.rglob("*") if path.suffix}
    alone = [*arguments, f"out={copy}", "val_only=true", "data.rows=8"]
    main(alone)
    assert (copy / "val_only" / "data" / "eval.jsonl").is_file()  # rows of another config than the run's
    kept = (copy / "val_only" / "eval.json").stat().st_mtime_ns
    main(alone)  # found finished
    with pytest.raises(SystemExit, match="2"):
        main([*alone, f"model={out / 'export'}"])
    assert "another config, other data or another model" in capsys.readouterr().err
    assert (copy / "val_only" / "eval.json").stat().st_mtime_ns == kept
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}


def test_an_evaluation_in_which_nothing_can_be_scored_neither_ends_the_run_nor_is_its_best(
    finished, tmp_path, monkeypatch
):
    from rl.rewards.base import Scores
    from rl.rewards.general import RepetitionReward

    arguments, _ = finished
    original, calls = RepetitionReward.score, []

    def score(self, batch):
        calls.append(len(batch.completions))
        return Scores.of([None] * calls[-1]) if len(calls) == 4 else original(self, batch)  # that of step 2

    monkeypatch.setattr(RepetitionReward, "score", score)
    main([*arguments, f"out={tmp_path}/run"])
    found = {
        row["step"]: row for row in read_metrics(tmp_path / "run") if "eval_runtime" in row or "eval_reward" in row
    }
    assert "eval_reward" not in found[2] and found[2]["eval_skipped_frac"] == 1
    assert json.loads((tmp_path / "run" / "done.json").read_text())["best_step"] == 4


def test_what_is_logged_goes_to_the_service_that_the_config_names(finished, tmp_path, services, told_as_logged):
    arguments, _ = finished
    main([*arguments, f"out={tmp_path / 'run'}", "report_to=trackio", "max_steps=1", "eval_steps=1", "save_steps=1"])
    rows = read_metrics(tmp_path / "run")
    assert any("reward" in row for row in rows) and any("eval_reward" in row for row in rows)
    assert told_as_logged(services["trackio"], rows)
    assert services["wandb"] == services["tensorboard"] == []
