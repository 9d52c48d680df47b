"""Evaluate a language model: CORE, bits per byte on held-out text, any task of lm-eval.

Usage:
    python -m eval.run model=FOLDER tasks=core data=TASK_FILES output-file=results/mine.json
    python -m eval.run model=FOLDER tasks=bpb data=POOL output-file=results/mine.json
    python -m eval.run model=FOLDER tasks=core20,bpb data=TASK_FILES held-out=POOL output-file=results/mine.json
    python -m eval.run model=FOLDER tasks=lm_eval:piqa,lm_eval:sciq output-file=results/mine.json
    python -m eval.run method=RUN checkpoint=1000 model=open_lm_1b_swiglutorch output-file=results/mine.json
    torchrun --nproc-per-node=8 -m eval.run model=FOLDER tasks=core data=TASK_FILES output-file=results/mine.json

TASKS are `core` (22 entries), `core20` (those without SQuAD and CoQA), `core_repro`, names of single entries, `bpb`,
and `lm_eval:NAME`. TASK_FILES is a folder with hellaswag.jsonl and the like; nothing is downloaded. POOL holds
documents, or is a tokenised set. FOLDER is a Hugging Face folder or a pretraining run, RUN a run below `logs`.

results/mine.json is DCLM's evaluation record; the folder results/mine beside it holds metrics.jsonl and the rows behind
each score. The same command again scores only what is not there yet.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, CommaList, RunConfig, parse, usage_errors
from eval.core import Precision
from eval.core_score import CORE_SETS, Version
from eval.core_tasks import ENTRIES, SEQ_LEN, entries_of, find_files
from eval.harness import HarnessConfig
from eval.model_folder import Source, find_model

LM_EVAL = "lm_eval:"


class EvalConfig(RunConfig):
    """What to evaluate on what."""

    model: str = ""
    """Hugging Face folder or pretraining run; with `method`, the shape of a `.pt` file (configs/pretrain/models)."""

    method: str = ""
    """Name of a pretraining run below `logs`, or the path of one."""

    checkpoint: str = "last"
    """Of a pretraining run: step, `last`, or a path."""

    logs: str = "logs"
    """Folder of pretraining runs."""

    tokenizer: str = ""
    """Folder of the tokenizer; the model's own if empty."""

    tasks: CommaList = ["core"]
    """`core`, `core20`, `core_repro`, names of CORE entries, `bpb`, `lm_eval:NAME`."""

    data: Annotated[str, HOW] = ""
    """Folder of CORE's task files; with `bpb` alone, the held-out text."""

    held_out: Annotated[str, HOW] = ""
    """Held-out text for `bpb`: a pool of documents or a tokenised set."""

    output_file: Annotated[str, HOW] = ""
    """The record, JSON; the folder of the same name without its ending is the run folder."""

    limit: int | None = Field(None, ge=1)
    """Rows per task file, drawn by `seed`; all if null. The score is then marked as partial."""

    documents: int | None = Field(None, ge=1)
    """Documents (or contexts) for `bpb`, from the front of the pool; all if null."""

    seq_len: int = Field(SEQ_LEN, ge=2)
    """Tokens of context and answer together, or of a window of `bpb`; at most the model's context."""

    overlap: int | None = Field(None, ge=1)
    """Tokens that a window of `bpb` repeats from the one before; a quarter of the window if null."""

    precision: Precision = "fp32"
    """Of the weights and products; DCLM uses fp32. bf16 logits tie often, which moves language-modelling tasks."""

    version: Version = "v2"
    """Baselines behind the names without a version; scores with both are always given."""

    draws: int = Field(2000, ge=1)
    """Resamplings behind the 95 % intervals."""

    seed: int = 0
    """Of the rows that `limit` draws and of the resampling."""

    device: Annotated[str, HOW] = "auto"
    """`auto` is the GPU if there is one."""

    max_tokens_per_batch: Annotated[int, HOW] = Field(16384, ge=1)
    """Padded tokens of one forward pass."""

    lm_eval: HarnessConfig = HarnessConfig()
    """How tasks of lm-eval are run."""


def main(argv: list[str] | None = None) -> None:
    """Read the command line, evaluate, print the table."""
    config = parse(EvalConfig, __doc__, argv, plan=plan)
    with usage_errors():
        source = check(config)
    from eval.run_tasks import run

    record = run(config, source)
    if record is not None:
        print(table(record))  # noqa: T201 - the command's output
        print(f"\n{config.output_file}")  # noqa: T201 - the command's output


