"""Other benchmarks: lm-eval as a library, with our likelihood engine as its model.

Usage:
    python -m eval.run model=FOLDER tasks=lm_eval:piqa,lm_eval:sciq output-file=results/mine.json
    python -m eval.harness data=TASK_FILES out=FOLDER

The second command writes CORE's entries as task files of lm-eval (`core_<entry>.yaml`, reading TASK_FILES), to check
scores against a program that shares no code with ours: `lm_eval --include_path FOLDER --tasks core_lambada_openai`.
They agree where the definitions coincide: lambada_openai (greedy match), winogrande and winograd (equal continuations).
Else lm-eval sums where LLM Foundry takes the mean per token, and draws other shots; the files are zero-shot.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from common.config import HOW, RunConfig, parse, usage_errors
from eval.core import context_length
from eval.core_tasks import SEQ_LEN, Entry, entries_of, find_files
from eval.likelihood import Scorer, ScorerConfig


class HarnessConfig(RunConfig):
    """How tasks of lm-eval are run."""

    backend: Literal["engine", "hf", "vllm"] = "engine"
    """`engine` is ours, which shares contexts between answers; `hf` and `vllm` are lm-eval's own model classes."""

    num_fewshot: int | None = Field(None, ge=0)
    """Shots; the task's own number if null."""

    include_path: str | None = None
    """Folder with further task files."""

    batch_size: Annotated[int, HOW] = Field(8, ge=1)
    """Of the `hf` back-end."""


Metrics = dict[str, dict[str, float]]


def run_tasks(
    config: HarnessConfig,
    tasks: Sequence[str | dict[str, Any]],
    folder: str,
    opened: Callable[[], Scorer],
    tokenizer: Any,
    options: ScorerConfig,
    *,
    limit: int | None = None,
) -> Metrics:
    """Numbers of each task and group by metric, as lm-eval computes them.

    Args:
        config: which model class, how many shots.
        tasks: names that lm-eval knows, or task definitions.
        folder: the model's Hugging Face folder.
        opened: gives our scorer of the same model.
        tokenizer: the model's.
        options: how the scorer was opened, for the type and device of lm-eval's own classes.
        limit: rows per task, from the front.

    Raises:
        ValueError: lm-eval does not know a task.
    """
    import lm_eval
    from lm_eval.tasks import TaskManager

    # Reading lm-eval's thousands of task files takes longer than many a task: only for names.
    named = any(isinstance(task, str) for task in tasks)
    manager = TaskManager(include_path=config.include_path, include_defaults=named)
    unknown = [name for name in tasks if isinstance(name, str) and name not in manager.all_tasks]
    if unknown:
        raise ValueError(f"lm-eval has no task {unknown[0]!r}")
    results = lm_eval.simple_evaluate(
        model=_model(config, folder, opened, tokenizer, options),
        tasks=list(tasks),
        num_fewshot=config.num_fewshot,
        limit=limit,
        task_manager=manager,
        bootstrap_iters=0,
        log_samples=False,
    )
    return {name: _numbers(values) for name, values in results["results"].items()}


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    """`acc,none` is the metric `acc` without a filter; texts and missing standard errors go."""
    return {
        key.removesuffix(",none"): float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _model(
    config: HarnessConfig, folder: str, opened: Callable[[], Scorer], tokenizer: Any, options: ScorerConfig
) -> Any:
    if config.backend == "engine":
        from eval.harness_model import EngineModel

        return EngineModel(opened(), tokenizer, folder, context_length(folder) or SEQ_LEN)
    if config.backend == "vllm":
        from lm_eval.models.vllm_causallms import VLLM

        return VLLM(pretrained=folder, dtype=options.dtype, batch_size="auto")
    from lm_eval.models.huggingface import HFLM

    device = None if options.device == "auto" else options.device
    return HFLM(pretrained=folder, dtype=options.dtype, device=device, batch_size=config.batch_size)


def task_definition(entry: Entry, path: str | Path) -> dict[str, Any]:
    """A CORE entry, zero-shot, as a task of lm-eval that reads a local file."""
    task: dict[str, Any] = {
        "task": f"core_{entry.name}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path)}},
        "test_split": "test",
        "target_delimiter": " ",
        "metadata": {"version": 1.0},
    }
    # lm-eval moves spaces at the end of a context to the answer, so "\nAnswer:" takes the place of "\nAnswer: ".
    after = entry.delimiter.rstrip()
    if entry.kind == "language_modeling":
        return {
            **task,
            "output_type": "loglikelihood",
            "doc_to_text": "{{context | trim}}" + after,
            # of a single continuation lm-eval scores the target alone, without the delimiter before it
            "doc_to_target": "{{' ' + (continuation | trim)}}",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
    if entry.kind == "multiple_choice":
        return {
            **task,
            "output_type": "multiple_choice",
            "doc_to_text": "{{query | trim}}" + after,
            "doc_to_choice": "{{choices}}",
            "doc_to_target": "{{gold}}",
            "metric_list": [
                {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm")
            ],
        }
    return {
        **task,
        "output_type": "multiple_choice",
        "doc_to_text": "{{gold}}",  # contexts differ, the answer is one: lm-eval's winogrande is built this way
        "doc_to_choice": "{{context_options}}",
        "doc_to_target": "{{continuation | trim}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }


class TasksConfig(RunConfig):
    """Write CORE's entries as task files of lm-eval."""

    data: str
    """Folder with CORE's task files."""

    out: Annotated[str, HOW]
    """Folder for the YAML files."""


def main(argv: list[str] | None = None) -> None:
    """Read the command line, then write the task files."""
    import yaml

    config = parse(TasksConfig, __doc__, argv)
    with usage_errors():
        entries = entries_of(["core"])
        files, _ = find_files(entries, config.data)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        if entry.file in files:
            definition = task_definition(entry, Path(files[entry.file].path).resolve())
            text = yaml.safe_dump(json.loads(json.dumps(definition)), sort_keys=False, allow_unicode=True)
            (out / f"core_{entry.name}.yaml").write_text(text, encoding="utf-8")
            print(out / f"core_{entry.name}.yaml")  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
