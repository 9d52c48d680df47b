"""Process-level RePro (arXiv:2512.01925): what each segment of thinking does to the likelihood of the answer.

At points of the thinking, J_t = mean log-probability of the reference answer after prompt and thinking so far, under
the policy; J_b is the same after the prompt alone, V = -J.

    S_magn(t) = 1 - tanh(V_t / max(V_b, floor))               rises with J_t, in (0, 1]
    S_stab(t) = (tau + 1) / 2                                 tau: Kendall's over J_b, J_1 … J_t and their order
    S_t       = (1 - w) S_magn(t) + w S_stab(t)
    r_j       = S_j - S_{j-1}                                 paid at the last token of segment j

and the token-level advantage is `A_outcome + alpha * reward-to-go of the group-normalised r`.

The definition rests on public summaries and author code, not on the paper's own text; every constant is config. A form
seen in print, `tanh((J_t - J_b) / J_b + 1) + 1`, has the wrong sign and is not used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from eval.likelihood.spans import THINK, THOUGHT, Span, Unwritable, decode, scored_branch, token_char_spans
from eval.likelihood.trunks import Branch, Trunk, TrunkScores
from rl.rewards.base import Batch, Scores
from rl.rewards.likelihood import UNWRITABLE, LikelihoodConfig, LikelihoodReward, Role, references
from rl.rewards.shaping import reduce

START_MAGNITUDE = 1 - math.tanh(1.0)
"""S_magn where the thinking has changed nothing yet: V = V_b."""

TokenRewards = list[tuple[int, float]]


class ProcessConfig(LikelihoodConfig):
    """Segment rewards from the likelihood of the answer (RePro, arXiv:2512.01925); beside an outcome reward."""

    kind: Literal["process"] = "process"

    k: int = Field(20, ge=0)
    """Segments start at the k candidate lines of highest entropy; more is slightly better, with diminishing returns."""

    w: float = Field(0.1, ge=0, le=1)
    """Weight of stability against magnitude; unpublished, every w is said to beat the baseline."""

    v_floor: float = Field(0.01, gt=0)
    """Smallest V_b, in nats: a memorised answer would otherwise divide by noise."""

    smooth: float | None = Field(None, gt=0, le=1)
    """Exponential smoothing of V over the points, `e = c V + (1 - c) e`; null: none."""

    first_segment: Literal["from_baseline", "zero"] = "from_baseline"
    """S before the first segment: as if V = V_b, so idling earns 0, or 0, so the first segment earns S_1 in full."""

    close_think: bool = False
    """Write `</think>` before the answer at points inside the thinking. Before a `<think>` that the policy has yet to
    write stands what the chat template writes before an answer without thinking."""

    score_template: bool = False
    """Score the tokens of `\\boxed{}` too, which swamp short answers."""

    alpha: float = Field(0.05, ge=0)
    """Weight of the process advantage beside the outcome's."""

    gamma: float = Field(1.0, ge=0, le=1)
    """Discount per token in the reward-to-go."""

    gate: Literal["none", "correct_only"] = "none"
    """`correct_only`: no process advantage where the outcome reward is not positive."""

    column: str = "reference"
    """The row's answer."""

    @model_validator(mode="after")
    def _check(self) -> ProcessConfig:
        if self.needs_servers():
            raise ValueError(
                "a server tells no entropy, which segments are chosen by; frozen_model must be a local one"
            )
        if self.refresh_every:
            raise ValueError("a process reward scores its baseline in the same pass: refresh_every has nothing to do")
        return self

    @property
    def baseline_by(self) -> Role | None:
        """Nobody: the likelihood before any thinking comes from the same pass as the others."""
        return None


def stability(logps: Sequence[float]) -> float:
    """`(tau + 1) / 2`, tau the mean sign of `J_j - J_i` over all pairs i < j; 1/2 for fewer than two values.

    >>> stability([-3, -2, -1, -0.5]), stability([-0.5, -1, -2, -3]), stability([-1, -1])
    (1.0, 0.0, 0.5)
    """
    import numpy as np

    values = np.asarray(logps, np.float64)
    if len(values) < 2:
        return 0.5
    signs = np.sign(values[None, :] - values[:, None])[np.triu_indices(len(values), 1)]
    return float((signs.mean() + 1) / 2)


