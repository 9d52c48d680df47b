"""Two texts side by side with their differences marked, as escaped HTML."""

import html

from eval.faithfulness.words import word_changes


def marked_pair(organic: str, recycled: str) -> tuple[str, str]:
    """HTML of both texts: words only the organic one has in `<del>`, words only the recycled one has in `<ins>`.

    Every character of both texts is kept and escaped; page text can hold anything, scripts included. Texts that are too
    long to be compared are shown unmarked.
    """
    old: list[str] = []
    new: list[str] = []
    for same, before, after in word_changes(organic, recycled):
        old.append(_within("del" if same is False else "", before))
        new.append(_within("ins" if same is False else "", after))
    return "".join(old), "".join(new)


def _within(tag: str, text: str) -> str:
    escaped = html.escape(text)
    return f"<{tag}>{escaped}</{tag}>" if tag and text else escaped
