"""The run config: what it says, what it refuses, and before what."""

import subprocess
import sys

import pytest

from common.config import ConfigError, load, to_yaml
from rl.grpo.check import check, check_stop, plan
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
        ({"trl": {"vllm_gpu_memory_utilization": 70}}, "a share of a GPU's memory: above 0"),
        ({"generation": "vllm_colocate"}, "biased where top_p < 1 .* give top_p=1"),
        ({"generation": "vllm_server", "top_p": 1.0, "trl": {"top_k": 20}}, "biased where top_p < 1 or top_k > 0"),
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
        check(config(generation="vllm_colocate", top_p=1.0))
    with pytest.raises(ValueError, match="no model at runs/none"):
        check(config(model="runs/none"))


def test_help_does_not_wait_for_torch(root):
    code = "import sys, rl.train, rl.score; print([m for m in ('torch', 'transformers', 'trl') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def here(small_policy, questions, tmp_path):
    """A run whose model and data are on this machine."""

    def make(**values):
        data = {"kind": "conversations", "train": [questions], "rows": 4, "eval_rows": 0, **values.pop("data", {})}
        lengths = {"max_prompt_length": 100, "max_completion_length": 100}
        return config(**{"model": small_policy, "out": str(tmp_path / "run"), "data": data, **lengths, **values})

    return make


@pytest.mark.parametrize(
    ("environment", "values", "message"),
    [
        ({"NODE_RANK": "2", "NNODES": "2", "WORLD_SIZE": "2"}, {}, "NODE_RANK=2 on 2 nodes; the ranks are 0 to 1"),
        ({"NNODES": "two"}, {}, "NNODES=two is no number"),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "WORLD_SIZE": "3"}, {}, "3 processes on a machine with 2 visible GPUs"),
        (
            {"WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "3", "NNODES": "2"},
            {"generation": "vllm_colocate", "top_p": 1.0, "trl": {"vllm_tensor_parallel_size": 2}},
            "size 2 does not divide the 3 GPUs of a machine; give 1, 3",
        ),
        ({"ACCELERATE": "configs/accelerate/zero3.yaml"}, {}, "DeepSpeed, which is not installed"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, {}, "DeepSpeed, which is not installed"),
        ({}, {"data": {"train": ["none.jsonl"]}}, r"no rows at none.jsonl \(data.train\)"),
        ({}, {"max_completion_length": 5000}, "beyond the 2048 tokens .* give max_completion_length=2047 or less"),
    ],
)
def test_what_can_be_known_at_the_start_is_one_line_before_anything_loads(
    here, root, monkeypatch, environment, values, message
):
    monkeypatch.chdir(root)
    monkeypatch.setattr("rl.grpo.check.find_spec", lambda name: None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        check(here(**values))


def test_a_missing_pool_is_named_before_anything_loads(small_policy, tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        check(
            config(
                model=small_policy, out=str(tmp_path), data={"pool": str(tmp_path / "nowhere")}, max_completion_length=9
            )
        )


def test_a_run_that_can_start_passes(here, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    check(here())


def test_a_template_whose_end_of_turn_stops_nothing_is_refused_with_the_mend(small_policy, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(small_policy)
    check_stop(tokenizer, small_policy)
    tokenizer.eos_token = "<|user|>"
    with pytest.raises(ValueError, match=r"'<\|end\|>', which stops no completion .*--eos '<\|end\|>'"):
        check_stop(tokenizer, str(tmp_path))
