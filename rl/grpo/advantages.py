"""From rewards to advantages: by completion, and by token where a reward pays before the end.

"GRPO's advantage" means three things in the literature; here it is a choice (`rl.grpo.algorithms` names the usual
ones):

    A = (r - c) / (s + eps)     c: mean of the group, of the others in it, or of the batch
                                s: sample standard deviation of the group or the batch, or 1 - eps

Exactly 0 for unscored completions (NaN; they are left out of c and s), and in groups of equal rewards or with fewer
than two scored ones, unless c is the batch's mean. Everything is float64 inside.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rl.grpo.std_filter import EQUAL
from rl.rewards.process import ProcessConfig, TokenRewards


def normalised(rewards: Tensor, group: int, centre: str = "group", scale: str = "group", eps: float = 1e-4) -> Tensor:
    """Advantages of one reward, or of the sum of several.

    Args:
        rewards: [P·G], NaN where a completion could not be scored; groups are consecutive.
        group: G, completions per prompt.
        centre: `group`, `leave_one_out` or `batch`.
        scale: `group`, `batch` or `none`.
        eps: keeps groups that hardly differ from being blown up.

    Returns:
        [P·G] advantages, float64.
    """
    grouped = rewards.double().view(-1, group)  # [P, G]
    scored = ~grouped.isnan()
    known = torch.where(scored, grouped, 0.0)
    count = scored.sum(1, keepdim=True)  # [P, 1]
    mean = known.sum(1, keepdim=True) / count.clamp(min=1)
    own = torch.where(scored, grouped - mean, 0.0)
    deviation = (own.square().sum(1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    alive = deviation >= EQUAL
    if centre == "batch":
        centred = torch.where(scored, grouped - known.sum() / count.sum().clamp(min=1), 0.0)
        alive = torch.ones_like(alive)
    elif centre == "leave_one_out":
        centred = own * count / (count - 1).clamp(min=1)  # r - (sum - r) / (count - 1)
    else:
        centred = own
    if scale == "batch":
        centred = torch.where(alive, centred, 0.0)
        deviation = (centred.square().sum() / (count.sum() - 1).clamp(min=1)).sqrt().expand_as(deviation)
        alive = alive & (deviation >= EQUAL)
    elif centre == "batch" and scale == "group":
        alive = deviation >= EQUAL
    advantages = centred if scale == "none" else centred / (deviation + eps)
    return torch.where(alive, advantages, 0.0).view(-1)


def advantages(
    values: Tensor,
    weights: Tensor,
    group: int,
    combine: str = "sum_then_normalize",
    centre: str = "group",
    scale: str = "group",
    eps: float = 1e-4,
) -> Tensor:
    """Advantages of completions that several rewards judge.

    Args:
        values: [P·G, R] rewards; a row of NaN is an unscored completion, a single NaN a reward that does not apply.
        weights: [R]; a reward of weight 0 does not count.
        group: G.
        combine: `sum_then_normalize`: of the weighted sum; `normalize_then_sum`: the weighted sum of each reward's own;
            `center_second`: likewise, with all but the first reward only centred.
        centre: see `normalised`.
        scale: see `normalised`.
        eps: see `normalised`.

    Returns:
        [P·G] advantages, float64.
    """
    unscored = values.isnan().all(1)
    if combine == "sum_then_normalize":
        return normalised(total(values, weights), group, centre, scale, eps)
    result = torch.zeros(len(values), dtype=torch.float64, device=values.device)
    for number, index in enumerate(weights.nonzero().flatten().tolist()):
        kept = scale if combine == "normalize_then_sum" or not number else "none"
        result += weights[index] * normalised(values[:, index], group, centre, kept, eps)
    return result.masked_fill(unscored, 0.0)


def total(values: Tensor, weights: Tensor) -> Tensor:
    """[P·G] weighted sums of the rewards that apply; NaN for unscored completions."""
    return torch.where(values.isnan().all(1), torch.nan, (values * weights.to(values)).nansum(1))


def segment_mode(centre: str, scale: str) -> str:
    """How segment rewards are normalised beside an outcome's `centre` and `scale` (arXiv:2512.01925's variants).

    >>> segment_mode("group", "group"), segment_mode("batch", "batch"), segment_mode("group", "batch")
    ('group', 'batch', 'centre')
    """
    if centre == "batch":
        return "batch"
    return "group" if scale == "group" else "centre"


def segments_normalised(token_rewards: Sequence[TokenRewards], group: int, mode: str = "group") -> list[TokenRewards]:
    """Segment rewards as `(r - mu) / (sigma + 1e-6)` over all segments of a group's rollouts.

    Sample sigma; mu 0 and sigma 1 for a group of one; all 0 for sigma below 1e-6. `batch` takes mu and sigma over all
    segments there are, `centre` does not divide.

    Raises:
        ValueError: the groups do not fit.
    """
    if group < 1 or len(token_rewards) % group:
        raise ValueError(f"{len(token_rewards)} rollouts are no groups of {group}")
    size = len(token_rewards) if mode == "batch" else group
    found: list[TokenRewards] = []
    for first in range(0, len(token_rewards), size):
        rows = token_rewards[first : first + size]
        values = np.array([value for row in rows for _, value in row])
        mean, deviation = 0.0, 1.0
        if size > 1:
            mean = float(values.mean()) if len(values) else 0.0
            deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        scale = 0.0 if deviation < EQUAL else 1.0 / (deviation + 1e-6 if mode != "centre" and size > 1 else 1.0)
        found += [[(index, (value - mean) * scale) for index, value in row] for row in rows]
    return found


def process_advantages(
    token_rewards: Sequence[TokenRewards],
    group: int,
    tokens: int,
    config: ProcessConfig,
    correct: Sequence[bool] | None = None,
    mode: str = "group",
    rows: slice = slice(None),
) -> np.ndarray:
    """Token-level advantages of segments, to be added to the outcome's: `alpha * sum_{t' >= t} gamma^(t' - t) r~_t'`.

    Args:
        token_rewards: [B] of (completion token index, reward), of all processes; groups are consecutive.
        group: G, rollouts per prompt.
        tokens: T, the padded completion length.
        config: alpha, gamma and gate.
        correct: [B] for `gate: correct_only`.
        mode: see `segments_normalised`.
        rows: the rows wanted.

    Returns:
        [rows, T], 0 behind the last point of a rollout.

    Raises:
        ValueError: the groups do not fit, or the gate has nothing to go by.
    """
    if config.gate == "correct_only" and correct is None:
        raise ValueError("gate correct_only needs to know which rollouts are correct")
    wanted = segments_normalised(token_rewards, group, mode)[rows]
    to_go = np.zeros((len(wanted), tokens))
    for row, paid in enumerate(wanted):
        for index, value in paid:
            to_go[row, index] += value
    for index in reversed(range(tokens - 1)):
        to_go[:, index] += config.gamma * to_go[:, index + 1]
    if config.gate == "correct_only" and correct is not None:
        to_go *= np.asarray(correct[rows], float)[:, None]
    return config.alpha * to_go
