"""Process rewards against worked numbers, and their cuts with a real tokenizer."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from eval.likelihood.open import open_scorer
from eval.likelihood.spans import decode
from eval.likelihood.table import TableScorer
from rl.grpo.advantages import process_advantages
from rl.rewards import process
from rl.rewards.process import (
    ProcessConfig,
    ProcessReward,
    candidates,
    magnitude,
    point_scores,
    segment_rewards,
    stability,
    thinking_end,
)

J_B, J = -2.0, [-1.6, -1.0, -1.2, -0.2]
LOGPS = st.lists(st.floats(-50, 0), min_size=1, max_size=8)
PLAIN = ProcessConfig(w=0, first_segment="zero")


@pytest.fixture(scope="module")
def tokenizer(small_policy):
    return AutoTokenizer.from_pretrained(small_policy)


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0, 1), (0.1, 0.900332), (0.5, 0.537883), (1, 0.238406), (2, 0.035972), (3, 0.004945)]
)
def test_magnitude_by_the_ratio_of_the_two_losses(ratio, expected):
    assert magnitude(-2 * ratio, -2.0) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("logps", "expected"),
    [
        ((-3, -2, -1, -0.5), 1),
        ((-0.5, -1, -2, -3), 0),
        ((-2, -1, -1.5, -0.5), 0.833333),
        ((-1, -1, -1), 0.5),
        ((-1,), 0.5),
    ],
)
def test_stability_of_worked_orders(logps, expected):
    assert stability(logps) == pytest.approx(expected, abs=1e-6)


def test_segments_of_the_worked_rollout():
    np.testing.assert_allclose(point_scores(J_B, J, PLAIN), [0.335963, 0.537883, 0.462950, 0.900332], atol=1e-6)
    zero = segment_rewards(J_B, J, PLAIN)
    np.testing.assert_allclose(zero, [0.335963, 0.201920, -0.074932, 0.437382], atol=1e-6)
    assert segment_rewards(J_B, J, ProcessConfig(w=0))[0] == pytest.approx(0.097557, abs=1e-6)
    assert [stability([J_B, *J[:n]]) for n in range(1, 5)] == pytest.approx([1, 1, 0.833333, 0.9], abs=1e-6)
    half = ProcessConfig(w=0.5)
    np.testing.assert_allclose(point_scores(J_B, J, half), [0.667982, 0.768941, 0.648142, 0.900166], atol=1e-6)
    np.testing.assert_allclose(segment_rewards(J_B, J, half), [0.298779, 0.100960, -0.120800, 0.252024], atol=1e-6)


def test_advantages_of_the_worked_group_of_two():
    second = segment_rewards(J_B, [-2.2, -1.8], PLAIN)
    np.testing.assert_allclose(second, [0.199501, 0.084201], atol=1e-6)
    ends = ([4, 9, 13, 18], [6, 11])
    paid = [
        [(end - 1, reward) for end, reward in zip(places, rewards, strict=True)]
        for places, rewards in zip(ends, (segment_rewards(J_B, J, PLAIN), second), strict=True)
    ]
    found = process_advantages(paid, 2, 20, ProcessConfig(w=0, alpha=1.0))
    np.testing.assert_allclose(found[0, [0, 4, 9, 13, 18]], [0.6131, -0.1528, -0.1781, 1.3262, 0], atol=1e-4)
    np.testing.assert_allclose(found[1, [0, 6, 11]], [-0.6131, -0.6251, 0], atol=1e-4)
    combined = 0.707106 + process_advantages(paid, 2, 20, ProcessConfig(w=0))[0]
    expected = [0.73776] * 4 + [0.69947] * 5 + [0.69820] * 4 + [0.77342] * 5 + [0.70711] * 2
    np.testing.assert_allclose(combined, expected, atol=1e-5)


@given(st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([1.0, 0.9]))
def test_reward_to_go_equals_a_hand_loop_and_normalised_rewards_sum_to_0(group, seed, gamma):
    random = np.random.default_rng(seed)
    paid = [
        [
            (int(index), float(random.normal()))
            for index in sorted(random.choice(12, random.integers(0, 5), replace=False))
        ]
        for _ in range(group * 2)
    ]
    config = ProcessConfig(alpha=1.0, gamma=gamma)
    found = process_advantages(paid, group, 12, config)
    for first in (0, group):
        rows = paid[first : first + group]
        values = [value for row in rows for _, value in row]
        mean = np.mean(values) if values and group > 1 else 0.0
        std = (np.std(values, ddof=1) if len(values) > 1 else 0.0) if group > 1 else 1.0
        total = 0.0
        for number, row in enumerate(rows):
            normal = {
                index: 0.0 if std < 1e-6 else (value - mean) / (std + 1e-6 if group > 1 else 1.0)
                for index, value in row
            }
            total += sum(normal.values())
            for start in range(12):
                hand = sum(gamma ** (index - start) * value for index, value in normal.items() if index >= start)
                assert found[first + number, start] == pytest.approx(hand, abs=1e-9)
        if group > 1:
            assert total == pytest.approx(0, abs=1e-6)


@given(st.floats(-50, 0), LOGPS, st.floats(0, 1))
def test_rewards_are_finite_and_sum_to_the_rise(base, logps, w):
    config = ProcessConfig(w=w)
    rewards, scores = segment_rewards(base, logps, config), point_scores(base, logps, config)
    assert all(math.isfinite(reward) for reward in rewards)
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in scores)
    assert sum(rewards) == pytest.approx(scores[-1] - ((1 - w) * 0.238406 + w * 0.5), abs=1e-5)


@given(LOGPS)
def test_stability_knows_only_the_order(logps):
    values = [round(value, 3) for value in logps]
    assert stability(values) == pytest.approx(stability([value / 3 - 1 for value in values]))


def test_lines_begin_after_decoded_line_breaks(tokenizer):
    text = "Bees store honey.\n\nGlass is made?\n\n\nNo flowers\ngrow"
    ids = tokenizer.encode(text, add_special_tokens=False)
    starts = [decode(tokenizer, ids[index:])[:5] for index in candidates(tokenizer, ids, len(ids))]
    assert starts == ["Glass", "No fl", "grow"]


class Rising(TableScorer):
    """The answer is the likelier, the more lines stand before it; next-token entropy falls along the text."""

    def __init__(self, tokenizer):
        self.trunks, size = [], len(tokenizer)

        def next_logprobs(context):
            lines = decode(tokenizer, context).count("\n")
            flat = np.full(size, -float(size))
            flat[: max(2, size // len(context))] = 0
            return (
                np.full(size, -4 / (1 + lines))
                if "boxed" in decode(tokenizer, context)
                else flat - np.logaddexp.reduce(flat)
            )

        super().__init__(next_logprobs)

    def score(self, trunks):
        self.trunks += trunks
        return super().score(trunks)


THINKING = "<think>\nBees store honey.\n\nGlass is made.\n\nSo it is.\n</think>\n\n\\boxed{4}"


@pytest.mark.parametrize("k", [0, 1, 20])
def test_points_are_the_start_the_chosen_lines_and_the_end_of_thinking(tokenizer, k):
    scorer = Rising(tokenizer)
    reward = ProcessReward(ProcessConfig(k=k, w=0))
    reward.bind(scorer, tokenizer)
    ids = tokenizer.encode(THINKING, add_special_tokens=False)
    values = reward([[{"role": "user", "content": "Two and two?"}]], [THINKING], [ids], reference=["4"])
    (paid,) = reward.token_rewards
    ends = [decode(tokenizer, ids[: index + 1]) for index, _ in paid]
    every = ["<think>\n", "honey.\n\n", "made.\n\n", "it is.\n", "</think>"]
    chosen = {0: every[-1:], 1: [every[0], every[-1]], 20: every}[k]  # the highest entropy is the earliest
    assert len(ends) == len(chosen) and all(
        text.rstrip(" \n").endswith(end.strip()) for text, end in zip(ends, chosen, strict=True)
    )
    assert values[0] > 0 and all(value >= 0 for _, value in paid)


def test_one_pass_where_all_candidates_are_cheap_and_the_same_numbers_as_two(tokenizer, small_policy, monkeypatch):
    scorer = open_scorer(small_policy)
    prompt = [[{"role": "user", "content": "The train to the coast takes two hours. " * 12}]]
    numbers, passes = [], []
    original = scorer.score
    monkeypatch.setattr(scorer, "score", lambda trunks: passes.append(len(trunks)) or original(trunks))
    reward = ProcessReward(ProcessConfig(k=2))
    reward.bind(scorer, tokenizer)
    for count in (1, 2):
        passes.clear()
        reward(prompt, [THINKING], reference=["4"])
        assert sum(map(bool, passes)) == count
        numbers += reward.token_rewards
        monkeypatch.setattr(process._Plan, "early", lambda self, branch: [])  # forbid the short way
    for (index, value), (other_index, other) in zip(*numbers, strict=True):
        assert index == other_index and value == pytest.approx(other, abs=1e-5)


def test_unfinished_thinking_ends_with_the_completion(tokenizer, small_policy):
    reward = ProcessReward(ProcessConfig())
    reward.bind(open_scorer(small_policy), tokenizer)
    text = "<think>\nBees store"
    ids = tokenizer.encode(text, add_special_tokens=False)
    values = reward(
        [[{"role": "user", "content": "?"}]] * 3, [text, "", text], [ids, [], ids], reference=["4", "4", ""]
    )
    assert reward.token_rewards[0][-1][0] == len(ids) - 1
    assert values[1] == 0 and reward.token_rewards[1] == []
    assert values[2] is None and reward.last.reasons[2] == "no_reference"


def test_what_cannot_be_written_or_does_not_fit_is_a_counted_skip(tokenizer, small_policy, monkeypatch):
    from eval.likelihood.spans import Unwritable

    def refuse(tokenizer, cut, lead, reference, tail=""):
        if reference == "unwritable":
            raise Unwritable(reference)
        return original(tokenizer, cut, lead, reference, tail)

    original = process.scored_branch
    monkeypatch.setattr(process, "scored_branch", refuse)
    reward = ProcessReward(ProcessConfig())
    reward.bind(open_scorer(small_policy), tokenizer)
    values = reward(
        [[{"role": "user", "content": "?"}]] * 3, [THINKING] * 3, reference=["unwritable", "the mill " * 2000, "4"]
    )
    assert values[:2] == [None, None] and math.isfinite(values[2])
    assert reward.last.reasons == ["unwritable", "too_long", ""] and reward.token_rewards[:2] == [[], []]


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 0.0), (-50.0, -50.0), (0.0, -50.0), (-50.0, 0.0)])
def test_extreme_likelihoods_before_and_after_thinking_give_finite_rewards(tokenizer, lowest, highest):
    def next_logprobs(context):
        return np.full(len(tokenizer), highest if "honey" in decode(tokenizer, context) else lowest)

    reward = ProcessReward(ProcessConfig())
    reward.bind(TableScorer(next_logprobs), tokenizer)
    (value,) = reward([[{"role": "user", "content": "?"}]], [THINKING], reference=["4"])
    assert math.isfinite(value) and all(math.isfinite(paid) for _, paid in reward.token_rewards[0])


def test_a_server_cannot_say_where_segments_begin():
    with pytest.raises(ValueError, match="a server tells no entropy"):
        ProcessConfig(role="frozen", frozen_model="http://127.0.0.1:8000/v1")
    with pytest.raises(ValueError, match="used with role frozen only"):
        ProcessConfig(frozen_model="some/model")


def test_segments_are_of_the_tokens_that_were_sampled_not_of_their_text_encoded_again(tokenizer, small_policy):
    """The same text in one token per byte: other indices."""
    reward = ProcessReward(ProcessConfig())
    reward.bind(open_scorer(small_policy), tokenizer)
    letters = [token for letter in THINKING for token in tokenizer.encode(letter, add_special_tokens=False)]
    usual = tokenizer.encode(THINKING, add_special_tokens=False)
    assert decode(tokenizer, letters) == THINKING and len(letters) > len(usual)
    prompt = [[{"role": "user", "content": "?"}]] * 2
    reward(prompt, [THINKING] * 2, [letters, usual], reference=["4", "4"], prompt_ids=[[7, 8], [7, 8]])
    last = [THINKING.index("</think>") + len("</think>")] * 2
    assert reward.token_rewards[0][-1][0] == last[0] - 1 and reward.token_rewards[1][-1][0] < len(usual)
    assert len(reward.token_rewards[0]) == len(reward.token_rewards[1])


@pytest.mark.parametrize("close", [False, True])
def test_before_the_policys_own_thinking_stands_the_templates_way_to_an_answer(tokenizer, close, monkeypatch):
    empty = (
        "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
        "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    monkeypatch.setattr(tokenizer, "chat_template", empty)
    scorer = Rising(tokenizer)
    reward = ProcessReward(ProcessConfig(close_think=close))
    reward.bind(scorer, tokenizer)
    reward([[{"role": "user", "content": "Two and two?"}]], [THINKING], reference=["4"])
    trunk = next(trunk for trunk in scorer.trunks if trunk.branches)
    texts = {
        decode(tokenizer, [*trunk.token_ids[: branch.cut], *branch.token_ids]).partition("<|assistant|>")[2]
        for branch in trunk.branches
    }
    assert "<think>\n\n</think>\n\n\\boxed{4" in texts
    inside = "<think>\nBees store honey.\n\n" + ("\n</think>\n\n" if close else "")
    assert inside + "\\boxed{4" in texts


def test_thinking_that_closes_at_once_ends_with_that_token():
    spans = [(0, 4), (4, 8), (8, 12)]
    assert thinking_end("</think>4 bees", spans) == 2
    assert thinking_end("so  </think>", spans) == 3 == thinking_end("</thin bees ", spans)


def test_the_first_segment_is_paid_in_full_or_from_where_nothing_has_changed():
    score = point_scores(-2.0, [-1.0], ProcessConfig(w=0))[0]
    assert segment_rewards(-2.0, [-1.0], ProcessConfig(w=0, first_segment="zero")) == [score]
    assert segment_rewards(-2.0, [-2.0], ProcessConfig(w=0)) == [pytest.approx(0)]


def test_a_memorised_answer_divides_by_the_floor():
    assert magnitude(-0.005, -0.0001) == pytest.approx(1 - math.tanh(0.5))  # nats under a floor of 0.01


def test_a_process_reward_has_no_baseline_to_refresh():
    with pytest.raises(ValueError, match="refresh_every has nothing to do"):
        ProcessConfig(refresh_every=10)
