"""Content kept and noise removed where the clean text is known."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from eval.faithfulness.words import content_words

_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]+")


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
