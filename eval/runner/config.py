"""EvalConfig; which of its tasks are of which kind; all that they read found before anything is loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from common.config import ADDED, HOW, CommaList, Out, RunConfig
from common.engines.open import check_engine
from common.weights import hub_is_off
from eval.core.baselines import CORE_SETS, Version
from eval.core.entries import ENTRIES, entries_of
from eval.core.files import find_files
from eval.harness.tasks import HarnessConfig
from eval.models.folder import ModelSource, find_model
from eval.models.open import SEQ_LEN, Precision
from eval.reasoning.config import ReasoningConfig
from eval.reasoning.course import found_tasks, planned, prompts_of, refuse_missing
from eval.reasoning.suites import SUITES, is_task

LM_EVAL = "lm_eval:"


class EvalConfig(RunConfig):
    """What to evaluate on what."""

    model: str = ""
    """Hugging Face folder, hub id (`owner/name[@REVISION]`) or pretraining run; with `method`, the shape of a `.pt`
    file (configs/pretrain/models)."""

    method: str = ""
    """Name of a pretraining run below `logs`, or the path of one."""

    checkpoint: str = "last"
    """Which checkpoint of a pretraining run: a step, `last`, or a path."""

    logs: str = "logs"
    """Folder of pretraining runs."""

    tokenizer: str = ""
    """Folder of the tokenizer; the model's own if empty."""

    tasks: CommaList = ["core"]
    """`core`, `core20`, `core_repro`, names of CORE entries, `bpb`, `lm_eval:NAME`; suites and tasks of generated
    answers: `guru17`, `rlpr7`, `process6`, names of configs/eval/tasks, or a YAML file like those."""

    data: Annotated[str, HOW] = ""
    """Folder of CORE's task files; with `bpb` alone, the held-out text; for reasoning tasks, folders with commas
    between in which their examples are looked for."""

    held_out: Annotated[str, HOW] = ""
    """Held-out text for `bpb`: a pool of documents or a tokenised set."""

    output_file: Annotated[str, HOW, Out(".json")] = ""
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
    """Number format of weights and products. DCLM uses fp32. In bf16 many logits are equal, which changes
    language-modelling tasks."""

    version: Version = "v2"
    """Baselines behind the names without a version; scores with both are always given."""

    draws: int = Field(2000, ge=1)
    """Resamplings behind the 95 % intervals."""

    seed: int = 0
    """Seed of the rows that `limit` draws, and of the resampling."""

    device: Annotated[str, HOW] = "auto"
    """`auto` is the GPU if there is one."""

    max_tokens_per_batch: Annotated[int, HOW] = Field(16384, ge=1)
    """Padded tokens of one forward pass."""

    lm_eval: HarnessConfig = HarnessConfig()
    """How tasks of lm-eval are run."""

    reasoning: Annotated[ReasoningConfig, ADDED] = ReasoningConfig()
    """How tasks of generated answers are run; its keys may stand alone, `engine=vllm` for `reasoning.engine=vllm`."""


def check(config: EvalConfig) -> ModelSource | None:
    """Find the model and everything the tasks read, before anything is loaded.

    Returns:
        The model's folder or checkpoint; None where only reasoning tasks are asked for, and an engine finds it.

    Raises:
        ValueError: something is missing, in one line.
    """
    if not config.output_file.endswith(".json"):
        raise ValueError(f"output-file={config.output_file or '?'}: name the record, such as results/mine.json")
    core, reasoning = core_tasks(config), reasoning_tasks(config)
    likelihood = likelihood_tasks(config)
    other = [task for task in likelihood if task not in core and task != "bpb" and not task.startswith(LM_EVAL)]
    if other:
        known = ", ".join([*CORE_SETS, "bpb", f"{LM_EVAL}NAME", *SUITES, *ENTRIES])
        raise ValueError(f"no task {other[0]!r}; known: {known}, and those in configs/eval/tasks")
    if reasoning:
        # hubs are asked when the run begins, not by a look at its configuration
        jobs, missing = found_tasks(reasoning, config.reasoning, data_folders(config), fetching=False)
        if hub_is_off():
            refuse_missing(jobs, missing, config.reasoning)
    if not likelihood and not config.method and not Path(config.model).is_dir():
        check_engine(config.reasoning.engine, config.model)
        return None
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
            from common.pools.shards import list_shards

            list_shards(held_out)
    return source


def plan(config: EvalConfig) -> Mapping[str, Any]:
    """What a run would read and write."""
    if config.reasoning.show:
        return {"shows": f"{config.reasoning.show} prompts each of {', '.join(reasoning_tasks(config))}"}
    source = check(config)
    shown: dict[str, Any] = {
        "model": source or config.model,
        "writes": f"{config.output_file} and {run_folder(config)}/",
    }
    if core_tasks(config):
        files, missing = find_files(entries_of(core_tasks(config)), config.data)
        shown["task files"] = ", ".join(f"{name} ({len(file.rows)} rows)" for name, file in files.items())
        if missing:
            shown["not there, scored as N/A"] = ", ".join(missing)
    if "bpb" in config.tasks:
        shown["held-out text"] = held_out_text(config)
    if reasoning_tasks(config):
        jobs, absent = found_tasks(reasoning_tasks(config), config.reasoning, data_folders(config), fetching=False)
        for job in jobs:
            shown[job.name] = f"{config.reasoning.count(job.task)} samples of each example of {job.found}"
        shown |= {f"to be fetched, {name}": line for name, line in absent.items()}
    return shown


def prompts(config: EvalConfig) -> str:
    """The first prompts of the reasoning tasks whose examples are there; no model is needed."""
    names = reasoning_tasks(config)
    if not names:
        raise ValueError("--show prints prompts of reasoning tasks; name some: tasks=guru17")
    jobs, missing = found_tasks(names, config.reasoning, data_folders(config))
    if not jobs:
        refuse_missing(jobs, missing, config.reasoning)
    shown = planned(config.reasoning, jobs, "", "", Path(), config.limit, config.seed)
    return "\n".join([prompts_of(shown), *(f"not there: {line}" for line in missing.values())])


def reasoning_tasks(config: EvalConfig) -> list[str]:
    """The suites and tasks of generated answers."""
    return [task for task in config.tasks if is_task(task)]


def likelihood_tasks(config: EvalConfig) -> list[str]:
    """All the others."""
    return [task for task in config.tasks if not is_task(task)]


def data_folders(config: EvalConfig) -> list[str]:
    """Where examples of reasoning tasks are looked for."""
    return [folder.strip() for folder in config.data.split(",") if folder.strip()]


def core_tasks(config: EvalConfig) -> list[str]:
    """The tasks that are CORE's sets or entries."""
    return [task for task in config.tasks if task in CORE_SETS or task in ENTRIES]


def held_out_text(config: EvalConfig) -> str:
    """Where `bpb` reads: `held_out`, or `data` if no task file is wanted from it."""
    return config.held_out or ("" if core_tasks(config) else config.data)


def run_folder(config: EvalConfig) -> Path:
    """The folder beside the record."""
    return Path(config.output_file).with_suffix("")
