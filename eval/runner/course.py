"""Run the tasks of one evaluation, each from where an earlier run left off, and write the record."""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from common.command import fail, usage_errors
from common.runs.folder import Run, describe_run, write_json
from common.runs.hold import hold
from common.runs.processes import launched, processes
from common.tokens.token_set import is_tokenised
from common.weights import model_hash
from eval.core.evaluate import CoreRun, header
from eval.core.row_store import RowStore
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Scorer
from eval.models.folder import ModelSource, export
from eval.models.open import Tokenizer, open_model, tokenizer_hash
from eval.reasoning.course import draw, found_tasks, planned, refuse_missing, summed_up, undrawn
from eval.runner.bits_per_byte import measure, store, stored
from eval.runner.config import (
    LM_EVAL,
    EvalConfig,
    core_tasks,
    data_folders,
    held_out_text,
    likelihood_tasks,
    reasoning_tasks,
    run_folder,
)

Record = dict[str, Any]
Log = Callable[[dict[str, Any]], None]


def run(config: EvalConfig, source: ModelSource | None) -> Record | None:
    """Evaluate what `source` names and write the record; under torchrun only the first process returns it.

    Raises:
        SystemExit: 1 if a checkpoint cannot be exported, 2 if the folder holds no usable model.
    """
    folder = run_folder(config)
    with hold(folder), _joined(), _run(config, folder) as log:
        model = _exported(source, folder) if source is not None else config.model
        record = header(Path(config.output_file).stem, model)
        if likelihood_tasks(config):
            found = _likelihoods(config, model, folder, record, log)
            if found is None:
                return None
            record = found
        if reasoning_tasks(config):
            if processes()[0]:
                return None
            reasoning = _reasoning(config, model, folder, log)
            if reasoning is None:
                return None
            record |= {"name": record["name"], "reasoning": reasoning}
        record["commit"] = describe_run(config)["commit"]
        write_json(config.output_file, record)
        return record


def _likelihoods(config: EvalConfig, model: str, folder: Path, record: Record, log: Log) -> Record | None:
    """CORE, bits per byte and lm-eval's tasks; None in all processes but the first."""
    with usage_errors():
        tokenizer, options, seq_len = open_model(
            model,
            config.precision,
            _device(config.device),
            config.max_tokens_per_batch,
            config.seq_len,
            config.tokenizer or None,
        )
    stamp = {"model_sha256": model_hash(model), "precision": config.precision}
    opened = functools.cache(lambda: open_scorer(model, options))
    record |= {"tokenizer_sha256": tokenizer_hash(tokenizer), **stamp}
    rows = folder / "rows"
    if core_tasks(config):
        record |= _core(config, opened, tokenizer, seq_len, rows, stamp, log)
    # What is left is not split over processes.
    if processes()[0]:
        return None
    if "bpb" in config.tasks:
        record |= _bits_per_byte(config, opened, tokenizer, seq_len, rows, record)
        log({f"bpb/{name}": record["bpb"][name] for name in record["bpb"]})
    names = [task.removeprefix(LM_EVAL) for task in config.tasks if task.startswith(LM_EVAL)]
    if names:
        record["eval_metrics"]["lm_eval"] = _lm_eval(config, names, model, opened, tokenizer, options, rows, record)
    record["rows_folder"] = f"{folder.name}/rows"
    return record


def _reasoning(config: EvalConfig, model: str, folder: Path, log: Log) -> Record | None:
    """Tasks of generated answers; None where other shares of the examples have yet to be drawn."""
    names, how = reasoning_tasks(config), config.reasoning
    with usage_errors():
        jobs, missing = found_tasks(names, how, data_folders(config))
        refuse_missing(jobs, missing, how)
        identity = model_hash(model)[:16] if Path(model).is_dir() and how.engine.kind != "server" else model
        plan = planned(how, jobs, model, identity, folder, config.limit, config.seed)
        draw(plan)
    left = undrawn(plan)
    if left:
        print(f"share {how.share} is done; not drawn yet: {left}")  # noqa: T201 - the command's output
        return None
    found = summed_up(plan, names, missing, config.draws)
    for name, cell in found["cells"].items():
        log({"task": name, "score": cell["score"], "judged": cell["judged"]})
    return found


