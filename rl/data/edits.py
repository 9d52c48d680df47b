"""Rows for a rephraser that edits by line: pages with boilerplate in them, and which lines to drop or cut.

Usage:
    python -m rl.data.edits configs/rl/data_tiny_edits.yaml pool=POOL documents=DOCUMENTS out=runs/tiny/data/edits.jsonl

Three kinds of pages, cut into chunks as the rephrase stage cuts them:

    seeded      a passage of a web page with seeded pieces of boilerplate between, around and inside its paragraphs
    crawled     a longer run of a web page between blocks of boilerplate, as a crawler sees it
    documents   README pages and reference text; their badges, links, contents tables and rules are what to drop

A row holds `id`, `text`, `clean_text`, `noise` (kind and text of what is to go) and `messages`. Documents are split by
hash of their id, as in `rl.data.rephrase`.
"""

from common.command import entry_point, parse, usage_errors
from common.pools.documents import write_documents
from common.tokens.counting import token_counter
from rl.data.recycling.edit_rows import EditRowsConfig, build_rows


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then write the rows."""
    config = parse(EditRowsConfig, __doc__, argv, plan=lambda config: {"reads": config.pool, "writes": config.out})
    with usage_errors():
        written = write_documents(config.out, build_rows(config, token_counter(config.tokenizer)))
    print(f"{written} rows in {config.out}")  # noqa: T201


if __name__ == "__main__":
    main()
