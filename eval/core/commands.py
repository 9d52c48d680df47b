"""The commands of `python -m eval.core`: one entry's rows, and the scores of stored records."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from common.command import usage_errors
from common.config import HOW, Out, RunConfig
from common.pools.storage import atomic_write
from eval.core.aggregate import aggregate
from eval.core.entries import entries_of
from eval.core.files import find_files
from eval.models.open import SEQ_LEN, Precision, open_model


class ItemsConfig(RunConfig):
    """Score one entry and write its rows."""

    model: str
    """Folder that transformers loads; its tokenizer is used."""

    task: str
    """One entry, such as `hellaswag`."""

    data: str
    """Folder with the task files."""

    out: Annotated[str, HOW, Out()]
    """JSONL, a line per row."""

    limit: int | None = Field(None, ge=1)
    """Rows to score, drawn by `seed`; all if null. Prompts stay those of the whole file."""

    seed: int = 0
    """Seed of the rows that `limit` draws."""

    seq_len: int = Field(SEQ_LEN, ge=2)
    """Tokens of context and answer together; at most the model's context."""

    precision: Precision = "fp32"
    """Number format of weights and products; sums are always float32. In bf16 many logits are equal, which changes
    language-modelling tasks."""

    max_tokens_per_batch: Annotated[int, HOW] = Field(16384, ge=1)
    """Padded tokens of one forward pass."""

    device: Annotated[str, HOW] = "auto"
    """`auto` is the GPU if there is one."""


def write_items(config: ItemsConfig) -> None:
    """The `items` command: score one entry and write its rows."""
    from eval.core.evaluate import chosen_rows, score_entry
    from eval.likelihood.open import open_scorer

    with usage_errors():
        (entry, *others) = entries_of([config.task])
        if others:
            raise ValueError(f"{config.task} is a set; name one entry of it, such as {entry.name}")
        files, _ = find_files([entry], config.data)
        tokenizer, options, seq_len = open_model(
            config.model, config.precision, config.device, config.max_tokens_per_batch, config.seq_len
        )
    file = files[entry.file]
    rows = chosen_rows(entry.file, file, config.limit, config.seed)
    scored, figures = score_entry(entry, file, tokenizer, open_scorer(config.model, options), seq_len, rows)

    with atomic_write(config.out) as target:
        target.write("".join(json.dumps(one.row(), ensure_ascii=False) + "\n" for one in scored).encode())
    print(  # noqa: T201 - the command's output
        f"{entry.name}: accuracy {figures['accuracy']:.4f} on {figures['rows']} of {entry.rows} published rows, "
        f"{figures['seconds']:.1f} s, rows in {config.out}"
    )


class RecordsConfig(RunConfig):
    """Recompute the summary scores of stored records."""

    files: list[str] = Field(min_length=1)
    """DCLM evaluation records."""


def print_records(config: RecordsConfig) -> None:
    """The `records` command: recompute the summary scores of stored records, a JSON line each."""
    with usage_errors():
        lines = [record_line(path) for path in config.files]
    for line in lines:
        print(json.dumps(line, ensure_ascii=False))  # noqa: T201 - the command's output


def record_line(path: str) -> dict[str, Any]:
    """The summary scores that follow from a record's accuracies.

    Raises:
        ValueError: the file is no DCLM evaluation record, or holds percentages.
    """
    try:
        accuracies = json.loads(Path(path).read_text(encoding="utf-8"))["eval_metrics"]["icl"]
        scores = aggregate(accuracies)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{path} is no evaluation record: it has no eval_metrics.icl with accuracies") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return {"file": path, **{key: scores[key] for key in ("Core_v1", "Core_v2", "Extended_v1", "Extended_v2")}}
