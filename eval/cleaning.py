"""How well a rephraser cleans pages whose boilerplate is known: content kept, noise removed, answers in form.

Usage:
    python -m eval.cleaning model=rephrase/tiny_text rows=runs/tiny/data/held_out.jsonl out=figures.json

    python -m rephrase.run configs/rephrase/rephrase_tiny_cpu.yaml input=PAGES output=CLEANED
    python -m eval.cleaning rows=PAGES recycled=CLEANED out=figures.json

With `recycled`, what the rephrase stage made of the pages is measured, whatever prompt it ran. Pages with the article
that a person marked (`gold`) give precision and recall of shared runs of four words (`eval.faithfulness.articles`),
beside the page as it came and its lines of 20 words and more; pages with `clean_text` give the figures below.

Rows (`python -m rl.data.rephrase`) carry `messages` (request and answer), `text`, `clean_text` and `noise`. Decoding is
greedy. An answer that does not open as the row's own answer does, says that opening twice, or does not end counts as
out of form; the other two figures are of the answers in form.
"""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import ADDED, HOW, Out, RunConfig
from common.engines.config import EngineConfig, TransformersEngineConfig
from common.engines.open import open_engine
from common.engines.requests import Request
from common.model_server import require_some
from common.pools.documents import read_documents, write_documents
from common.pools.repair import id_text
from common.pools.shards import read_pool
from common.runs.folder import write_json
from eval.faithfulness.articles import article_figures
from eval.faithfulness.noise import cleaning_figures, read_answer


class CleaningConfig(RunConfig):
    """Which model cleans which pages."""

    model: str = "rephrase/tiny_text"
    """Hugging Face folder or name."""

    rows: str = "runs/tiny/data/held_out.jsonl"
    """File of pages with their clean texts."""

    recycled: Annotated[str, ADDED] = ""
    """The recycled pool of these pages; `model` then is not asked."""

    engine: EngineConfig = TransformersEngineConfig()
    """Back-end that generates."""

    max_new_tokens: int = Field(256, gt=0)
    """Longest answer."""

    max_rows: int = Field(100_000, gt=0)
    """Pages to measure at most, from the first on."""

    out: Annotated[str | None, HOW, Out(".json")] = None
    """Where the figures go as JSON; the answers go beside them, as `.jsonl`."""


def clean_pages(config: CleaningConfig) -> list[dict[str, Any]]:
    """The rows with what the model made of them as `completion` and `output`.

    Raises:
        ValueError: a row was not written by `rl.data.rephrase`.
    """
    rows = list(islice(read_documents(config.rows), config.max_rows))
    for row in rows:
        if not {"messages", "clean_text"} <= row.keys() or not row["messages"][-1]["content"].endswith(
            row["clean_text"]
        ):
            raise ValueError(f"row {row['id']!r} of {config.rows} has no messages that end in its clean_text")
    requests = (Request(row["id"], row["messages"][:-1], None, config.max_new_tokens, temperature=0.0) for row in rows)
    engine = open_engine(config.engine, config.model)
    completions = {completion.request_id: completion for completion in engine.stream(requests)}
    failed = [one for one in completions.values() if one.finish_reason == "error"]
    reasons = Counter(one.error or "error" for one in failed)
    require_some(len(completions) - len(failed), reasons, "completions")
    for row in rows:
        completion = completions[row["id"]]
        opening = row["messages"][-1]["content"].removesuffix(row["clean_text"]).strip()
        row["completion"] = completion.text
        row["output"] = read_answer(opening, completion.text, completion.finish_reason)
    return rows


def recycled_pages(config: CleaningConfig) -> list[dict[str, Any]]:
    """The rows with what the rephrase stage made of them as `output`, None where it dropped the page.

    Raises:
        ValueError: no row has a recycled page, or pages share an id; says how many.
    """
    outputs: dict[str, str] = {}
    twice = 0
    for page in read_pool(config.recycled):
        twice += outputs.setdefault(id_text(page["id"]), page["text"]) != page["text"]
    rows = list(islice(read_documents(config.rows), config.max_rows))
    ids = [id_text(row["id"]) for row in rows]
    twice += len(ids) - len(set(ids))
    if twice:
        raise ValueError(f"{twice} pages share an id with another, so that it is not known which output is whose")
    if not any(one in outputs for one in ids):
        raise ValueError(f"{config.recycled} has no page of {config.rows}")
    return [{**row, "output": outputs.get(one)} for row, one in zip(rows, ids, strict=True)]


def marked_articles(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures of pages with a marked article: the cleaner, the page as it came, the best-known rule by line length."""
    long = {row["id"]: "\n".join(line for line in row["text"].split("\n") if len(line.split()) >= 20) for row in rows}
    versions = {
        "": [(row["gold"], row["output"] or "") for row in rows],
        "as_it_came/": [(row["gold"], row["text"]) for row in rows],
        "lines_of_20_words/": [(row["gold"], long[row["id"]]) for row in rows],
    }
    return {f"{name}{key}": value for name, pages in versions.items() for key, value in article_figures(pages).items()}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, generate, print and write the figures."""
    config = parse(CleaningConfig, __doc__, argv, plan=lambda config: {"reads": config.rows, "writes": config.out})
    with usage_errors():
        rows = recycled_pages(config) if config.recycled else clean_pages(config)
    figures = marked_articles(rows) if all("gold" in row for row in rows) else cleaning_figures(rows)
    width = 2 + max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}} {value:.4f}" if isinstance(value, float) else f"{name:{width}} {value}")  # noqa: T201
    if config.out:
        write_json(config.out, figures)
        write_documents(str(Path(config.out).with_suffix(".jsonl")), rows)


if __name__ == "__main__":
    main()
