"""The shipped recipes: published numbers, and options that the libraries know."""

import pytest

from common.config import load
from eval.serve import ServeConfig
from rl.train import RLConfig

RECIPES = ["qwen3_4b", "qwen3_4b_paper", "qwen3_4b_quality_only", "qwen3_4b_sft_then_rl", "olmo2_1b"]
RECIPES += ["qwen3_0.6b_1gpu", "smoke_cpu"]


@pytest.fixture(params=RECIPES)
def recipe(request, root):
    """One run config."""
    return request.param, load(RLConfig, [root / "configs" / "rl" / f"rephraser_{request.param}.yaml"])


def test_weights_rates_and_sampling_are_the_papers(recipe):
    name, config = recipe
    weights = [3, 0, 0, 0, 1] if name.endswith("quality_only") else [3, 1, 1, 1, 1]
    assert config.reward_weights == weights
    assert [reward.kind for reward in config.rewards] == ["quality", "semantic", "structure", "length", "format"]
    assert (config.beta, config.epsilon, config.temperature, config.top_p) == (0.005, 0.2, 1.0, 0.9)
    assert (config.warmup_frac, config.min_lr_frac, config.loss_type, config.num_iterations) == (0.1, 0.1, "bnpo", 1)
    assert config.seed == 42


def test_gpu_recipes_take_192_completions_a_step(recipe):
    name, config = recipe
    if name == "smoke_cpu":
        pytest.skip("scaled down")
    assert config.completions_per_step == 192 == 24 * 8
    assert config.accumulation(1) == 192 // config.per_device_train_batch_size
    if name != "qwen3_0.6b_1gpu":
        assert config.accumulation(6) == 4 and config.max_steps == 2000
    assert config.learning_rate == 1e-6
    assert (config.eval_steps, config.save_steps, config.data.eval_rows) == (30, 60, 128)
    assert config.max_prompt_length + config.max_completion_length == config.trl["vllm_max_model_length"] == 4096


def test_profile_and_thinking_fit_the_policy(recipe):
    name, config = recipe
    profile = config.rewards[-1].profile
    if "qwen3" in name:
        assert profile == "qwen3" and config.prompt.no_think
    elif "olmo2" in name:
        assert profile == "olmo2" and not config.prompt.no_think


def test_the_paper_preset_departs_where_the_released_code_does(root):
    ours = load(RLConfig, [root / "configs" / "rl" / "rephraser_qwen3_4b.yaml"])
    paper = load(RLConfig, [root / "configs" / "rl" / "rephraser_qwen3_4b_paper.yaml"])
    assert [reward.score_truncated for reward in paper.rewards[:4]] == [True] * 4
    assert (paper.rewards[3].min_ratio, ours.rewards[3].min_ratio) == (0, 0.2)
    assert (paper.export, ours.export) == ("last", "best")
    assert 33 * paper.save_steps == 1980 and paper.save_total_limit >= 34


def test_options_of_trl_are_known_to_it(recipe):
    from dataclasses import fields

    from trl import GRPOConfig

    assert set(recipe[1].trl) <= {field.name for field in fields(GRPOConfig)}


def test_every_server_a_recipe_needs_is_one_it_starts(recipe, root):
    _, config = recipe
    started = [load(ServeConfig, [root / "configs" / "serve" / f"{name}.yaml"]) for name in config.servers]
    needed = {url for reward in config.rewards for url in reward.needs_servers()}
    assert needed == {server.url for server in started}
    models = {server.url: server.model for server in started}
    for reward in config.rewards:
        if reward.kind == "structure" and reward.judge:
            assert reward.judge.model == models[reward.judge.url]


def test_servers_of_one_recipe_share_no_port_and_no_gpu(root):
    servers = [load(ServeConfig, [root / "configs" / "serve" / f"{name}.yaml"]) for name in ("dataman", "structure")]
    assert len({server.port for server in servers}) == 2 and len({server.gpus for server in servers}) == 2
