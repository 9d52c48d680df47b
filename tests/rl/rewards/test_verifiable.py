"""The plain outcome: where an answer stands, and what counts as the same."""

import pytest

from eval.verifiers.result import infra_error
from rl.rewards.base import NOT_APPLICABLE, Stopped
from rl.rewards.kinds import open_rewards
from rl.rewards.verifiable import ExactAnswerConfig, VerifiableConfig, final_answer


def values(completions, references, **fields):
    (reward,) = open_rewards([ExactAnswerConfig(**fields)])
    return reward(["?"] * len(completions), completions, reference=references)


@pytest.mark.parametrize(
    ("text", "where", "answer"),
    [
        ("a \\boxed{1} b \\boxed{2}", "any", "2"),
        ("<answer> 3 </answer> \\boxed{2}", "any", "2"),
        ("<answer> 3 </answer> \\boxed{2}", "tags", "3"),
        ("<answer> 3 </answer>", "boxed", None),
        ("\\boxed{\\frac{1}{2}} and \\boxed{open", "any", "\\frac{1}{2}"),
        ("<answer> 3", "any", None),
        ("3", "any", None),
        ("", "any", None),
    ],
)
def test_where_the_answer_stands(text, where, answer):
    assert final_answer(text, where) == answer


@pytest.mark.parametrize(
    ("reference", "answer", "right"),
    [
        ("4", "4", 1),
        ("4", "5", 0),
        ("\\frac{1}{2}", "0.5", 1),
        ("1,000", "$1000$.", 1),
        ("The Mill", "the  mill", 1),
        ("\\boxed{7}", "7", 1),
        ("x + 1", "1 + x", 1),
        ("B", "C", 0),
        ("4", "", 0),
    ],
)
def test_what_counts_as_the_same(reference, answer, right):
    assert values([f"so \\boxed{{{answer}}}"], [reference]) == [right]


def test_one_of_several_references_is_enough_and_none_is_skipped():
    (reward,) = open_rewards([ExactAnswerConfig()])
    completions = ["\\boxed{4}", "\\boxed{4}", "no answer"]
    assert reward(["?"] * 3, completions, reference=[["five", "4"], None, "4"]) == [1, None, 0]
    assert reward.last.reasons == ["", "no_reference", ""]
    assert reward.last.parts["answered"] == [1, 1, 0]


def test_text_only_does_not_calculate():
    assert values(["\\boxed{0.5}"], ["\\frac{1}{2}"], mathematics=False) == [0]


def verdicts(completions, config=None, **columns):
    (reward,) = open_rewards([VerifiableConfig(**(config or {}))])
    found = reward(["?"] * len(completions), completions, **columns)
    return found, reward


def test_each_row_is_judged_by_its_own_verifier():
    found, reward = verdicts(
        ["\\boxed{0.5}", "\\boxed{C}", "<answer>ab</answer>", "\\boxed{1}", "x"],
        verifier=["math", "", "graph", "", ""],
        source=["", "stem__gpqa", "", "math__dapo_or1", ""],
        ground_truth=["1/2", "B", "ab", "1", "1"],
    )
    assert found == [1.0, 0.0, 1.0, 1.0, None]
    assert reward.last.reasons == ["", "", "", "", NOT_APPLICABLE]
    assert reward.last.parts["stem__gpqa/score"] == [None, 0.0, None, None, None]
    assert reward.last.parts["status"][:2] == ["correct", "wrong"]


def test_what_cannot_be_judged_is_none_and_says_why():
    found, reward = verdicts(["\\boxed{1}", "\\boxed{1}"], verifier=["math", "math"], ground_truth=[None, "1"])
    assert (found, reward.last.reasons) == ([None, 1.0], ["bad_gold", ""])


def test_a_reference_serves_as_ground_truth_and_the_config_names_a_verifier():
    assert verdicts(["\\boxed{2}"], {"verifier": "math"}, reference=["2"])[0] == [1.0]
    with pytest.raises(ValueError, match="no verifier is called 'maths'"):
        open_rewards([VerifiableConfig(verifier="maths")])


@pytest.mark.parametrize(("truncated", "value"), [("zero", 0.0), ("none", None), ("score", 1.0)])
def test_a_completion_that_hit_the_limit(truncated, value):
    columns = {"verifier": ["math"], "ground_truth": ["2"], "finish_reason": ["length"]}
    assert verdicts(["\\boxed{2}"], {"truncated": truncated}, **columns)[0] == [value]


def test_parts_count_only_where_asked():
    row = {"verifier": [""], "ground_truth": ["4"], "info": [{"verifiers": "math+graph"}]}
    assert verdicts(["\\boxed{4}"], {}, **row)[0] == [0.0]
    assert verdicts(["\\boxed{4}"], {"partial": "fraction"}, **row)[0] == [0.5]


def test_verdicts_that_began_beside_generation_are_picked_up():
    (reward,) = open_rewards([VerifiableConfig()])
    reward.begin({"verifier": "math", "ground_truth": "2", "text": "not read"}, "\\boxed{2}", "stop")
    (begun,) = reward.begun.values()
    assert reward(["?"], ["\\boxed{2}"], verifier=["math"], ground_truth=["2"], text=["not read"]) == [1.0]
    assert begun.done()
    assert not reward.begun


def test_infrastructure_that_fails_too_often_stops_the_run_with_the_reason():
    (reward,) = open_rewards([VerifiableConfig(retries=0, infra_steps=2)])

    reward.judge = lambda row, text, finish_reason: infra_error("sandbox_down")
    columns = {"verifier": ["code"] * 3, "ground_truth": ["{}"] * 3}
    assert reward(["?"] * 3, ["a", "b", "c"], **columns) == [None] * 3
    with pytest.raises(Stopped, match="6 of 6 verdicts in 2 batches failed in infrastructure, mostly sandbox_down"):
        reward(["?"] * 3, ["a", "b", "c"], **columns)


def test_a_name_of_ones_own_is_the_rewards_name():
    own, plain = open_rewards([ExactAnswerConfig(name="outcome"), ExactAnswerConfig()])
    assert (own.__name__, plain.__name__) == ("outcome", "exact_answer")
