"""lm-eval as a library, with our likelihood engine as its model."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from common.config import HOW, RunConfig
from eval.likelihood.config import ScorerConfig
from eval.likelihood.trunks import Scorer
from eval.models.open import SEQ_LEN, context_length


class HarnessConfig(RunConfig):
    """How tasks of lm-eval are run."""

    backend: Literal["engine", "hf", "vllm"] = "engine"
    """`engine` is ours, which shares contexts between answers; `hf` and `vllm` are lm-eval's own model classes."""

    num_fewshot: int | None = Field(None, ge=0)
    """Examples shown before the question; the task's own number if null."""

    include_path: str | None = None
    """Folder with further task files."""

    batch_size: Annotated[int, HOW] = Field(8, ge=1)
    """Batch size of the `hf` back-end."""


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
        from eval.harness.model import EngineModel

        return EngineModel(opened(), tokenizer, folder, context_length(folder) or SEQ_LEN)
    if config.backend == "vllm":
        from lm_eval.models.vllm_causallms import VLLM

        return VLLM(pretrained=folder, dtype=options.dtype, batch_size="auto")
    from lm_eval.models.huggingface import HFLM

    device = None if options.device == "auto" else options.device
    return HFLM(pretrained=folder, dtype=options.dtype, device=device, batch_size=config.batch_size)
