"""Section: each reward with its parts, length, KL, entropy."""

from collections.abc import Sequence

from eval.report.figures import REWARD_TOTAL, is_reward
from eval.report.html import escape, figure_row
from eval.report.stages import Stage


def reward_curves(stages: Sequence[Stage]) -> str:
    """Total reward, each reward's mean, and what else tells whether a policy learns or games its rewards."""
    body = []
    for stage in stages:
        keys = stage.metric_keys()
        if not any(is_reward(key) for key in keys):
            continue
        totals = {key: stage.series(key) for key in keys if key in (REWARD_TOTAL, f"eval_{REWARD_TOTAL}")}
        parts = {
            key.removeprefix("rewards/").removesuffix("/mean"): stage.series(key)
            for key in keys
            if key.startswith("rewards/") and key.endswith("/mean")
        }
        health = [key for key in ("kl", "entropy", "completions/mean_length", "completion_length") if key in keys]
        charts = [("total reward", totals), ("each reward's mean", parts)]
        charts += [(key, {key: stage.series(key)}) for key in health]
        body.append(f"<h3>{escape(stage.name)}</h3>{figure_row(charts)}")
    return "".join(body)
