"""What a run writes about itself: a line of metrics per step, what every completion earned, and when to stop."""

import itertools
import json
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from common.config import config_hash
from common.runs.folder import Run
from common.runs.progress.pace import duration
from common.runs.progress.shown import CountedWork
from common.samples import SampleFile
from eval.likelihood.spans import token_char_spans
from rl.rewards.base import Stopped

if TYPE_CHECKING:
    from rl.grpo.config import RLConfig

log = logging.getLogger("repro.rl")


def rollout_lines(rows: Sequence[dict[str, Any]], step: int, mode: str, config: "RLConfig") -> Iterator[dict[str, Any]]:
    """Lines of `samples.jsonl`, which `common.samples` reads: which rollout of its row each is, and what made it."""
    numbers: Counter[Any] = Counter()
    versions = {"config": config_hash(config), "model": config.model}
    for row in rows:
        number = numbers[row.get("id")]
        numbers[row.get("id")] += 1
        yield {"step": step, "mode": mode, "sample": number, **row, "versions": versions}


def batch_metrics(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means of all numeric parts, shares of all named ones, skips by reason, and how alike the completions are."""
    numbers: dict[str, list[float]] = defaultdict(list)
    words: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for name, part in row["parts"].items():
            if isinstance(part, str):
                words[name].append(part)
            elif part is not None:
                numbers[name].append(float(part))
    metrics = {name: math.fsum(values) / len(values) for name, values in numbers.items()}
    for name, values in words.items():
        metrics |= {f"{name}/{value}": count / len(values) for value, count in sorted(Counter(values).items())}
    for reason, count in sorted(Counter(row["skipped"] for row in rows if row["skipped"]).items()):
        metrics[f"skipped/{reason}"] = count
    metrics["skipped_frac"] = sum(bool(row["skipped"]) for row in rows) / len(rows)
    copies = Counter((row["id"], row["completion"]) for row in rows)
    metrics["completions/duplicate_frac"] = 1 - len(copies) / len(rows)
    return metrics


def evaluation_metrics(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What `batch_metrics` says of all rows of an evaluation, and the means of the total and of each reward."""
    metrics = batch_metrics(rows)
    totals = [row["total"] for row in rows if row["total"] is not None]
    if totals:
        metrics["reward"] = math.fsum(totals) / len(totals)
    for name in rows[0]["rewards"]:
        values = [row["rewards"][name] for row in rows if row["rewards"][name] is not None and not row["skipped"]]
        if values:
            metrics[f"rewards/{name}/mean"] = math.fsum(values) / len(values)
    return metrics


ALIKE, SURPLUS = "alike", "surplus"
"""Why completions are not trained on: their prompt's rewards hardly differ, or the batch was full."""

MOST_STRETCHES = 64
"""Stretches of one completion whose advantages are written; longer lists are made coarser."""


class SampleLog:
    """Writes `samples.jsonl`: held-out completions at once, those of training when their advantages are known.

    Args:
        file: lines are added to it.
        config: the run's.
    """

    def __init__(self, file: Path, config: "RLConfig") -> None:
        self.file, self.config = file, config
        self.waiting: list[Sequence[dict[str, Any]]] = []
        """Rows of this batch's rounds of sampling, of all processes."""

    def take(self, rows: Sequence[dict[str, Any]], step: int, mode: str) -> None:
        """Take in a batch of held-out rows, or a round of training."""
        if mode == "train":
            self.waiting.append(rows)
        else:
            self._write(rows, step, mode)

    def settle(
        self,
        told: Sequence[dict[str, Any]],
        step: int,
        order: Sequence[tuple[int, int]] = (),
        surplus: Collection[tuple[int, int]] = (),
    ) -> None:
        """End a training batch: say of each row what it was worth, or why it is not trained on.

        Args:
            told: what is said of each row that is trained on, in the order of the batch.
            step: the batch's.
            order: (round, row in it) of each of them; the rows of the only round if empty.
            surplus: rows that would have passed; what is neither trained on nor surplus hardly differs in reward.
        """
        places = list(order) or [(0, row) for row in range(len(told))]
        worth = dict(zip(places, told, strict=True))
        rows = [
            {**row, **worth.get(place, {"discarded": SURPLUS if place in surplus else ALIKE})}
            for number, found in enumerate(self.waiting)
            for place, row in (((number, index), row) for index, row in enumerate(found))
        ]
        self.waiting = []
        self._write(rows, step, "train")

    def _write(self, rows: Sequence[dict[str, Any]], step: int, mode: str) -> None:
        with SampleFile(self.file) as target:
            target.write(*rollout_lines(rows, step, mode, self.config))


def worth_of(output: dict[str, Any], tokenizer: Any, how: str) -> list[dict[str, Any]]:
    """What `samples.jsonl` says of the advantages of a batch's completions (`RLConfig.samples_advantages`).

    Args:
        output: TRL's batch: `advantages` [B] or [B, T], `completion_ids` and `completion_mask` [B, T].
        tokenizer: of the completions.
        how: `none`, `completion` or `token`.
    """
    advantages, masks = output["advantages"].double().cpu(), output["completion_mask"].cpu().bool()
    if how == "none":
        return [{} for _ in advantages]
    if advantages.dim() == 1:
        return [{"advantage": round(value, 6)} for value in advantages.tolist()]
    told: list[dict[str, Any]] = []
    for values, mask, ids in zip(advantages, masks, output["completion_ids"].cpu(), strict=True):
        own = values[mask].tolist()
        told.append({"advantage": round(math.fsum(own) / len(own), 6) if own else 0.0})
        if how == "token":
            told[-1]["advantages"] = stretches(own, token_char_spans(tokenizer, ids[mask].tolist()))
    return told


def stretches(values: Sequence[float], spans: Sequence[tuple[int, int]]) -> list[list[float]]:
    """Advantages of tokens as `[last character + 1, advantage]` of stretches that share one, at most `MOST_STRETCHES`.

    >>> stretches([0.5, 0.5, -1.0], [(0, 3), (3, 7), (7, 9)])
    [[7, 0.5], [9, -1.0]]
    """
    size = -(-len(values) // MOST_STRETCHES)
    found: list[list[float]] = []
    same = [index for index in range(1, len(values)) if values[index] != values[index - 1]]
    cuts = [0, *same, len(values)] if len(same) < MOST_STRETCHES else [*range(0, len(values), size), len(values)]
    for first, last in itertools.pairwise(cuts):
        mean = math.fsum(values[first:last]) / (last - first) if last > first else 0.0
        if last > first and spans[last - 1][1] > (found[-1][0] if found else 0):
            found.append([spans[last - 1][1], float(f"{mean:.4g}")])
    return found


class Journal(TrainerCallback):
    """Writes what TRL logs to the run's `metrics.jsonl`, and stops a run whose metrics say that it goes wrong."""

    def __init__(self, run: Run | None, config: "RLConfig") -> None:
        self.run, self.config = run, config
        self.beyond: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.known: set[str] = set()
        self.stopped = ""
        self.shown = CountedWork(Path(config.out).name, unit="steps", shown=False)  # its lines are the steps'

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """How much there is to do."""
        self.shown.begin(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One step more."""
        self.shown.at(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """One line of `metrics.jsonl`; names as TRL has them."""
        logs = {name: value for name, value in (logs or {}).items() if value is not None}
        for name in ("loss", "grad_norm"):
            if not math.isfinite(logs.get(name, 0.0)):
                raise Stopped(
                    f"{name} is {logs[name]} at step {state.global_step}; the last checkpoint in "
                    f"{Path(args.output_dir)} is from before it"
                )
        if self.run:
            self.run.log(logs, step=state.global_step)
            pace = self.shown.pace
            left = f", {duration(pace.left_s)} left" if pace.left_s and "reward" in logs else ""
            log.info("step %d/%d %s%s", state.global_step, state.max_steps, _headline(logs), left)
        if "reward" in logs:
            self._watch(logs, control)

    def _watch(self, logs: dict[str, Any], control: Any) -> None:
        bounds = [(name, bound, 1) for name, bound in self.config.stop_above.items()]
        bounds += [(name, bound, -1) for name, bound in self.config.stop_below.items()]
        for name, bound, sign in bounds:
            if name not in logs:  # a step may lack a metric: nothing of it could be scored, say
                self.missed[name] += 1
                if name not in self.known and self.missed[name] >= self.config.stop_patience:
                    raise ValueError(f"stop_above or stop_below names {name!r}; logged are: {', '.join(sorted(logs))}")
                continue
            self.known.add(name)
            self.beyond[name] = self.beyond[name] + 1 if sign * (logs[name] - bound) > 0 else 0
            if self.beyond[name] >= self.config.stop_patience:
                side = "above" if sign > 0 else "below"
                self.stopped = f"{name} was {side} {bound:g} for {self.beyond[name]} steps, last {logs[name]:.4g}"
                control.should_training_stop = True


def _headline(logs: dict[str, Any]) -> str:
    """The few metrics that a person watches."""
    shown = ("reward", "kl", "completions/mean_length", "step_time")
    known = [(name, logs.get(name, logs.get(f"eval_{name}"))) for name in shown]
    text = ", ".join(f"{name.rpartition('/')[2]} {value:.4g}" for name, value in known if value is not None)
    return f"held out: {text}" if "eval_reward" in logs else text


def forget_after(path: Path, step: int) -> None:
    """Drop a JSONL file's rows of later steps: a run that goes on from a checkpoint makes them again."""
    if path.is_file():
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.endswith("}")]
        kept = [line for line in lines if json.loads(line).get("step", 0) <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
