"""Speed of the likelihood engine against the plain ways of getting the same numbers, on this machine's CPU.

    python -m pytest tests/bench/test_likelihood_speed.py -m bench -s

One thread. The limit is one forward pass, as transformers makes it, over as many tokens as the trunks and branches have
together: nothing that reads each token once can be faster.
"""

import numpy as np
import pytest
import torch
import transformers

from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Branch, Trunk
from tests.bench.harness import Side, measure

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


def equal(ours, theirs):
    """Log-probabilities of all branches, in order."""
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def read(logits, tokens):
    """Log-probabilities of some tokens from the logits of the rows that predict them."""
    return logits.float().log_softmax(-1).gather(1, torch.as_tensor(tokens)[:, None])[:, 0].numpy()


@torch.no_grad()
def pass_per_branch(model, trunks, keep):
    """The published way: a whole forward pass for every reference, with all logits or those that are wanted."""
    numbers = []
    for trunk in trunks:
        for branch in trunk.branches:
            text = torch.tensor([[*trunk.token_ids[: branch.cut], *branch.token_ids]])
            options = {"logits_to_keep": len(branch.token_ids) + 1} if keep else {}
            numbers.append(
                read(model(input_ids=text, **options).logits[0, -len(branch.token_ids) - 1 : -1], branch.token_ids)
            )
    return numbers


@torch.no_grad()
def cache_loop(model, trunks):
    """A dozen lines over transformers' own cache: the trunk piece by piece, a branch at each cut, cut off again."""
    numbers = {}
    for number, trunk in enumerate(trunks):
        cache, at, last = transformers.DynamicCache(config=model.config), 0, None
        for index, branch in sorted(enumerate(trunk.branches), key=lambda entry: entry[1].cut):
            if branch.cut > at:
                piece = torch.tensor([list(trunk.token_ids[at : branch.cut])])
                last = model(input_ids=piece, past_key_values=cache, logits_to_keep=1).logits[0]
                at = branch.cut
            fed = torch.tensor([[int(token) for token in branch.token_ids[:-1]]])
            rows = model(input_ids=fed, past_key_values=cache).logits[0]
            cache.crop(-fed.shape[1])
            numbers[number, index] = read(torch.cat([last, rows]), branch.token_ids)
    return [numbers[key] for key in sorted(numbers)]


@torch.no_grad()
def cache_loop_backwards(model, trunks):
    """The same from the end: the trunk in one pass, then the cache cut back from branch to branch."""
    numbers = {}
    for number, trunk in enumerate(trunks):
        branches = sorted(enumerate(trunk.branches), key=lambda entry: -entry[1].cut)
        ends = torch.tensor([branch.cut - 1 for _, branch in branches])
        cache = transformers.DynamicCache(config=model.config)
        ids = torch.tensor([list(trunk.token_ids[: branches[0][1].cut])])
        firsts = model(input_ids=ids, past_key_values=cache, logits_to_keep=ends).logits[0]
        for place, (index, branch) in enumerate(branches):
            if cache.get_seq_length() > branch.cut:
                cache.crop(branch.cut - cache.get_seq_length())
            fed = torch.tensor([[int(token) for token in branch.token_ids[:-1]]])
            rows = model(input_ids=fed, past_key_values=cache).logits[0]
            numbers[number, index] = read(torch.cat([firsts[place][None], rows]), branch.token_ids)
    return [numbers[key] for key in sorted(numbers)]


@torch.no_grad()
def one_pass(model, lengths):
    """The limit: every token once, a sequence of each length, as many rows to the output layer as are scored."""
    for length, rows in lengths:
        model(input_ids=torch.arange(length)[None] % VOCAB, logits_to_keep=torch.linspace(0, length - 1, rows).long())


def sides(model, trunks, lengths):
    scorer = open_scorer(model, ScorerConfig())
    return {
        "ours": Side(lambda: [branch.logprobs for score in scorer.score(trunks) for branch in score.branches]),
        "a pass per branch": [
            Side(lambda: pass_per_branch(model, trunks, keep=True), "logits_to_keep"),
            Side(lambda: pass_per_branch(model, trunks, keep=False), "all logits"),
        ],
        "a loop over the cache": [
            Side(lambda: cache_loop_backwards(model, trunks), "the trunk in one pass, cut back"),
            Side(lambda: cache_loop(model, trunks), "piece by piece"),
        ],
    }, {"the limit": Side(lambda: one_pass(model, lengths))}


