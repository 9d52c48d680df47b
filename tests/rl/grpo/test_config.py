"""The run config's unions, presets, and the combinations it refuses."""

import pytest

from common.config import ConfigError, load, to_yaml
from rl.grpo.algorithms import PRESETS
from rl.grpo.config import RLConfig
from rl.grpo.trl_options import trainer_options

BASE = {"model": "m", "out": "runs/x", "rewards": [{"kind": "exact_answer"}], "reward_weights": [1]}
WITH_PROCESS = {"rewards": [{"kind": "exact_answer"}, {"kind": "process"}], "reward_weights": [1, 0]}


def config(**values):
    return load(RLConfig, [], {**BASE, **values})


def test_data_is_recycled_pages_unless_its_kind_says_otherwise():
    assert config().data.kind == config(data={"rows": 5}).data.kind == "recycling"
    assert config(data={"kind": "conversations", "train": "a.jsonl"}).data.train == ["a.jsonl"]
    with pytest.raises(ConfigError, match=r"unknown key 'data\.pools'"):
        config(data={"pools": "x"})


@pytest.mark.parametrize("name", PRESETS)
def test_an_algorithm_is_values_of_fields_and_each_may_be_given_over_it(name, tmp_path):
    found = config(algorithm=name)
    for field, value in PRESETS[name].items():
        if field != "std_filter":
            assert getattr(found, field) == value
    assert config(algorithm=name, loss_type="bnpo").loss_type == "bnpo"
    (tmp_path / "config.yaml").write_text(to_yaml(found))
    assert load(RLConfig, [tmp_path / "config.yaml"]) == found


def test_clip_higher_and_several_updates_reach_trl():
    options = trainer_options(config(algorithm="dapo", updates_per_generation=4, save_steps=120), 1, cpu=True)
    assert (options.epsilon, options.epsilon_high, options.beta) == (0.2, 0.28, 0.0)
    assert options.steps_per_generation == 4 * options.gradient_accumulation_steps
    assert options.generation_batch_size == 4 * 192
    constant = trainer_options(config(lr_schedule="constant"), 1, cpu=True)
    assert constant.lr_scheduler_type == "constant_with_warmup"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**WITH_PROCESS, "reward_weights": [1, 0.5]}, "pays by token.*weight 0"),
        ({**WITH_PROCESS, "trl": {"importance_sampling_level": "sequence"}}, "do not go with"),
        ({**WITH_PROCESS, "trl": {"off_policy_mask_threshold": 0.5}}, "do not go with"),
        ({**WITH_PROCESS, "loss_type": "luspo"}, "loss_type"),
        (
            {"rewards": [{"kind": "process"}, {"kind": "process", "name": "b"}], "reward_weights": [0, 0]},
            "one process reward is enough",
        ),
        ({"updates_per_generation": 7}, "no multiple of the 7 updates of one batch"),
        (
            {"rewards": [{"kind": "completion_gain"}], "trl": {"sync_ref_model": True}, "beta": 0.1},
            "sync_ref_model moves the weights",
        ),
        ({"algorithm": "ppo"}, "algorithm"),
        ({"combine": "sum"}, "combine"),
    ],
)
def test_what_does_not_go_together_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        config(**values)


def test_the_filter_needs_whole_groups_on_every_process():
    filtered = config(std_filter={}, prompts_per_step=3, per_device_train_batch_size=4)
    assert filtered.accumulation(3) == 2
    with pytest.raises(ValueError, match="keeps whole groups"):
        filtered.accumulation(2)
    assert config(prompts_per_step=3, per_device_train_batch_size=4).accumulation(2) == 3


def test_a_curriculums_prompts_are_not_shuffled():
    data = {"kind": "conversations", "train": "a.jsonl"}
    assert trainer_options(config(data=data, precision="fp32"), 1, cpu=True).shuffle_dataset
    easy = config(data={**data, "curriculum": "easy_first"}, precision="fp32")
    assert not trainer_options(easy, 1, cpu=True).shuffle_dataset