@contextmanager
def _run(config: EvalConfig, folder: Path) -> Iterator[Log]:
    """The run folder of the first process; the others log nothing."""
    with nullcontext() if processes()[0] else Run(folder, config, seed=config.seed) as opened:
        yield (lambda metrics: None) if opened is None else opened.log


@contextmanager
def _joined() -> Iterator[None]:
    """The processes that torchrun started, if it did."""
    if launched()[1] < 2:
        yield
        return
    import torch
    from torch import distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _device(device: str) -> str:
    if device != "auto" or processes()[1] < 2:
        return device
    import torch

    return f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() else "cpu"


def _exported(source: ModelSource, folder: Path) -> str:
    """The Hugging Face folder, exported by the first process while the others wait."""
    if processes()[0] == 0:
        try:
            with usage_errors():
                model = export(source, folder / "model")
        except RuntimeError as error:
            fail(str(error), 1)
    if processes()[1] > 1:
        from torch import distributed

        distributed.barrier()
        model = export(source, folder / "model")  # which is done
    return model


def _core(
    config: EvalConfig,
    opened: Callable[[], Scorer],
    tokenizer: Tokenizer,
    seq_len: int,
    rows: Path,
    stamp: dict[str, Any],
    log: Log,
) -> Record:
    def on_entry(name: str, facts: dict[str, Any]) -> None:
        numbers = {key: value for key, value in facts.items() if isinstance(value, int | float)}
        log({"task": name, **numbers})

    run = CoreRun(
        core_tasks(config),
        config.data,
        config.limit,
        seed=config.seed,
        seq_len=seq_len,
        version=config.version,
        draws=config.draws,
        store=RowStore(rows),
        stamp=stamp,
        on_entry=on_entry,
    )
    scored = run.score(opened, tokenizer)
    summary = {name: scored[name] for name in ("Core_v1", "Core_v2")}
    if "core_partial" in scored:
        summary |= {f"core_partial/{name}": scored["core_partial"][name] for name in ("n", "mean_v1", "mean_v2")}
    log(summary)
    return scored


def _bits_per_byte(
    config: EvalConfig, opened: Callable[[], Scorer], tokenizer: Any, seq_len: int, rows: Path, record: Record
) -> Record:
    source = held_out_text(config)
    key = _key(
        [_contents(source), seq_len, config.overlap, config.documents],
        [record[name] for name in ("model_sha256", "tokenizer_sha256", "precision")],
    )
    kept = stored(rows)
    if kept is not None and kept[0]["key"] == key:
        scores = kept[1]
        scores.skipped = kept[0]["skipped"]
    else:
        with usage_errors():
            scores = measure(
                opened(), tokenizer, source, seq_len=seq_len, overlap=config.overlap, limit=config.documents
            )
        store(scores, rows, {"key": key, "source": source, **scores.figures(config.draws, config.seed)})
    figures = scores.figures(config.draws, config.seed)
    short = {name: figures[name] for name in ("bits_per_byte", "nats_per_token") if figures[name] is not None}
    return {"bpb": short, "bpb_details": {"source": source, "seq_len": seq_len, **figures}}


def _lm_eval(
    config: EvalConfig,
    names: list[str],
    model: str,
    opened: Callable[[], Scorer],
    tokenizer: Any,
    options: ScorerConfig,
    rows: Path,
    record: Record,
) -> dict[str, dict[str, float]]:
    from eval.harness.tasks import run_tasks

    results: dict[str, dict[str, float]] = {}
    for name in names:
        path = rows / f"lm_eval_{name}.json"
        key = _key([name, config.lm_eval.model_dump(), config.limit], [record["model_sha256"], record["precision"]])
        kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if kept.get("key") != key:
            with usage_errors():
                metrics = run_tasks(config.lm_eval, [name], model, opened, tokenizer, options, limit=config.limit)
            kept = {"key": key, "metrics": metrics}
            rows.mkdir(parents=True, exist_ok=True)
            write_json(path, kept)
        results |= kept["metrics"]
    return results


def _key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _contents(source: str) -> list[Any]:
    """What a pool or a tokenised set holds, as far as its files' names, sizes and times tell."""
    if is_tokenised(source):
        paths = [str(path) for path in sorted(Path(source).iterdir())]
    else:
        from common.pools.shards import list_shards

        paths = [shard.path for shard in list_shards(source)]
    local = [Path(path) for path in paths]
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] if path.exists() else str(path) for path in local]
