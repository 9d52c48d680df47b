"""The learning rate of each step."""

import math

from pretrain.training.config import PretrainConfig


def learning_rate(step: int, total: int, config: PretrainConfig) -> float:
    """Rate to set before step `step`, counted from 0.

    Warm-up: `lr (s + 1) / W` for s < W. Then `cosine`: `cd + (1 + cos(pi (s - W) / (T - W))) / 2 (lr - cd)`; `const`:
    `lr`; `wsd`: `lr` until step T - C, from there linear to `cd` at step T. Source: open_lm's scheduler.

    Args:
        step: s, from 0 to T - 1.
        total: T, steps of the run.
        config: lr, cd, warmup (W), schedule, decay_steps (C).
    """
    peak, floor, warmup = config.lr, config.cd, config.warmup
    if step < warmup:
        return peak * (step + 1) / warmup
    if config.schedule == "cosine":
        return floor + 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) * (peak - floor)
    if config.schedule == "wsd":
        start = total - config.decay_steps
        if step >= start:
            return floor + (peak - floor) * (total - step) / config.decay_steps
    return peak