def magnitude(logp: float, base: float, floor: float = 0.01) -> float:
    """`1 - tanh(V / max(V_b, floor))`: 1 for a certain answer, 0.238406 where nothing has changed."""
    return 1 - math.tanh(max(-logp, 0.0) / max(-base, floor))


def point_scores(base: float, logps: Sequence[float], config: ProcessConfig) -> list[float]:
    """S at each point.

    Args:
        base: J_b, in nats per token.
        logps: J_1 … J_n.
        config: w, floor and smoothing.

    Returns:
        [n] scores in [0, 1].
    """
    smoothed = [base]
    for logp in logps:
        share = config.smooth or 1.0
        smoothed.append(share * logp + (1 - share) * smoothed[-1])
    return [
        (1 - config.w) * magnitude(smoothed[point], base, config.v_floor) + config.w * stability(smoothed[: point + 1])
        for point in range(1, len(smoothed))
    ]


def segment_rewards(base: float, logps: Sequence[float], config: ProcessConfig) -> list[float]:
    """r_j = S_j - S_{j-1} of each segment, [n]; they sum to S_n - S_0."""
    import numpy as np

    start = (1 - config.w) * START_MAGNITUDE + config.w * 0.5 if config.first_segment == "from_baseline" else 0.0
    return [float(rise) for rise in np.diff([start, *point_scores(base, logps, config)])]


def candidates(tokenizer: Any, ids: Sequence[int], end: int) -> list[int]:
    """Completion indices at which a line begins: right after a token that ends a line break, before `end`.

    Decoded tokens decide, not ids, so `.\\n` and `?\\n\\n` count. Of several empty lines only the last one's end does.
    """
    breaks = [decode(tokenizer, [token]).endswith("\n") for token in ids[:end]]
    blank = [not decode(tokenizer, [token]).strip() for token in ids[:end]]
    return [index for index in range(1, end) if breaks[index - 1] and not (blank[index] and breaks[index])]


def thinking_end(text: str, spans: Sequence[Span]) -> int:
    """Tokens up to and with the one that ends `</think>`; all of them if the thinking was not closed."""
    place = text.find(THOUGHT)
    if place < 0:
        return len(spans)
    end = place + len(THOUGHT)
    return next(index for index, (_, stop) in enumerate(spans) if stop >= end) + 1


