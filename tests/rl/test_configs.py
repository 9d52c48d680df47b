"""The shipped recipes: published numbers, and options that the libraries know."""

import pytest

from common.config import load
from common.serve.config import ServeConfig
from rl.grpo.config import RLConfig

RECIPES = ["qwen3_4b", "qwen3_4b_paper", "qwen3_4b_quality_only", "qwen3_4b_sft_then_rl", "olmo2_1b"]
RECIPES += ["qwen3_0.6b_1gpu", "smoke_cpu"]


@pytest.fixture(params=RECIPES)
def recipe(request, root):
    """One run config."""
    return request.param, load(RLConfig, [root / "configs" / "rl" / f"rephraser_{request.param}.yaml"])


def test_weights_rates_and_sampling_are_the_papers(recipe):
    name, config = recipe
    weights = [3, 0, 0, 0, 1] if name.endswith("quality_only") else [3, 1, 1, 1, 1]
    if name != "smoke_cpu":  # whose own weights are in rl/README.md
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


def test_recipes_that_are_no_ablation_stop_at_signs_of_hacking(recipe):
    name, config = recipe
    bounds = {**config.stop_above, **config.stop_below}
    if name == "smoke_cpu" or name.endswith(("paper", "quality_only")):
        assert not bounds  # to show what happens, or what the paper did
    else:  # names that tests/rl/grpo/test_journal.py finds in a run's metrics
        assert bounds.keys() == {"rewards/semantic/mean", "completions/clipped_ratio", "completions/duplicate_frac"}


def test_the_paper_preset_departs_where_the_released_code_does(root):
    ours = load(RLConfig, [root / "configs" / "rl" / "rephraser_qwen3_4b.yaml"])
    paper = load(RLConfig, [root / "configs" / "rl" / "rephraser_qwen3_4b_paper.yaml"])
    assert [reward.score_truncated for reward in paper.rewards[:4]] == [True] * 4
    assert [(one.rewards[1].max_tokens, one.rewards[1].long) for one in (paper, ours)] == [
        (512, "truncate"),
        (2048, "windows"),
    ]
    assert (paper.rewards[3].min_ratio, ours.rewards[3].min_ratio) == (0, 0.2)
    assert (paper.export, ours.export) == ("last", "best")
    assert 33 * paper.save_steps == 1980 and paper.save_total_limit >= 34


def test_options_of_trl_are_known_to_it(root):
    from dataclasses import fields

    from trl import GRPOConfig

    known = {field.name for field in fields(GRPOConfig)}
    for path in (root / "configs" / "rl").glob("*.yaml"):
        if not path.name.startswith(("check_", "data_", "sft_")):
            assert set(load(RLConfig, [path]).trl) <= known, path


def load_recipe(root, name):
    return load(RLConfig, [root / "configs" / "rl" / f"{name}.yaml"])


@pytest.mark.parametrize(
    # prompts of a batch of rollouts, completions of an optimizer step
    ("name", "prompts", "completions", "temperature", "top_p", "beta", "mode", "prompt_tokens"),
    [
        ("rlpr_qwen2.5_7b", 768, 1536, 1.0, 1.0, 0.5, "R1", 2048),
        ("rlpr_llama3.1_8b", 256, 512, 0.6, 0.95, 0.9, "R1_nothink", 2048),
        ("rlpr_gemma2_2b", 256, 512, 0.6, 0.95, 1.0, "R1_nothink", 1024),
    ],
)
def test_rlpr_recipes_are_the_published_ones(
    root, name, prompts, completions, temperature, top_p, beta, mode, prompt_tokens
):
    config = load_recipe(root, name)
    (reward,) = config.rewards
    assert (config.prompts_per_step * config.updates_per_generation, config.completions_per_step) == (
        prompts,
        completions,
    )
    assert (config.temperature, config.eval_temperature, config.eval_top_p) == (temperature, temperature, top_p)
    assert (config.std_filter.beta, config.std_filter.ema) == (beta, 0.99)
    assert (config.std_filter.record_from, config.std_filter.filter_from) == (6, 11)
    assert (reward.format.mode, config.data.prompt, config.data.max_prompt_tokens) == (mode, mode, prompt_tokens)
    assert (reward.reduce, reward.baseline, reward.format_weight, reward.role) == ("mean_p", "bare", 0.1, "policy")
    assert (reward.repetition.words, reward.repetition.times, reward.repetition.penalty) == (10, 10, -1)
    assert (config.learning_rate, config.lr_schedule, config.beta, config.loss_type) == (1e-6, "constant", 0, "dapo")
    assert (config.epsilon, config.epsilon_high, config.max_completion_length) == (0.2, 0.27, 3072)
    assert (config.num_generations, config.trl["entropy_coef"], config.trl["vllm_tensor_parallel_size"]) == (8, 1e-3, 2)
    assert config.eval_steps == config.save_steps == 40 * config.updates_per_generation


