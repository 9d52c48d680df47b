"""Rewards that read only the completion."""

import pytest

from common.config import ConfigError, RunConfig, load
from rl.rewards.general import language
from rl.rewards.kinds import AnyRewardConfig, open_rewards


class One(RunConfig):
    """One reward, as a run lists it."""

    reward: AnyRewardConfig


def judge(completions, /, columns=None, **values):
    rule = open_rewards([load(One, [], {"reward": values}).reward])[0]
    return rule(prompts=[""] * len(completions), completions=completions, **(columns or {}))


def test_tags_must_each_stand_once_and_in_order():
    right = "<think>a</think><answer>b</answer>"
    wrong = ["<answer>b</answer>", "<answer>b</answer><think>a</think>", right + "<answer>"]
    assert judge([right, *wrong], kind="tags") == [1, 0, 0, 0]
    assert judge(wrong[:1], kind="tags", mode="R1_nothink") == [1]


def test_ten_words_said_ten_times_are_repetition():
    run = "a b_c d e f g h i j "  # words end at underscores too
    assert judge([run * 10, run * 9, ""], kind="repetition") == [-1, 0, 0]


def test_overlong_penalty_vectors():  # buffer 4096, limit 8192
    lengths = [4096, 4097, 6144, 8192, 10]
    found = judge(["x"] * 5, {"completion_tokens": lengths}, kind="overlong", max_tokens=8192)
    assert found == [0, -1 / 4096, -0.5, -1, 0]


def test_overlong_without_token_counts_has_nothing_to_judge():
    assert judge(["x"], kind="overlong", max_tokens=8192) == [None]


def test_a_buffer_above_the_limit_is_a_config_error():
    with pytest.raises(ConfigError, match="buffer"):
        judge(["x"], kind="overlong", max_tokens=100)


def test_language_of_the_document_is_kept():
    english = "The house is on the hill and it was built by the king for his son."
    german = "Das Haus steht auf dem Hügel und es wurde von dem König für den Sohn gebaut."
    completions = [english, german, "12", german]
    texts = [english, english, english, german]
    assert judge(completions, {"text": texts}, kind="language") == [1, 0, None, 1]
    assert judge([english, "Дом на холме"], kind="language", expected="cyrillic") == [0, 1]


@pytest.mark.parametrize(
    ("completion", "right"),
    [
        ("so </think> <answer> 4 </answer>", 1),
        ("<think> so </think> <answer> 4 </answer>", 0),  # a second one
        ("so <answer> 4 </answer>", 0),
    ],
)
def test_a_prompt_that_opens_the_thinking_opens_the_tags(completion, right):
    reward = open_rewards([load(One, [], {"reward": {"kind": "tags"}}).reward])[0]
    assert reward(["2 + 2? <think>\n"], [completion]) == [right]
    asked = [[{"role": "user", "content": "2 + 2?"}]]
    assert reward(asked, [completion], think_open=[True]) == [right]
    assert reward(asked, [completion]) == [float(completion.startswith("<think>"))]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("the rain and snow", "en"),  # two little words are enough
        ("домик abc α", "cyrillic"),  # 5 of 9 letters
        ("домы abc α", ""),  # 4 of 8: no script has more than half
        ("домы abc αβγ", ""),
        ("the rain", ""),
        ("the and of with la der de rain", "en"),  # 4 to 2 of French: twice as many
        ("the and of la der de rain", ""),  # 3 to 2
        ("the and " + "rain " * 37, "en"),  # 2 of 39 words
        ("the and " + "rain " * 39, ""),  # below one in twenty
    ],
)
def test_a_language_shows_in_two_little_words_one_in_twenty_twice_the_next(text, code):
    assert language(text) == code
