"""Tokenise pools of documents into shuffled, memory-mapped contexts.

Documents -> ids, EOT after each -> contexts of seq_len + 1 -> one global shuffle -> `shard_XXXXXXXX.bin`,
`manifest.jsonl`, `dataset.json`. Memory stays bounded for any pool; the same input, seed and tokenizer give the same
bytes whatever the number of workers, and after a kill at any moment the same command goes on where it was stopped.

Usage:
    python -m pretrain.tokenize input=POOL[,POOL] output=DIR tokenizer=PATH seq_len=2048 seed=N
    python -m pretrain.tokenize configs/pretrain/tokenize_local.yaml input=runs/pool output=runs/tokens
    python -m pretrain.tokenize input=runs/pool output=runs/tokens tokenizer=PATH pack=best_fit export=dclm --dry-run

Differs from DCLM's tool:
    1. EOT, BOS and PAD come from the tokenizer; pads are recorded and not trained on; no context is all padding.
    2. The order depends on the seed alone, not on the timing of threads; contexts cross files only with pack=stream.
    3. Shards are memory-mapped binaries; `export=dclm` adds DCLM's tars. The manifest ends with a newline.
"""

from typing import Any

from common.command import entry_point, parse, usage_errors
from pretrain.tokenising.config import TokenizeConfig


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then tokenise."""
    config = parse(TokenizeConfig, __doc__, argv, plan=plan_summary)
    from pretrain.tokenising.course import tokenize

    with usage_errors():
        summary = tokenize(config)
    print(  # noqa: T201
        f"{summary['documents']:,} documents, {summary['num_tokens']:,} tokens in {summary['num_sequences']:,} "
        f"contexts of {config.seq_len + 1:,} ({summary['num_pads']:,} pads), {summary['shards']} shards in "
        f"{config.output}; engine {summary['engine']}, {summary['seconds']:.1f} s"
    )


def plan_summary(config: TokenizeConfig) -> dict[str, Any]:
    """What `--dry-run` prints: what would be read and written, after the checks that need no work."""
    from pretrain.tokenising.course import check, sizes

    shards, tokenizer, _ = check(config)
    return {
        "reads": f"{len(shards)} shards, {sum(size for _, size in sizes(shards)):,} bytes",
        "ids": f"{tokenizer.entries:,} entries, EOT {tokenizer.eot}, BOS {tokenizer.bos}, PAD {tokenizer.pad}",
        "writes": f"{config.output}/shard_XXXXXXXX.bin, manifest.jsonl, dataset.json",
    }


if __name__ == "__main__":
    main()
