"""Sections: loss, bits per byte and speed of pretraining, and the same of supervised fine-tuning."""

from eval.report.figures import is_reward
from eval.report.html import grid
from eval.report.sections.curves import curves
from eval.report.sections.view import View

LEAD = (
    "Runs of a kind share a chart. A lower loss is better only on the same text with the same tokenizer; bits per byte "
    "compare across tokenizers."
)

WANTED = (
    "loss",
    "/val/.+/bpb/",
    "/val/.+/loss/",
    "/(eval[_/])?bpb.*/",
    "/eval[_/]loss/",
    "tok_s",
    "mfu",
    "/lr|learning_rate/",
    "grad_norm",
    "mean_token_accuracy",
    "/(eval/)?core.*/",
)
"""What is drawn where it was logged, in this order."""


def loss_curves(view: View, supervised: bool = False) -> str:
    """Training loss, held-out loss or bits per byte, learning rate and speed.

    Args:
        view: all that was read.
        supervised: the runs of supervised fine-tuning in place of the others.
    """
    runs = [
        stage
        for stage in view.stages
        if "loss" in stage.metric_keys()
        and not any(map(is_reward, stage.metric_keys()))
        and (stage.trains == "sft") == supervised
    ]
    return grid(curves(view, runs, WANTED)) if runs else ""
