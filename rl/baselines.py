"""Likelihoods of references without reasoning, computed once and stored by content.

Usage:
    python -m rl.baselines configs/rl/rlpr_smoke_cpu.yaml
    python -m rl.baselines configs/rl/story_qwen2.5_3b.yaml data.train=chapters.jsonl baselines=chapters.parquet

Takes a training run's config, builds its data and fills its store (`baselines`) with what its rewards need; the run
computes and adds what is missing. The key of an entry is a hash of the weights, the tokens and how they are scored, so
another model, template, prompt or reference has other keys, and a stale number cannot be used.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import HOW
from common.weights import find_model
from eval.likelihood.spans import Unwritable
from eval.likelihood.trunks import Trunk
from rl.grpo.config import RLConfig, RowsConfig
from rl.rewards.base import Batch
from rl.rewards.likelihood import UNWRITABLE


class BaselinesConfig(RowsConfig):
    """The data of a run's config and its rewards with a baseline. A run's YAML file is read as it is."""

    batch_rows: Annotated[int, HOW] = Field(256, ge=1)
    """Rows scored, and written, together."""


def fill(config: BaselinesConfig) -> dict[str, int]:
    """Compute what a run's rows need; counts of rows, entries, new entries and failures by reason.

    Raises:
        ValueError: no reward of the config has a baseline to store.
    """
    from transformers import AutoTokenizer

    from rl.grpo.rows import build_data, read_rows
    from rl.rewards.kinds import open_rewards
    from rl.scoring.baselines import BaselineStore
    from rl.scoring.models import SavedModels, bind, likelihood_rewards

    tokenizer = AutoTokenizer.from_pretrained(find_model(config.model))
    store = BaselineStore(config.baselines_file)
    rewards = [reward for reward in likelihood_rewards(open_rewards(config.rewards)) if reward.config.baseline_by]
    if not rewards:
        raise ValueError("no reward of this config has a baseline to store")
    folder = Path(config.out) / "data"
    build_data(config, folder, tokenizer)
    bind(rewards, SavedModels(config), tokenizer, store)
    rows = [row for part in ("train", "eval") for row in read_rows(folder / f"{part}.jsonl", config)]
    counts: Counter[str] = Counter(rows=len(rows), entries=0)
    before = len(store.entries)
    for start in range(0, len(rows), config.batch_rows):
        part = rows[start : start + config.batch_rows]
        columns = {name: [row.get(name) for row in part] for name in {name for row in part for name in row}}
        batch = Batch([""] * len(part), columns, [row["prompt"] for row in part])
        for reward in rewards:
            trunks: list[Trunk] = []
            for row in range(len(part)):
                try:
                    trunks += reward.baseline_trunks(batch, row)
                except Unwritable:
                    counts[f"failed/{UNWRITABLE}"] += 1
            for found in reward.baselines.logprobs(trunks):
                counts[f"failed/{found}" if isinstance(found, str) else "entries"] += 1
    store.file()
    return {**counts, "computed": len(store.entries) - before}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, fill the store, say what was done."""
    config = parse(BaselinesConfig, __doc__, argv, passes_over=RLConfig)
    with usage_errors():
        counts = fill(config)
    print(json.dumps(counts))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