def check(config: EvalConfig) -> Source:
    """Find the model and everything the tasks read, before anything is loaded.

    Raises:
        ValueError: something is missing, in one line.
    """
    if not config.output_file.endswith(".json"):
        raise ValueError(f"output-file={config.output_file or '?'}: name the record, such as results/mine.json")
    core = core_tasks(config)
    other = [task for task in config.tasks if task not in core and task != "bpb" and not task.startswith(LM_EVAL)]
    if other:
        known = ", ".join([*CORE_SETS, "bpb", f"{LM_EVAL}NAME", *ENTRIES])
        raise ValueError(f"no task {other[0]!r}; known: {known}")
    source = find_model(config.model, config.method, config.checkpoint, config.logs)
    if core:
        if not config.data:
            raise ValueError(
                f"tasks={','.join(core)} needs data=FOLDER with the task files; tasks=bpb runs without them"
            )
        find_files(entries_of(core), config.data)
    if "bpb" in config.tasks:
        held_out = held_out_text(config)
        if not held_out:
            raise ValueError("tasks=bpb needs held-out=POOL" if core else "tasks=bpb needs data=POOL")
        if not Path(held_out, "manifest.jsonl").is_file():
            from common.shards import list_shards

            list_shards(held_out)
    return source


def plan(config: EvalConfig) -> Mapping[str, Any]:
    """What a run would read and write."""
    source = check(config)
    shown: dict[str, Any] = {"model": source, "writes": f"{config.output_file} and {run_folder(config)}/"}
    if core_tasks(config):
        files, missing = find_files(entries_of(core_tasks(config)), config.data)
        shown["task files"] = ", ".join(f"{name} ({len(file.rows)} rows)" for name, file in files.items())
        if missing:
            shown["not there, scored as N/A"] = ", ".join(missing)
    if "bpb" in config.tasks:
        shown["held-out text"] = held_out_text(config)
    return shown


def core_tasks(config: EvalConfig) -> list[str]:
    """The tasks that are CORE's sets or entries."""
    return [task for task in config.tasks if task in CORE_SETS or task in ENTRIES]


def held_out_text(config: EvalConfig) -> str:
    """Where `bpb` reads: `held_out`, or `data` if no task file is wanted from it."""
    return config.held_out or ("" if core_tasks(config) else config.data)


def run_folder(config: EvalConfig) -> Path:
    """The folder beside the record."""
    return Path(config.output_file).with_suffix("")


def table(record: Mapping[str, Any]) -> str:
    """A record's scores for a terminal."""
    rows = [("task", "score", "95 % interval", "centred", "rows")]
    for name, facts in record.get("entries", {}).items():
        low, high = facts["interval_95"]
        centred = facts.get(f"centered_{record['eval_version']}")
        shown = f"{centred:+.4f}" if centred is not None else ""
        rows.append((name, f"{facts['accuracy']:.4f}", f"{low:.3f} to {high:.3f}", shown, f"{facts['rows']:,}"))
    if "bpb_details" in record:
        facts = record["bpb_details"]
        if facts["bits_per_byte"] is not None:
            low, high = facts["interval_95"]
            shown = (f"{facts['bits_per_byte']:.4f}", f"{low:.4f} to {high:.4f}", "", f"{facts['documents']:,}")
            rows.append(("bits per byte", *shown))
        rows.append(("nats per token", f"{facts['nats_per_token']:.4f}", "", "", f"{facts['documents']:,}"))
    for name, metrics in record["eval_metrics"].get("lm_eval", {}).items():
        rows += [(f"{name} {metric}", f"{value:.4f}", "", "", "") for metric, value in metrics.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        f"{row[0]:<{widths[0]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in [*lines, *summary(record)])


def summary(record: Mapping[str, Any]) -> list[str]:
    """CORE in words: the score, or what is missing of it and the labelled rest."""
    if not record.get("entries"):
        return []
    lines = [""]
    short = record["rows_scored_of_published"]
    part = f" (partial: not all published rows of {len(short)} entries were scored)" if short else ""
    if "core_partial" in record:
        rest = record["core_partial"]
        if rest["n"]:
            lines.append(
                f"{rest['label']}: v1 {rest['mean_v1']:.4f}, v2 {rest['mean_v2']:.4f}"
                f" {_interval(record, 'core_partial_' + record['eval_version'])}{part}"
            )
        lines.append(f"CORE: N/A, {len(rest['missing'])} entries missing: {', '.join(rest['missing'])}")
    else:
        interval = _interval(record, f"Core_{record['eval_version']}")
        lines.append(f"CORE: v1 {record['Core_v1']:.4f}, v2 {record['Core_v2']:.4f} {interval}{part}")
    for name, means in record.get("core_sets", {}).items():
        if name == "core_repro" and not means["v1"]["missing"]:
            lines.append(f"{name} (22 entries, not CORE): v1 {means['v1']['mean']:.4f}, v2 {means['v2']['mean']:.4f}")
    return lines


def _interval(record: Mapping[str, Any], name: str) -> str:
    low, high = record["intervals_95"][name]
    return f"[{low:.4f}, {high:.4f}]"


if __name__ == "__main__":
    main()