class ProcessReward(LikelihoodReward):
    """See `ProcessConfig`. The value, J at the end minus J_b, is for the log; `token_rewards` is what it pays."""

    kind = "process"
    config: ProcessConfig

    def applied(self, batch: Batch) -> Scores:
        """As for every reward; rows that this one is not for are paid nothing."""
        found, places = super().applied(batch), self.places(batch)
        if len(places) < len(batch.completions):
            paid = dict(zip(places, self.token_rewards or [], strict=False))
            self.token_rewards = [paid.get(row, []) for row in range(len(batch.completions))]
        return found

    def score(self, batch: Batch) -> Scores:
        """J_end - J_b by completion; None without an answer, or where a likelihood could not be had."""
        import numpy as np

        size = len(batch.completions)
        plans: list[_Plan | None] = []
        reasons = ["no_reference"] * size
        for row, wanted in enumerate(batch.column(self.config.column)):
            texts = references(wanted)
            plan = self._plan(self.prompt_ids(batch, row), self.completion_ids(batch, row), texts) if texts else None
            try:
                if plan:
                    for point in {0, plan.end}:
                        self._branch(plan, point)
            except Unwritable:
                plan, reasons[row] = None, UNWRITABLE
            plans.append(plan)
        rows = [row for row, plan in enumerate(plans) if plan]
        found = self._scored([plan for plan in plans if plan])
        values: list[float | None] = [None] * size
        names = ("points", "j_b", "j_end", "s_magn", "s_stab", "s_end", "r_mean", "r_std")
        parts: dict[str, list[Any]] = {name: [None] * size for name in names}
        self.token_rewards = [[] for _ in range(size)]
        for row, (points, logps, error) in zip(rows, found, strict=True):
            reasons[row] = error
            if error:
                continue
            base, *after = logps
            rewards = segment_rewards(base, after, self.config)
            self.token_rewards[row] = [(point - 1, reward) for point, reward in zip(points[1:], rewards, strict=True)]
            values[row] = logps[-1] - base
            found_parts: list[Any] = [len(points), base, logps[-1]]
            if after:
                found_parts += [magnitude(logps[-1], base, self.config.v_floor), stability(logps)]
                found_parts += [point_scores(base, after, self.config)[-1], np.mean(rewards), np.std(rewards)]
            for name, part in zip(names, map(float, found_parts), strict=False):
                parts[name][row] = part
        return Scores(values, reasons, parts)

    def _plan(self, prompt: list[int], completion: list[int], texts: Sequence[str]) -> _Plan:
        spans = token_char_spans(self._tokenizer, completion)
        text = decode(self._tokenizer, completion)
        end = thinking_end(text, spans)
        opened = text.find(THINK) + len(THINK) if THINK in text else 0
        begun = next((index + 1 for index, (_, stop) in enumerate(spans) if stop >= opened), 0) if opened else 0
        return _Plan(prompt, completion, end, candidates(self._tokenizer, completion, end), texts[0], begun)

    def _branch(self, plan: _Plan, point: int) -> Branch:
        if point < plan.begun:
            close = self.unreasoned_lead(plan.prompt) if point == 0 else ""
        else:
            close = f"\n{THOUGHT}\n\n" if self.config.close_think and point < plan.end else ""
        lead, tail = f"{close}\\boxed{{", "}"
        if self.config.score_template:
            return scored_branch(
                self._tokenizer, len(plan.prompt) + point, close, lead[len(close) :] + plan.answer + tail
            )
        return scored_branch(self._tokenizer, len(plan.prompt) + point, lead, plan.answer, tail)

    def _scored(self, plans: Sequence[_Plan]) -> list[tuple[list[int], list[float], str]]:
        """(points, J at each of them, reason) by plan: one pass where all candidates are cheap, else two."""
        import numpy as np

        first = [plan.trunk([self._branch(plan, point) for point in plan.early(self._branch)]) for plan in plans]
        scores = self.scorer.score(first)
        points = [
            plan.points(score, self.config.k) if not score.error else []
            for plan, score in zip(plans, scores, strict=True)
        ]
        late = [
            Trunk(plan.ids, [self._branch(plan, point) for point in chosen]) if chosen and not trunk.branches else None
            for plan, chosen, trunk in zip(plans, points, first, strict=True)
        ]
        again = iter(self.scorer.score([trunk for trunk in late if trunk]))
        results: list[tuple[list[int], list[float], str]] = []
        for plan, chosen, score, trunk, early in zip(plans, points, scores, late, first, strict=True):
            source, branches = (next(again), trunk.branches) if trunk else (score, early.branches)
            if score.error or source.error:
                results.append((chosen, [], score.error or source.error or ""))
                continue
            places = {branch.cut: number for number, branch in enumerate(branches)}
            logps = []
            for point in chosen:
                number = places[len(plan.prompt) + point]
                flags = np.asarray(branches[number].scored, bool)
                logps.append(reduce(source.branches[number].logprobs[flags], "mean_logp"))
            results.append((chosen, logps, ""))
        return results


class _Plan:
    """Where one rollout can be cut."""

    def __init__(
        self, prompt: list[int], completion: list[int], end: int, starts: list[int], answer: str, begun: int
    ) -> None:
        self.prompt, self.end, self.starts, self.answer, self.begun = prompt, end, starts, answer, begun
        self.ids = [*prompt, *completion[:end]]

    def early(self, branch: Any) -> list[int]:
        """Points to score in the first pass: all that could be chosen, if that costs less than half a trunk."""
        every = sorted({0, *self.starts, self.end})
        cost = len(branch(self, 0).token_ids) * len(every)
        return every if cost < len(self.ids) / 2 else []

    def trunk(self, branches: Sequence[Branch]) -> Trunk:
        """The rollout; the rows that predict each candidate's first token tell their entropy."""
        return Trunk(self.ids, branches, [len(self.prompt) + start - 1 for start in self.starts])

    def points(self, scores: TrunkScores, k: int) -> list[int]:
        """0, the k starts of highest entropy (ties: the earlier first), and the end of thinking."""
        ranked = sorted(zip(-scores.entropy, self.starts, strict=True))
        return sorted({0, self.end, *(start for _, start in ranked[:k])})


REWARDS = (ProcessReward,)
