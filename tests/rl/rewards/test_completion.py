"""VR-CLI's reward against the published steps, with a real tokenizer and an exact table of probabilities."""

import math

import numpy as np
import pytest
from transformers import AutoTokenizer

from eval.likelihood.open import open_scorer
from eval.likelihood.spans import decode
from eval.likelihood.table import TableScorer
from eval.story.plans import extract_plan, with_plan_block
from rl.rewards.completion import CompletionGainConfig, CompletionGainReward, joined

PROMPT = [{"role": "user", "content": "Write the next chapter."}]


@pytest.fixture(scope="module")
def tokenizer(small_policy):
    return AutoTokenizer.from_pretrained(small_policy)


def perplexities(tokenizer, base, planned):
    """Every token has perplexity `planned` behind a plan, else `base`."""
    size = len(tokenizer)

    def next_logprobs(context):
        text = decode(tokenizer, context)
        with_plan = "Detailed Plan" in text and "No plan is available" not in text
        return np.full(size, -math.log(planned if with_plan else base))

    return TableScorer(next_logprobs)


def reward_of(tokenizer, scorer, **fields):
    reward = CompletionGainReward(CompletionGainConfig(**fields))
    reward.bind(scorer, tokenizer)
    return reward


@pytest.mark.parametrize("baseline", ["neutral", "no_plan"])
@pytest.mark.parametrize(
    ("planned", "gain", "value"), [(10.5, -5, 0), (9.996, 0.04, 0), (9.98, 0.2, 0.5), (9.85, 1.5, 0.9), (9.7, 3, 1)]
)
def test_the_published_steps_over_a_baseline_perplexity_of_10(tokenizer, baseline, planned, gain, value):
    reward = reward_of(tokenizer, perplexities(tokenizer, 10, planned), baseline=baseline)
    assert reward([PROMPT], ["I think. In summary: go on."], reference=["The harbour opens at six."]) == [value]
    assert reward.last.parts["gain"] == [pytest.approx(gain, abs=1e-3)]


def test_the_plan_stands_behind_the_last_marker():
    assert extract_plan("In summary: a. In summary: b ") == "b"
    assert extract_plan("Detailed Plan: a. In summary, c") == "c"
    assert extract_plan("no marker at all") is None
    assert extract_plan("I end with In summary:") == ""


def test_an_empty_plan_gains_exactly_0(tokenizer, small_policy):
    for baseline in ("neutral", "no_plan"):
        reward = reward_of(tokenizer, open_scorer(small_policy), baseline=baseline)
        assert reward([PROMPT], ["I think. In summary:"], reference=["Glass is made from sand."]) == [0.0]
        assert reward.last.parts["gain"] == [0.0]


def test_the_neutral_plan_gains_0_under_the_neutral_baseline(tokenizer, small_policy):
    reward = reward_of(tokenizer, open_scorer(small_policy))
    reward([PROMPT], ["In summary: No plan is available."], reference=["Glass is made from sand."])
    assert reward.last.parts["gain"] == [pytest.approx(0, abs=1e-3)]


def test_a_completion_without_a_marker_is_all_plan_or_none(tokenizer):
    scorer = perplexities(tokenizer, 10, 5)
    assert reward_of(tokenizer, scorer)([PROMPT], ["Go on."], reference=["It does."]) == [1]
    assert reward_of(tokenizer, scorer, plan_missing="zero")([PROMPT], ["Go on."], reference=["It does."]) == [0]


def test_the_plan_may_be_the_thinking(tokenizer):
    reward = reward_of(tokenizer, perplexities(tokenizer, 10, 5), plan="thinking")
    texts = ["<think>3 + 8 = 11</think> In summary: 12", "<think></think> 11", "11", "<think>3 + 8"]
    assert reward([PROMPT] * 4, texts, reference=["It does."] * 4) == [1, 0, 1, 1]
    assert reward.last.parts["gain"] == pytest.approx([50, 0, 50, 50])
    assert reward.last.parts["plan_words"] == [5, 0, 1, 3]


def test_a_row_without_a_gold_text_is_skipped(tokenizer):
    reward = reward_of(tokenizer, perplexities(tokenizer, 10, 5))
    assert reward([PROMPT] * 2, ["In summary: a"] * 2, reference=["", "x"]) == [None, 1]
    assert reward.last.reasons == ["no_reference", ""]


