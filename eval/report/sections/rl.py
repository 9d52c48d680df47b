"""Section: training with rewards. Each reward with its parts, length, KL, entropy, groups, samples over time."""

from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.figures import is_reward
from eval.report.findings.rollouts import shown_rollouts
from eval.report.html import escape, grid, heading, html_table
from eval.report.names import reason, reward, reward_part
from eval.report.sections.curves import curve, curves
from eval.report.sections.view import View
from eval.report.stages import Stage

LEAD = (
    "Solid lines are training steps, dashed ones held-out prompts. A reward that rises on held-out prompts, while "
    "length and entropy stay calm, was earned; one that rises as they run away was gamed."
)

SMALL_SHARE = 0.05
"""Share of answers up to which a status of theirs has no chart of its own."""

LONGEST = 1200
"""Characters of a completion that are shown."""


def reward_curves(view: View) -> str:
    """Rewards and their parts, what tells whether a policy learns or games them, and some of its answers."""
    runs = [stage for stage in view.stages if any(map(is_reward, stage.metric_keys()))]
    if not runs:
        return ""
    known = list(dict.fromkeys(key for run in runs for key in run.metric_keys()))
    names = [key.split("/")[1] for key in known if key.startswith("rewards/") and key.endswith("/mean")]
    drawn = [curve(view, runs, ["reward", "eval_reward"])]
    for name in names:
        keys = [f"rewards/{name}/mean", f"eval_rewards/{name}/mean"]
        drawn.append(curve(view, runs, [key for key in keys if key in known]))
    body = heading("Rewards") + grid(list(filter(None, drawn)))
    parts = [key for key in known for name in names if key.startswith(f"{name}/") and not key.startswith("rewards/")]
    if parts:
        drawn = [_part(view, runs, key) for key in parts if key.count("/") == 1 or _matters(runs, key)]
        body += heading("What the rewards are made of") + grid(drawn)
    health = curves(view, runs, ["completions/mean_length", "completions/clipped_ratio", "kl", "entropy"])
    body += heading("Length, distance from the start, entropy") + grid(health) if health else ""
    groups = curves(
        view, runs, ["frac_reward_zero_std", "reward_std", "completions/duplicate_frac", "skipped_frac", "/filter/.+/"]
    )
    body += heading("Groups of answers to one prompt") + grid(groups) if groups else ""
    return body + "".join(_samples(run) for run in runs)


def _part(view: View, runs: Sequence[Stage], key: str) -> str:
    return curve(view, runs, [key], title=reward_part(key), about="Share of the answers." if key.count("/") > 1 else "")


def _matters(runs: Sequence[Stage], key: str) -> bool:
    """Whether a share of answers was ever large enough to look at."""
    return any(value > SMALL_SHARE for run in runs for _, value in run.series(key))


def _samples(run: Stage) -> str:
    """Held-out prompts at every evaluation, and one group of training."""
    shown = shown_rollouts(run.path / "samples.jsonl")
    body = ""
    for key, steps in shown.held_out.items():
        cards = "".join(_card(f"step {step}", row) for step, row in sorted(steps.items()))
        body += (
            heading(f"{run.name}: a held-out prompt over time ({key})")
            + _prompt(next(iter(steps.values())))
            + _cards(cards)
        )
    if shown.group:
        first = shown.group[0]
        worth = any(isinstance(row.get("advantage"), int | float) for row in shown.group)
        body += heading(f"{run.name}: a group of step {first['step']}, best answer first ({first['id']})")
        rows = [
            [
                f"answer {number}",
                row.get("total"),
                *([row.get("advantage")] if worth else []),
                *(row["rewards"].get(name) for name in first["rewards"]),
            ]
            for number, row in enumerate(shown.group, 1)
        ]
        head = [
            "answer",
            "total reward",
            *(["advantage"] if worth else []),
            *(reward(name) for name in first["rewards"]),
        ]
        cards = "".join(_card(f"answer {number}", row) for number, row in enumerate(shown.group, 1))
        body += _prompt(first) + html_table(head, rows, f"Rewards of a group of {run.name}") + _cards(cards)
    return body


def _cards(cards: str) -> str:
    return f'<div class="samples">{cards}</div>'


def _card(title: str, row: Mapping[str, Any]) -> str:
    total, skipped = row.get("total"), row.get("skipped")
    earned = (
        f"total reward {round(total, 2) + 0.0:.2f}"
        if isinstance(total, int | float)
        else f"not scored: {reason(str(skipped or ''))}"
    )
    label = escape(f"{title}: {earned}")
    return (
        f'<div class="text" tabindex="0" role="group" aria-label="{label}"><h4>{label}</h4>'
        f"{escape(_cut(str(row.get('completion') or '')))}</div>"
    )


def _prompt(row: Mapping[str, Any]) -> str:
    """What was asked: the last turn of the prompt, folded away."""
    turns = row.get("prompt")
    asked = turns[-1].get("content", "") if isinstance(turns, list) and turns else turns or row.get("text") or ""
    if not asked:
        return ""
    return f"<details><summary>The prompt</summary><pre>{escape(_cut(str(asked)))}</pre></details>"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters)"
