"""Policy-gradient algorithms as values of a run's config: `algorithm: dapo` stands for a row of this table.

| algorithm | advantage of a completion | loss | source |
|---|---|---|---|
| `grpo` | (r - group mean) / group std | mean over tokens, then over completions | arXiv:2402.03300 |
| `dapo` | as `grpo`, groups of equal rewards sampled again | mean over the batch's tokens [1] | arXiv:2503.14476 |
| `dr_grpo` | r - group mean | sum over tokens / (completions x length limit) | arXiv:2503.20783 |
| `rloo` | r - mean of the group's others | as `dr_grpo`: RLOO's sum but for a constant | arXiv:2402.14740 |
| `reinforce_pp` | (r - batch mean) / batch std | mean over the batch's tokens | arXiv:2501.03262 |
| `reinforce_pp_baseline` | (r - group mean) / batch std | mean over the batch's tokens | arXiv:2501.03262 |

[1] clip 0.2 / 0.28, no KL.

From TRL 1.16 come the losses, both clips, KL (k3, in the loss; REINFORCE++ has it in the reward), entropy bonus,
several passes over a batch and the masking of cut-off completions. Ours are the advantages (`rl.grpo.advantages`:
exactly 0 in groups of equal rewards, unscored completions left out, leave-one-out, batch statistics, advantages by
token, mixtures of rewards), the std filter and DAPO's dynamic sampling (`rl.grpo.std_filter`), its overlong penalty
(`overlong`).

Segment rewards (`kind: process`) follow the same fields: normalised in the group, whitened over the batch for
`centre: batch`, only centred in the group for `scale: none` and for a group mean over a batch deviation.
"""

from typing import Any, Literal, get_args

Algorithm = Literal["grpo", "dapo", "dr_grpo", "rloo", "reinforce_pp", "reinforce_pp_baseline"]

PRESETS: dict[str, dict[str, Any]] = {
    "grpo": {"centre": "group", "scale": "group", "loss_type": "grpo"},
    "dapo": {
        "centre": "group",
        "scale": "group",
        "loss_type": "dapo",
        "epsilon": 0.2,
        "epsilon_high": 0.28,
        "beta": 0.0,
        "std_filter": {"beta": 0.0, "drop_equal": True},
    },
    "dr_grpo": {"centre": "group", "scale": "none", "loss_type": "dr_grpo"},
    "rloo": {"centre": "leave_one_out", "scale": "none", "loss_type": "dr_grpo"},
    "reinforce_pp": {"centre": "batch", "scale": "batch", "loss_type": "dapo"},
    "reinforce_pp_baseline": {"centre": "group", "scale": "batch", "loss_type": "dapo"},
}
"""Values of config fields by algorithm."""


def with_preset(values: dict[str, Any]) -> dict[str, Any]:
    """A run's values with those its `algorithm` stands for, where it does not give its own.

    >>> found = with_preset({"algorithm": "rloo", "loss_type": "grpo"})
    >>> found["centre"], found["scale"], found["loss_type"]
    ('leave_one_out', 'none', 'grpo')
    """
    name = values.get("algorithm")
    return {**PRESETS[str(name)], **values} if name in get_args(Algorithm) else dict(values)
