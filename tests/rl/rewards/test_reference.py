"""RLPR's reward against worked numbers, with a real tokenizer and an exact table of probabilities."""

import math

import numpy as np
import pytest
from transformers import AutoTokenizer

from eval.likelihood.open import open_scorer
from eval.likelihood.spans import decode
from eval.likelihood.table import TableScorer
from eval.likelihood.trunks import TrunkScores
from rl.rewards.base import Batch
from rl.rewards.general import RepetitionConfig, TagsConfig
from rl.rewards.reference import ReferenceProbabilityConfig, ReferenceProbabilityReward

PROMPT = [{"role": "user", "content": "Two and two?"}]
GOOD = "<think> two and two </think> <answer> five </answer>"


@pytest.fixture(scope="module")
def tokenizer(small_policy):
    return AutoTokenizer.from_pretrained(small_policy)


class Recorder(TableScorer):
    """p = `reasoned` for every token behind an answer tag that the policy wrote, else `bare`."""

    def __init__(self, tokenizer, reasoned=0.7, bare=0.45):
        self.tokenizer, self.trunks = tokenizer, []
        size = len(tokenizer)
        super().__init__(
            lambda context: np.full(size, math.log(reasoned if "<answer>" in decode(tokenizer, context) else bare))
        )

    def score(self, trunks):
        self.trunks += trunks
        return super().score(trunks)


def reward_of(tokenizer, scorer=None, **fields):
    reward = ReferenceProbabilityReward(ReferenceProbabilityConfig(**fields))
    reward.bind(scorer or Recorder(tokenizer), tokenizer)
    return reward


def values(reward, completions, references, prompt=PROMPT):
    return reward([prompt] * len(completions), completions, reference=references)


def test_the_worked_example(tokenizer):
    """r .70, r' .45, f 1: 0.9 x 0.25 + 0.1."""
    reward = reward_of(tokenizer)
    assert values(reward, [GOOD], ["4"]) == [pytest.approx(0.325)]
    found = {name: column[0] for name, column in reward.last.parts.items()}
    assert found["r"] == pytest.approx(0.7) and found["baseline"] == pytest.approx(0.45)
    assert found["gain"] == pytest.approx(0.25) and found["format"] == 1 and found["repetition"] == 0


def test_a_misleading_rollout_without_the_right_tags_earns_0_and_repetition_costs_1_more(tokenizer):
    worse = reward_of(tokenizer, Recorder(tokenizer, reasoned=0.3))
    no_think = "so <answer> five </answer>"
    repeated = "a b c d e f g h i j " * 12 + no_think
    assert values(worse, [no_think, repeated], ["4", "4"]) == [0, -1]


def test_a_rollout_without_an_answer_is_judged_worthless_not_skipped(tokenizer):
    reward = reward_of(tokenizer)
    assert values(reward, ["<think> hm </think> five", ""], ["4", "4"]) == [0, 0]
    assert reward.last.parts["r"] == [0, 0]


def test_a_row_without_a_reference_is_skipped(tokenizer):
    reward = reward_of(tokenizer)
    assert values(reward, [GOOD] * 3, ["", None, "4"])[:2] == [None, None]
    assert reward.last.reasons == ["no_reference", "no_reference", ""]


def test_a_failed_likelihood_skips_its_row_alone(tokenizer):
    class Failing(Recorder):
        def score(self, trunks):
            found = super().score(trunks)
            return [TrunkScores(error="server"), *found[1:]] if found else found

    reward = reward_of(tokenizer, Failing(tokenizer))
    assert values(reward, [GOOD, GOOD], ["4", "4"]) == [None, pytest.approx(0.325)]
    assert reward.last.reasons == ["server", ""]


