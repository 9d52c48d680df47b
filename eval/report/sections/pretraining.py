"""Sections: loss, bits per byte and speed of pretraining, and the same of supervised fine-tuning."""

from collections.abc import Sequence

from eval.report.figures import is_reward
from eval.report.html import figure_row
from eval.report.stages import Stage


def loss_curves(stages: Sequence[Stage], supervised: bool = False) -> str:
    """Training loss, held-out loss or bits per byte, learning rate and speed; runs of a kind share a chart.

    Args:
        stages: all that were read.
        supervised: the runs of supervised fine-tuning in place of the others.
    """
    runs = [
        stage
        for stage in stages
        if "loss" in stage.metric_keys()
        and not any(map(is_reward, stage.metric_keys()))
        and (stage.trains == "sft") == supervised
    ]
    if not runs:
        return ""
    keys = list(dict.fromkeys(key for stage in runs for key in stage.metric_keys()))
    wanted = [
        key
        for key in keys
        if key in ("loss", "lr", "learning_rate", "grad_norm", "tok_s", "eval/loss")
        or "bpb" in key
        or "bits_per_byte" in key
    ]
    charts = [(key, {stage.name: stage.series(key) for stage in runs if stage.series(key)}) for key in wanted]
    return figure_row(charts)
