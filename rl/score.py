"""Run a config's rewards over recorded completions, without training.

Usage:
    python -m rl.score configs/rl/rephraser_smoke_cpu.yaml PAIRS.jsonl out=FILE.jsonl

PAIRS holds rows with what the rewards need: `completion`, `text`, and where it matters `prompt`, `reference`,
`finish_reason`, `completion_tokens` or a base score. A row without `completion` but with `organic_text` is a recycled
document: its `text` is taken for what the model wrote after the sentinel. Every row comes out with
`rewards: {name: value or null}`, `parts` and `total`; a table shows means, pass rates and what was skipped. A reward of
`role: policy` scores with the model that `model=` names: for the numbers of training, give it the policy of that step.
Where no row has a total, the exit code is 1.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Annotated, Any

import orjson
from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import HOW, Out
from common.model_server import require_some
from common.pools.documents import write_documents
from common.pools.lines import read_lines
from common.runs.progress.shown import CountedWork
from common.weights import find_model
from rephrase.text.prompts import SENTINEL
from rl.grpo.config import RLConfig
from rl.rewards.base import Batch, Reward, combine, failure, message_text, parts
from rl.rewards.kinds import open_rewards
from rl.scoring.config import RewardsConfig

Row = dict[str, Any]


class ScorePairsConfig(RewardsConfig):
    """The rewards of a run's config, and what they score. A run's YAML file is read as it is."""

    pairs: str
    """JSONL file (or another shard form) of recorded rows."""

    scores: Annotated[str, HOW, Out(".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")] = ""
    """JSONL file to write, given as `out=FILE`; only the table is printed if empty."""

    batch_rows: Annotated[int, HOW] = Field(64, ge=1)
    """Rows scored together."""


def score_rows(
    rows: Sequence[Row], rewards: Sequence[Reward], weights: Mapping[str, float], think_open: bool = False
) -> Iterator[Row]:
    """Rows with `rewards`, `parts`, `total` and, where a reward failed, `skipped`."""
    batch = read_batch(rows, think_open)
    scores = {reward.__name__: reward.applied(batch) for reward in rewards}
    for index, (row, total) in enumerate(zip(rows, combine(scores, weights), strict=True)):
        yield {
            **row,
            "rewards": {name: found.values[index] for name, found in scores.items()},
            "parts": parts(scores, index),
            "total": total,
            "skipped": failure(scores, weights, index),
        }


def _bind(config: ScorePairsConfig, rewards: Sequence[Reward]) -> None:
    """Models for the rewards that score with one; likelihoods without reasoning are looked up, and not written."""
    from rl.scoring.models import SavedModels, bind, likelihood_rewards

    if likelihood_rewards(rewards):
        from transformers import AutoTokenizer

        from rl.scoring.baselines import BaselineStore

        tokenizer = AutoTokenizer.from_pretrained(find_model(config.model))
        bind(rewards, SavedModels(config), tokenizer, BaselineStore(config.baselines_file, writes=False))


def prompts_open_thinking(model: str) -> bool:
    """Whether the chat template of a model folder ends its prompts with `<think>`; of a hub's name nothing is known."""
    from rl.chat_template.files import template_files, token_of
    from rl.chat_template.template import opens_think

    folder = Path(model)
    if not (folder / "tokenizer_config.json").is_file():
        return False
    tokens = {name: token_of(folder, name) for name in ("bos_token", "eos_token")}
    try:
        return any(opens_think(text, tokens) for text in template_files(folder).values())
    except ValueError:  # a base model has no template
        return False


def read_batch(rows: Sequence[Row], think_open: bool = False) -> Batch:
    """Recorded rows as a reward sees them in training.

    Args:
        rows: recorded.
        think_open: the policy's chat template opens thinking, for rows that do not say so themselves.

    Raises:
        ValueError: a row holds neither a completion nor a recycled document.
    """
    completions, columns = [], {name: [row.get(name) for row in rows] for row in rows for name in row}
    columns["text"] = list(columns.get("text", []))
    for number, row in enumerate(rows):
        if "completion" in row:
            completions.append(message_text(row["completion"]))
        elif row.get("organic_text") is not None:
            completions.append(f"{SENTINEL}\n\n{row['text']}")
            columns["text"][number] = row["organic_text"]
            columns.setdefault("answer_form", [None] * len(rows))[number] = "text"
        else:
            raise ValueError(f"row {row.get('id', number)!r} has neither 'completion' nor 'organic_text'")
    prompts = [row.get("prompt", "") for row in rows]
    said = [row.get("think_open", think_open and not isinstance(row.get("prompt", ""), str)) for row in rows]
    columns["think_open"] = said
    return Batch(completions, columns, prompts, [row.get("finish_reason", "stop") for row in rows])


def table(rows: Sequence[Row], weights: Mapping[str, float]) -> str:
    """Mean, deviation, share at 1 and Nones of each reward; then how often each status and each skip occurred."""
    lines = [f"{'reward':<14}{'weight':>8}{'n':>8}{'mean':>10}{'std':>10}{'at 1':>8}{'none':>8}"]
    columns = {name: [row["rewards"][name] for row in rows] for name in weights}
    columns["total"] = [row["total"] for row in rows]
    for name, column in columns.items():
        values = [value for value in column if value is not None]
        spread = f"{fmean(values):>10.4f}{pstdev(values):>10.4f}" if values else f"{'-':>10}{'-':>10}"
        passed = f"{sum(value == 1 for value in values) / len(values):>8.3f}" if values and name != "total" else " " * 8
        weight = f"{weights[name]:>8g}" if name in weights else " " * 8
        lines.append(f"{name:<14}{weight}{len(values):>8}{spread}{passed}{len(column) - len(values):>8}")
    words = Counter(
        f"{name}: {part}" for row in rows for name, part in row["parts"].items() if isinstance(part, str) and part
    )
    words.update(f"skipped: {row['skipped']}" for row in rows if row["skipped"])
    return "\n".join([*lines, *(f"{name} {count}" for name, count in sorted(words.items()))])


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, score, write the rows, print the table."""
    # `out` is this command's file, not the run folder that the config names
    config = parse(
        ScorePairsConfig, __doc__, argv, positional=("pairs",), rename={"out": "scores"}, passes_over=RLConfig
    )
    with usage_errors():
        rows = [orjson.loads(line) for line in read_lines(config.pairs) if line.strip()]
        if not rows:
            raise ValueError(f"{config.pairs} holds no rows")
        rewards = open_rewards(config.rewards)
        _bind(config, rewards)
        weights = {reward.__name__: weight for reward, weight in zip(rewards, config.reward_weights, strict=True)}
        opened = prompts_open_thinking(config.model)
        scored: list[Row] = []
        with CountedWork("score", len(rows), "rows") as work:
            for start in range(0, len(rows), config.batch_rows):
                scored += score_rows(rows[start : start + config.batch_rows], rewards, weights, opened)
                work.at(len(scored))
    if config.scores:
        write_documents(config.scores, scored)
    print(table(scored, weights))  # noqa: T201
    totals = sum(row["total"] is not None for row in scored)
    require_some(totals, Counter(row["skipped"] for row in scored if row["skipped"]), "rows' totals")


if __name__ == "__main__":
    main()