@pytest.mark.parametrize("reference", ["4", "42", " x = 3", "Käse", "forty-two, or so they say in the old library"])
@pytest.mark.parametrize(
    "answer", ["<answer> five", "<answer>five </answer>", "<answer>\n\nfive </answer>", "<answer>"]
)
def test_the_reference_stands_where_the_answer_was(tokenizer, reference, answer):
    scorer = Recorder(tokenizer)
    reward = reward_of(tokenizer, scorer)
    completion = f"<think> hm, <answer> is a tag </think> so\n{answer}"
    values(reward, [completion], [reference])
    trunk = scorer.trunks[0]
    (branch,) = trunk.branches
    text = decode(tokenizer, [*trunk.token_ids[: branch.cut], *branch.token_ids])
    written = completion[: completion.rindex("<answer>") + len("<answer>")]
    space = "\n\n" if "\n\n" in answer else " "
    assert text.partition("<|assistant|>")[2].startswith(written + space + reference)
    scored = [token for token, flag in zip(branch.token_ids, branch.scored, strict=True) if flag]
    assert reference.strip() in decode(tokenizer, scored)


def test_the_baseline_follows_the_prompt_with_or_without_tags(tokenizer):
    for context, expected in (("bare", "<|assistant|> 4"), ("tags", "<|assistant|><answer> 4")):
        scorer = Recorder(tokenizer)
        values(reward_of(tokenizer, scorer, baseline=context), [GOOD], ["4"])
        trunk = scorer.trunks[1]
        assert decode(tokenizer, [*trunk.token_ids, *trunk.branches[0].token_ids]).endswith(expected)
    assert values(reward_of(tokenizer, baseline="none"), [GOOD], ["4"]) == [pytest.approx(0.9 * 0.7 + 0.1)]


def test_strict_format_and_closed_answers(tokenizer):
    no_think, unclosed = "<answer> 4 </answer>", "<think> a </think> <answer> 4"
    assert values(reward_of(tokenizer, strict=True), [GOOD, no_think], ["4"] * 2) == [pytest.approx(0.25), -1]
    assert values(reward_of(tokenizer), [unclosed], ["4"]) == [pytest.approx(0.225)]
    assert values(reward_of(tokenizer, require_close=True), [unclosed], ["4"]) == [0]
    nothink = reward_of(tokenizer, format=TagsConfig(mode="R1_nothink"), repetition=None)
    assert values(nothink, [no_think], ["4"]) == [pytest.approx(0.325)]


def test_the_best_of_several_references_counts(tokenizer):
    class Prefers(Recorder):
        def score(self, trunks):
            found = super().score(trunks)
            for trunk, scores in zip(trunks, found, strict=True):
                scores.branches[0].logprobs[:] += -0.5 * (len(trunk.branches[0].token_ids) > 3)
            return found

    reward = reward_of(tokenizer, Prefers(tokenizer))
    both = values(reward, [GOOD], [["a rather long answer to this", "4"]])
    assert both == values(reward, [GOOD], ["4"])


@pytest.mark.parametrize("logprob", [0.0, -50.0])
def test_extreme_likelihoods_give_finite_rewards(tokenizer, logprob):
    scorer = TableScorer(lambda context: np.full(len(tokenizer), logprob))
    for how in ("mean_p", "mean_logp", "seq_p", "geo_p", "auto"):
        (value,) = values(reward_of(tokenizer, scorer, reduce=how), [GOOD], ["4 " * 60])
        assert math.isfinite(value)


def test_a_reference_longer_than_the_context_is_skipped_with_its_reason(tokenizer, small_policy):
    reward = reward_of(tokenizer, open_scorer(small_policy), repetition=RepetitionConfig(penalty=-0.5))
    found = values(reward, [GOOD, GOOD], ["the old mill " * 2000, "4"])
    assert found[0] is None and reward.last.reasons[0] == "too_long"
    assert found[1] is not None and math.isfinite(found[1])


def test_recorded_text_scores_as_the_tokens_of_training_do(tokenizer, small_policy):
    reward = reward_of(tokenizer, open_scorer(small_policy))
    ids = tokenizer.encode(GOOD, add_special_tokens=False)
    trained = reward([PROMPT], [GOOD], [ids], reference=["4"])
    recorded = reward.score(Batch([GOOD], {"reference": ["4"]}, [PROMPT])).values
    assert trained == pytest.approx(recorded, abs=1e-5)


