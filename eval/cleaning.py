"""How well a rephraser cleans pages whose boilerplate is known: content kept, noise removed, answers in form.

Usage:
    python -m eval.cleaning model=rephrase/tiny rows=runs/tiny/data/held_out.jsonl out=figures.json

Rows (`python -m rl.data.rephrase`) carry `messages` (request and answer), `text`, `clean_text` and `noise`. Decoding is
greedy. An answer that does not open as the row's own answer does, says that opening twice, or does not end counts as
out of form; the other two figures are of the answers in form.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, RunConfig, parse, usage_errors
from common.documents import read_documents, write_documents
from common.engine import EngineConfig, Request, TransformersEngineConfig, open_engine
from common.run import write_json
from eval.faithfulness import STOP_WORDS

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]+")


class CleaningConfig(RunConfig):
    """Which model cleans which pages."""

    model: str = "rephrase/tiny"
    """Hugging Face folder or name."""

    rows: str = "runs/tiny/data/held_out.jsonl"
    """File of pages with their clean texts."""

    engine: EngineConfig = TransformersEngineConfig()
    """Back-end that generates."""

    max_new_tokens: int = Field(256, gt=0)
    """Longest answer."""

    max_rows: int = Field(100_000, gt=0)
    """At most so many pages, from the first."""

    out: Annotated[str | None, HOW] = None
    """Where the figures go as JSON; the answers go beside them, as `.jsonl`."""


def content_words(text: str) -> Counter[str]:
    """Multiset of lower-case words without the stop words.

    >>> sorted(content_words("The cat's on the mat, the mat.").elements())
    ["cat's", 'mat', 'mat']
    """
    return Counter(word for word in _WORD.findall(text.lower()) if word not in STOP_WORDS)


def content_kept(clean: str, output: str) -> float | None:
    """Share of the clean text's content words that the output still has, as multisets; None if it has none.

    >>> content_kept("red green green blue", "green red")
    0.5
    """
    wanted = content_words(clean)
    return (wanted & content_words(output)).total() / wanted.total() if wanted else None


def noise_removed(noisy: str, clean: str, output: str) -> float | None:
    """Share of the inserted words and runs of symbols that are gone from the output; None if none were inserted.

    What the output says beyond the clean text counts as noise left over where the noise says it too.

    >>> noise_removed("Home | Shop\\nCats purr.", "Cats purr.", "Shop Cats purr.")  # of Home, |, Shop two are gone
    0.6666666666666666
    """
    noisy_tokens, clean_tokens, output_tokens = (
        Counter(_TOKEN.findall(text.lower())) for text in (noisy, clean, output)
    )
    inserted = noisy_tokens - clean_tokens
    left = inserted & (output_tokens - clean_tokens)
    return (inserted.total() - left.total()) / inserted.total() if inserted else None


def cleaning_figures(pages: Iterable[Mapping[str, Any]]) -> dict[str, float | int | None]:
    """Means over pages with `text` (noisy), `clean_text` and `output` (None where the answer was out of form)."""
    kept: list[float] = []
    removed: list[float] = []
    exact = read = total = 0
    for page in pages:
        total += 1
        output = page["output"]
        if output is None:
            continue
        read += 1
        exact += output.split() == page["clean_text"].split()
        for values, value in (
            (kept, content_kept(page["clean_text"], output)),
            (removed, noise_removed(page["text"], page["clean_text"], output)),
        ):
            if value is not None:
                values.append(value)
    return {
        "pages": total,
        "form_right_frac": read / total if total else None,
        "content_kept_frac": sum(kept) / len(kept) if kept else None,
        "noise_removed_frac": sum(removed) / len(removed) if removed else None,
        "exact_frac": exact / read if read else None,
    }


def read_answer(opening: str, completion: str, finish_reason: str) -> str | None:
    """What follows the opening of an answer in form, else None.

    >>> read_answer("Here:", "Here:\\n\\nCats purr.", "stop"), read_answer("Here:", "Cats purr.", "stop")
    ('Cats purr.', None)
    """
    completion = completion.strip()
    if finish_reason != "stop" or not completion.startswith(opening) or completion.count(opening) != 1:
        return None
    return completion[len(opening) :].strip()


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
    for row in rows:
        completion = completions[row["id"]]
        opening = row["messages"][-1]["content"].removesuffix(row["clean_text"]).strip()
        row["completion"] = completion.text
        row["output"] = read_answer(opening, completion.text, completion.finish_reason)
    return rows


def main(argv: list[str] | None = None) -> None:
    """Read the command line, generate, print and write the figures."""
    config = parse(CleaningConfig, __doc__, argv, plan=lambda config: {"reads": config.rows, "writes": config.out})
    with usage_errors():
        rows = clean_pages(config)
    figures = cleaning_figures(rows)
    for name, value in figures.items():
        print(f"{name:20} {value:.4f}" if isinstance(value, float) else f"{name:20} {value}")  # noqa: T201
    if config.out:
        write_json(config.out, figures)
        write_documents(str(Path(config.out).with_suffix(".jsonl")), rows)


if __name__ == "__main__":
    main()
