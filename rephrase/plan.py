"""Estimate what rephrasing a pool takes: tokens, device hours, disk.

Usage:
    python -m rephrase.plan POOL CONFIG.yaml gpus=8
    python -m rephrase.plan POOL CONFIG.yaml benchmark=true        # measures the rate on 200 documents first

Counts the first shard to the last document and scales to the others by their size. Without `benchmark=true` the rate is
the published one of the 4B rephraser on H100s (arXiv:2510.10681), which other models and devices do not have.
"""

import itertools
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.engines.open import check_engine, open_engine
from common.engines.requests import load_tokenizer
from common.pools.documents import read_documents
from common.pools.shards import Shard, list_shards
from rephrase.config import RephraseConfig
from rephrase.rephraser import Rephraser

PUBLISHED_RATE = 72e9 / (1536 * 3600)
"""Organic tokens per second and H100: 72B tokens in 1,536 hours (arXiv:2510.10681)."""

CHARS_PER_TOKEN = 4.4
"""English web text under a vocabulary of 100,000 or more; used where no tokenizer is at hand."""

TOKENIZED_DOCS = 200


class PlanConfig(RephraseConfig):
    """A rephrase config, and what the estimate assumes."""

    gpus: int = Field(1, ge=1)
    """Devices that share the work."""

    organic_tok_s_device: float = Field(PUBLISHED_RATE, gt=0)
    """Organic tokens per second and device."""

    benchmark: bool = False
    """Measure the rate here, with the config's engine and model."""

    benchmark_docs: int = Field(200, ge=1)
    """Documents to measure with."""

    output: str = ""
    """Not written to."""


@dataclass(frozen=True)
class Size:
    """How much text there is."""

    documents: float
    chars: float
    tokens: float


def hours(tokens: float, tok_s: float) -> float:
    """Device hours: tokens / (tokens per second x 3,600).

    >>> round(hours(72e9, 13_020.83)), round(hours(120e6, 13_020.83), 2)
    (1536, 2.56)
    """
    return tokens / (tok_s * 3600)


def measure_pool(shards: list[Shard], chars_per_token: float) -> tuple[Size, Size]:
    """The first shard's size, counted, and the pool's, scaled by the files' bytes."""
    documents = chars = 0
    for document in read_documents(shards[0].path, shards[0].index):
        documents += 1
        chars += len(document["text"])
    first = Size(documents, chars, chars / chars_per_token)
    sizes = [size_of(shard.path) for shard in shards]
    scale = sum(sizes) / max(1, sizes[0])
    return first, Size(documents * scale, chars * scale, chars / chars_per_token * scale)


def size_of(path: str) -> int:
    """Bytes of a file, local or remote."""
    import fsspec

    filesystem, name = fsspec.core.url_to_fs(path)
    return filesystem.size(name)


def measure_tokens(shard: Shard, tokenizer: Any) -> float:
    """Characters per token on the shard's first documents."""
    texts = [d["text"] for d in itertools.islice(read_documents(shard.path, shard.index), TOKENIZED_DOCS)]
    tokens = sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    return sum(map(len, texts)) / max(1, tokens)


def benchmark(config: PlanConfig, shard: Shard) -> dict[str, float]:
    """Rephrase some documents and return tokens per second and device, organic in and completion out."""
    documents = list(itertools.islice(read_documents(shard.path, shard.index), config.benchmark_docs))
    totals: Counter[str] = Counter()
    with open_engine(config.engine, config.model) as engine:
        rephraser = Rephraser(config, engine)
        began = time.monotonic()
        for result in rephraser(iter(documents)):
            totals.update({key: value for key, value in result.counts.items() if isinstance(value, int)})
        elapsed_s = time.monotonic() - began
        if "tokens_organic" not in totals:
            totals["tokens_organic"] = round(totals["chars_in"] / CHARS_PER_TOKEN)
        return {
            "documents": len(documents),
            "chunks_ok_frac": totals["chunks_ok"] / max(1, totals["chunks_in"]),
            "organic_tok_s_device": totals["tokens_organic"] / elapsed_s / engine.devices,
            "completion_tok_s_device": totals["tokens_completion"] / elapsed_s / engine.devices,
        }


def table(config: PlanConfig, shards: list[Shard], first: Size, pool: Size, tok_s: float) -> str:
    """The estimate as text."""
    rows = [("", "documents", "characters", "tokens", "device hours", f"hours on {config.gpus}")]
    for name, size in ((f"shard {shards[0].name}", first), (f"all {len(shards)} shards", pool)):
        device_hours = hours(size.tokens, tok_s)
        figures = (f"{size.documents:,.0f}", f"{size.chars:,.0f}", f"{size.tokens:,.0f}")
        rows.append((name, *figures, f"{device_hours:,.2f}", f"{device_hours / config.gpus:,.2f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then estimate."""
    config = parse(PlanConfig, __doc__, argv, positional=("input",), plan=lambda config: {"reads": config.input})
    with usage_errors():
        shards = list_shards(config.input, config.start, config.end)
        tok_s, source = config.organic_tok_s_device, "assumed (organic_tok_s_device)"
        if config.benchmark:
            check_engine(config.engine, config.model)
            figures = benchmark(config, shards[0])
            for name, value in figures.items():
                print(f"{name}: {value:,.2f}")  # noqa: T201 - the command's output
            tok_s, source = figures["organic_tok_s_device"], "measured here"
        chars_per_token = _chars_per_token(config, shards[0])
        first, pool = measure_pool(shards, chars_per_token)
    print(f"{tok_s:,.1f} organic tokens/s per device, {source}; {chars_per_token:.2f} characters per token")  # noqa: T201
    print(table(config, shards, first, pool, tok_s))  # noqa: T201 - the command's output


def _chars_per_token(config: PlanConfig, shard: Shard) -> float:
    folder = config.engine.tokenizer_folder(config.model)
    if folder is None or not Path(folder).is_dir():
        return CHARS_PER_TOKEN  # the line above the table says what was used
    return measure_tokens(shard, load_tokenizer(folder))


if __name__ == "__main__":
    main()