def compared(what, model, trunks, lengths, runs, without=()):
    """All sides on the same trunks but those `without`; the limit has no numbers to compare."""
    ways, limit = sides(model, trunks, lengths)
    ways = {name: side for name, side in ways.items() if name not in without}

    def checked(ours, theirs):
        if theirs is not None:
            equal(ours, theirs)

    return measure(what, ways | limit, checked, runs)


def many_cuts(seed, prompt=None):
    random = np.random.default_rng(seed)
    cuts = np.linspace(256, 2048, 21).astype(int).tolist()
    ids = random.integers(0, VOCAB, 2048).tolist()
    if prompt is not None:
        ids[: len(prompt)] = prompt
    return Trunk(ids, [Branch(cut, random.integers(0, VOCAB, 8).tolist()) for cut in cuts])


ALONE = "rollouts this long stand in rows of their own, each with the prompt: a common row would hold more pairs"

FED, SCORED = 2048 + 21 * 7, 21 * 8


def test_21_cuts_on_2048_tokens(model):
    """Process rewards: a prompt of 256 tokens, 20 segments, an answer of 8 tokens after each."""
    found = compared("21 cuts on 2,048 tokens", model, [many_cuts(0)], [(FED, SCORED)], runs=7)
    found.aim("the limit", "ours", least=0.95)
    found.aim("a loop over the cache", "ours", least=1.17)
    found.aim("a pass per branch", "ours", least=8)


def test_21_cuts_in_each_of_16_rollouts_of_one_prompt(model):
    """A whole group: the prompt of 256 tokens is the same for all, and read once."""
    prompt = np.random.default_rng(9).integers(0, VOCAB, 256).tolist()
    trunks = [many_cuts(seed, prompt) for seed in range(16)]
    # every row of a group keeps the prompt, so the limit that shares it counts it once
    found = compared(
        "16 rollouts", model, trunks, [(FED, SCORED)] + [(FED - 256, SCORED)] * 15, 3, ["a pass per branch"]
    )
    found.aim("the limit", "ours", least=0.9, not_reached=ALONE)
    found.aim("a loop over the cache", "ours", least=1.2)


def test_a_group_sharing_its_prompt_is_twice_as_fast_as_each_rollout_alone(model):
    """VR-CLI and RLPR: a prompt four times as long as each of 8 rollouts."""
    random = np.random.default_rng(1)
    prompt = random.integers(0, VOCAB, 768).tolist()
    rollouts = [prompt + random.integers(0, VOCAB, 192).tolist() for _ in range(8)]
    trunks = [Trunk(rollout, [Branch(len(rollout), random.integers(0, VOCAB, 16).tolist())]) for rollout in rollouts]
    scorer = open_scorer(model)

    def together():
        return [branch.logprobs for score in scorer.score(trunks) for branch in score.branches]

    def alone():
        return [branch.logprobs for trunk in trunks for score in scorer.score([trunk]) for branch in score.branches]

    found = measure("8 rollouts of one prompt", {"together": Side(together), "alone": Side(alone)}, equal)
    found.aim("alone", "together", least=2)


def test_answer_choices_are_faster_than_row_by_row(model):
    """CORE: 40 questions with 4 answers each."""
    random = np.random.default_rng(2)
    trunks = []
    for _ in range(40):
        ids = random.integers(0, VOCAB, random.integers(60, 400)).tolist()
        choices = [random.integers(0, VOCAB, random.integers(2, 12)).tolist() for _ in range(4)]
        trunks.append(Trunk(ids, [Branch(len(ids), choice) for choice in choices]))
    lengths = [
        (len(trunk.token_ids) + sum(len(one.token_ids) - 1 for one in trunk.branches),
         sum(len(one.token_ids) for one in trunk.branches))
        for trunk in trunks
    ]  # fmt: skip
    found = compared("40 questions with 4 answers", model, trunks, lengths, runs=5)
    found.aim("a pass per branch", "ours", least=2.5)