def test_several_answers_and_tags_in_the_thinking_give_one_finite_reward(tokenizer, small_policy):
    reward = reward_of(tokenizer, open_scorer(small_policy))
    texts = [GOOD + " or <answer> six </answer>", "<answer> a </answer> </think> <answer>", "</think>" * 3 + "<answer>"]
    assert all(math.isfinite(value) for value in values(reward, texts, ["4"] * 3))
    assert reward.last.parts["unclosed"] == [0, 1, 1] and reward.last.parts["format"] == [0, 0, 0]


def test_a_reference_that_cannot_be_written_is_a_counted_skip(tokenizer, monkeypatch):
    from eval.likelihood.spans import Unwritable
    from rl.rewards import reference

    def refuse(*arguments):
        raise Unwritable("no")

    monkeypatch.setattr(reference, "scored_branch", refuse)
    assert values(reward_of(tokenizer), [GOOD, "no answer"], ["4", "4"]) == [None, 0]


OPENS = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content.split('</think>')[-1] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
EMPTY = (
    "{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.mark.parametrize("template", [OPENS, EMPTY])
def test_without_reasoning_the_reference_stands_behind_the_thinking(tokenizer, template, monkeypatch):
    monkeypatch.setattr(tokenizer, "chat_template", template)
    scorer = Recorder(tokenizer)
    completion = GOOD.removeprefix("<think>") if template == OPENS else GOOD
    assert values(reward_of(tokenizer, scorer), [completion], ["4"]) == [pytest.approx(0.325)]
    trunk = scorer.trunks[1]
    text = decode(tokenizer, [*trunk.token_ids, *trunk.branches[0].token_ids])
    assert text.endswith("<|assistant|><think>\n\n</think>\n\n 4")


@pytest.mark.parametrize("asked", ["?", "Two and two, and what else is there to say of the numbers?"])
def test_a_prompt_that_was_given_its_empty_thinking_is_not_given_another(tokenizer, asked, monkeypatch):
    """As `enable_thinking=false` does: the prompt holds what else stands before an answer."""
    monkeypatch.setattr(tokenizer, "chat_template", EMPTY)
    scorer = Recorder(tokenizer)
    prompt = tokenizer.encode(f"{asked}<think>\n\n</think>\n\n", add_special_tokens=False)
    reward_of(tokenizer, scorer)([PROMPT], ["<answer> 4 </answer>"], reference=["4"], prompt_ids=[prompt])
    texts = [decode(tokenizer, [*one.token_ids, *one.branches[0].token_ids]) for one in scorer.trunks]
    assert texts[1] == f"{asked}<think>\n\n</think>\n\n 4"


def test_an_answer_inside_thinking_that_never_ends_is_none(tokenizer, monkeypatch):
    unclosed = "hm <answer> five </answer>"
    assert values(reward_of(tokenizer), ["<think> " + unclosed, unclosed], ["4"] * 2) == [0, pytest.approx(0.225)]
    monkeypatch.setattr(tokenizer, "chat_template", OPENS)
    assert values(reward_of(tokenizer), [unclosed], ["4"]) == [0]


@pytest.mark.parametrize(
    ("fields", "scorer", "baseline", "others"),
    [
        ({}, "policy", "initial", True),
        ({"baseline": "none"}, "policy", None, False),
        ({"role": "frozen"}, "initial", "initial", True),
        ({"role": "frozen", "frozen_model": "some/model"}, "frozen", "frozen", True),
        ({"role": "initial", "baseline": "none"}, "initial", None, True),
    ],
)
def test_whose_likelihoods_are_asked_for(fields, scorer, baseline, others):
    config = ReferenceProbabilityConfig(**fields)
    assert (config.scored_by, config.baseline_by, config.other_role) == (scorer, baseline, others)


def test_baselines_that_answer_less_than_they_are_asked_stop_the_reward(tokenizer):
    """Else the last rows would pass for rows without a gain."""

    class Short:
        def logprobs(self, trunks):
            return [np.log([0.5])] * (len(trunks) - 1)

    reward = ReferenceProbabilityReward(ReferenceProbabilityConfig())
    reward.bind(Recorder(tokenizer), tokenizer, Short())
    with pytest.raises(ValueError, match="shorter"):
        values(reward, [GOOD, GOOD], ["4", "4"])
