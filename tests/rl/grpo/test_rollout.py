"""Sampling: the distribution, the ends, and that neighbours in a batch change nothing."""

import pytest
import torch

from rl.grpo.rollout import choose, sample, uniforms

LOGITS = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()


@pytest.mark.parametrize(
    ("number", "top_p", "token"),
    [(0.0, 1.0, 0), (0.49, 1.0, 0), (0.51, 1.0, 1), (0.81, 1.0, 2), (0.96, 1.0, 3), (0.999, 0.75, 1), (0.9999, 0.1, 0)],
)
def test_a_number_picks_the_token_its_probability_covers(number, top_p, token):
    assert choose(LOGITS, torch.tensor([number]), 1.0, top_p).item() == token


def test_top_p_keeps_the_token_that_reaches_it_and_renormalizes():
    numbers = (torch.arange(10_000) + 0.5) / 10_000
    drawn = choose(LOGITS.expand(10_000, -1), numbers, 1.0, 0.9)  # 0.5 + 0.3 + 0.15 reach 0.9
    shares = torch.bincount(drawn, minlength=4) / 10_000
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.3, 0.15, 0]) / 0.95, atol=2e-4, rtol=0)


@pytest.mark.parametrize("scale", [0.1, 3, 10])  # nearly even: most tokens are kept; steep: a few
def test_a_large_vocabulary_is_drawn_from_like_a_small_one(scale):
    generator = torch.Generator().manual_seed(0)
    logits = (scale * torch.randn(40, 1000, generator=generator)).bfloat16().float()  # with ties
    numbers = torch.rand(40, generator=generator, dtype=torch.float64)
    drawn = choose(logits, numbers, 1.0, 0.9).tolist()
    for row, number, token in zip(logits.softmax(-1).tolist(), numbers.tolist(), drawn, strict=True):
        order = sorted(range(1000), key=lambda one: (-row[one], one))
        kept, reached = [], 0.0
        while reached < 0.9:
            kept.append(order[len(kept)])
            reached += row[kept[-1]]
        passed = 0.0
        for expected in kept:
            passed += row[expected]
            if number * reached < passed:
                break
        assert token == expected


def test_a_low_temperature_takes_the_likeliest():
    assert choose(LOGITS, torch.tensor([0.999]), 1e-3, 1.0).item() == 0


@pytest.fixture(scope="module")
def policy(small_policy):
    """The small policy with livelier logits."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(small_policy, dtype=torch.float32).eval()
    model.get_input_embeddings().weight.data.mul_(20)  # tied: logits grow too
    return model


PROMPTS = [[5, 6, 7, 8], [9, 10], [5, 6, 7, 8], [11, 12, 13, 14, 15, 16], [9, 10]]
KEYS = [f"k{n}" for n in range(5)]


def test_a_completion_does_not_depend_on_its_batch(policy):
    ends = set(range(100, 200))  # ends come soon and at different times
    whole = sample(policy, PROMPTS, uniforms(KEYS, 12), ends)
    alone = [sample(policy, [p], uniforms([k], 12), ends)[0] for p, k in zip(PROMPTS, KEYS, strict=True)]
    assert whole == alone
    assert len({len(ids) for ids in whole}) > 1
    for ids in whole:
        assert ids and not ends.intersection(ids[:-1]) and (len(ids) == 12 or ids[-1] in ends)


def test_how_often_one_looks_for_ended_completions_changes_nothing(policy):
    ends = set(range(100, 200))
    found = [sample(policy, PROMPTS, uniforms(KEYS, 12), ends, look_every=every) for every in (None, 1, 3, 100)]
    assert found[0] == found[1] == found[2] == found[3]


def passes_and_samples(policy, top_p, every):
    """Passes after the prompts' own, completions, and what was told of them."""
    passes, told = [], []
    hook = policy.register_forward_pre_hook(lambda *_: passes.append(1))
    numbers, ends = uniforms(KEYS, 12), set(range(500, 520))
    found = sample(policy, PROMPTS, numbers, ends, 1.0, top_p, lambda *end: told.append(end), every)
    hook.remove()
    return len(passes) - 1, (found, sorted(told))


def test_a_token_that_was_drawn_too_soon_is_taken_back(policy):
    """Off a CPU the next pass begins before it is known whether the first candidates were enough."""
    weights = policy.get_input_embeddings().weight.data
    before = weights.clone()
    again = {}
    for scale, top_p in ((1, 1.0), (1, 0.9), (0.2, 0.9), (0.02, 0.9)):
        weights.copy_(before * scale)  # nearly even: 128 candidates do not hold 0.9
        (_, expected), (passes, found) = (passes_and_samples(policy, top_p, every) for every in (1, 100))
        assert found == expected
        again[scale, top_p] = passes - 11
    weights.copy_(before)
    assert again[1, 0.9] == 0 and again[1, 1.0] == again[0.02, 0.9] == 11, again


def test_the_likeliest_tokens_are_those_of_generate(policy):
    numbers = torch.zeros(len(PROMPTS), 6)
    found = sample(policy, PROMPTS, numbers, {599})
    for prompt, completion in zip(PROMPTS, found, strict=True):
        ids = torch.tensor([prompt])
        expected = policy.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=6,
            do_sample=False,
            eos_token_id=599,
            pad_token_id=0,
        )
        assert completion == expected[0, len(prompt) :].tolist()


def test_streams_belong_to_their_keys():
    torch.testing.assert_close(uniforms(["a", "b"], 3)[1], uniforms(["b"], 3)[0])
    assert not torch.equal(uniforms(["a"], 3), uniforms(["b"], 3))


def test_each_completion_is_told_once_when_it_ends(policy):
    ends = set(range(100, 200))
    told = []
    whole = sample(policy, PROMPTS, uniforms(KEYS, 12), ends, finished=lambda row, ids: told.append((row, ids)))
    assert sorted(told) == [(row, ids) for row, ids in enumerate(whole) if ids[-1] in ends]
    assert [len(ids) for _, ids in told] == sorted(len(ids) for _, ids in told)


@pytest.mark.parametrize(("number", "token"), [(0.0, 0), (0.501, 135), (0.999, 269)])
def test_equal_logits_of_a_large_vocabulary_are_drawn_in_the_order_of_their_ids(number, token):  # 270 of 300 reach 0.9
    assert choose(torch.zeros(1, 300), torch.tensor([number], dtype=torch.float64), 1.0, 0.9).item() == token


@pytest.mark.parametrize("every", [1, 3, 100])
def test_a_completion_that_ends_with_the_last_token_there_is_is_told(policy, every):
    whole = sample(policy, PROMPTS, uniforms(KEYS, 6), set())
    ends = {ids[-1] for ids in whole}
    told = []
    numbers = uniforms(KEYS, 6)
    found = sample(policy, PROMPTS, numbers, ends, 1.0, 1.0, lambda row, ids: told.append((row, ids)), every)
    assert any(len(ids) == 6 for ids in found)
    assert sorted(told) == list(enumerate(found))
