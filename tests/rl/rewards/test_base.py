"""What all rewards share: TRL's form, totals, and a judge that failed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from rl.rewards.base import NOT_APPLICABLE, Batch, Reward, Scores, SkipLimit, combine, failure
from rl.rewards.kinds import AnyRewardConfig, open_rewards, reward_name

WEIGHTS = {"quality": 3, "semantic": 1, "structure": 1, "length": 1, "format": 1}


def total(*values, reason="http_500"):
    scores = {name: Scores.of([value], reason) for name, value in zip(WEIGHTS, values, strict=True)}
    return combine(scores, WEIGHTS)[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [((2, 1, 1, 1, 1), 10), ((1, 1, 1, 1, 1), 7), ((0, 1, 1, 1, 1), 4), ((2, 0, 0, 0, 1), 7), ((-3, 0, 0, 0, 0), -9)],
)
def test_total_vectors(values, expected):
    assert total(*values) == expected


def test_a_failed_judge_makes_the_whole_completion_unscorable():
    assert total(2, 1, None, 1, 1) is None


def test_a_reward_with_nothing_to_judge_leaves_the_others_standing():
    assert total(2, 1, None, 1, 1, reason=NOT_APPLICABLE) == 9
    assert total(*[None] * 5, reason=NOT_APPLICABLE) is None


def test_a_reward_of_weight_0_fails_nobody():
    scores = {"a": Scores.of([1.0]), "b": Scores.of([None], "timeout")}
    assert combine(scores, {"a": 2, "b": 0}) == [2]
    assert failure(scores, {"a": 2, "b": 1}, 0) == "b/timeout"


@given(st.lists(st.floats(-5, 5), min_size=5, max_size=5), st.floats(0.1, 10))
def test_the_total_is_linear_in_the_weights(values, factor):
    scores = {name: Scores.of([value]) for name, value in zip(WEIGHTS, values, strict=True)}
    scaled = {name: weight * factor for name, weight in WEIGHTS.items()}
    assert math.isclose(combine(scores, scaled)[0], factor * combine(scores, WEIGHTS)[0], abs_tol=1e-9)


class Short(Reward):
    """1 for a completion that stopped by itself."""

    kind = "short"

    def score(self, batch):
        return Scores.of([float(batch.finish_reason(row) == "stop") for row in range(len(batch.completions))])


def test_trls_form_takes_chat_messages_and_plain_text():
    reward = Short()
    chat = [[{"role": "assistant", "content": "a"}], [{"role": "assistant", "content": "b"}]]
    assert reward(prompts=["p", "p"], completions=chat, finish_reason=["stop", "length"], trainer_state=None) == [1, 0]
    assert reward(prompts=["p"], completions=["a"]) == [1]
    assert reward.__name__ == "short"


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match=r"'text'.*id"):
        Batch(["c"], {"id": [1]}).column("text")


def test_the_run_stops_when_too_many_are_skipped():
    limit = SkipLimit(0.05, window=100)
    limit.add(["", "judge/timeout"] * 5)  # too few to say
    limit.add([""] * 90)
    limit.add([""] * 95 + ["judge/timeout"] * 5)
    with pytest.raises(RuntimeError, match=r"6 of the last 100.*judge/timeout"):
        limit.add(["judge/timeout"])


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "tags"}, {"kind": "repetition"}, {"kind": "overlong", "max_tokens": 8192}, {"kind": "language"},
        {"kind": "semantic", "measure": "lexical"}, {"kind": "structure"}, {"kind": "length"}, {"kind": "format"},
        {"kind": "kept"}, {"kind": "no_leak"}, {"kind": "exact_answer"}, {"kind": "verifiable"},
        {"kind": "reference_probability"}, {"kind": "completion_gain"}, {"kind": "process"},
    ],
    ids=lambda values: values["kind"],
)  # fmt: skip
def test_every_reward_takes_a_name_of_its_own_and_else_that_of_its_kind(values):
    parsed = TypeAdapter(AnyRewardConfig)
    configs = [parsed.validate_python(one) for one in (values, {**values, "name": "mine"})]
    assert [reward.__name__ for reward in open_rewards(configs)] == [values["kind"], "mine"]
    assert [reward_name(config) for config in configs] == [values["kind"], "mine"]
