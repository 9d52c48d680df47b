"""Does GRPO learn? Train with several seeds and compare held-out rewards at the start and at the end.

Usage:
    python -m rl.learning_check configs/rl/rephraser_smoke_cpu.yaml out=runs/learning_check
    python -m rl.learning_check configs/rl/rlpr_smoke_cpu.yaml out=runs/rlpr_check measure=exact_answer \\
        controls="{outcome: {rewards: [{kind: exact_answer, where: tags}], reward_weights: [1]}}"
    python -m rl.learning_check configs/rl/story_smoke_cpu.yaml out=runs/story_check measure=completion_gain/gain

Every seed trains in `out/seed<n>` from the same model on the same data; the held-out passages, and the random numbers
that sample their completions, are the same before and after. A control is the same run with other values, in
`out/<name>/seed<n>`. Writes `learning_check.json`: the verdict on the run and on each control, what the run ends above
a control, and for each seed every held-out reward at every evaluation; prints the verdicts and, as Markdown tables, the
curves' means over the seeds. A run that is finished is not done again. Exit code 1 if the run's gain is not above twice
its standard error.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.runs.folder import read_metrics, write_json
from rl.grpo.check import check, check_servers, plan, show_progress
from rl.grpo.config import RLConfig
from rl.scoring.config import replace_text

Totals = Mapping[str, float]


class LearningCheckConfig(RLConfig):
    """An RL run, repeated."""

    seeds: list[int] = Field([0, 1, 2], min_length=2)
    """Seeds; one run is made with each."""

    measure: str = ""
    """What is compared: a reward by its name, a part of one (`completion_gain/gain`), or, if empty, the total."""

    controls: dict[str, dict[str, Any]] = {}
    """Name → values of the run that are other in this control."""


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


def held_out(samples: Path, step: int, measure: str = "") -> dict[str, float]:
    """Mean of a measure by passage in one evaluation of a `samples.jsonl`; unscored completions are left out.

    Raises:
        ValueError: the samples have no such reward or part.
    """
    found: dict[str, list[float]] = {}
    with samples.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["mode"] != "eval" or row["step"] != step:
                continue
            measured = {"": row["total"], **row["rewards"], **row["parts"]}
            if measure not in measured:
                raise ValueError(f"{samples} has no {measure!r}; there are: {', '.join(filter(None, measured))}")
            if measured[measure] is not None:
                found.setdefault(row["id"], []).append(measured[measure])
    return {name: fmean(values) for name, values in found.items()}


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


def repeated(config: LearningCheckConfig, out: str, other: Mapping[str, Any]) -> tuple[list[Totals], list[Totals]]:
    """Train with every seed in a folder below `out`; the measure by passage before and after, for each seed."""
    from rl.grpo.course import train

    before: list[Totals] = []
    after: list[Totals] = []
    own = config.model_dump(mode="json", exclude={"seeds", "measure", "controls"})
    for seed in config.seeds:
        folder = f"{out}/seed{seed}"
        values = replace_text({**own, **other}, config.out, folder)
        train(RLConfig.model_validate({**values, "seed": seed, "out": folder}))
        samples = Path(folder) / "samples.jsonl"
        before.append(held_out(samples, 0, config.measure))
        after.append(held_out(samples, config.max_steps, config.measure))
    return before, after


def compared(config: LearningCheckConfig) -> dict[str, Any]:
    """Everything that `learning_check.json` holds."""
    before, after = repeated(config, config.out, {})
    result: dict[str, Any] = {"measure": config.measure or "total", **verdict(before, after), "controls": {}}
    folders = {f"seed{seed}": Path(config.out, f"seed{seed}") for seed in config.seeds}
    for name, other in config.controls.items():
        start, end = repeated(config, f"{config.out}/{name}", other)
        result["controls"][name] = {**verdict(start, end), "run_above_control": verdict(end, after)}
        folders |= {f"{name}/seed{seed}": Path(config.out, name, f"seed{seed}") for seed in config.seeds}
    return {**result, "curves": {name: curve(folder) for name, folder in folders.items()}}


def table(curves: Sequence[Mapping[str, list[Any]]]) -> str:
    """Markdown: for each held-out measure, at each evaluation, its mean over seeds and the standard error of that."""
    steps = curves[0]["step"]
    rows = [["held out", *(f"step {step}" for step in steps)], ["---"] * (1 + len(steps))]
    for name in curves[0]:
        short = name.removeprefix("eval_").removeprefix("rewards/").removesuffix("/mean").replace("completions/", "")
        seeds = [curve[name] for curve in curves]
        if name != "step" and None not in (value for values in seeds for value in values):
            rows.append([short, *(_with_error(values) for values in zip(*seeds, strict=True))])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _with_error(values: Sequence[float]) -> str:
    return f"{fmean(values):.3f} ± {_standard_error(values):.3f}"


def sentence(name: str, found: Mapping[str, Any]) -> str:
    """One line on a verdict."""
    seeds = ", ".join(f"{gain:.3f}" for gain in found["gain_by_seed"])
    return (
        f"{name} {found['start']:.3f} -> {found['end']:.3f}: gain {found['gain']:.3f}, standard error "
        f"{found['standard_error']:.3f} ({found['passages']} passages; by seed {seeds})"
    )


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, train with every seed, print the verdict."""
    config = parse(LearningCheckConfig, __doc__, argv, plan=plan)
    with usage_errors():
        check(config)
        check_servers(config)
    show_progress()
    with usage_errors():
        result = compared(config)
    write_json(Path(config.out) / "learning_check.json", result)
    print(sentence(f"held-out {config.measure or 'reward'}", result))  # noqa: T201
    for name, found in result["controls"].items():
        print(sentence(f"control {name}", found))  # noqa: T201
        above = found["run_above_control"]
        print(f"  the run ends {above['gain']:.3f} above it, standard error {above['standard_error']:.3f}")  # noqa: T201
    for name in ("", *result["controls"]):
        folders = [f"{name}/seed{seed}" if name else f"seed{seed}" for seed in config.seeds]
        print(f"\n{name or 'the run'}:\n{table([result['curves'][folder] for folder in folders])}")  # noqa: T201
    raise SystemExit(0 if result["learned"] else 1)


if __name__ == "__main__":
    main()
