"""RLPR (arXiv:2506.18254): how much likelier the policy's reasoning makes the reference answer, per token.

The rollout's answer is replaced by the reference, `... <answer> y* </answer>`, and the reference's tokens are scored
where they stand; the same is done without reasoning. With r and r' the reduced probabilities:

    reward = (1 - w_f) clip(r - r', 0, 1) + w_f f          (published: w_f = 0.1, f = 1 for the right tags)

plus a penalty for repetition. A rollout without an answer tag has r = 0; a row without a reference is skipped.

Differs from the released code:
    1. The cut comes from the tokens the policy wrote, never from searching decoded text for the reference.
    2. One missing baseline skips its own row, not the batch; numbers are reduced in float64, not rounded to bf16.
    3. The repetition penalty is added whatever the reward is.
    4. An answer tag inside thinking that was never closed is no answer, and without reasoning the reference stands
       where the chat template puts an answer, not inside the thinking that a prompt opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from eval.likelihood.spans import (
    THINK,
    THOUGHT,
    Unwritable,
    cut_before,
    decode,
    opens_thinking,
    scored_branch,
    token_char_spans,
)
from eval.likelihood.trunks import Trunk
from rl.rewards.base import Batch, Scores
from rl.rewards.general import RepetitionConfig, RepetitionReward, TagsConfig, TagsReward
from rl.rewards.likelihood import UNWRITABLE, LikelihoodConfig, LikelihoodReward, Role, references, scored_logprobs
from rl.rewards.shaping import Clip, Shape, reduce

if TYPE_CHECKING:
    import numpy as np

OPEN, CLOSE = "<answer>", "</answer>"

LONGEST_FOR_PROBABILITY = 32
"""Reference tokens up to which `reduce: auto` takes probabilities; on longer ones they hardly differ."""


class ReferenceProbabilityConfig(LikelihoodConfig):
    """Gain in the probability of the reference answer (RLPR, arXiv:2506.18254)."""

    kind: Literal["reference_probability"] = "reference_probability"

    reduce: Literal["mean_p", "mean_logp", "seq_p", "geo_p", "auto"] = "mean_p"
    """`mean_p` is published: a product jumps fivefold on one token. `auto`: mean_p up to 32 tokens, then mean_logp."""

    shape: Shape = Clip()
    """From gain to reward."""

    baseline: Literal["bare", "tags", "none"] = "bare"
    """Context of the reference without reasoning: the prompt (published), prompt and answer tag, or no baseline."""

    format: TagsConfig = TagsConfig()
    """The tags wanted."""

    format_weight: float = Field(0.1, ge=0, le=1)
    """Share of the format in the reward."""

    strict: bool = False
    """A completion without the right tags earns -1; with them it earns the gain alone."""

    require_close: bool = False
    """An answer without `</answer>` counts as none; the released code pays it."""

    repetition: RepetitionConfig | None = RepetitionConfig()
    """Penalty that is added; null: none."""

    column: str = "reference"
    """The row's reference answer; a list is several, of which the best counts."""

    @property
    def baseline_by(self) -> Role | None:
        """See the base; nobody without a baseline."""
        return super().baseline_by if self.baseline != "none" else None


