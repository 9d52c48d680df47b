"""The run config: what it says, what it refuses, and before what."""

import subprocess
import sys

import pytest

from common.config import ConfigError, load, to_yaml
from rl.grpo.check import check, plan
from rl.grpo.config import RLConfig

REWARDS = {"rewards": [{"kind": "length"}, {"kind": "format"}], "reward_weights": [1, 1], "model": "m", "out": "runs/x"}


def config(**values):
    return load(RLConfig, [], {**REWARDS, **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"reward_weights": [1]}, "1 reward_weights for 2 rewards; give one each"),
        ({"rewards": [{"kind": "length"}] * 2}, "two rewards are called 'length'"),
        ({"rewards": [{"kind": "structure", "measure": "judge"}], "reward_weights": [1]}, "needs its server"),
        ({"rewards": [], "reward_weights": []}, "at least 1"),
        ({"num_generations": 3, "per_device_train_batch_size": 16}, "72 completions a step do not divide"),
        ({"save_steps": 45}, "no multiple of eval_steps"),
        ({"data": {"eval_rows": 100}}, "do not fill batches"),
        ({"data": {"max_tokens": 2048}}, "leaves no room"),
        ({"lerning_rate": 1}, "did you mean 'learning_rate'"),
    ],
)
def test_mistakes_are_one_line(values, message):
    with pytest.raises(ConfigError, match=message):
        config(**values)


def test_accumulation_follows_from_the_number_of_processes():
    assert [config().accumulation(processes) for processes in (1, 2, 6)] == [24, 12, 4]
    assert config(per_device_train_batch_size=4).accumulation(1) == 48
    with pytest.raises(ValueError, match=r"192 completions a step .* 5 processes x 8"):
        config().accumulation(5)


def test_out_stands_for_the_run_folder_and_the_resolved_config_loads_back(tmp_path):
    noise = {"noise": {"quality_model": "{out}/q.bin"}, "eval_rows": 0}
    first = config(data=noise)
    assert first.data.noise.quality_model == "runs/x/q.bin"
    (tmp_path / "config.yaml").write_text(to_yaml(first))
    assert load(RLConfig, [tmp_path / "config.yaml"]) == first


def test_the_plan_says_how_a_step_is_made_up(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "6")
    assert plan(config())["step"] == "24 prompts x 8 = 192 completions = 8 per device x 4 accumulated x 6"


def test_a_config_that_needs_a_gpu_says_what_runs_here(monkeypatch):
    monkeypatch.setattr("rl.grpo.check._has_gpu", lambda: False)
    with pytest.raises(ValueError, match=r"needs an NVIDIA GPU.*rephraser_smoke_cpu"):
        check(config(generation="vllm_colocate"))
    with pytest.raises(ValueError, match="no model at runs/none"):
        check(config(model="runs/none"))


def test_help_does_not_wait_for_torch(root):
    code = "import sys, rl.train, rl.score; print([m for m in ('torch', 'transformers', 'trl') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
