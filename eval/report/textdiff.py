"""Two texts side by side with their differences marked, as escaped HTML."""

import difflib
import html
import re

WORD = re.compile(r"\s+|\w+|[^\w\s]")
LONGEST_WORDS = 4000
"""Longer texts are shown unmarked: comparing costs the product of their lengths."""


def marked_pair(organic: str, recycled: str) -> tuple[str, str]:
    """HTML of both texts: words only the organic one has in `<del>`, words only the recycled one has in `<ins>`.

    Every character of both texts is kept and escaped; page text can hold anything, scripts included.
    """
    left, right = WORD.findall(organic), WORD.findall(recycled)
    if len(left) > LONGEST_WORDS or len(right) > LONGEST_WORDS:
        return html.escape(organic), html.escape(recycled)
    old: list[str] = []
    new: list[str] = []
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        before, after = html.escape("".join(left[i1:i2])), html.escape("".join(right[j1:j2]))
        if kind == "equal":
            old.append(before)
            new.append(after)
            continue
        if before:
            old.append(f"<del>{before}</del>")
        if after:
            new.append(f"<ins>{after}</ins>")
    return "".join(old), "".join(new)
