"""What a run's training did on its held-out rows: each reward, and for seeded rows what was kept and removed.

Usage:
    python -m rl.held_out runs/rephraser_smoke_cpu

Compares the first evaluation in the run's `samples.jsonl` with that of the exported step, row by row; the error is the
standard error of the mean over rows. Rows with a clean passage also give the share of its content and numbers that the
policy's text keeps, and the share of the seeded noise that it removes.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.command import entry_point, parse, usage_errors
from common.config import RunConfig
from eval.faithfulness.kept import numbers_kept
from eval.faithfulness.noise import content_kept, noise_removed
from eval.report.held_out import Gains, gains_between
from rephrase.text.postprocess import read_completion


class HeldOutConfig(RunConfig):
    """Which run to look at."""

    run: str
    """Folder of a finished GRPO run."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, print a row for each measure."""
    config = parse(HeldOutConfig, __doc__, argv, positional=("run",))
    with usage_errors():
        gains = run_gains(config.run)
        if not gains:
            raise ValueError(f"{config.run} has no two evaluations to compare")
    for name, one in gains.items():
        change = f"{one['before']:.3f} to {one['after']:.3f}"
        print(f"{name:<14} {change}  gain {one['gain']:+.4f}, error {one['error']:.4f}, rows {one['rows']}")  # noqa: T201


def run_gains(run: str) -> Gains:
    """Gains of a run's rewards and of what `seeded_figures` tells.

    Raises:
        ValueError: no finished run is there.
    """
    samples, done = Path(run, "samples.jsonl"), Path(run, "done.json")
    if not (samples.is_file() and done.is_file()):
        raise ValueError(f"no finished run at {run}: it has no samples.jsonl or no done.json")
    last = json.loads(done.read_text(encoding="utf-8")).get("best_step")
    with samples.open(encoding="utf-8") as lines:
        rows = (json.loads(line) for line in lines)
        return gains_between(({**row, "rewards": {**row["rewards"], **seeded_figures(row)}} for row in rows), last)


def seeded_figures(row: Mapping[str, Any]) -> dict[str, float | None]:
    """What a sampled text kept of its row's clean passage, and removed of the noise; {} for other rows."""
    if "clean_text" not in row:
        return {}
    form: Any = row.get("answer_form") or "text"
    text = read_completion(row["completion"], row["text"], row["finish_reason"], form).text
    return {
        "content kept": content_kept(row["clean_text"], text),
        "numbers kept": numbers_kept(row["clean_text"], text).recall,
        "noise removed": noise_removed(row["text"], row["clean_text"], text),
    }


if __name__ == "__main__":
    main()