class ReferenceProbabilityReward(LikelihoodReward):
    """See `ReferenceProbabilityConfig`."""

    kind = "reference_probability"
    config: ReferenceProbabilityConfig

    def __init__(self, config: ReferenceProbabilityConfig) -> None:
        super().__init__(config)
        self.tags = TagsReward(config.format)
        self.repetition = RepetitionReward(config.repetition) if config.repetition else None

    def score(self, batch: Batch) -> Scores:
        """Reward by completion; None without a reference, or where a likelihood could not be had."""
        import numpy as np

        config = self.config
        size = len(batch.completions)
        wanted = [references(value) for value in batch.column(config.column)]
        trunks: list[Trunk] = []
        owners: list[int] = []
        baselines: list[Trunk] = []
        reasons = [""] * size
        answered = [True] * size
        for row, texts in enumerate(wanted):
            if not texts:
                reasons[row] = "no_reference"
                continue
            try:
                rollout = self._rollout_trunks(self.prompt_ids(batch, row), self.completion_ids(batch, row), texts)
                # Without an answer r is 0 and so is the clipped gain: no baseline is needed.
                unreasoned = self.baseline_trunks(batch, row) if rollout else []
            except Unwritable:
                reasons[row] = UNWRITABLE
                continue
            answered[row] = bool(rollout)
            trunks += rollout
            owners += [row] * len(rollout)
            baselines += unreasoned
        reasoned = scored_logprobs(self.scorer, trunks)
        without_any: list[np.ndarray | str] = [np.zeros(0)] * len(trunks)
        bases = self.baselines.logprobs(baselines) if config.baseline != "none" else without_any
        best: dict[int, tuple[float, float, float, int]] = {}
        for row, found, base in zip(owners, reasoned, bases, strict=True):
            if isinstance(found, str) or isinstance(base, str):
                reasons[row] = found if isinstance(found, str) else f"baseline_{base}"
                continue
            r, without = self._reduced(found), self._reduced(base) if len(base) else 0.0
            best[row] = max(best.get(row, (-np.inf, 0.0, 0.0, 0)), (r - without, r, without, len(found)))
        return self._scores(batch, best, reasons, answered)

    def _scores(
        self,
        batch: Batch,
        best: dict[int, tuple[float, float, float, int]],
        reasons: list[str],
        answered: Sequence[bool],
    ) -> Scores:
        config = self.config
        size = len(batch.completions)
        opened = [opens_thinking(self._tokenizer, self.prompt_ids(batch, row)) for row in range(size)]
        seen = replace(batch, columns={**batch.columns, "think_open": opened})
        formats = [float(value or 0) for value in self.tags.score(seen).values]
        penalties = self.repetition.score(batch).values if self.repetition else [0.0] * size
        values: list[float | None] = []
        parts: dict[str, list[Any]] = {
            name: [None] * size for name in ("r", "baseline", "gain", "shaped", "reference_tokens")
        }
        for row in range(size):
            if reasons[row]:
                values.append(None)
                continue
            gain, r, baseline, tokens = best[row] if answered[row] else (0.0, 0.0, None, None)
            shaped = config.shape(gain) if answered[row] else 0.0
            for name, part in zip(parts, (r, baseline, gain, shaped, tokens), strict=True):
                parts[name][row] = part
            if config.strict:
                value = shaped if formats[row] else -1.0
            else:
                value = (1 - config.format_weight) * shaped + config.format_weight * formats[row]
            values.append(value + (penalties[row] or 0.0))
        unclosed = [float(OPEN in text and CLOSE not in text.rpartition(OPEN)[2]) for text in batch.completions]
        parts |= {"format": list(formats), "repetition": list(penalties), "unclosed": list(unclosed)}
        return Scores(values, reasons, parts)

    def _reduced(self, logprobs: np.ndarray) -> float:
        how = self.config.reduce
        if how == "auto":
            how = "mean_p" if len(logprobs) <= LONGEST_FOR_PROBABILITY else "mean_logp"
        return reduce(logprobs, how)

    def baseline_trunks(self, batch: Batch, row: int) -> list[Trunk]:
        """A row's references without reasoning, one trunk each."""
        if self.config.baseline == "none":
            return []
        prompt = self.prompt_ids(batch, row)
        lead, tail = (f"{OPEN} ", f" {CLOSE}") if self.config.baseline == "tags" else (" ", " ")
        lead = self.unreasoned_lead(prompt) + lead
        return [
            Trunk(prompt, [scored_branch(self._tokenizer, len(prompt), lead, text, tail)])
            for text in references(batch.column(self.config.column)[row])
        ]

    def _rollout_trunks(self, prompt: list[int], completion: list[int], texts: Sequence[str]) -> list[Trunk]:
        """One trunk per reference: the rollout up to its answer, and the reference there; none without an answer."""
        text = decode(self._tokenizer, completion)
        start = answer_start(text, opens_thinking(self._tokenizer, prompt))
        if start is None or (self.config.require_close and CLOSE not in text[start:]):
            return []
        space = len(text[start:]) - len(text[start:].lstrip())
        spans = token_char_spans(self._tokenizer, completion)
        kept, again = cut_before(spans, start + space)
        lead = text[start + space - again : start + space] + ("" if space else " ")
        cut = len(prompt) + kept
        branches = [scored_branch(self._tokenizer, cut, lead, reference, f" {CLOSE}") for reference in texts]
        return [Trunk([*prompt, *completion[:kept]], [branch]) for branch in branches]


def answer_start(text: str, think_open: bool = False) -> int | None:
    """Where the answer begins: behind the first `<answer>` after the last `</think>`; None without one.

    Args:
        text: a completion.
        think_open: its prompt opened the thinking.

    >>> answer_start("<think> a <answer> tag </think> so <answer> 4"), answer_start("4")
    (43, None)
    >>> answer_start("so <answer> 4", think_open=True)
    """
    thought = text.rfind(THOUGHT)
    if thought < 0 and (think_open or THINK in text):
        return None
    found = text.find(OPEN, max(thought, 0))
    return None if found < 0 else found + len(OPEN)


REWARDS = (ReferenceProbabilityReward,)