@pytest.mark.parametrize("closers", [True, False])
@pytest.mark.parametrize("words", [1, 2, 12])
def test_the_gold_and_its_closers_are_scored_and_nothing_else(tokenizer, closers, words):
    gold = " ".join(["harbour"] * words)
    seen = []

    class Recorder(TableScorer):
        def score(self, trunks):
            seen.extend(trunks)
            return super().score(trunks)

    scorer = Recorder(lambda context: np.full(len(tokenizer), -1.0))
    messages = [{"role": "user", "content": "Tell me."}]
    reward = reward_of(tokenizer, scorer, score_closers=closers)
    reward(["<policy prompt>"], ["In summary: by the sea"], reference=[gold], messages=[messages])
    planned, base = seen
    for trunk, plan in ((planned, "by the sea"), (base, "No plan is available.")):
        (branch,) = trunk.branches
        assert decode(tokenizer, trunk.token_ids).endswith(f"Tell me.\n\n### Detailed Plan\n{plan}<|end|><|assistant|>")
        assert decode(tokenizer, branch.token_ids) == gold + ("<|end|>" if closers else "")
        assert all(branch.scored)


def test_the_plan_joins_the_last_user_turn():
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert with_plan_block(talk, "")[2]["content"] == "c"
    assert with_plan_block(talk, "p")[2]["content"] == "c\n\n### Detailed Plan\np"
    assert talk[2]["content"] == "c"
    with pytest.raises(ValueError, match="no place for a plan"):
        with_plan_block([{"role": "system", "content": "s"}], "p")


@pytest.mark.parametrize(("base", "planned"), [(1.0, 1.0), (1.0, math.e**50), (math.e**50, 1.0)])
def test_extreme_perplexities_give_finite_rewards(tokenizer, base, planned):
    reward = reward_of(tokenizer, perplexities(tokenizer, base, planned), shape={"kind": "identity"})
    (value,) = reward([PROMPT], ["In summary: x"], reference=["y"])
    assert math.isfinite(value)


def test_a_shared_trunk_gives_the_numbers_of_each_rollout_alone(tokenizer, small_policy):
    """Two prompts of several rollouts each, one plan empty, one beyond the context."""
    prompts = [PROMPT] * 4 + [[{"role": "user", "content": "Write an ending."}]] * 2
    plans = ["by the sea", "by the old mill", "", "bees " * 2500, "by the sea", "at noon"]
    golds = ["Glass is made from sand."] * 4 + ["Bees store honey."] * 2
    found = {}
    for shared in (False, True):
        reward = reward_of(tokenizer, open_scorer(small_policy), share_prefix=shared, shape={"kind": "identity"})
        reward(prompts, [f"In summary: {plan}" for plan in plans], reference=golds)
        found[shared] = reward.last
    assert found[True].reasons == found[False].reasons == ["", "", "", "too_long", "", ""]
    for name in ("j_plan", "j_base", "gain"):
        for a, b in zip(found[True].parts[name], found[False].parts[name], strict=True):
            assert a == pytest.approx(b, abs=1e-3 if name == "gain" else 1e-5)


def test_the_shared_trunk_ends_where_the_plans_differ(tokenizer):
    reward = reward_of(tokenizer, perplexities(tokenizer, 10, 5))
    trunks = [reward._trunk(PROMPT, plan, "It does.") for plan in ("by the sea", "by noon")]
    whole = joined(trunks)
    assert decode(tokenizer, whole.token_ids).rstrip().endswith("### Detailed Plan\nby")  # " " may be the next token's
    for trunk, branch in zip(trunks, whole.branches, strict=True):
        (alone,) = trunk.branches
        assert [*whole.token_ids, *branch.token_ids] == [*trunk.token_ids, *alone.token_ids]
        assert sum(branch.scored) == sum(alone.scored) and list(branch.scored)[-len(alone.scored) :] == list(
            alone.scored
        )


def test_a_template_that_opens_thinking_has_no_gold_text_in_it(tokenizer, small_policy, tmp_path):
    """Also of a folder that our own command makes."""
    from rl.chat_template.__main__ import main

    main(["-i", small_policy, "-o", str(tmp_path / "thinks")])
    opening = AutoTokenizer.from_pretrained(tmp_path / "thinks")
    assert opening.apply_chat_template(PROMPT, tokenize=False, add_generation_prompt=True).endswith("<think>\n")
    seen = []

    class Seen(TableScorer):
        def score(self, trunks):
            seen.extend(trunks)
            return super().score(trunks)

    reward = reward_of(opening, Seen(lambda context: np.full(len(opening), -1.0)))
    assert reward([PROMPT], ["so </think> In summary: go on."], reference=["Glass is sand."]) == [0]
    for trunk in seen:
        assert decode(opening, [*trunk.token_ids, *trunk.branches[0].token_ids]).endswith(
            "<|assistant|>Glass is sand.<|end|>"
        )


def test_a_template_that_writes_no_answer_is_refused_when_the_reward_is_opened(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "chat_template", "{% for m in messages %}{{ m.role }}{% endfor %}")
    with pytest.raises(ValueError, match="give another chat template"):
        reward_of(tokenizer, perplexities(tokenizer, 10, 5))