@pytest.mark.parametrize(("name", "group", "updates"), [("story_qwen2.5_3b", 16, 16), ("story_qwen2.5_7b", 8, 8)])
def test_story_recipes_are_the_published_ones(root, name, group, updates):
    config = load_recipe(root, name)
    (reward,) = config.rewards
    assert (config.num_generations, config.updates_per_generation, config.completions_per_step) == (group, updates, 64)
    assert config.prompts_per_step * updates == 64
    assert (config.learning_rate, config.min_lr_frac, config.warmup_frac, config.beta) == (5e-7, 0.1, 0.03, 1e-6)
    assert (config.loss_type, config.epsilon, config.weight_decay) == ("grpo", 0.2, 0)
    assert (config.trl["adam_beta1"], config.trl["adam_beta2"]) == (0.9, 0.95)
    assert (config.data.max_prompt_tokens, config.max_completion_length) == (12_000, 2048)
    assert (config.temperature, config.eval_temperature, config.eval_top_p) == (1, 0.7, 0.8)
    assert (reward.role, reward.baseline, reward.plan_missing, reward.score_closers) == (
        "frozen",
        "no_plan",
        "whole",
        True,
    )
    assert [reward.shape(gain) for gain in (0.04, 0.06, 1.5, 2.5)] == [0, 0.5, 0.9, 1.0]


@pytest.mark.parametrize("name", ["process_r1_distill_1.5b", "process_qwen3_1.7b"])
def test_process_recipes_are_the_authors(root, name):
    config = load_recipe(root, name)
    outcome, process = config.rewards
    assert (outcome.kind, outcome.where, config.reward_weights) == ("exact_answer", "boxed", [1, 0])
    assert (process.k, process.w, process.alpha, process.gamma) == (20, 0.1, 0.05, 1)
    assert (config.prompts_per_step, config.num_generations, config.updates_per_generation) == (256, 8, 1)
    assert (config.learning_rate, config.warmup_frac * config.max_steps, config.beta) == (1e-6, 20, 0.001)
    assert (config.epsilon, config.epsilon_high, config.max_steps, config.save_steps) == (0.2, 0.28, 500, 20)
    assert (config.num_generations_eval, config.eval_temperature, config.eval_top_p) == (16, 0.6, 0.95)
    assert (config.data.prompt, config.max_completion_length) == ("boxed", 32_768)
    assert config.accumulation(4 * 8) * 4 * 8 == 2048


def test_smoke_siblings_reward_as_their_recipes_do(root):
    for family, recipe in (("rlpr", "qwen2.5_7b"), ("story", "qwen2.5_3b"), ("process", "r1_distill_1.5b")):
        smoke = load_recipe(root, f"{family}_smoke_cpu")
        wanted = [reward.kind for reward in load_recipe(root, f"{family}_{recipe}").rewards]
        assert [reward.kind for reward in smoke.rewards][: len(wanted)] == wanted
        assert smoke.generation == "transformers" and smoke.precision == "fp32"


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


GURU = {  # batches of 512 prompts, passes of completions on a device
    "guru_qwen2.5_7b": (456, 2),
    "guru_qwen2.5_7b_1node": (456, 2),
    "guru18k_qwen2.5_7b": (140, 2),
    "guru_math3k_qwen2.5_32b": (50, 1),
    "guru_anneal_32b": (125, 1),
}


@pytest.mark.parametrize("name", GURU)
def test_guru_recipes_are_the_published_ones(root, name):
    config = load_recipe(root, name)
    batches, per_device = GURU[name]
    (reward,) = config.rewards
    assert (reward.kind, reward.mode, reward.partial, reward.truncated) == ("verifiable", "strict", "exact", "zero")
    assert (config.num_generations, config.prompts_per_step, config.updates_per_generation) == (16, 64, 8)
    assert (config.max_steps, config.per_device_train_batch_size) == (8 * batches, per_device)
    assert (config.learning_rate, config.weight_decay, config.max_grad_norm, config.beta) == (1e-6, 0.1, 1.0, 0)
    assert (config.epsilon, config.epsilon_high, config.loss_type, config.trl["delta"]) == (0.2, 0.2, "dapo", 10)
    assert (config.temperature, config.top_p) == (1, 1)
    assert (config.max_prompt_length, config.max_completion_length) == (4096, 8192)
    assert config.warmup_frac == 0 or round(config.warmup_frac * config.max_steps) in range(80, 82)
    assert config.data.rows_per_domain == (3072 if name.startswith("guru18k") else None)
    assert config.accumulation(32 if "7b" in name else 128) >= 1
