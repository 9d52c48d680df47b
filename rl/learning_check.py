"""Does GRPO learn? Train with several seeds and compare held-out rewards at the start and at the end.

Usage:
    python -m rl.learning_check configs/rl/rephraser_smoke_cpu.yaml out=runs/learning_check
    python -m rl.learning_check configs/rl/rephraser_smoke_cpu.yaml out=runs/quality_only reward_weights=[3,0,0,0,0]

Every seed trains in `out/seed<n>` from the same model on the same data; the held-out passages, and the random numbers
that sample their completions, are the same before and after. Writes `learning_check.json`: the verdict and, for each
seed, every held-out reward at every evaluation. Exit code 1 if the gain is not above twice its standard error.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pydantic import Field

from common.config import parse, usage_errors
from common.run import read_metrics, write_json
from rl.config import RLConfig, replace_text
from rl.train import check, check_servers, plan, show_progress

Totals = Mapping[str, float]


class LearningCheckConfig(RLConfig):
    """An RL run, repeated."""

    seeds: list[int] = Field([0, 1, 2], min_length=2)
    """One run for each."""


def verdict(before: Sequence[Totals], after: Sequence[Totals]) -> dict[str, Any]:
    """Gain in mean held-out reward and its standard error.

    The gain of a passage is its total after training minus before, averaged over seeds. The standard error is the
    larger of that over passages and that over seeds, since either may be what the result hangs on.

    Args:
        before: for each seed, total reward by passage at the start.
        after: likewise at the end.

    Raises:
        ValueError: the passages differ.
    """
    passages = sorted(before[0])
    if any(sorted(totals) != passages for totals in (*before, *after)):
        raise ValueError("the evaluations are of different passages")
    by_passage = [fmean(b[name] - a[name] for a, b in zip(before, after, strict=True)) for name in passages]
    by_seed = [fmean(b.values()) - fmean(a.values()) for a, b in zip(before, after, strict=True)]
    error = max(_standard_error(by_passage), _standard_error(by_seed))
    gain = fmean(by_seed)
    return {
        "passages": len(passages),
        "start": fmean(fmean(totals.values()) for totals in before),
        "end": fmean(fmean(totals.values()) for totals in after),
        "gain": gain,
        "gain_by_seed": by_seed,
        "standard_error": error,
        "learned": gain > 2 * error,
    }


def _standard_error(values: Sequence[float]) -> float:
    return stdev(values) / math.sqrt(len(values))


def held_out_totals(samples: Path, step: int) -> dict[str, float]:
    """Mean total by passage of one evaluation in a `samples.jsonl`; unscored completions are left out."""
    found: dict[str, list[float]] = {}
    with samples.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["mode"] == "eval" and row["step"] == step and row["total"] is not None:
                found.setdefault(row["id"], []).append(row["total"])
    return {name: fmean(totals) for name, totals in found.items()}


def curve(folder: Path) -> dict[str, list[Any]]:
    """Held-out rewards of one run by step: the total, each reward, length in tokens, share cut off, KL."""
    rows = [row for row in read_metrics(folder) if "eval_reward" in row]
    names = [
        name
        for name in rows[0]
        if name == "eval_reward"
        or (name.startswith("eval_rewards/") and name.endswith("/mean"))
        or name in ("eval_kl", "eval_completions/mean_length", "eval_completions/clipped_ratio")
    ]
    return {"step": [row["step"] for row in rows], **{name: [row.get(name) for row in rows] for name in names}}


def main(argv: list[str] | None = None) -> None:
    """Read the command line, train with every seed, print the verdict."""
    config = parse(LearningCheckConfig, __doc__, argv, plan=plan)
    with usage_errors():
        check(config)
        check_servers(config)
    from rl.launch import train

    show_progress()
    before, after, curves = [], [], {}
    for seed in config.seeds:
        out = f"{config.out}/seed{seed}"
        values = replace_text(config.model_dump(mode="json", exclude={"seeds"}), config.out, out)
        with usage_errors():
            train(RLConfig.model_validate({**values, "seed": seed, "out": out}))
        samples = Path(out) / "samples.jsonl"
        before.append(held_out_totals(samples, 0))
        after.append(held_out_totals(samples, config.max_steps))
        curves[f"seed{seed}"] = curve(Path(out))
    result = verdict(before, after)
    write_json(Path(config.out) / "learning_check.json", {**result, "curves": curves})
    print(  # noqa: T201
        f"held-out reward {result['start']:.3f} -> {result['end']:.3f}: gain {result['gain']:.3f}, "
        f"standard error {result['standard_error']:.3f} ({result['passages']} passages, {len(config.seeds)} seeds)"
    )
    raise SystemExit(0 if result["learned"] else 1)


if __name__ == "__main__":
    main()
