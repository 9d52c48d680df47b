"""Speed of the likelihood engine against the plain ways of getting the same numbers, on this machine's CPU.

Both sides run in this process on one thread and are timed in processor time, so that other work on the machine counts
little. Figures are printed (`pytest -m bench -s`).
"""

import time

import numpy as np
import pytest
import torch
import transformers

from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Branch, Trunk

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.timeout(3600)]

VOCAB = 8192


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = transformers.Qwen3Config(
        vocab_size=VOCAB,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=4096,
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield transformers.AutoModelForCausalLM.from_config(config).eval()
    torch.set_num_threads(threads)


def seconds(function, repeats):
    """Least processor time of some runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


@torch.no_grad()
def one_pass_per_branch(model, trunks):
    """What the three originals do: a whole forward pass for every reference."""
    numbers = []
    for trunk in trunks:
        for branch in trunk.branches:
            text = [*trunk.token_ids[: branch.cut], *branch.token_ids]
            logits = model(input_ids=torch.tensor([text])).logits[0, branch.cut - 1 : -1]
            numbers.append(logits.log_softmax(-1).gather(1, torch.tensor(branch.token_ids)[:, None])[:, 0].numpy())
    return numbers


def compare(model, trunks, mode="auto", repeats=2):
    """(plain seconds, ours) for the same numbers."""
    scorer = open_scorer(model, ScorerConfig(mode=mode))
    ours = [branch.logprobs for score in scorer.score(trunks) for branch in score.branches]
    for a, b in zip(ours, one_pass_per_branch(model, trunks), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    plain_s = seconds(lambda: one_pass_per_branch(model, trunks), repeats)
    return plain_s, seconds(lambda: scorer.score(trunks), repeats + 1)


def test_21_cuts_on_2048_tokens_are_10_times_faster_than_one_pass_per_cut(model):
    """Process rewards: a prompt of 256 tokens, 20 segments, an answer of 8 tokens after each."""
    random = np.random.default_rng(0)
    cuts = np.linspace(256, 2048, 21).astype(int).tolist()
    trunk = Trunk(random.integers(0, VOCAB, 2048).tolist(), [Branch(cut, random.integers(0, VOCAB, 8)) for cut in cuts])
    for mode in ("packed", "auto"):
        plain_s, ours_s = compare(model, [trunk], mode)
        print(f"21 cuts, 2,048 tokens, {mode}: {plain_s:.2f} s -> {ours_s:.2f} s, {plain_s / ours_s:.1f} x")  # noqa: T201 - the figure
    assert plain_s / ours_s >= 10


def test_a_group_sharing_its_prompt_is_twice_as_fast_as_each_rollout_alone(model):
    """VR-CLI and RLPR: a prompt four times as long as each of 8 rollouts."""
    random = np.random.default_rng(1)
    prompt = random.integers(0, VOCAB, 768).tolist()
    rollouts = [prompt + random.integers(0, VOCAB, 192).tolist() for _ in range(8)]
    trunks = [Trunk(rollout, [Branch(len(rollout), random.integers(0, VOCAB, 16))]) for rollout in rollouts]
    scorer = open_scorer(model)
    scorer.score([])
    alone_s = seconds(lambda: [scorer.score([trunk]) for trunk in trunks], 3)
    plain_s, ours_s = compare(model, trunks)
    print(f"group of 8, shared prompt: plain {plain_s:.2f} s, alone {alone_s:.2f} s -> {ours_s:.2f} s")  # noqa: T201 - the figure
    assert alone_s / ours_s >= 2


def test_answer_choices_are_faster_than_row_by_row(model):
    """CORE: 40 questions with 4 answers each."""
    random = np.random.default_rng(2)
    trunks = []
    for _ in range(40):
        ids = random.integers(0, VOCAB, random.integers(60, 400)).tolist()
        choices = [random.integers(0, VOCAB, random.integers(2, 12)) for _ in range(4)]
        trunks.append(Trunk(ids, [Branch(len(ids), choice) for choice in choices]))
    plain_s, ours_s = compare(model, trunks)
    print(f"40 questions, 4 choices: {plain_s:.2f} s -> {ours_s:.2f} s, {plain_s / ours_s:.1f} x")  # noqa: T201 - the figure
    assert plain_s / ours_s >= 2.5
