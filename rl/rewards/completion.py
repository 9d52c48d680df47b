"""VR-CLI (arXiv:2503.22828): percent by which a rollout's plan lowers a frozen model's perplexity of the gold text.

    I = 100 (ppl_base - ppl_plan) / ppl_base = 100 (1 - exp(J_base - J_plan))

with J the mean log-probability per token of the gold, after a conversation that holds the plan and after one that does
not. Only the reward ever sees the gold. Any conversation whose last turn is the gold will do.

Differs from the released code:
    1. The gold's span comes from the chat template, so it is exact for a gold of one token and for any template.
    2. An empty plan is scored as no plan: I is exactly 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Literal

from common.config import ADDED
from eval.likelihood.spans import Unwritable
from eval.likelihood.trunks import Branch, Trunk
from eval.story.plans import NEUTRAL_PLAN, extract_plan, gold_trunk, perplexity_gain, thinking_of
from rl.rewards.base import Batch, Message, Scores
from rl.rewards.likelihood import UNWRITABLE, LikelihoodConfig, LikelihoodReward, Role, references, scored_logprobs
from rl.rewards.shaping import Shape, Steps, reduce

if TYPE_CHECKING:
    import numpy as np


class CompletionGainConfig(LikelihoodConfig):
    """Gain in the likelihood of the gold continuation (VR-CLI, arXiv:2503.22828)."""

    kind: Literal["completion_gain"] = "completion_gain"

    role: Role = "frozen"
    """Whose perplexity; published: the initial policy, frozen."""

    baseline: Literal["neutral", "no_plan"] = "neutral"
    """Conversation without the plan: with a fixed sentence in its place, or without its heading (published)."""

    shape: Shape = Steps(edges=[0.05, 1.0, 2.0], values=[0.0, 0.5, 0.9, 1.0])
    """From percent to reward; the published steps are for chapters, short texts need larger edges."""

    score_closers: bool = True
    """Score the tokens that end the gold's turn too (published)."""

    plan_missing: Literal["whole", "zero"] = "whole"
    """A completion without a marker: all of it is the plan (published), or it gains 0."""

    plan: Annotated[Literal["summary", "thinking"], ADDED] = "summary"
    """The plan in a completion: what follows its marker (published), or all of its thinking."""

    column: str = "reference"
    """The row's gold text."""

    share_prefix: bool = False
    """Score a prompt's rollouts as one trunk, their plans inside its branches: pays where prompts are too long to be
    packed (8,192 tokens) and the scorer would read each anew."""

    context: str = "messages"
    """Column of the conversation before the gold; the prompt itself where rows have none."""


class CompletionGainReward(LikelihoodReward):
    """See `CompletionGainConfig`."""

    kind = "completion_gain"
    config: CompletionGainConfig

    def score(self, batch: Batch) -> Scores:
        """Reward by completion; None without a gold text, or where a likelihood could not be had."""
        size = len(batch.completions)
        reasons, gains = [""] * size, [0.0] * size
        plans = [self._plan(text) for text in batch.completions]
        rows: list[int] = []
        planned: list[Trunk] = []
        bases: list[Trunk] = []
        for row, (plan, gold) in enumerate(zip(plans, batch.column(self.config.column), strict=True)):
            texts = references(gold)
            if not texts:
                reasons[row] = "no_reference"
            elif plan:  # an empty plan is scored with the baseline's own conversation: it gains exactly 0
                try:
                    pair = self._trunk(self._context(batch, row), plan, texts[0]), *self.baseline_trunks(batch, row)
                except Unwritable:
                    reasons[row] = UNWRITABLE
                    continue
                rows.append(row)
                planned.append(pair[0])
                bases.append(pair[1])
        parts: dict[str, list[float | None]] = {"j_base": [None] * size, "j_plan": [None] * size}
        scored = self._shared(planned, bases) if self.config.share_prefix else scored_logprobs(self.scorer, planned)
        found = zip(rows, scored, self.baselines.logprobs(bases), strict=True)
        for row, with_plan, without in found:
            if isinstance(with_plan, str) or isinstance(without, str):
                reasons[row] = with_plan if isinstance(with_plan, str) else f"baseline_{without}"
                continue
            parts["j_plan"][row], parts["j_base"][row] = reduce(with_plan, "mean_logp"), reduce(without, "mean_logp")
            gains[row] = gain_of(without, with_plan)
        values = [None if reason else self.config.shape(gain) for reason, gain in zip(reasons, gains, strict=True)]
        shown = [None if reason else gain for reason, gain in zip(reasons, gains, strict=True)]
        return Scores(list(values), reasons, {**parts, "gain": shown, "plan_words": [len(p.split()) for p in plans]})

    def baseline_trunks(self, batch: Batch, row: int) -> list[Trunk]:
        """A row's gold text without a plan; nothing where there is no gold."""
        neutral = NEUTRAL_PLAN if self.config.baseline == "neutral" else ""
        texts = references(batch.column(self.config.column)[row])[:1]
        return [self._trunk(self._context(batch, row), neutral, text) for text in texts]

    def _shared(self, planned: Sequence[Trunk], bases: Sequence[Trunk]) -> list[np.ndarray | str]:
        """As `scored_logprobs` of the planned trunks; those with the same baseline, of one prompt, share a trunk."""
        groups = [list(group) for _, group in groupby(range(len(planned)), lambda row: bases[row].token_ids)]
        found = scored_logprobs(self.scorer, [joined([planned[row] for row in group]) for group in groups])
        # One text beyond the context limit is no fault of the others: they are scored alone.
        failed = [row for row, scores in enumerate(found) if isinstance(scores, str)]
        again = scored_logprobs(self.scorer, [planned[row] for row in failed])
        for row, scores in zip(failed, again, strict=True):
            found[row] = scores
        return found

    def _plan(self, completion: str) -> str:
        if self.config.plan == "thinking":
            return thinking_of(completion)
        plan = extract_plan(completion)
        if plan is None:
            return completion.strip() if self.config.plan_missing == "whole" else ""
        return plan

    def _context(self, batch: Batch, row: int) -> list[Message]:
        column = batch.columns.get(self.config.context)
        found = column[row] if column is not None and column[row] is not None else batch.prompts[row]
        return [{"role": "user", "content": found}] if isinstance(found, str) else list(found)

    def _trunk(self, context: Sequence[Message], plan: str, gold: str) -> Trunk:
        return gold_trunk(self._tokenizer, context, plan, gold, score_closers=self.config.score_closers)


def joined(trunks: Sequence[Trunk]) -> Trunk:
    """Trunks of one branch each as one trunk: what they share, and behind it the rest of each before its branch."""
    ids = [list(trunk.token_ids) for trunk in trunks]
    shared = next((at for at, tokens in enumerate(zip(*ids, strict=False)) if len(set(tokens)) > 1), min(map(len, ids)))
    branches = []
    for trunk in trunks:
        (branch,) = trunk.branches
        rest = [*trunk.token_ids[shared : branch.cut]]
        flags = [*[False] * len(rest), *(branch.scored or ())]
        branches.append(Branch(min(shared, branch.cut), [*rest, *branch.token_ids], flags))
    return Trunk(trunks[0].token_ids[:shared], branches)


def gain_of(base: np.ndarray, found: np.ndarray) -> float:
    """Percent by which the perplexity falls, from the scored log-probabilities of both sides."""
    return perplexity_gain(reduce(base, "mean_logp"), reduce(found, "mean_logp"))


REWARDS = (CompletionGainReward,)
