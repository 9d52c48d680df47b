"""Rows for training and measuring a cleaning rephraser: real passages, boilerplate put in, the clean text to answer.

Usage:
    python -m rl.data.rephrase configs/rl/data_tiny_pairs.yaml pool=POOL out=runs/tiny/data/pairs.jsonl
    python -m rl.data.rephrase pool=POOL out=held_out.jsonl part=held_out rows=200 unseen=true

A row holds `id`, `text` (the noisy page), `clean_text`, `noise` (kind and text of each piece) and `messages` (the
rephrasing request and its answer); with `form=text` only `id` and `text`, for plain language modelling. Passages of one
document are all in `train` or all in `held_out`.
"""

from common.command import entry_point, parse, usage_errors
from common.pools.documents import write_documents
from common.pools.shards import list_shards
from common.tokens.counting import token_counter
from rl.data.recycling.clean_rows import RephraseDataConfig, build_rows


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then write the rows."""
    config = parse(RephraseDataConfig, __doc__, argv, plan=lambda config: {"reads": config.pool, "writes": config.out})
    with usage_errors():
        list_shards(config.pool)
        count = token_counter(config.tokenizer)
        written = write_documents(config.out, build_rows(config, count))
    print(f"{written} rows in {config.out}")  # noqa: T201


if __name__ == "__main__":
    main()
